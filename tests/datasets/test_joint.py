"""Batches of several data sets at once."""

import numpy as np
import pytest

from kerasnas.datasets import Dataset
from kerasnas.datasets.joint import JointBatches, as_color


def dataset(samples, classes, shape, value):
    x = np.full((samples, *shape), value, "float32")
    y = np.arange(samples) % classes
    return Dataset("made", x, y, x[:classes], y[:classes], tuple(map(str, range(classes))))


def test_images_come_to_one_size():
    letters = np.zeros((2, 28, 28, 1), "float32")
    letters[:, 0] = 1.0
    padded = as_color(letters, 32)
    assert padded.shape == (2, 32, 32, 3) and padded.dtype == np.uint8
    assert (padded[:, :3] == 255).all() and (padded[:, 3:] == 0).all()  # padded by the edge, not scaled
    ramp = np.linspace(0, 1, 48, dtype="float32")[None, :, None, None] * np.ones((1, 48, 48, 3), "float32")
    small = as_color(ramp, 32)
    assert small.shape == (1, 32, 32, 3) and abs(float(small[0, 16, 0, 0]) - 255 * 16.5 / 32) < 3
    assert as_color(np.ones((1, 16, 16, 1), "float32"), 32).shape == (1, 32, 32, 3)
    with pytest.raises(ValueError, match="1 or 3"):
        as_color(np.zeros((1, 8, 8, 4)), 32)


def test_classes_follow_one_another_and_shares_are_square_roots():
    data = [dataset(400, 4, (32, 32, 3), 0.0), dataset(100, 2, (28, 28, 1), 1.0)]
    batches = JointBatches(data, batch_size=50, seed=1)
    assert batches.groups.tolist() == [0, 0, 0, 0, 1, 1] and len(batches) == 10
    drawn = [batches[index] for index in range(10)]
    bright = np.concatenate([x.max(axis=(1, 2, 3)) for x, _ in drawn])
    labels = np.concatenate([y for _, y in drawn])
    assert set(labels[bright > 0.5]) == {4, 5} and set(labels[bright < 0.5]) == {0, 1, 2, 3}
    assert abs((labels >= 4).mean() - 1 / 3) < 0.07  # sqrt(100) of sqrt(400) + sqrt(100); by numbers it were a fifth


def test_a_batch_is_a_function_of_seed_epoch_and_index():
    batches = JointBatches([dataset(40, 4, (32, 32, 3), 0.5)], batch_size=8, seed=3)
    (x, y), again = batches[1], JointBatches([dataset(40, 4, (32, 32, 3), 0.5)], batch_size=8, seed=3)[1]
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    batches.on_epoch_end()
    assert batches.epoch == 1 and batches[1][1].tolist() != y.tolist()
    with pytest.raises(ValueError, match="at least one data set"):
        JointBatches([])
