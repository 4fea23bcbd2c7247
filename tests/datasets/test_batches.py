"""Batches as functions of (seed, epoch, index), pairs of them, and the augmentations."""

import functools
import pickle

import keras
import numpy as np
import pytest

from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.modalities.augmentations import (
    color_jitter,
    compose,
    cutout,
    drop_lines,
    flip,
    flip_vertical,
    rotate,
    shift,
    zoom,
)


def _numbers(count=10, batch_size=3, **options):
    arrays = {"x": np.arange(count) * 10.0, "y": np.arange(count)}
    return ArrayBatches(**{**arrays, "batch_size": batch_size, **options})


def _labels(batches):
    return [batches[index][1].tolist() for index in range(len(batches))]


# ArrayBatches ------------------------------------------------------------------------------------
def test_rows_follow_the_permutation_of_seed_and_epoch():
    batches = _numbers(seed=5)
    for epoch in range(3):
        order = np.random.default_rng([5, epoch]).permutation(10)
        assert batches.epoch == epoch and len(batches) == 3
        for index in range(3):
            x, y = batches[index]
            assert y.tolist() == order[3 * index : 3 * index + 3].tolist()
            np.testing.assert_array_equal(x, y * 10.0)
        batches.on_epoch_end()


def test_a_resumed_run_sees_the_same():
    whole = _numbers(seed=1)
    for _ in range(4):
        whole.on_epoch_end()
    resumed = _numbers(seed=1, initial_epoch=4)
    back = _numbers(seed=1, initial_epoch=9)
    back.set_epoch(4)
    assert _labels(whole) == _labels(resumed) == _labels(back)
    assert _labels(whole) != _labels(_numbers(seed=2, initial_epoch=4))
    assert _labels(whole) != _labels(_numbers(seed=1, initial_epoch=5))


def test_remainder():
    assert len(_numbers(10, 5)) == len(_numbers(10, 5, drop_remainder=False)) == 2
    batches = _numbers(10, 4, drop_remainder=False)
    assert [len(y) for y in _labels(batches)] == [4, 4, 2]
    assert sorted(label for labels in _labels(batches) for label in labels) == list(range(10))
    assert len(_numbers(3, 4, drop_remainder=False)) == 1
    with pytest.raises(IndexError, match="Batch 3 of 3"):
        batches[3]
    with pytest.raises(IndexError, match="Batch -1 of 3"):
        batches[-1]


def test_sample_weight_goes_with_its_sample():
    x, y, weight = _numbers(sample_weight=np.arange(10) / 10)[1]
    np.testing.assert_allclose(weight, y / 10)
    np.testing.assert_allclose(weight, x / 100)


def test_augment_has_a_generator_of_its_own_and_spares_the_data():
    drawn = []

    def augment(batch, rng):
        drawn.append(rng.random())
        batch += 1000  # in place: a batch is a copy
        return batch

    batches = _numbers(seed=7, initial_epoch=2, augment=augment)
    x, y = batches[1]
    np.testing.assert_array_equal(x, y * 10.0 + 1000)
    assert drawn == [np.random.default_rng([7, 2, 1, 1]).random()]
    assert batches.x.max() == 90
    again = batches[1]
    np.testing.assert_array_equal(again[0], x)
    batches[0]
    batches.on_epoch_end()
    batches[1]
    assert drawn[1] == drawn[0] and len(set(drawn)) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 2, "batch_size": 3}, "`batch_size`.*number of samples, 2.*`drop_remainder=True`.*Received: 3"),
        ({"count": 0, "batch_size": 3}, "`x`, `y`.*not empty.*'x': 0"),
        ({"sample_weight": np.ones(9)}, r"`sample_weight`.*one length.*'x': 10, 'y': 10, 'sample_weight': 9"),
        ({"sample_weight": ["heavy"] * 10}, "`sample_weight`. Expected an array of numbers. Received: dtype <U5"),
        ({"sample_weight": 1j * np.ones(10)}, "`sample_weight`. Expected an array of numbers. Received: dtype <c16"),
        ({"sample_weight": np.full(10, -np.inf)}, "`sample_weight`.*all finite"),
        *(({name: value}, f"`{name}`") for name, value in [("batch_size", 2.0), ("seed", -1), ("initial_epoch", -1)]),
        ({"drop_remainder": "no"}, "`drop_remainder`"),
        ({"x": 1j * np.ones((10, 2))}, "`x`. Expected an array of numbers"),
        ({"y": np.zeros(2)}, "'x': 10, 'y': 2"),
    ],
)
def test_array_batches_refuse(options, words):
    with pytest.raises(ValueError, match="Invalid value received for argument.*" + words):
        _numbers(**options)


