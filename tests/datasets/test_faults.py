"""Faults of data: each that is planted is named, clean data have none, and a strict run refuses before it trains."""

import dataclasses

import numpy as np
import pytest

from kerasnas import datasets
from kerasnas.datasets import faults
from kerasnas.datasets.dataset import dataset_of
from kerasnas.datasets.faults import find_faults
from kerasnas.methods import RaceConfig
from kerasnas.methods.assembly import checked_data
from kerasnas.modalities.lazy_images import LazyImages
from kerasnas.modalities.lookup import of_arrays
from kerasnas.tasks.known import with_task
from tests.kit import save_image

TRAIN, TEST = 120, 60


def arrays_of(kind):
    """Raw arrays of random samples of three classes that hold no fault."""
    rng = np.random.default_rng(0)
    y = np.arange(TRAIN + TEST) % 3
    if kind == "texts":
        words = np.array([f"word{number}" for number in range(300)])
        x, more = np.array([" ".join(rng.choice(words, 9)) for _ in y]), {}
    elif kind == "tables":
        x, more = rng.normal(5, 1, (len(y), 4)), {"kind": np.array("tables")}
    elif kind == "signals":
        x, more = rng.normal(size=(len(y), 31, 3)).cumsum(axis=1), {"kind": np.array("signals")}
    elif kind == "audio":
        x, more = rng.normal(size=(len(y), 2000)) / 9, {"kind": np.array("audio"), "rate": np.array(2000)}
    else:
        x, more = rng.integers(0, 256, (len(y), 9, 9, 3)).astype("uint8"), {}
    x = x.astype("float32") if x.dtype == float else x
    parts = {"x_train": x[:TRAIN], "y_train": y[:TRAIN], "x_test": x[TRAIN:], "y_test": y[TRAIN:]}
    return {**{name: part.copy() for name, part in parts.items()}, **more}


def read(arrays, task="auto"):
    classes = tuple(map(str, arrays["classes"])) if "classes" in arrays else None
    arrays, own = with_task(arrays, task)
    return dataset_of(of_arrays(arrays), "planted", arrays, classes, own)


def numbers(arrays):
    rng = np.random.default_rng(1)
    arrays |= {f"y_{part}": rng.normal(3, 1, len(arrays[f"y_{part}"])) for part in ("train", "test")}
    return arrays


def noisy(x):
    return np.clip(x + np.random.default_rng(2).normal(0, 2, x.shape), 0, 255)


def placed(part, row, source, change=lambda x: x, of="train", label=True):
    """Return a fault: one sample is another, as `change` makes it, and has its label too."""

    def plant(a):
        a[f"x_{part}"][row] = change(a[f"x_{of}"][source])
        if label:
            a[f"y_{part}"][row] = a[f"y_{of}"][source]

    return plant


copied, repeated, repeated_test = placed("test", 7, 4), placed("train", 3, 0), placed("test", 3, 0, of="test")
relabelled = placed("train", 1, 0, label=False)
nearly, nearly_twice = (placed(part, 5, 8, noisy, label=False) for part in ("test", "train"))
nearly_signal = placed("test", 5, 8, lambda x: x * np.float32(1 + 1e-6) + np.float32(1e-5), label=False)


def copied_text(a):
    a["x_test"] = a["x_test"].astype(object)
    placed("test", 7, 4, lambda text: f"{text}!".upper())(a)
    a["x_test"] = a["x_test"].astype(str)


def darker(a):
    a |= {"x_train": (a["x_train"] / 255).astype("float32"), "x_test": a["x_test"].astype("float32")}


def other_unit(a):
    a["x_test"][..., 1] *= 1000


def other_labels(a):
    numbers(a)
    a["y_test"] *= 1000


def same_channel(a):
    a["x_train"][..., 2] = a["x_test"][..., 2] = 7


def blank(a):
    a["x_train"][9:11] = 128  # of two classes, and no copies


def blank_text(a):
    a["x_train"][9:11] = "?!", ""


def empty_class(a):
    a["classes"] = np.array(["a", "b", "c", "d"])


def tiny_class(a):
    a["y_train"][:2], a["y_test"][:2], a["classes"] = 3, 3, np.array(["a", "b", "c", "d"])


def untested_class(a):
    a["y_test"][a["y_test"] == 2] = 1


def pixel(a):
    a["x_train"][:, 2, 3, 0] = 90 + np.array([7, 1, 4])[a["y_train"]]


def column(a):
    a["x_train"][:, 1] = np.array([1.5, 0.5, 2.5])[a["y_train"]]


def target_column(a):
    numbers(a)
    a["x_train"][:, 1] = 2 * a["y_train"] + 1


