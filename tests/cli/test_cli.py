"""The command line, in process: a whole tiny run, its folder, and every way to go wrong."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile

import keras
import numpy as np
import pytest

from kerasnas import cli
from kerasnas.cli.command import DESCRIBED
from kerasnas.cli.commands import descriptions
from kerasnas.cli.flags import settings
from kerasnas.datasets import stochastic_blocks
from kerasnas.datasets.graph_files import graph_arrays
from kerasnas.files import storage
from kerasnas.genotypes import Genotype
from kerasnas.methods import RaceConfig, SearchConfig
from tests.kit import save_noise, untraced

pytestmark = pytest.mark.usefixtures("eagerly")  # tracing takes longer than the few steps of its runs
COMMANDS = (
    *("search", "retrain", "pretrain", "resume", "predict", "evaluate", "leaderboard", "compare", "list", "serve"),
    *("export", "push", "monitor", "report", "plot", "benchmark", "time", "experience", "doctor", "completion"),
)
EPOCHS, RETRAIN_EPOCHS = 2, 2
RETRAIN = [
    *("--stem_strides=1", "--num_nodes=1", "--primitives=none,skip_connect,avg_pool_3x3"),
    *("--retrain_filters=2", "--retrain_cells=1", "--retrain_batch_size=48", f"--retrain_epochs={RETRAIN_EPOCHS}"),
]
SEARCH = [
    *(*RETRAIN, "--filters=2", "--num_cells=1", "--batch_size=24", f"--epochs={EPOCHS}"),
    *("--space=darts", "--architecture_learning_rate=0.05", "--random_genotypes=1", "--drop_path=0.2", "--shortlist=0"),
]
FILES = {
    *("genotype.json", "model.keras", "model.json", "history.csv", "report.html", "card.md", "config.json"),
    *("result.json", "cell_reduce.png", "alphas.png", "predictions.csv"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return save_noise(tmp_path_factory.mktemp("data") / "tiny.npz", 48, 32)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    with untraced():
        assert cli.main(["search", f"--dataset={dataset}", *SEARCH, f"--output_dir={folder}"]) == 0
    return folder


@pytest.fixture
def fails(capsys):
    """Run a command that must fail with status 2 and one line; return the line."""

    def run(*arguments):
        capsys.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("kerasnas: ")
        assert "Traceback" not in out + err
        return err

    return run


def read(path):
    return json.loads(path.read_text())


def without_seconds(record):
    return {name: value for name, value in record.items() if name not in ("seconds", "latency_ms", "bytes")}


# A whole run -------------------------------------------------------------------------------------------
def test_folder_holds_everything(finished):
    present = {path.name for path in finished.iterdir()}
    assert present - {"stages", "checkpoints"} == FILES
    assert not list(finished.rglob(".*"))  # no temporary file is left
    for name in FILES:
        assert (finished / name).stat().st_size > 0
    for plot in finished.glob("*.png"):
        assert plot.read_bytes().startswith(b"\x89PNG")


def test_records_agree(finished):
    genotype = Genotype.load(finished / "genotype.json")
    result, search = read(finished / "result.json"), read(finished / "stages" / "search.json")
    assert Genotype.from_json(json.dumps(result["genotype"])) == genotype
    assert SearchConfig.from_dict(read(finished / "config.json")["settings"]).to_dict() == result["settings"]
    assert np.shape(search["mixing_weights"]["reduce"]) == (1 + EPOCHS, 2, 3)
    rows = list(csv.DictReader((finished / "history.csv").open()))
    assert [(row["phase"], row["epoch"]) for row in rows] == [
        *(("search", str(epoch + 1)) for epoch in range(EPOCHS)),
        *(("training", str(epoch + 1)) for epoch in range(RETRAIN_EPOCHS)),
    ]
    assert [float(row["val_accuracy"]) for row in rows[:EPOCHS]] == search["history"]["val_accuracy"]
    assert all(float(row["loss"]) > 0 for row in rows)
    (random,) = result["random"]
    assert random["genotype"] != result["genotype"]
    assert random["test_accuracy"] == read(finished / "stages" / "random-1.json")["test_accuracy"]


def test_model_is_plain_keras_and_reproduces_its_accuracy(finished, dataset):
    with zipfile.ZipFile(finished / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert "kerasnas" not in config
    model = keras.models.load_model(finished / "model.keras")
    arrays = np.load(dataset)
    loss, accuracy = model.evaluate(arrays["x_test"], arrays["y_test"], batch_size=250, verbose=0)
    searched = read(finished / "result.json")["searched"]
    assert accuracy == searched["test_accuracy"]
    assert loss == pytest.approx(searched["test_loss"], rel=1e-6)


def test_command_of_the_record_can_be_typed_again(finished):
    command, name, *flags = read(finished / "result.json")["command"].split()
    assert (command, name) == ("kerasnas", "search")
    values = cli.COMMANDS["search"].flags()
    assert values(["kerasnas search", *flags])[1:] == []
    assert settings(SearchConfig, values).to_dict() == read(finished / "config.json")["settings"]


def test_resume_of_a_finished_run_reports_again(finished, capsys):
    kept = {name: (finished / name).read_bytes() for name in ("history.csv", "genotype.json", "model.keras")}
    stages = {path: path.read_bytes() for path in (finished / "stages").iterdir()}
    assert cli.main(["resume", f"--output_dir={finished}"]) == 0
    assert "report.html" in capsys.readouterr().out
    assert all((finished / name).read_bytes() == content for name, content in kept.items())
    assert all(path.read_bytes() == content for path, content in stages.items())


def test_report_shows_the_data_and_the_mistakes(finished, dataset):
    samples, searched = (read(finished / name) for name in ("stages/samples.json", "result.json"))
    searched = searched["searched"]
    arrays = np.load(dataset)
    assert [one["train"] for one in samples["classes"]] == np.bincount(arrays["y_train"]).tolist()
    wrong = sum(map(sum, searched["confusion"])) - sum(row[i] for i, row in enumerate(searched["confusion"]))
    assert wrong == round(32 * (1 - searched["test_accuracy"])) and len(samples["mistakes"]) == min(12, wrong)
    assert searched["macs"] > 0 and searched["latency_ms"] > 0
    assert searched["bytes"] == (finished / "model.keras").stat().st_size
    text = (finished / "report.html").read_text()
    for title in ("Worst mistakes", "Classes", "Time by phase", "Samples of the data"):
        assert f"<h2>{title}</h2>" in text
    assert all(one["image"] in text for one in samples["mistakes"])


def test_what_is_told_at_the_end(finished, capsys):
    assert cli.main(["resume", str(finished), "--progress=none"]) == 0
    out = capsys.readouterr().out
    assert "random networks" in out and "\nreport      " in out
    assert f"next        kerasnas predict {finished} image.png\n            kerasnas export {finished}\n" in out
    rows = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    searched = read(finished / "result.json")["searched"]
    assert rows["accuracy"].startswith(f"{100 * searched['test_accuracy']:.2f} % of 32 test samples")
    assert rows["parameters"] == f"{searched['parameters']:,}" and "training of random networks" in rows["time"]
    assert cli.main(["resume", str(finished), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_a_report_is_written_again(finished):
    removed = [finished / "report.html", finished / "card.md", *finished.glob("*.png")]
    before = {path.name: path.read_bytes() for path in removed}
    for path in removed:
        path.unlink()
    assert cli.main(["report", f"--output_dir={finished}"]) == 0
    assert {path.name for path in removed if path.exists()} == before.keys()
    assert (finished / "card.md").read_bytes() == before["card.md"]


def test_plot_of_a_published_genotype(tmp_path, capsys):
    folder = tmp_path / "new" / "plots"
    assert cli.main(["plot", "--genotype=DARTS_V2", f"--output_dir={folder}"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["cell_normal.png", "cell_reduce.png"]
    assert capsys.readouterr().out.split() == [str(folder / f"cell_{kind}.png") for kind in ("normal", "reduce")]


def test_retrain_of_a_genotype_file(fails, finished, dataset, tmp_path):
    folder = tmp_path / "again"
    arguments = [*RETRAIN, f"--genotype={finished / 'genotype.json'}", "--drop_path=0.2", f"--output_dir={folder}"]
    assert "absent.npz" in fails("retrain", f"--dataset={tmp_path / 'absent.npz'}", *arguments)
    # The corrected command takes the same folder.
    assert cli.main(["retrain", f"--dataset={dataset}", *arguments]) == 0
    result = read(folder / "result.json")
    assert result["random"] == [] and "search" not in result
    # The same network from the same seed: the same training as after the search.
    expected = read(finished / "result.json")["searched"]
    assert without_seconds(result["searched"]) == without_seconds(expected)
    assert {path.name for path in folder.glob("*.png")} == {"cell_reduce.png"}
    assert cli.main(["resume", f"--output_dir={folder}"]) == 0


@pytest.mark.slow
def test_time_prints_every_result_and_leaves_nothing(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--filters=2", "--num_cells=1", "--num_nodes=1", "--batch_size=8", "--steps=2", "--epochs=4"]
    assert cli.main(["time", f"--dataset={dataset}", "--stem_strides=1", *flags]) == 0
    first, *table, last = capsys.readouterr().out.splitlines()
    for words in ("2 filters, 1 cells, 1 nodes", "first_order", "8x8x1 images of tiny", "2 x 8"):
        assert words in first
    results = {line[:28].strip(): line[28:].strip() for line in table}
    assert list(results) == [
        *("time of a step", "CPU time of a step", "step with frozen alphas", "images per second"),
        *("work of a step", "share of the matmul peak", "build, then the first step", "peak memory of the process"),
    ]
    assert all(any(character.isdigit() for character in value) for value in results.values()), results
    assert "median of 2" in results["time of a step"]
    assert "4 epochs of 3 steps" in last and "is not in it" in last
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_roofline_of_one_core(dataset):
    """In a process of its own, whose threads it sets: the operations take no more than the step, and most of it."""
    flags = ["--filters=32", "--num_cells=1", "--num_nodes=2", "--batch_size=8", "--steps=3", "--stem_strides=1"]
    environment = {name: value for name, value in os.environ.items() if "NUM_" not in name}
    command = [sys.executable, "-m", "kerasnas", "time", "--roofline", f"--dataset={dataset}", *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    tables = done.stdout.split("\n\n")[1:3]
    assert [words.split(" step")[0] for words in tables] == ["Search", "Training"]
    for title, header, *lines in map(str.splitlines, tables):
        found = {line.split("  ")[0]: line for line in lines}
        lost = float(found["no operation"].split()[-1])
        times = [float(line.split()[header.split().index("ms")]) for name, line in found.items() if " " not in name]
        whole = float(found["whole step"].split()[3])
        assert 0 < lost < 50 and 0.5 * whole < sum(times) < whole, title


# Help ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_at_most_15_flags_and_all_of_them_when_asked(command, capsys):
    texts = {}
    for flag in ("--help", "-h", "--help=all"):
        assert cli.main([command, flag]) == 0
        texts[flag] = capsys.readouterr().out
    listed = {
        flag: [line.strip()[2:] for line in text.splitlines() if line.startswith("  --")]
        for flag, text in texts.items()
    }
    every = list(cli.COMMANDS[command].flags())
    assert sorted(listed["--help=all"]) == sorted(every)
    assert texts["-h"] == texts["--help"] and len(set(listed["-h"])) == len(listed["-h"]) <= 15
    assert ("--help=all" in texts["-h"]) == (len(every) > 15)
    assert f"    kerasnas {command} " in texts["-h"]  # an example to copy


def test_the_description_of_the_flags_is_that_of_the_settings():
    """Where they differ, tests of this process may have registered names: another one decides."""
    written = json.loads(DESCRIBED.read_text(encoding="utf-8"))
    if json.loads(json.dumps(descriptions())) == written:
        return
    code = "import json; from kerasnas.cli.commands import descriptions; print(json.dumps(descriptions()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert written == json.loads(done.stdout), "Write it again: python -m kerasnas.cli.commands"


def test_help_of_search_tells_the_flags_of_its_methods_apart(capsys):
    assert cli.main(["search", "--help=all"]) == 0
    both, race, gradient, front, graph = capsys.readouterr().out.split("\nFlags")[1:]
    assert (
        "--output_dir" in both
        and "--method" in both
        and "--dataset" in both
        and both.count("In a gradient search:") > 2
    )
    assert race.startswith(" of a race:") and "--minutes" in race and "--epochs" not in race
    assert gradient.startswith(" of a gradient search:") and "--epochs" in gradient and "--minutes" not in gradient
    assert front.startswith(" of a front:") and "--networks" in front and "--minutes" not in front
    assert graph.startswith(" of a search on a graph:") and "--evaluations" in graph and "--minutes" not in graph


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs=3"], "--epochs is a flag of a gradient search, and this is a search on a graph. Leave it out."),
        (["--ensemble=2"], "--ensemble is a flag of a race, and this is a search on a graph. Leave it out."),
        (["--method=gradient"], "A search on a graph has no --method=gradient. Leave out --method."),
        (["--space=darts"], "graph.npz is a graph, and space 'darts' takes images. Leave out --space, or say --space="),
        (["--dataset=fashion_mnist_mini", "--space=graphs"], "--space=graphs takes the .npz file of a graph"),
        (["--dataset=fashion_mnist_mini", "--members=2"], "--members is a flag of a search on a graph, and this is a"),
    ],
)
def test_a_graph_is_known_by_its_arrays_and_has_flags_of_its_own(tmp_path, capsys, flags, message):
    np.savez(tmp_path / "graph.npz", **graph_arrays(stochastic_blocks(nodes=60)))
    flags = [f"--dataset={tmp_path / 'graph.npz'}", *flags, f"--output_dir={tmp_path / 'run'}"]
    assert cli.main(["search", *flags]) != 0
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_usage_lists_every_command(arguments, capsys):
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in COMMANDS)
    assert tuple(cli.COMMANDS) == COMMANDS


def test_version(capsys):
    import kerasnas

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == kerasnas.__version__


# What is refused ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["search", "--method=gradient", "--distribution=gpus", "--output_dir=x"],
            ["flag --distribution. Expected", "Did you mean 'gpu'"],
        ),
        (["serch"], ["Unknown command 'serch'", "Did you mean 'search'", "retrain"]),
        (["search", "--space=darts", "--epoch=3", "--output_dir=x"], ["epoch", "epochs"]),
        (["search", "--space=darts", "--filters=few", "--output_dir=x"], ["--filters. Expected an integer", "'few'"]),
        (["search", "--minutes=soon"], ["flag --minutes. Expected a number. Received: 'soon'"]),
        (["search", "--method=gradint"], ["--method. Expected one of auto, race, gradient", "Did you mean 'gradient'"]),
        (["resume", "--progress=lins", "x"], ["--progress", "lins", "Did you mean 'lines'"]),
        (["completion"], ["Missing flag --shell: the shell: bash, zsh or fish."]),
        (["completion", "basch"], ["--shell", "'basch'", "Did you mean 'bash'"]),
        (["search", "--augment=shift,flop"], ["--augment", "Did you mean 'flip'"]),
        (["search", "--config=x.yaml"], ["--config=x.yaml: there is no such file"]),
        (["search", "data", "3", "--output_dir=x"], ["Unexpected argument '3'", "--name=value"]),
        (["search", "fashion_mnist_min", "--output_dir=x"], ["Did you mean 'fashion_mnist_mini'"]),
        (["retrain", "--output_dir=x"], ["--genotype"]),
        (["resume"], ["--output_dir", "kerasnas resume runs/first"]),
        (["resume", "x", "y"], ["Unexpected argument 'y'"]),
        (["resume", "x", "--output_dir=y"], ["Unexpected argument 'x'", "stands for --output_dir"]),
        (["predict", "x"], ["Expected image files"]),
        (["evaluate", "x"], ["x holds no run"]),
        (["search", "--cpu-minuts=1"], ["Unknown flag --cpu-minuts", "cpu_minutes"]),
        (["plot", "--output_dir=x"], ["--genotype"]),
        (["report"], ["--output_dir"]),
        (["compare", "x"], ["two runs or more", "Received: x"]),
        (["plot", "--genotype=DARTS_V2"], ["--output_dir"]),
        (["plot", "--genotype=DARTS_V3", "--output_dir=x"], ["DARTS_V3", "DARTS_V2"]),
        (
            ["search", "--dataset=fashion_mnist_min", "--output_dir=x"],
            ["for flag --dataset", "Did you mean 'fashion_mnist_mini'"],
        ),
        (["search", "--space=dart", "--output_dir=x"], ["--space=dart: unknown space 'dart'", "'darts'"]),
        (
            ["search", "--space=darts", "--primitives=skip_conect", "--output_dir=x"],
            ["flag --primitives. Expected", "'skip_connect'"],
        ),
        (
            ["search", "--method=gradient", "--hypergradient=frist_order", "--output_dir=x"],
            ["frist_order", "'first_order'"],
        ),
        (["search", "--space=darts", "--epochs=0", "--output_dir=x"], ["flag --epochs. Expected", "at least 1"]),
        (
            ["search", "--space=darts", "--retrain_batch_size=9999", "--output_dir=x"],
            ["flag --retrain_batch_size. Expected", "6000"],
        ),
        (["time", "--output_dir=x"], ["output_dir"]),
        (["time", "--retrain_epochs=1"], ["retrain_epochs"]),
        (["time", "--steps=0"], ["flag --steps. Expected", "at least 1"]),
        (["time", "--batch_size=4000"], ["batch_size", "3000"]),
        (["resume", "--output_dir=x"], ["x holds no run"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0] in (*COMMANDS, "serch") else "",
)
def test_wrong_arguments(fails, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = fails(*arguments)
    assert all(word in message for word in words), message
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"failed.json"}  # with which the corrected command can use the same folder


@pytest.mark.parametrize("where", ["under a file", "/proc"])
def test_output_dir_that_cannot_be_written(fails, dataset, where):
    folder = "/proc/kerasnas/run" if where == "/proc" else dataset / "run"
    if where == "/proc" and not os.path.isdir("/proc"):
        pytest.skip("There is no /proc here.")
    message = fails("search", f"--dataset={dataset}", *SEARCH, f"--output_dir={folder}")
    assert f"Cannot write in {folder}" in message
    assert "Choose another --output_dir" in message


def test_output_dir_is_never_overwritten(fails, finished, dataset, tmp_path):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    message = fails("search", f"--dataset={dataset}", *SEARCH, f"--output_dir={finished}")
    assert "already holds a run" in message
    assert f"kerasnas resume --output_dir={finished}" in message
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before

    (tmp_path / "thesis.txt").write_text("mine")
    assert "not an empty folder" in fails("search", f"--dataset={dataset}", *SEARCH, f"--output_dir={tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert "not an empty folder" in fails("search", *SEARCH, f"--output_dir={tmp_path / 'thesis.txt'}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "config.json is malformed"),
        (lambda text: "", "config.json is malformed"),
        (lambda text: "[1, 2]", 'lacks "format": "kerasnas.run"'),
        (lambda text: text.replace('"version": 2', '"version": 3'), "Upgrade KerasNAS"),
        (lambda text: text.replace('"kind": "search"', '"kind": "dream"'), "Unknown method 'dream'. Did you mean"),
        (lambda text: text.replace('"filters"', '"filtres"'), "Unknown setting 'filtres'. Did you mean 'filters'"),
        (lambda text: text.replace('"filters": 2', '"filters": "two"'), "`filters`. Expected int. Received: 'two'"),
        (lambda text: text.replace('"filters": 2', '"filters": 0'), "`filters`. Expected at least 1"),
        (lambda text: text.replace('"augment": [', '"augment": 3, "x": ['), "config.json"),
        (lambda text: text.replace('"settings": {', '"settings": 3, "x": {'), "config.json"),
    ],
)
@pytest.mark.parametrize("command", ["resume", "report"])
def test_config_that_cannot_be_read(fails, finished, tmp_path, change, words, command):
    text = (finished / "config.json").read_text()
    assert change(text) != text
    (tmp_path / "config.json").write_text(change(text))
    assert words in fails(command, f"--output_dir={tmp_path}")


def test_report_of_an_unfinished_run(fails, finished, tmp_path):
    (tmp_path / "config.json").write_bytes((finished / "config.json").read_bytes())
    assert "is not finished" in fails("report", f"--output_dir={tmp_path}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": "kerasnas.genotype", "version": 1, "space": "other", "cells": {"a": [["x", 0, 2]]}}', "'other'"),
        ('{"format": "kerasnas.genotype", "version": 9}', "Upgrade KerasNAS"),
        ('{"format": "kerasnas.geno', "Malformed or truncated"),
        ("\x00\x01", "genotype.json"),
    ],
)
def test_genotype_that_cannot_be_trained(fails, dataset, tmp_path, content, words):
    path = tmp_path / "genotype.json"
    path.write_text(content)
    message = fails("retrain", f"--genotype={path}", f"--dataset={dataset}", *RETRAIN, f"--output_dir={tmp_path / 'r'}")
    assert words in message
    assert not (tmp_path / "r").exists()


def test_genotype_of_more_nodes(fails, dataset, tmp_path):
    flags = [f"--dataset={dataset}", *RETRAIN, "--retrain_cells=3", f"--output_dir={tmp_path / 'run'}"]
    assert "1 nodes" in fails("retrain", "--genotype=DARTS_V2", *flags)
    assert "neither a file, a folder nor a published genotype" in fails("retrain", "--genotype=DARTS_V9", *flags)


# Interruptions ------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_full_disk_leaves_what_was_finished_and_can_be_resumed(fails, finished, tmp_path, monkeypatch, capsys):
    """The disk fills up in the final training, after its first epoch."""
    folder, fsync = tmp_path / "run", os.fsync
    (folder / "stages").mkdir(parents=True)
    for name in ("config.json", "stages/search.json"):  # as after the search
        shutil.copy(finished / name, folder / name)

    def full(descriptor):
        if len(list((folder / "checkpoints" / "searched").glob("checkpoint-*"))) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        message = fails("resume", f"--output_dir={folder}")
    assert "No space left on device" in message
    assert "all that was finished is safe" in message
    assert f"kerasnas resume --output_dir={folder}" in message
    names = {path.name for path in (folder / "checkpoints" / "searched").iterdir()}
    assert names == {"checkpoint-000000.npz", "checkpoint-000001.npz"}  # and no part of a third
    assert [path.name for path in (folder / "stages").iterdir()] == ["search.json"]
    assert not (folder / "model.keras").exists()

    assert cli.main(["resume", f"--output_dir={folder}"]) == 0
    assert "resuming after epoch 1" in capsys.readouterr().out
    for name in ("history.csv", "genotype.json"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes()
    for stage in ("search", "searched", "random-1"):
        first, second = (without_seconds(read(run / "stages" / f"{stage}.json")) for run in (folder, finished))
        assert first == second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_resume(number, dataset, tmp_path, monkeypatch, capsys):
    from kerasnas.methods.gradient import method

    def interrupt(*arguments, **options):
        signal.raise_signal(number)

    monkeypatch.setattr(method, "run_search", interrupt)
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # of a shell's job that ignores it
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["search", f"--dataset={dataset}", *SEARCH, f"--output_dir={tmp_path / 'run'}"]) == 130
    signal.signal(signal.SIGINT, inherited)
    assert f"kerasnas resume --output_dir={tmp_path / 'run'}" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_non_finite_loss_is_reported_in_one_line(fails, dataset, tmp_path):
    flags = [*SEARCH, "--batch_size=8", "--learning_rate=1e18", f"--output_dir={tmp_path / 'run'}"]
    message = fails("search", f"--dataset={dataset}", *flags)
    assert "stopped being finite at epoch 1" in message


def test_runs_outside_the_main_thread(tmp_path):
    """Signal handlers belong to the main thread; elsewhere the commands work without one."""
    codes = []
    arguments = ["plot", "--genotype=DARTS_V1", f"--output_dir={tmp_path}"]
    thread = threading.Thread(target=lambda: codes.append(cli.main(arguments)))
    thread.start()
    thread.join()
    assert codes == [0]


@pytest.mark.slow
def test_tiny_space_has_fewer_random_genotypes_than_asked(dataset, tmp_path):
    """One primitive leaves one architecture: there is no other to compare with."""
    folder = tmp_path / "run"
    flags = [flag for flag in SEARCH if not flag.startswith("--primitives")]
    flags += ["--primitives=none,skip_connect", "--random_genotypes=3", "--epochs=1", "--retrain_epochs=1"]
    assert cli.main(["search", f"--dataset={dataset}", *flags, f"--output_dir={folder}"]) == 0
    assert read(folder / "result.json")["random"] == []


def test_a_list_that_is_given_twice_is_one_list():
    from kerasnas.cli.flags import parse, settings

    values = cli.COMMANDS["search"].flags()
    parse(values, "search", ["--genotypes=a.json,b.json", "--output_dir=x", "--genotypes=c.json", "--augment="])
    config = settings(RaceConfig, values)
    assert (config.genotypes, config.augment) == (("a.json", "b.json", "c.json"), ())
