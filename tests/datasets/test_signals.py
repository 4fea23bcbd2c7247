"""Signals: the generated set, `.npz` files, checks and augmentation."""

import functools

import numpy as np
import pandas as pd
import pytest

from kerasnas import testing
from kerasnas.datasets import load, waveforms
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.datasets.signals import WAVEFORMS
from kerasnas.modalities.augmentations import compose, cutout, flip, shift
from kerasnas.modalities.lookup import check_images

SMALL = {"train_samples": 24, "test_samples": 12, "length": 16}


# The generated set ---------------------------------------------------------------------------------
def test_generated_set_is_whole_and_always_the_same():
    data, again = load("waveforms"), waveforms()
    assert (data.name, data.num_classes, data.input_shape) == ("waveforms", 6, (128, 1))
    assert data.x_train.shape == (2000, 128, 1) and data.x_test.shape == (500, 128, 1)
    assert data.x_train.dtype == np.float32 and data.y_train.dtype == np.int64
    assert set(np.bincount(data.y_train)) == {333, 334} and data.classes == WAVEFORMS
    np.testing.assert_array_equal(data.x_train, again.x_train)
    assert not np.isin(data.x_test[:, 0], data.x_train[:, 0]).any()
    assert (waveforms(**SMALL, seed=1).x_train != waveforms(**SMALL).x_train).all()


def test_neither_amplitude_nor_offset_tells_the_classes_apart():
    data = waveforms(train_samples=6000, test_samples=6, noise=0.0)
    power = [np.mean(data.x_train[data.y_train == label] ** 2) for label in range(6)]
    np.testing.assert_allclose(power, 13 / 12, rtol=0.1)  # the mean square of an amplitude from 0.5 to 1.5
    assert max(abs(data.x_train[data.y_train == label].mean()) for label in range(6)) < 0.05


def test_chirps_rise_and_fall():
    data = waveforms(train_samples=600, test_samples=6, noise=0.0)
    turns = np.diff(np.signbit(data.x_train[..., 0]).astype(int), axis=1) != 0
    early, late = turns[:, :64].sum(axis=1), turns[:, 64:].sum(axis=1)
    assert (late > early)[data.y_train == WAVEFORMS.index("chirp up")].all()
    assert (late < early)[data.y_train == WAVEFORMS.index("chirp down")].all()
    assert (abs(late - early) < 3)[data.y_train == WAVEFORMS.index("square")].all()


# .npz ----------------------------------------------------------------------------------------------
def save(path, **changes):
    data = waveforms(**SMALL)
    arrays = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": data.y_test}
    np.savez(path, **{**arrays, "kind": "signals", **changes})
    return path