def row_number(a):
    order = np.argsort(a["y_train"], kind="stable")
    a["x_train"], a["y_train"] = a["x_train"][order], a["y_train"][order]
    a["x_train"][:, 0], a["x_test"][:, 0] = np.arange(TRAIN), np.arange(TEST)


def word(a):
    a["x_train"] = np.array([f"{x} {'abc'[y]}mark" for x, y in zip(a["x_train"], a["y_train"], strict=True)])


def other_number(a):
    numbers(a)
    a["x_train"][3], a["y_train"][3] = a["x_train"][0], a["y_train"][0] + 2


def several(a):
    for part in ("train", "test"):
        a[f"y_{part}"] = np.random.default_rng(3).integers(0, 2, (len(a[f"y_{part}"]), 4))
    a["y_train"][:, 2] = 0
    a["x_train"][:, 4, 4, 1] = 50 + 30 * a["y_train"][:, 0]


PLANTED = [  # kind, fault, words of the line, words of its first samples
    ("images", copied, "Copies of training samples: 1 of 60 test images", "test 7, training 4"),
    ("texts", copied_text, "Copies of training samples: 1 of 60 test texts", "test 7, training 4"),
    ("signals", copied, "Copies of training samples: 1 of 60 test signals", "test 7, training 4"),
    ("audio", copied, "Copies of training samples: 1 of 60 test recordings", "test 7, training 4"),
    ("tables", copied, "Copies of training samples: 1 of 60 test rows", "test 7, training 4"),
    ("images", repeated, "Copies of other samples: 1 of 120 training images", "training 3, training 0"),
    ("tables", repeated_test, "Copies of other samples: 1 of 60 test rows", "test 3, test 0"),
    ("images", relabelled, "Copies with another label: 1 images", "training 1, training 0"),
    ("texts", relabelled, "Copies with another label: 1 texts", "training 1, training 0"),
    ("tables", other_number, "Copies with another label: 1 rows", "training 3, training 0"),
    ("images", nearly, "Near copies of training samples: 1 of 60 compared, of 60 test images", "test 5, training 8"),
    (
        "images",
        nearly_twice,
        "Near copies of training samples: 2 of 120 compared, of 120 training images",
        "training 5, training 8",
    ),
    (
        "signals",
        nearly_signal,
        "Near copies of training samples: 1 of 60 compared, of 60 test signals",
        "test 5, training 8",
    ),
    ("images", darker, "Another scale in test data: 3 of 3", "channel 0: median"),
    ("signals", other_unit, "Another scale in test data: 1 of 3", "channel 1: median"),
    ("tables", other_unit, "Another scale in test data: 1 of 4", "column 'column 2': median"),
    ("tables", other_labels, "Another scale in test data: 1 of 5", "0: median"),
    ("images", same_channel, "Constant in all training samples: 1 of 3 channels", "channel 2"),
    ("tables", same_channel, "Constant in all training samples: 1 of 4 columns", "column 'column 3'"),
    ("images", blank, "Constant or empty samples: 2 of 120 training images", "training 9"),
    ("signals", blank, "Constant or empty samples: 2 of 120 training signals", "training 9"),
    ("texts", blank_text, "Constant or empty samples: 2 of 120 training texts", "training 9"),
    ("images", empty_class, "No training samples: 1 of 4 classes", "d"),
    ("texts", tiny_class, "Fewer than 5 training samples: 1 of 4 classes", "d"),
    ("tables", untested_class, "No test samples: 1 of 3 classes", "2"),
    ("images", pixel, "Label given away: 1 of 243 features", "pixel [2, 3, 0]"),
    ("tables", column, "Label given away: 1 of 4 features", "column 'column 2'"),
    ("tables", target_column, "Label given away: 1 of 4 features", "column 'column 2'"),
    ("tables", row_number, "Label given away: 1 of 4 features", "column 'column 1'"),
    ("texts", word, "Label given away: 3 of 295 features", "mark"),
    ("images", several, "Label given away: 1 of 243 features", "pixel [4, 4, 1]"),
    ("images", several, "No training samples: 1 of 4 labels", "2"),
]


@pytest.mark.parametrize(("kind", "plant", "words", "first"), PLANTED, ids=lambda one: getattr(one, "__name__", None))
def test_a_planted_fault_is_named_and_no_other(kind, plant, words, first):
    arrays = arrays_of(kind)
    plant(arrays)
    found = find_faults(read(arrays))
    own = [line for line in found if line.startswith(words)]
    assert own and first in found[own[0]], found
    assert len(found) == 1 + (plant in (several, relabelled, other_number)), found


def measured_twice(a):
    numbers(a)
    a["x_test"][3], a["y_test"][3] = a["x_test"][0] + 1e-3, a["y_test"][0]
    a["x_train"][3], a["y_train"][3], a["groups"] = a["x_train"][0], a["y_train"][0] + 0.1, np.arange(TRAIN) // 4


