"""Folders of strangers: every command and every public loader reads one, and nothing that it names is run.

The commands are those of the registry, with each of their flags of text; the loaders are the public names that take a
path. A canary leaves a mark where it is imported, unpickled, connected to or logged to.
"""

import contextlib
import importlib
import inspect
import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from kerasnas import cli, methods
from kerasnas.deployment import exporting
from kerasnas.runs import method as runs_method
from kerasnas.runs import preset_folders, tracking
from kerasnas.runs.executors import open_executor
from tests.bad_inputs.test_public_names import public
from tests.cli.test_flag_campaign import BASE, Cut, cut, place  # noqa: F401 (a fixture)

NAMED = ("import",)  # flags by which a user vouches for code
PATHS = re.compile(r"\b(folders?|files?|paths?|runs?)\b")
FILLED = {"new": ["new.png"], "paths": ["new.png"], "target": "pushed", "genotype": None, "dataset": "", "x": []}


class Canary:
    """A module that leaves a mark where it is imported, and functions that leave one where they are called."""

    def __init__(self, folder):
        self.mark = folder / "sung"
        text = f"from pathlib import Path\nPath({str(self.mark)!r}).write_text('imported')\nclass Sing: pass\n"
        self.file = folder / "stranger" / "canary_of_a_stranger.py"
        self.file.parent.mkdir()
        self.file.write_text(text)

    def sing(self, *arguments, **options):
        self.mark.write_text(repr(arguments))
        raise ValueError("sung")

    def heard(self):
        found = self.mark.exists()
        self.mark.unlink(missing_ok=True)
        sys.modules.pop(self.file.stem, None)
        return found


@pytest.fixture
def canary(place, monkeypatch):  # noqa: F811
    """The canary; and what reaches other machines sings."""
    canary = Canary(place)
    monkeypatch.setattr(tracking, "load_tracker", canary.sing)
    monkeypatch.setattr(exporting, "export_classifier", cut)  # takes long, and begins when all has been read

    def opened(name, imports):
        return canary.sing(name) if "://" in name else open_executor(name, imports)

    monkeypatch.setattr(runs_method, "open_executor", opened)
    monkeypatch.chdir(canary.file.parent)  # a module in the current folder is found by its name
    monkeypatch.setattr(sys, "path", [*sys.path, ""])
    for name in ("data.npz", "empty", "run"):
        Path(name).symlink_to(place / name)
    return canary


def change(folder, **settings):
    record = json.loads((folder / "config.json").read_text())
    record["settings"] |= {"dataset": "data.npz", **settings}
    (folder / "config.json").write_text(json.dumps(record))


def names_a_file(folder, canary):
    change(folder, imports=[str(canary.file)])


def names_a_module(folder, canary):
    change(folder, imports=[canary.file.stem])


def has_a_candidate(folder, canary):
    settings = {**methods.TrainingConfig(space="macro").to_dict(), "imports": [str(canary.file)]}
    genotype = json.loads((folder / "genotype.json").read_text())
    (folder / "given.json").write_text(json.dumps({"theirs": {"genotype": genotype, "settings": settings}}))
    change(folder)


def is_finished_elsewhere(folder, canary):
    change(folder, executor="ray://127.0.0.1:1", trackers=["mlflow"])


def is_begun_elsewhere(folder, canary):
    is_finished_elsewhere(folder, canary)
    (folder / "result.json").unlink()


def has_a_layer(folder, canary):
    """In model.keras: of a module that Keras would import."""
    change(folder)
    with zipfile.ZipFile(folder / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    layer = {"module": canary.file.stem, "class_name": "Sing", "config": {}, "registered_name": None}
    config["config"]["layers"][1] = {**config["config"]["layers"][1], **layer}
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in {**parts, "config.json": json.dumps(config)}.items():
            archive.writestr(name, content)


def has_a_lambda(folder, canary):
    """In model.keras."""
    change(folder)
    inputs = keras.Input((28, 28, 1))
    mark = {"mark": str(canary.mark)}
    sings = keras.layers.Lambda(lambda x, mark: (__import__("pathlib").Path(mark).touch(), x)[1], arguments=mark)
    keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(sings(inputs)))).save(folder / "model.keras")
    canary.heard()  # while it was made
    keras.models.load_model(folder / "model.keras", safe_mode=False)
    assert canary.heard()


def has_pickles(folder, canary):
    """In arrays."""
    change(folder)

    class Singing:
        def __reduce__(self):
            return importlib.import_module, (canary.file.stem,)

    for name in ("drift.npz", "policy.npz"):
        np.savez(folder / name, x=np.array([Singing()], dtype=object))
    shutil.copyfile(folder / "drift.npz", folder / "data.npz")
    np.load(folder / "data.npz", allow_pickle=True)["x"]
    assert canary.heard()


KINDS = (
    *(names_a_file, names_a_module, has_a_candidate, is_finished_elsewhere, is_begun_elsewhere),
    *(has_a_layer, has_a_lambda, has_pickles),
)


def some_slow(*default):
    """The kinds as parameters, of which these run by default: the others take the same way in."""
    return [one if one in default else pytest.param(one, marks=pytest.mark.slow) for one in KINDS]


