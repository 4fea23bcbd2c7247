"""Tracked results: the files are valid, their commands exist, and the pages are made of them."""

import argparse
import ast
import contextlib
import doctest
import importlib
import io
import json
import math
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
FILES = sorted((BENCHMARKS / "results").glob("*.json"))
SCRIPTS = sorted(path.name for path in BENCHMARKS.glob("*.py"))
HELPERS = {"initialization_data.py", "value_contenders.py", "value_autokeras.py"}
HELPERS |= {"skeleton.py", "tracked.py", "tracked_cells.py"}
NO_TABLE = HELPERS | {"tables.py", "stale.py", "free_images.py", "pretrain_folds.py", "spoken_words.py"}
NO_TABLE |= {name for name in SCRIPTS if name.startswith("convert_")}
MODULES = ("tracked", "tracked_cells", "skeleton", "tables", "stale")
TIMINGS = {
    "search_step",
    "roofline",
    "executors_overhead",
    "executors_throughput",
    "executors_kill",
}  # a row is a measurement
KEYS = {"question", "command", "commit", "dirty", "date", "versions", "machine", "seeds", "settings", "code"}
KEYS |= {"intervals", "columns", "rows", "note", "runs"}


@pytest.fixture(scope="module")
def modules(benchmark_script):
    """`tracked`, `tables` and `stale`, among others."""
    return {name: benchmark_script(name) for name in MODULES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_result_is_valid(file, modules):
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result.keys() == KEYS
    assert re.fullmatch(r"[0-9a-f]{40}", result["commit"]), "a result has the commit it was measured at"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
    assert result["question"].endswith("?")
    assert result["machine"].keys() >= {"cpu", "cores"}
    assert all(isinstance(seed, int) for seed in result["seeds"])
    assert result["code"] and not [path for path in result["code"] if not (ROOT / path).exists()]
    assert result["rows"] and (result["runs"] or file.stem in TIMINGS), "a result keeps its single measurements"
    titles = [column["title"] for column in result["columns"]]
    assert len(set(titles)) == len(titles)
    for row in result["rows"]:
        assert row.keys() <= set(titles)
        for value in row.values():
            numbers = value.values() if isinstance(value, dict) else [value]
            assert all(math.isfinite(one) for one in numbers if isinstance(one, int | float))
            if isinstance(value, dict):
                assert "mean" in value and value.keys() <= {"mean", "reach", "low", "high", "runs", "z"}
                assert value.get("low", value["mean"]) <= value["mean"] <= value.get("high", value["mean"])
    assert "/work" not in file.read_text() and "/home/" not in file.read_text(), "paths of a machine are named, as DATA"


def test_every_result_is_on_one_page(modules):
    listed = [name for page in modules["tables"].PAGES.values() for name in page.results]
    assert sorted(set(listed)) == sorted(listed)
    assert {file.stem for file in FILES} <= set(listed)


def test_pages_are_what_the_results_say(modules):
    made = modules["tables"].pages()
    there = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "results").glob("*.md")}
    assert there == made, "run python benchmarks/tables.py"


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_script_takes_from_the_package_is_there(script):
    for node in ast.walk(ast.parse((BENCHMARKS / script).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in ("kerasnas", "tuners"):
            room = importlib.import_module(node.module)
            for name in (one.name for one in node.names if not hasattr(room, one.name)):
                importlib.import_module(f"{node.module}.{name}")


COMMANDS = sorted({line for file in FILES for line in json.loads(file.read_text())["command"].splitlines()})


class Parsed(Exception):
    """What a parser read, in place of what the script does then."""


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_exists_and_takes_its_flags(line, modules, monkeypatch):
    python, script, *arguments = [word for word in shlex.split(line) if not re.fullmatch(r"[A-Z_]+=\S+", word)]
    assert python == "python" and script in {f"benchmarks/{name}" for name in SCRIPTS}
    _parses(Path(script).stem, arguments, monkeypatch)


def _parses(name, arguments, monkeypatch):
    """The script's own parser takes the arguments; nothing is run."""
    _set_threads(monkeypatch)
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / f"{name}.py"), *arguments])

    def parsed(self, *given):
        found, rest = parse(self, *given)
        assert not rest, f"benchmarks/{name}.py knows no {rest}"
        raise Parsed(found)

    parse = argparse.ArgumentParser.parse_known_args  # which `parse_args` calls
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parsed)
    monkeypatch.setattr(subprocess, "run", None)  # nothing can be started
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
        except Parsed as found:
            assert hasattr(found.args[0], "results") or f"{name}.py" in NO_TABLE, "every script takes --results"
        except SystemExit:
            pytest.fail(f"benchmarks/{name}.py refuses {arguments}: {errors.getvalue()}")
        else:
            pytest.fail(f"benchmarks/{name}.py read no arguments")