def test_signals_are_taken_as_they_are(tmp_path):
    data, made = load(save(tmp_path / "own.npz", classes=WAVEFORMS)), waveforms(**SMALL)
    assert data.x_train.min() < 0 and (data.name, data.input_shape, data.classes) == ("own", (16, 1), WAVEFORMS)
    np.testing.assert_array_equal(data.x_train, made.x_train)
    wide = {f"x_{part}": getattr(made, f"x_{part}")[..., 0].astype(np.float64) for part in ("train", "test")}
    flat = load(save(tmp_path / "flat.npz", **wide))  # without a channel axis
    assert flat.x_train.dtype == np.float32 and flat.input_shape == (16, 1) and flat.classes == tuple("012345")


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("units", "zero", "brought"),
    [
        *(
            (1, 0, False),
            (4, 0, False),
            (1, 0.4, False),
            (1, 0.6, True),
            (1, 1e5, True),
            (1e-6, 0, True),
            (6, -2, True),
        ),
        *(((0.9, 3), 0, False), ((0.5, 3), 0, True)),
    ],
)
def test_signals_of_any_units(units, zero, brought, padded, tmp_path):
    """Deviations of 1 and means of 0 are left as they are, or nearly so."""
    x = np.random.default_rng(0).standard_normal((24, 16, 2))
    x = ((x - x.mean((0, 1))) / x.std((0, 1)) * units + zero).astype("float32")
    x[:, 12:] = np.nan if padded else x[:, 12:]
    y = np.arange(24) % 2
    arrays = {"x_train": x, "y_train": y, "x_test": x[:4], "y_test": y[:4]}
    data = load(save(tmp_path / "units.npz", **arrays))
    seen, raw = data.x_train[:, :12] if padded else data.x_train, np.nan_to_num(x)
    if brought:
        np.testing.assert_allclose(seen.mean((0, 1)), 0, atol=0.01 * (1 + (zero > 1e4)))
        np.testing.assert_allclose(seen.std((0, 1)), 1, atol=0.01)
    else:
        np.testing.assert_array_equal(data.x_train, raw)
    assert not padded or not data.x_train[:, 12:].any()
    np.testing.assert_array_equal(data.raw("train"), x)
    assert any("a mean of 0" in note for note in data.notes) == brought
    assert data.modality.suited_space(data.front) == ("padded_signals" if padded else "macro")
    assert data.modality.suited_space(data.front, limited=True) == "macro"  # where small networks are
    testing.check_modality("signals", arrays)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": np.zeros((12, 15, 1))}, r"signals of shape \(16, 1\). Received: signals of shape \(15, 1\)"),
        ({"x_train": np.zeros((24, 4, 4, 1))}, r"signals of shape \(samples, length, channels\).*These are images"),
    ],
)
def test_malformed_files_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(save(tmp_path / "bad.npz", **changes))


# Checks and augmentation ---------------------------------------------------------------------------
def test_gaps_in_the_middle_are_refused_with_the_line_that_fills_them(tmp_path):
    x, y = np.tile(np.arange(8.0), (4, 1)), np.array([0, 1, 0, 1])
    x[1, 3:5] = x[0, 7:] = x[1, 0] = np.nan
    np.savez(tmp_path / "gaps.npz", x_train=x, y_train=y, x_test=x[2:], y_test=y[2:], kind="signals")
    with pytest.raises(ValueError, match=r"first in signal 1\. Fill gaps") as found:
        load(tmp_path / "gaps.npz")
    exec(str(found.value).split("`")[-2], {"x": x, "pandas": pd})
    assert x[1].tolist() == [1, *range(1, 8)] and np.isnan(x).sum() == 1


def test_checks_expect_signals_where_they_are_asked_for():
    x, y = np.zeros((4, 16, 2)), np.array([0, 1, 0, 1])
    check_images(x, y, input_shape=(None, 2))
    for wrong, shape, words in (
        ((x, y), None, r"Grey images without a channel axis get one by x\[..., None\]"),
        ((x[..., 0], y), (16, 1), r"Signals without a channel axis get one by x\[..., None\]"),
        ((x, y[:3]), (16, 2), r"Expected as many labels as signals\. Received: 4 signals and 3 labels"),
        ((x, y[:, None]), (16, 2), "a class number for each of the signals"),
    ):
        with pytest.raises(ValueError, match=words):
            check_images(*wrong, input_shape=shape)


def test_shift_moves_each_signal_in_time():
    x = np.arange(1.0, 101).reshape(5, 10, 2)
    moved = shift(x, np.random.default_rng(0), pixels=3)
    padded, offsets = np.pad(x, ((0, 0), (3, 3), (0, 0))), set()
    for before, after in zip(padded, moved, strict=True):
        (offset,) = (start for start in range(7) if np.array_equal(before[start : start + 10], after))
        offsets.add(offset)
    assert len(offsets) > 1


@pytest.mark.parametrize("augment", [flip, functools.partial(cutout, size=4)])
def test_augmentations_of_images_refuse_signals(augment):
    batches = ArrayBatches(np.zeros((4, 16, 1)), np.arange(4), 2, augment=compose(augment))
    with pytest.raises(
        ValueError, match=r"Expected images .*Received: shape \(2, 16, 1\). For signals there is `shift`"
    ):
        batches[0]