@pytest.fixture
def stranger(canary, request):
    """A finished run of somebody else, which names the canary."""
    folder = canary.file.parent / "theirs"
    shutil.copytree(preset_folders.preset_folder("fashion_mnist_mini"), folder)
    (folder / "preset.json").unlink()
    request.param(folder, canary)
    (folder.parent / "home").mkdir()
    (folder.parent / "home" / "run").symlink_to(folder)  # as an estimator has it
    return folder


def entrances(every=False):
    """(command, flag) of each flag of text; without `every`, of those whose help speaks of a file or a folder."""
    for name, command in cli.COMMANDS.items():
        values = command.flags()
        for flag in values:
            is_text = not isinstance(values[flag].value, (bool, int, float))
            if is_text and flag not in NAMED and (every or PATHS.search(values[flag].help)):
                yield name, flag


def run(command, name, value):
    """Run a command with one flag as given, and the others as in `BASE`, which a new command enters."""
    shutil.rmtree("new", ignore_errors=True)
    base = [flag for flag in BASE[command] if flag.partition("=")[0] != f"--{name}"]
    with contextlib.suppress(Cut):
        return cli.main([command, *base, f"--{name}={value}"])


def sung(cases, stranger, canary):
    """Those of the cases in which the canary is heard."""
    return [case for case in cases if (run(*case, stranger), canary.heard())[1]]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("stranger", some_slow(names_a_module, has_a_layer), indirect=True)
def test_no_command_runs_what_a_folder_names(stranger, canary, capsys):
    assert sung(entrances(), stranger, canary) == []


@pytest.mark.slow
@pytest.mark.parametrize("stranger", KINDS, indirect=True)
def test_no_flag_runs_what_a_folder_names(stranger, canary, capsys):
    assert sung(entrances(every=True), stranger, canary) == []


@pytest.mark.parametrize("line", ["import: {}", "executor: ray://127.0.0.1:1", "log: mlflow"])
@pytest.mark.parametrize("command", [name for name, flag in entrances() if flag == "config"])
def test_a_file_of_flags_names_no_code_and_no_machine(line, command, canary, capsys):
    flag = line.partition(":")[0]
    if flag not in cli.COMMANDS[command].flags():
        return
    Path("flags.yaml").write_text(line.format(canary.file))
    assert run(command, "config", "flags.yaml") == 2 and not canary.heard()
    assert f"If it is yours, name it: --{flag}=" in capsys.readouterr().err


def loaders():
    """Name -> function of a path, among all that is public."""
    for name, value in public().items():
        takes = [value, *(method for part, method in inspect.getmembers(value, inspect.ismethod) if part[:1] != "_")]
        for function in takes:
            parameters = inspect.signature(function).parameters.values()
            paths = [one.name for one in parameters if "PathLike" in str(one.annotation)]
            if paths and function.__name__ not in ("save", "to_file"):
                yield f"{name}.{function.__name__}", function, paths


@pytest.mark.parametrize("stranger", some_slow(names_a_file, has_a_lambda), indirect=True)
def test_no_loader_runs_what_a_folder_names(stranger, canary, capsys):
    heard, tried = [], 0
    for name, function, paths in loaders():
        parameters = inspect.signature(function).parameters.values()
        needed = [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
        given = {one: FILLED.get(one) for one in needed}
        for path in paths:
            for folder in (stranger, stranger.parent / "home"):
                tried += 1
                with contextlib.suppress(Exception, Cut):  # what is wrong with the other arguments is no matter here
                    function(**{**given, path: folder})
                if canary.heard():
                    heard.append((name, path))
    assert not heard and tried > 50, (heard, tried)


def has_names(folder, canary):
    """Of classes, candidates and files: escape sequences, formulas, and what is not Unicode."""
    change(folder)
    for file in (folder / "model.json", folder / "result.json"):
        text = file.read_text().replace("vgg_3x3", r"vgg\u001b[31m").replace('"Bag"', r'"=1+1\u009b31m"')
        file.write_text(text.replace('"Coat"', r'"caf\udce9\u001b]0;x\u0007"'))
    for name in (os.fsdecode(b"caf\xe9\x1b[31m.png"), "=1+1.png"):
        Image.new("L", (28, 28), 90).save(name)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.filterwarnings("ignore:Glyph")  # of plots
@pytest.mark.parametrize("stranger", [has_names], indirect=True)
def test_names_reach_the_terminal_and_tables_escaped(stranger, canary, capsys):
    images = [f"--images={name}" for name in os.listdir() if name.endswith(".png")]
    printed = ""
    reading = [*(f"predict --format={form}" for form in ("text", "csv", "json")), "report", "resume", "export"]
    for command in (*reading, "list --folder=theirs", "leaderboard --runs=theirs"):
        name, *flags = command.split()
        flags += (
            images if name == "predict" else ["--format=savedmodel", "--dataset=theirs"] if name == "export" else []
        )
        cli.main([name, *flags, *([f"--output_dir={stranger}"] if command in reading else [])])
        out, err = capsys.readouterr()
        printed += out + err
        if "json" in command:
            assert len(json.loads(out)) == 2
        if "csv" in command:
            assert not re.search(r"(^|,)[=+@]", out, re.MULTILINE)
    assert r"vgg\x1b[31m" in printed and r"caf\udce9\x1b]0;x\x07" in printed
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed)
    printed.encode()