def row_of_one_value(a):
    a["x_train"][7] = 5


def good_column(a):
    a["x_train"][:, 1] = 5 + a["y_train"] + np.random.default_rng(4).normal(0, 0.2, TRAIN)


def rare_column(a):
    a["y_train"][:6], a["y_test"][:6], a["classes"] = 3, 3, np.array(["a", "b", "c", "d"])
    a["x_train"][:, 1] = a["x_test"][:, 1] = 0
    a["x_train"][:6, 1] = 1


def shuffled_numbers(a):
    a["x_train"][:, 0] = np.random.default_rng(5).permutation(TRAIN)
    a["x_test"][:, 0] = np.arange(TEST)


def nearly_constant(a):
    a["x_train"][:, 2] = a["x_test"][:, 2] = 7
    a["x_train"][1, 2] = 8


@pytest.mark.parametrize(
    "change", [measured_twice, row_of_one_value, good_column, rare_column, shuffled_numbers, nearly_constant]
)
def test_what_looks_like_a_fault_may_be_none(change, monkeypatch):
    monkeypatch.setattr(faults, "_ROWS", 20 if change is nearly_constant else 5000)  # rows in between are read too
    arrays = arrays_of("tables")
    change(arrays)
    data = read(arrays)
    assert find_faults(dataclasses.replace(data, groups=arrays.get("groups"))) == {}


@pytest.mark.parametrize("kind", ["images", "signals", "audio", "texts", "tables"])
@pytest.mark.parametrize("change", [dict, numbers])
def test_clean_data_have_no_fault(kind, change):
    assert find_faults(read(change(arrays_of(kind)))) == {}


def test_what_files_have_besides_pixels_may_give_the_label_away(tmp_path):
    rng = np.random.default_rng(0)
    for label, side, kind in (("a", 8, "png"), ("b", 9, "bmp")):
        for number in range(30):
            save_image(tmp_path / label / f"{number}.{kind}", rng.integers(0, 256, (side, side)).astype("uint8"))
    (line, first), *_ = find_faults(datasets.load(tmp_path)).items()
    assert line.startswith("Label given away: 4 of 64 features") and "image height" in first


def test_copies_in_one_group_are_no_fault():
    arrays = arrays_of("images")
    repeated(arrays)
    nearly_twice(arrays)
    data, groups = read(arrays), np.arange(TRAIN)
    groups[3], groups[5] = groups[0], groups[8]
    assert len(find_faults(data)) == 2 and find_faults(dataclasses.replace(data, groups=groups)) == {}


def test_lazy_images_are_read_as_arrays():
    arrays = arrays_of("images")
    copied(arrays)
    lazy = {**arrays, **{name: LazyImages(arrays[name]) for name in ("x_train", "x_test")}}
    assert find_faults(read(lazy)) == find_faults(read(arrays)) != {}


def test_floats_that_differ_in_their_upper_bits_alone_are_no_copies():
    """Of images of 0 and 1 a hash without mixing has a few bits."""
    x = np.unpackbits(np.arange(2**12, dtype=">u2").view(np.uint8).reshape(-1, 2), axis=1)
    spread = np.zeros((len(x), 32), np.float32)
    spread[:, 1::2] = x  # the upper halves of words
    data = datasets.load("fashion_mnist_mini")
    images, y = spread.reshape(-1, 4, 8, 1), np.arange(len(x)) % 10
    data = dataclasses.replace(data, x_train=images[::2], y_train=y[::2], x_test=images[1::2], y_test=y[1::2])
    assert not any("Copies" in line for line in find_faults(data))


def saved(path, arrays):
    np.savez(path, **arrays)
    return str(path)


def test_a_strict_run_refuses_with_the_words_that_others_log(tmp_path, monkeypatch):
    arrays = arrays_of("images")
    copied(arrays)
    settings = RaceConfig(dataset=saved(tmp_path / "planted.npz", arrays))
    data = checked_data(settings)
    assert len(data.faults) == 1 and data.notes[-1] == f"{data.faults[0]} (test 7, training 4)"
    with pytest.raises(ValueError, match="strict") as refused:
        checked_data(dataclasses.replace(settings, strict=True))
    assert data.notes[-1] in str(refused.value)
    clean = saved(tmp_path / "clean.npz", arrays_of("images"))
    assert checked_data(RaceConfig(dataset=clean, strict=True)).faults == ()
    monkeypatch.setattr(faults, "_copies", lambda *parts: 1 / 0)
    assert "could not be examined for faults: ZeroDivisionError" in checked_data(settings).notes[-1]
