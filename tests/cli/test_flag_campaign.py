"""Wrong flags: every flag of every command, with every kind of wrong value, answers in one clear line.

The commands run in this process, with what takes long cut off: what is reached there has been accepted.
"""

import collections
import dataclasses
import os
import shutil

import keras
import numpy as np
import pytest

from kerasnas import cli, methods, runs
from kerasnas.cli import experience
from kerasnas.cli.flags import flag_of
from kerasnas.constraints import Interval
from kerasnas.deployment import serving
from kerasnas.diagnostics import comparison, doctor, step_rooflines, step_timing
from kerasnas.export.classifier import save_classifier
from kerasnas.methods import pretraining
from kerasnas.methods.gradient import method as gradient
from kerasnas.methods.race import making
from kerasnas.methods.retraining import FinalTrainings
from tests.bad_inputs import wrong_values as bad_inputs
from tests.kit import check_campaign, save_noise

QUICK = 0.06  # share of the cases that the quick test tries
PLACES = (
    *("nowhere", "/nowhere/at/all", "/dev/null", "/dev/zero", "a" * 300, "loop", "empty", "empty.npz", "text.npz"),
    "pipe",
)
ACCEPTED: dict[str, str] = {
    **dict.fromkeys(
        [f"{command} --initializer={name[:40]}" for command in ("search", "search by gradients") for name in PLACES],
        "read behind the cut, before anything is trained: tests/methods/race/test_starts.py",
    ),
    **dict.fromkeys(
        [
            f"{command} --import=empty"
            for command in (
                "search",
                "search by gradients",
                "retrain",
                "benchmark",
                "time",
                "evaluate",
                "plot",
                "serve",
            )
        ],
        "an empty folder is a package of Python, with nothing in it",
    ),
    **dict.fromkeys(
        ("benchmark --output_dir=full", "plot --output_dir=full"), "it writes its two files beside whatever is there"
    ),
}
"""Command and flag -> why it is no error. This list may only become shorter."""

NUMBERS = ("x", "inf", "", "1,5", "1e400", "true", "1 2", "[1]", "None", "½", "--", "1e")
TRUTHS = ("maybe", "2", "-1", "nan", "[]", "None", "truee", "1.0", "off course")
NAMES = ("nonsense", "  ", "\x00", "ünsinn", "a" * 300, "None", "0", "*", "a b")
LISTS = (*NAMES, "a,,b", "x,x", ",", '"')
SIZES = {  # texts of numbers
    "image_size": ("x", "-1", "0", "1x2x3", "nan", "8x", "x8", "8.5", "9" * 30, "0x8", "8X-8", "²"),
    "temperature": ("x", "-1", "0", "1,2,3", "nan", "inf", "1,x", "1,-1"),
    "shortlist_steps": ("x", "-1", "0", "1.5", "nan", "9" * 30, "1,x", ",1"),
    "max_skips": ("x", "-1", "1.5", "nan", "9" * 5000, "anyy"),
    "minutes": ("x", "-1", "0", "nan", "inf", "-inf", "1e400", "true", "1,5"),
}
PATHS = (
    *("dataset", "datasets", "genotypes", "genotype", "initializer", "latency_table", "import", "config", "table"),
    *("runs", "folder"),
)

FOLDERS = ("/proc/nowhere/x", "/dev/null/x", "text.npz/x", "text.npz", "a" * 300, "loop/x", "\x00", "full")


class Cut(BaseException):
    """The command has begun to work: what it was given was accepted."""


def cut(*arguments, **options):
    raise Cut


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with data, a finished run and wrong files; what takes long is cut off."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERASNAS_HOME", str(tmp_path / "home"))
    for module, names in (
        (making, ("Race",)),
        (gradient, ("search_stage", "choose_genotype")),
        (FinalTrainings, ("run",)),
        (pretraining, ("JointBatches",)),
        (comparison, ("run_searches",)),
        (step_timing, ("measure_step", "matmul_peak")),
        (step_rooflines, ("measure_peaks",)),
        (doctor, ("_in_own_process",)),
        (serving, ("_listening",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, cut)
    save_noise("data.npz", 24, 24)
    for name, content in (("empty.npz", b""), ("text.npz", b"text"), ("empty.yaml", b"")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    runs.folder.RunFolder.create("run", methods.RaceConfig(dataset="data.npz"))
    inputs = keras.Input((8, 8, 1))
    save_classifier("run", keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs))), ("0", "1", "2"))
    return tmp_path


BASE = {  # what makes each command a whole one
    "search": ["--dataset=data.npz", "--output_dir=new"],
    "search by gradients": ["--method=gradient", "--dataset=data.npz", "--output_dir=new"],
    "retrain": ["--genotype=DARTS_V2", "--dataset=data.npz", "--output_dir=new"],
    "pretrain": ["--datasets=data.npz", "--output_dir=new"],
    "resume": ["--output_dir=nowhere"],
    "predict": ["--output_dir=run", "--images=data.npz"],
    "evaluate": ["--output_dir=run"],
    "leaderboard": ["--runs=run"],
    "compare": ["--runs=run", "--runs=run"],
    "list": [],
    "export": ["--output_dir=run"],
    "serve": ["--output_dir=run"],
    "push": ["--output_dir=run", "--target=pushed"],
    "monitor": ["--output_dir=run", "--images=empty"],
    "report": ["--output_dir=run"],
    "plot": ["--genotype=DARTS_V2", "--output_dir=new"],
    "benchmark": ["--output_dir=new"],
    "time": ["--dataset=data.npz"],
    "experience": [],
    "doctor": [],
    "completion": ["--shell=bash"],
}


