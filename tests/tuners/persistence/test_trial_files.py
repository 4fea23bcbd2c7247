"""The files of a trial: its plan, a full disk, and models that are let go."""

import errno

import keras
import pytest
from keras_tuner.errors import FatalRuntimeError

from tuners.persistence.trial_files import clear, disk_of, keep_plan, release


def test_files_of_another_plan_are_removed(tmp_path):
    folder = tmp_path / "trial_0"
    assert not keep_plan(folder, {"epochs": 3, "shape": (8, 8)})
    (folder / "search").mkdir()
    (folder / "search" / "checkpoint").write_text("")
    (folder / "model.keras").write_text("")
    (folder / "trial.json").write_text("{}")
    assert not keep_plan(folder, {"epochs": 3, "shape": [8, 8]})  # as JSON reads it
    assert (folder / "model.keras").exists()
    assert keep_plan(folder, {"epochs": 4, "shape": [8, 8]})
    assert sorted(path.name for path in folder.iterdir()) == ["plan.json", "trial.json"]
    assert not keep_plan(folder, {"epochs": 4, "shape": [8, 8]})


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_a_plan_that_cannot_be_read_keeps_the_files(damage, tmp_path):
    keep_plan(tmp_path, {"epochs": 3})
    (tmp_path / "genotype.json").write_text("")
    (tmp_path / "plan.json").write_text(damage)
    with pytest.warns(UserWarning, match="cannot be used"):
        assert not keep_plan(tmp_path, {"epochs": 3})
    assert (tmp_path / "genotype.json").exists()


def test_clear_keeps_what_is_keras_tuner_s(tmp_path):
    for name in ("trial.json", "trial.previous.json", "result.json"):
        (tmp_path / name).write_text("")
    clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial.json", "trial.previous.json"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full"), OSError("write failed: No space left on device")],
)
def test_a_full_disk_ends_the_search(error, tmp_path):
    with pytest.raises(FatalRuntimeError, match=r"Make room and start the same program again"), disk_of(tmp_path):
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), ValueError("No space left")])
def test_other_errors_are_the_trial_s(error, tmp_path):
    with pytest.raises(type(error)) as caught, disk_of(tmp_path):
        raise error
    assert caught.value is error


def test_models_of_before_are_let_go():
    import weakref

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    gone = weakref.ref(model)
    del model
    release()
    assert gone() is None