def test_what_augments_is_checked():
    with pytest.raises(TypeError, match="`augment`"):
        _numbers(augment="flip")
    with pytest.raises(ValueError, match=r"keep the number of images, 3. Received back: 2"):
        _numbers(augment=lambda batch, rng: batch[1:])[0]


class _Recorder(keras.Model):
    """Notes the labels that each training step receives."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, x):
        return x

    def train_step(self, data):
        self.seen.append(keras.tree.map_structure(lambda array: keras.ops.convert_to_numpy(array).tolist(), data))
        return {"loss": keras.ops.zeros(())}


def _fit(batches, **options):
    model = _Recorder()
    model.built = True
    model.compile(loss="mse", run_eagerly=True)
    model.fit(batches, shuffle=False, verbose=0, **options)
    return model.seen


def test_fit_sees_every_batch_once_and_resumes_alike():
    seen = [step[1] for step in _fit(_numbers(seed=3), epochs=4)]
    expected = _numbers(seed=3, initial_epoch=1)  # fit ends an epoch before its first
    for epoch in range(4):
        assert seen[3 * epoch : 3 * epoch + 3] == _labels(expected)
        expected.on_epoch_end()
    resumed = [step[1] for step in _fit(_numbers(seed=3, initial_epoch=2), initial_epoch=2, epochs=4)]
    assert resumed == seen[6:]


def test_epochs_can_follow_those_of_fit():
    batches = _numbers(seed=3)
    pairs = PairedBatches(batches, _numbers(4, 2, seed=8))
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: pairs.set_epoch(epoch))
    seen = _fit(pairs, epochs=2, callbacks=[follow]) + _fit(pairs, initial_epoch=2, epochs=3, callbacks=[follow])
    for epoch in range(3):
        steps = seen[3 * epoch : 3 * epoch + 3]
        assert [train[1] for train, _ in steps] == _labels(_numbers(seed=3, initial_epoch=epoch))
        expected = _labels(_numbers(4, 2, seed=8, initial_epoch=epoch))
        assert [validation[1] for _, validation in steps] == [*expected, expected[0]]


# PairedBatches -----------------------------------------------------------------------------------
def test_pairs_go_round_the_shorter_validation():
    training, validation = _numbers(10, 2, seed=1), _numbers(6, 3, seed=2)
    pairs = PairedBatches(training, validation)
    assert len(pairs) == pairs.num_batches == 5
    for index, (train, val) in enumerate(pairs):
        np.testing.assert_array_equal(train[1], training[index][1])
        np.testing.assert_array_equal(val[1], validation[index % 2][1])
    with pytest.raises(IndexError):
        pairs[5]


def test_pairs_hand_epochs_on():
    calls = []

    class Noting(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.zeros(1), np.zeros(1)

        def on_epoch_begin(self):
            calls.append("begin")

        def on_epoch_end(self):
            calls.append("end")

    training = _numbers()
    pairs = PairedBatches(training, Noting())
    pairs.on_epoch_begin()
    pairs.on_epoch_end()
    assert training.epoch == 1 and calls == ["begin", "end"]
    pairs.set_epoch(6)  # a dataset without `set_epoch` is let be
    assert training.epoch == 6


def test_one_set_for_both_advances_once():
    batches = _numbers()
    pairs = PairedBatches(batches, batches)
    pairs.on_epoch_end()
    assert batches.epoch == 1
    np.testing.assert_array_equal(pairs[0][0][1], pairs[0][1][1])


def test_pairs_refuse():
    class Endless(keras.utils.PyDataset):
        num_batches = None

    class Empty(keras.utils.PyDataset):
        def __len__(self):
            return 0

    for wrong in (np.zeros(3), None, Endless(), Empty()):
        with pytest.raises(ValueError, match=r"`validation`. Expected a keras.utils.PyDataset with at least one batch"):
            PairedBatches(_numbers(), wrong)
    with pytest.raises(ValueError, match="`training`"):
        PairedBatches(None, _numbers())


# Augmentations -----------------------------------------------------------------------------------
def test_color_jitter_changes_contrast_and_the_brightness_of_each_channel():
    changed = color_jitter(IMAGES, np.random.default_rng(0), amount=0.3)
    for before, after in zip(IMAGES, changed, strict=True):
        contrasts = after.std(axis=(0, 1)) / before.std(axis=(0, 1))
        np.testing.assert_allclose(contrasts, contrasts[0], rtol=1e-4)  # one for all channels
        offsets = (after - contrasts[0] * before).reshape(-1, 3)
        np.testing.assert_allclose(offsets, np.tile(offsets[0], (len(offsets), 1)), atol=1e-5)
        assert 0.7 <= contrasts[0] <= 1.3 and np.abs(offsets[0]).max() <= 0.15 + 1e-5
        assert len(set(offsets[0].round(4))) == 3
    bright = color_jitter(np.full((64, 2, 2, 1), 250, np.uint8), np.random.default_rng(0))
    assert bright.max() == 255 and bright.min() > 100  # it does not overflow
    np.testing.assert_array_equal(color_jitter(IMAGES, np.random.default_rng(0), amount=0), IMAGES)


IMAGES = np.random.default_rng(0).uniform(0.1, 1, (64, 6, 9, 3)).astype(np.float32)
AUGMENTATIONS = {
    "shift": shift,
    "flip": flip,
    "flip_vertical": flip_vertical,
    "rotate": rotate,
    "cutout": functools.partial(cutout, size=3),
    "color_jitter": color_jitter,
    "zoom": zoom,
    "drop_columns": functools.partial(drop_lines, rows=False),
    "compose": compose(shift, flip, functools.partial(cutout, size=3)),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_augmentations_keep_shape_dtype_and_input(name, dtype):
    batch = (IMAGES * 255).astype(dtype)
    before = batch.copy()
    made = AUGMENTATIONS[name](batch, np.random.default_rng(1))
    assert made.shape == batch.shape and made.dtype == batch.dtype
    np.testing.assert_array_equal(batch, before)
    assert not np.array_equal(made, batch)
    np.testing.assert_array_equal(made, AUGMENTATIONS[name](batch, np.random.default_rng(1)))
    assert not np.array_equal(made, AUGMENTATIONS[name](batch, np.random.default_rng(2)))


@pytest.mark.parametrize(("rows", "axis"), [(True, 1), (False, 2)])
def test_dropped_lines_are_zero_and_all_others_as_they_were(rows, axis):
    made = np.moveaxis(drop_lines(IMAGES, np.random.default_rng(0), rows=rows, share=0.25), axis, 1)
    kept = (made == np.moveaxis(IMAGES, axis, 1)).all(axis=(2, 3))
    assert (kept ^ (made == 0).all(axis=(2, 3))).all() and 0.65 < kept.mean() < 0.85
    assert kept.any(axis=0).all() and len(np.unique(kept, axis=0)) > 10  # each line of each image on its own


def test_shift_moves_each_image_by_whole_pixels():
    np.testing.assert_array_equal(shift(IMAGES, np.random.default_rng(0), pixels=0), IMAGES)
    moved = shift(IMAGES, np.random.default_rng(0), pixels=2)
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    found = set()
    for image, source in zip(moved, padded, strict=True):
        fits = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(image, source[top : top + 6, left : left + 9])
        ]
        assert len(fits) == 1
        found.add(fits[0])
    assert {top for top, _ in found} == {left for _, left in found} == set(range(5))
    assert len(found) > 5  # the two axes move on their own


def test_zoom_shows_each_image_larger_or_smaller_about_its_center():
    same = zoom(IMAGES, np.random.default_rng(0), amount=0, aspect=0)
    np.testing.assert_array_equal(same, IMAGES)
    square = np.zeros((200, 40, 60, 1))
    square[:, 10:30, 20:40] = 1
    made = zoom(square, np.random.default_rng(0))
    heights, widths = made.any(axis=2).sum(axis=1)[:, 0], made.any(axis=1).sum(axis=1)[:, 0]
    ratios, sizes = heights / widths, np.sqrt(heights * widths) / 20
    assert 0.8 <= sizes.min() < 0.85 and 1.18 < sizes.max() <= 1.25  # e to the power of 0.2 either way
    assert 0.78 <= ratios.min() < 0.86 and 1.16 < ratios.max() <= 1.31
    for lines in (made.any(axis=2)[..., 0], made.any(axis=1)[..., 0]):
        assert np.array_equal(lines, lines[:, ::-1])  # about the center
    large = zoom(np.ones((64, 9, 9, 1)), np.random.default_rng(0))
    assert (large[:, 4, 4] == 1).all() and not large[:, 0, 0].all()  # shrunk, there is nothing beyond


def test_shift_beyond_the_image_is_allowed():
    moved = shift(IMAGES, np.random.default_rng(0), pixels=20)
    assert moved.shape == IMAGES.shape and (moved == 0).any()


def test_quarter_turns_are_all_as_frequent_and_half_turns_where_the_image_is_not_square():
    images = np.random.default_rng(0).random((400, 5, 5, 2))
    turned = rotate(images, np.random.default_rng(1))
    counts = [
        sum(np.array_equal(image, np.rot90(source, turns)) for image, source in zip(turned, images, strict=True))
        for turns in range(4)
    ]
    assert sum(counts) == 400 and min(counts) > 70
    oblong = images[:, :3]
    halves = rotate(oblong, np.random.default_rng(1))
    same, half = (
        sum(np.array_equal(image, np.rot90(source, turns)) for image, source in zip(halves, oblong, strict=True))
        for turns in (0, 2)
    )
    assert same + half == 400 and min(same, half) > 150


@pytest.mark.parametrize(("flip", "axis"), [(flip, 1), (flip_vertical, 0)])
def test_a_flip_mirrors_about_half(flip, axis):
    pairs = list(zip(flip(IMAGES, np.random.default_rng(0)), IMAGES, strict=True))
    mirrored = sum(np.array_equal(image, np.flip(source, axis)) for image, source in pairs)
    assert mirrored + sum(np.array_equal(image, source) for image, source in pairs) == 64 and 16 < mirrored < 48


def test_cutout_zeroes_one_square():
    np.testing.assert_array_equal(cutout(IMAGES, np.random.default_rng(0), size=0), IMAGES)
    cut = cutout(IMAGES, np.random.default_rng(0), size=3)
    areas = set()
    for image, source in zip(cut, IMAGES, strict=True):
        gone = (image == 0).all(axis=-1)
        np.testing.assert_array_equal(image[~gone], source[~gone])
        rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
        assert gone.sum() == len(rows) * len(columns)  # a rectangle
        assert rows[-1] - rows[0] < 3 and columns[-1] - columns[0] < 3
        areas.add(int(gone.sum()))
    assert max(areas) == 9 and min(areas) == 4  # whole within, cut at a corner
    assert not cutout(IMAGES, np.random.default_rng(0), size=40).any()


def test_compose_applies_in_turn_with_one_generator():
    rng, expected = np.random.default_rng(3), np.random.default_rng(3)
    made = compose(shift, flip)(IMAGES, rng)
    np.testing.assert_array_equal(made, flip(shift(IMAGES, expected), expected))
    assert compose()(IMAGES, rng) is IMAGES
    again = pickle.loads(pickle.dumps(compose(shift, flip)))  # noqa: S301 (worker processes do so)
    np.testing.assert_array_equal(again(IMAGES, np.random.default_rng(3)), made)


def test_augmentations_refuse_bad_sizes():
    with pytest.raises(ValueError, match=r"`pixels`. Expected an integer of at least 0. Received: -1"):
        shift(IMAGES, np.random.default_rng(0), pixels=-1)
    with pytest.raises(ValueError, match=r"`size`.*Received: 2.5"):
        cutout(IMAGES, np.random.default_rng(0), size=2.5)