def fields(command):
    """The settings of a command by the name of their flag."""
    methods_of = {"search": [methods.RaceConfig], "search by gradients": [methods.SearchConfig]}
    classes = methods_of.get(command) or cli.COMMANDS[command].settings().values()
    return {flag_of(field): field for one in classes for field in dataclasses.fields(one)}


def wrong_values(name, field, own):
    """Values that are wrong for a flag, whatever the others are."""
    if name in SIZES and (field is None or isinstance(field.default, (str, tuple))):
        return SIZES[name]
    if name == "output_dir":
        return FOLDERS
    if name in PATHS and not (name == "dataset" and field is not None and field.default == ""):
        return PLACES
    if field is None:
        return TRUTHS if own is not None and own.default is False else NAMES if own is not None and own.known else ()
    if isinstance(field.default, bool):
        return TRUTHS
    if isinstance(field.default, (int, float)):
        bounds = {name: field.metadata[name] for name in ("least", "above", "below")}
        wrong = bad_inputs.wrong(Interval(type(field.default), **bounds)).values()
        return (*NUMBERS, *(str(value) for value in wrong if type(value) in (int, float)), "9" * 40)
    if field.metadata["known"] is not None:
        known = sorted(field.metadata["known"])
        close = [known[0].upper(), known[0] + "x", known[-1][:-1] or "q"]
        return (*(LISTS if isinstance(field.default, tuple) else NAMES), *(one for one in close if one not in known))
    return ()


def cases():
    """(command, flag, value) of every wrong one."""
    for command in BASE:
        own = cli.COMMANDS[command.split()[0]]
        by_name, settings = {one.name: one for one in own.own}, fields(command)
        for name in own.flags():
            if command.startswith("search") and name not in settings and name not in by_name and name != "output_dir":
                continue  # of the other method: refused as such
            for value in wrong_values(name, settings.get(name), by_name.get(name)):
                yield command, name, value
        for typo in ("--no_such_flag=1", "--=", "-x", "extra", "--output-dirr=x", "---"):
            yield command, typo, None


def outcome(command, name, value, capsys):
    """`clear`, `raw` or `accepted`, and the words."""
    base = [one for one in BASE[command] if not one.startswith(f"--{name}=")]
    typed = [command.split()[0], *base, name if value is None else f"--{name}={value}"]
    shutil.rmtree("new", ignore_errors=True)
    capsys.readouterr()
    try:
        status = cli.main(typed)
    except Cut:
        return "accepted", ""
    except Exception as error:  # noqa: BLE001 (before, this was what a user saw)
        return "raw", f"{type(error).__name__}: {error}"
    except SystemExit as error:
        return "raw", f"exit {error}"
    words = capsys.readouterr().err
    if status == 0:
        return "accepted", ""
    told = (
        words.startswith("kerasnas: ")
        and words.count("\n") == 1
        and "a defect" not in words
        and "Traceback" not in words
    )
    return ("clear" if told and status == 2 and len(words) < 3000 else "raw"), words


def campaign(capsys, share=1.0, seed=0):
    """Counts of outcomes by command, and the cases that are not clear."""
    rng, table, bad = np.random.default_rng(seed), collections.defaultdict(collections.Counter), {}
    for command, name, value in cases():
        if share < 1 and rng.random() >= share:
            continue
        found, words = outcome(command, name, value, capsys)
        table[command][found] += 1
        if found != "clear":
            shown = name if value is None else f"--{name}={value[:40]}"
            bad[f"{command} {shown}"] = (found, words)
    return table, bad


def check(capsys, table, bad):
    with capsys.disabled():
        return check_campaign(table, bad, ACCEPTED)


def test_wrong_flags_are_told_in_one_line(place, capsys):
    check(capsys, *campaign(capsys, QUICK))


@pytest.mark.slow
def test_every_wrong_flag_is_told_in_one_line(place, capsys):
    accepted = check(capsys, *campaign(capsys))
    assert set(ACCEPTED) <= accepted, set(ACCEPTED) - accepted  # what is refused by now leaves the list


def test_what_is_cut_off_is_what_works(place, capsys):
    """The commands as they are reach the work: what the campaign calls clear is an answer to the wrong value."""
    assert experience.ACTIONS[0] == "list"
    for command, base in BASE.items():
        if command in ("search", "search by gradients", "retrain", "pretrain", "benchmark", "time", "doctor"):
            shutil.rmtree("new", ignore_errors=True)
            with pytest.raises(Cut):
                cli.main([command.split()[0], *base])
