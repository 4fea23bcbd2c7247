"""Commands that fail, as a user meets them: one line, no traceback on the screen, and a folder that blocks nothing."""

import errno
import os
import re

import numpy as np
import pytest

from kerasnas import cli
from kerasnas.files import storage
from kerasnas.methods.gradient import method as gradient
from kerasnas.methods.race import making
from kerasnas.methods.race import method as race


class Reached(BaseException):
    """The corrected command has begun to work."""


def reached(*arguments, **options):
    raise Reached


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with data that are right, and data that are not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERASNAS_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(0)
    x, y = rng.random((48, 8, 8, 1)).astype("float32"), np.arange(48) % 3
    np.savez("data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    x[3] = np.nan
    np.savez("nan.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (tmp_path / "classes" / "cat").mkdir(parents=True)
    (tmp_path / "classes" / "cat" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    return tmp_path


def fails(capsys, *arguments):
    """The line of a command that fails."""
    capsys.readouterr()
    assert cli.main([*arguments]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("kerasnas: ") and err.count("\n") == 1 and "Traceback" not in out + err
    return err


RIGHT = ["search", "--dataset=data.npz", "--cpu_minutes=1", "--output_dir=run"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(
            ["--dataset=data.npz", "--max_parameters=1"],
            "No network is within max_parameters=1",
            marks=pytest.mark.slow,
        ),
        (["--dataset=nan.npz"], "NaN or infinity in 1 of 48 images"),
        (["--dataset=nowhere.npz"], "nowhere.npz"),
        (["--dataset=classes"], "a.png cannot be read as an image"),
        (["--dataset=data.npz", "--genotypes=nowhere.json"], "nowhere.json"),
    ],
)
def test_the_corrected_command_starts_in_the_folder_of_one_that_failed(place, capsys, monkeypatch, wrong, words):
    assert words in fails(capsys, "search", "--cpu_minutes=1", "--output_dir=run", *wrong)
    told = fails(capsys, "resume", "run")
    assert "The last one failed before it found anything; corrected, it can be begun again here" in told
    assert words in told  # the real reason
    monkeypatch.setattr(making, "Race", reached)
    with pytest.raises(Reached):
        cli.main(RIGHT)
    assert (place / "run" / "config.json").exists() and not (place / "run" / "failed.json").exists()


def test_the_corrected_command_starts_in_the_folder_that_was_chosen_for_the_one_that_failed(place, capsys, monkeypatch):
    command = ["search", "data.npz", "--cpu_minutes=1"]
    assert "nowhere.json" in fails(capsys, *command, "--genotypes=nowhere.json")
    monkeypatch.setattr(making, "Race", reached)
    with pytest.raises(Reached):
        cli.main(command)
    assert [folder.name for folder in (place / "runs").iterdir()] == ["data-1"]


def diverge(*arguments, **options):
    """A stage of work that leaves a checkpoint, and then diverges."""
    storage.CheckpointStore("run/checkpoints/search").save(1, {"w": np.zeros(1)}, {})
    raise ArithmeticError("The loss stopped being finite at epoch 2.")


def test_the_corrected_command_takes_the_place_of_a_search_that_diverged(place, capsys, monkeypatch):
    flags = ["search", "--method=gradient", "--dataset=data.npz", "--output_dir=run"]
    monkeypatch.setattr(gradient, "search_stage", diverge)
    assert "stopped being finite" in fails(capsys, *flags, "--learning_rate=1000")
    assert "stopped being finite" in fails(capsys, "resume", "run")  # which tries again
    monkeypatch.setattr(gradient, "search_stage", reached)
    capsys.readouterr()
    with pytest.raises(Reached):
        cli.main([*flags, "--learning_rate=0.1"])
    assert (
        "run held a run that failed before it found anything: these settings take its place." in capsys.readouterr().out
    )
    assert not (place / "run" / "checkpoints").exists()


def test_a_full_disk_blocks_nothing(place, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        message = fails(capsys, *RIGHT)
    assert "The disk is full" in message and "resume" not in message  # there is nothing to resume
    assert list((place / "run").iterdir()) == []
    monkeypatch.setattr(making, "Race", reached)
    with pytest.raises(Reached):
        cli.main(RIGHT)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("axis"), r"unexpected KeyError: 'axis' \(a defect: please report it\)"),
        (TypeError("no such\nargument"), r"unexpected TypeError: no such \(a defect: please report it\)"),
        (MemoryError(), r"the memory of this machine, or of its accelerator, is not enough\. Take smaller images"),
        (RecursionError("too deep"), r"unexpected RecursionError: too deep \(a defect: please report it\)"),
    ],
)
def test_an_error_that_nobody_expected_is_one_line_and_a_file(place, capsys, monkeypatch, error, words):
    def fail(*arguments):
        raise error

    from kerasnas.cli import failures

    monkeypatch.setattr(failures, "_place", lambda error: "")  # of this test, which is no module of a user
    monkeypatch.setattr(race.RaceMethod, "load", fail)
    message = fails(capsys, *RIGHT)
    assert re.search(words, message), message
    log = place / "home" / "error.log"  # of a run that has not begun
    assert f"traceback in {log}" in message
    text = log.read_text()
    assert "kerasnas search --dataset=data.npz" in text and "Traceback (most recent call last)" in text
    assert type(error).__name__ in text


def test_the_error_of_a_run_that_has_begun_lies_in_its_folder(place, capsys, monkeypatch):
    def fail(*arguments):
        (place / "run" / "checkpoints" / "racing").mkdir(parents=True)
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(race, "make_race", fail)
    message = fails(capsys, *RIGHT)
    assert "RuntimeError in " in message and "test_failures.py, line" in message  # here a module of the user's
    assert "traceback in run/error.log" in message
    assert "the device is gone" in (place / "run" / "error.log").read_text()
    monkeypatch.setattr(race, "make_race", reached)
    with pytest.raises(Reached):
        cli.main(["resume", "run"])
    assert not (place / "run" / "error.log").exists()  # of the attempt before


def test_memory_of_an_accelerator_is_told_as_such(place, capsys, monkeypatch):
    import tensorflow as tf

    def fail(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9,9]\n[[node]]")

    monkeypatch.setattr(race.RaceMethod, "load", fail)
    message = fails(capsys, *RIGHT)
    assert "is not enough: OOM when allocating tensor" in message and "node" not in message


def test_an_error_of_another_library_is_no_word_of_ours(place, capsys, monkeypatch):
    monkeypatch.setattr(race.RaceMethod, "load", lambda method, config: re.compile("("))
    assert "missing )" in fails(capsys, *RIGHT)
    assert "Traceback" in (place / "home" / "error.log").read_text()