def _set_threads(monkeypatch):
    """Variables that some scripts set when they are imported; the test's end sets them back."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in NO_TABLE])
def test_every_script_with_a_table_records_it(name):
    source = (BENCHMARKS / name).read_text(encoding="utf-8")
    recorded = "tracked.record(" in source or "text.main(" in source  # which records
    assert recorded, f"benchmarks/{name} does not write its table through `tracked.record`"


def test_every_script_answers_a_question(modules):
    written = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert [name for name in SCRIPTS if name not in HELPERS and f"benchmarks/{name}" not in written] == []


def test_record_writes_all_that_is_needed_to_measure_again(tmp_path, modules, monkeypatch, capsys):
    tracked = modules["tracked"]
    words = ["benchmarks/pareto.py", f"--data={tmp_path}", "--seeds=2", f"--results={tmp_path}"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.chdir(ROOT)
    arguments = modules["skeleton"].arguments(None, data=Path, seeds=int)
    table = tracked.Table(["strategy", "hypervolume"])
    table.add(["random", "98.06 ± 0.18"])
    table.add(["none", float("nan")])
    file = tracked.record(arguments, table.rows, code=["kerasnas/pareto.py"], part="half", intervals="± 95 %")
    assert file == tmp_path / "pareto_half.json"
    result = tracked.load(file)
    assert result.keys() == KEYS
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert result["commit"] == (head or None)
    assert result["versions"]["keras"] == keras.__version__ and result["machine"]["cores"] == os.cpu_count()
    assert result["command"] == "python benchmarks/pareto.py --data=DATA --seeds=2"
    assert result["seeds"] == [0, 1] and result["settings"] == {"data": "DATA", "seeds": 2}
    random = {"strategy": "random", "hypervolume": {"mean": 98.06, "reach": 0.18}}
    assert result["rows"] == [random, {"strategy": "none", "hypervolume": None}]
    assert result["code"] == ["benchmarks/pareto.py", "kerasnas/pareto.py"]
    assert result["question"] == "Does a search with two objectives find more of the front?"
    assert capsys.readouterr().out.splitlines()[-2] == "| random | 98.06 ± 0.18 |"
    with pytest.raises(ValueError, match="no_such_file"):
        tracked.record(arguments, table.rows, code=["kerasnas/no_such_file.py"])
    with pytest.raises(ValueError, match="at least one row"):
        tracked.record(arguments, [])
    monkeypatch.setattr(arguments, "results", None)
    assert tracked.record(arguments, table.rows) is None


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("planning", "planning"),
        ("graphs", "graphs_cora"),
        ("graphs", "graphs_citeseer"),
        ("value", "value_free"),
        ("drift", "drift"),
    ],
)
def test_rows_are_made_of_the_runs(script, name, tmp_path, modules, monkeypatch):
    """A row that was typed would differ from what the script makes of the single measurements."""
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / f"{script}.py")])
    _set_threads(monkeypatch)
    tracked, result = modules["tracked"], json.loads((BENCHMARKS / "results" / f"{name}.json").read_text())
    folder = tmp_path if script != "value" else tmp_path / f"{name}.json"
    own = {**result["settings"], "results": tracked.Target(str(folder)), "output": tmp_path / "raw.jsonl"}
    report = "summarize" if script in ("planning", "graphs") else "report"
    getattr(importlib.import_module(script), report)(argparse.Namespace(**own), result["runs"])
    assert tracked.load(tmp_path / f"{name}.json")["rows"] == result["rows"]


def test_mean_has_students_interval(modules):
    assert modules["tracked"].mean([0.8, 0.9], 100) == {"mean": 85.0, "runs": 2, "reach": 63.53}
    assert modules["tracked"].mean([0.8], 100) == {"mean": 80.0, "runs": 1}
    assert modules["tracked"].mean([]) is None


@pytest.mark.parametrize("name", ["tracked_cells", "skeleton", "tables"])
def test_examples_of_docstrings_hold(name, modules):
    failed, tried = doctest.testmod(modules[name])
    assert tried and not failed


def test_stale_names_what_has_changed(tmp_path, modules, monkeypatch):
    stale, tracked = modules["stale"].stale, modules["tracked"]
    monkeypatch.setattr(tracked, "ROOT", tmp_path)

    def git(*words):
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *own, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "other.py").write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert stale({"commit": commit, "code": ["one.py"]}) == ""
    (tmp_path / "one.py").write_text("2")
    assert "uncommitted changes: one.py" in stale({"commit": commit, "code": ["one.py"]})
    git("commit", "-qam", "second")
    assert "1 commits: one.py" in stale({"commit": commit, "code": ["one.py"]})
    assert stale({"commit": commit, "code": ["other.py"]}) == ""
    assert "not in this clone" in stale({"commit": "0" * 40, "code": ["one.py"]})
