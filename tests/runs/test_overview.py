"""Runs at a glance: what a folder of them shows, whatever lies in it, and how candidates stand."""

import json
import os

import pytest

from kerasnas import cli
from kerasnas.files.stages import Stages
from kerasnas.methods import RaceConfig
from kerasnas.racing.entrants.contestants import Contestants
from kerasnas.racing.portfolio import Candidate
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.overview import leaderboard, list_runs
from kerasnas.runs.record import make_record
from kerasnas.spaces import MacroSpace
from kerasnas.tasks.regression import Regression

SPACE = MacroSpace(filters=4, widths=(1.0,), stages=(2,), depths=(1,), primitives=("conv_3x3",))
NETWORK = SPACE.network("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1))


def contestant(outcome, parameters, *accuracies, **more):
    rungs = [{"accuracy": one, "steps": 10, "seconds": 1.0} for one in accuracies]
    return {"kind": "reference", "outcome": outcome, "parameters": parameters, "rungs": rungs, **more}


RACE = {
    "winner": "best",
    "contestants": {
        "slow": contestant("not started: too slow for this budget", 900),
        "second": contestant("out after rung 2", 80, 0.7, 0.75, step_seconds=0.012),
        "heat": contestant("out after its heat", 60, heat={"accuracy": 0.8}),
        "best": contestant("winner", 1234, 0.7, 0.8, step_seconds=0.03),
    },
}


def finish(folder, name, **entries):
    """Write what a finished race leaves, as far as it counts here."""
    stages = RunFolder.create(folder / name, RaceConfig(dataset="data.npz")).stages
    searched = {"genotype": json.loads(NETWORK.to_json()), "parameters": 1234, **entries.pop("searched")}
    record = make_record(stages, searched, None, (), {"name": "pets", **entries.pop("dataset", {})}, {})
    (folder / name / "result.json").write_text(json.dumps({**record, **entries}))


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    finish(folder, "first", searched={"test_accuracy": 0.9}, race=RACE)
    angles = {"name": "angles", **Regression().entry()}
    finish(folder, "numbers", searched={"test_r2": 0.25}, dataset=angles)
    for name in ("killed", "racing"):
        RunFolder.create(folder / name, RaceConfig(dataset="data.npz"))
    racing = Contestants(Stages(folder / "racing"), None, print, task=Regression(scale=(2.0,)))
    for name, score in (("worse", 0.2), ("better", 0.7), ("next", None)):
        racing.enter(Candidate(name, NETWORK, "random"))
        if score is not None:
            racing.entries[name]["rungs"].append({"accuracy": score, "hits": [1, 2]})
    racing.write(1.0)
    for name, files in {
        "typo": {"failed.json": '{"reason": "no such\\ndata", "settled": true}'},
        "mine": {"thesis.txt": "mine"},
        "cut": {"config.json": '{"format": "kerasnas.run"'},
        "other": {"config.json": "{}", "result.json": "[1]"},
        "hostile": {
            "config.json": json.dumps({"settings": {"dataset": "\x1b[31mred", "imports": [str(tmp_path / "evil.py")]}}),
            "result.json": json.dumps(
                {"genotype": {}, "searched": {"test_accuracy": "x"}, "dataset": {"name": 3}, "settings": {}}
            ),
        },
        "no_data": {"config.json": json.dumps({"settings": {"dataset": "\x1b[31mred"}})},
    }.items():
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')")
    for age, name in enumerate(sorted(os.listdir(folder), reverse=True)):
        for file in folder.glob(f"{name}/*"):
            os.utime(file, (1e9 + 60 * age, 1e9 + 60 * age))
        os.utime(folder / name, (1e9 + 60 * age, 1e9 + 60 * age))
    return folder


def all_files(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_folder_of_runs_is_listed_newest_first_and_nothing_is_written(runs, tmp_path):
    before = all_files(tmp_path)
    with RunFolder.open(runs / "killed").held():
        header, *rows = list_runs(runs).splitlines()
    assert header.split("  ")[0] == "run" and header.endswith("state")
    assert [row.split()[0] for row in rows] == [str(runs / name) for name in sorted(os.listdir(runs))]
    of = {row.split()[0].rpartition("/")[2]: row for row in rows}
    for name, words in {
        "first": ("pets", "90.00 % accuracy", "1,234", "finished"),
        "numbers": ("angles", "0.250 R2", "1,234", "finished"),
        "killed": ("data.npz", "running"),
        "racing": ("data.npz", "interrupted"),
        "typo": ("failed: no such data",),
        "mine": ("no run: there is no config.json in it",),
        "cut": ("damaged: ", "It is no JSON"),
        "other": ("damaged: ",),
        "hostile": ("damaged: ",),
        "no_data": (r"\x1b[31mred", "interrupted"),
    }.items():
        assert all(one in of[name] for one in words), of[name]
    assert "interrupted" in next(row for row in list_runs(runs).splitlines() if "killed" in row)
    assert list_runs(runs / "first").count("\n") == 1
    assert all_files(tmp_path) == before and not (tmp_path / "was_run").exists()


def test_candidates_are_shown_best_first(runs):
    table = leaderboard([runs / "first"]).split("\n\n")[1].splitlines()
    assert table[0] == str(runs / "first") and "held-out accuracy" in table[1]
    cells = [[cell for cell in line.split("  ") if cell] for line in table[2:]]
    assert [row[0] for row in cells] == ["best", "second", "heat", "slow"]
    assert [cell.strip() for cell in cells[0]] == ["best", "80.0 %", "1,234", "30 ms", "winner"]
    assert [cell.strip() for cell in cells[3]] == ["slow", "-", "900", "-", "not started: too slow for this budget"]


def test_a_race_is_shown_while_it_runs_and_runs_are_compared(runs, capsys):
    assert cli.main(["leaderboard", str(runs / "racing"), str(runs / "numbers"), str(runs / "cut")]) == 0
    out = capsys.readouterr().out
    summary, race, other = out.split("\n\n")
    assert len(summary.splitlines()) == 4 and "damaged" in summary
    assert [line.split()[0] for line in race.splitlines()[2:]] == ["better", "worse", "next"]
    assert race.count("in the race") == 3 and "%" not in race  # it is a regression
    assert "0.250" in other and "Traceback" not in out


def test_where_nothing_can_be_shown_one_line_says_so(runs, tmp_path, capsys):
    for arguments, words in {
        ("list", str(tmp_path / "nowhere")): "is no folder",
        ("list", str(runs / "mine")): "There are no runs in",
        ("leaderboard",): "Received: none",
        ("leaderboard", str(runs / "mine"), "nowhere"): "no run: there is no config.json in it; nowhere: no run",
        ("leaderboard", str(runs / "hostile")): "damaged: ",
    }.items():
        assert cli.main(arguments) == 2
        message = capsys.readouterr().err
        assert words in message and message.count("\n") == 1


def test_numbers_of_other_kinds_are_a_damaged_record(runs):
    broken = {**RACE, "contestants": {"a": contestant("winner", 3, "x"), "b": contestant("", None, float("nan"))}}
    finish(runs, "mad", searched={"test_accuracy": 0.5}, race=broken)
    assert "damaged: " in next(line for line in list_runs(runs).splitlines() if "mad" in line)
