"""Images held as bytes stand for the array of their values, bit for bit."""

import concurrent.futures
import copy
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasnas import backend
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.modalities.lazy_images import LazyImages, predicted


@pytest.fixture
def stored():
    return np.random.default_rng(0).integers(0, 256, (100, 3, 4, 3), dtype=np.uint8)


@pytest.fixture
def pair(stored):
    """Lazy images, and the array that they stand for."""
    return np.divide(LazyImages(stored), 255.0, dtype=np.float32, order="C"), np.divide(stored, 255.0, dtype=np.float32)


@pytest.mark.parametrize(
    "index", [7, -1, np.int64(3), slice(5, 90, 3), [4, 1, 1], np.arange(100) % 3 == 0, np.s_[:, :, ::-1]]
)
def test_an_index_gives_the_values_of_the_array(pair, index):
    lazy, array = pair
    assert lazy[index].shape == array[index].shape and lazy[index].dtype == np.float32
    np.testing.assert_array_equal(np.asarray(lazy[index]), array[index])


def test_rows_joined_and_multiplied_are_not_copied(pair, stored):
    lazy, array = pair
    some = np.concatenate([lazy[50:], lazy[[3, 1]]]) * np.float32(255)
    assert isinstance(some, LazyImages) and some.stored is stored
    np.testing.assert_array_equal(np.asarray(some), np.concatenate([array[50:], array[[3, 1]]]) * np.float32(255))


def test_whatever_else_numpy_does_reads_the_values(pair):
    lazy, array = pair
    assert np.shape(lazy) == array.shape == lazy.shape and (lazy.ndim, lazy.size) == (array.ndim, array.size)
    for function in (np.mean, np.rot90, lambda x: x - 1, lambda x: 255 * x, lambda x: x.reshape(100, -1), np.max):
        np.testing.assert_array_equal(function(lazy), function(array))
    np.testing.assert_array_equal(np.concatenate([lazy, array]), np.concatenate([array, array]))
    np.testing.assert_array_equal(np.stack(list(lazy)), array)
    assert (lazy.min(), lazy.max()) == (array.min(), array.max())
    np.testing.assert_array_equal(copy.deepcopy(lazy), array)  # as workers get it


def test_batches_read_their_own_rows_alone(pair, monkeypatch):
    y = np.arange(100)
    monkeypatch.setattr(LazyImages, "_values", lambda self, rows, read=LazyImages._values: _few(read(self, rows)))
    for (x, label), (expected, other) in zip(
        *(ArrayBatches(images, y, 8, seed=3, augment=lambda x, rng: np.multiply(x, 2, out=x)) for images in pair),
        strict=True,
    ):
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(label, other)


def test_predictions_are_those_of_the_array(pair, monkeypatch):
    lazy, array = pair
    model = keras.Sequential([keras.Input((3, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    expected = model.predict(array, batch_size=8, verbose=0)
    monkeypatch.setattr(LazyImages, "_values", lambda self, rows, read=LazyImages._values: _few(read(self, rows)))
    np.testing.assert_allclose(predicted(model, lazy, 8), expected, rtol=1e-6)
    np.testing.assert_allclose(predicted(model, array.astype("float64"), 8), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("replicas", "batch_size", "calls"), [(1, 5, [4, 4]), (1, 3, [3, 3, 3]), (1, 9, [7]), (2, 5, [(4, 4), (4, 4)])]
)
def test_batches_are_of_one_size_and_predict_is_for_several_replicas(replicas, batch_size, calls):
    """Of another size, the network would be traced again. `predict` costs a pipeline for each call."""
    seen = []

    class Model(keras.Model):
        distribute_strategy = SimpleNamespace(num_replicas_in_sync=replicas)

        def predict(self, x, batch_size, verbose):
            return seen.append((len(x), batch_size)) or x

        def predict_on_batch(self, x):
            return seen.append(len(x)) or x

    x = np.arange(7.0)[:, None]
    np.testing.assert_array_equal(predicted(Model(), x, batch_size), x)
    assert seen == calls


def test_predictions_are_computed_on_faster_kernels(monkeypatch):
    inputs, convolution, norm = keras.Input((3, 4, 3)), keras.layers.Conv2D(2, 1), keras.layers.BatchNormalization()
    model, asked = keras.Model(inputs, norm(convolution(inputs))), []
    monkeypatch.setattr(backend, "folded_calls", lambda *layers: asked.append(layers))
    predicted(model, np.zeros((2, 3, 4, 3), np.float32), 2)
    assert asked == [(convolution, norm)]


def test_threads_take_turns():
    within, most = [], []

    class Model(keras.Model):
        def predict_on_batch(self, x):
            within.append(x)
            time.sleep(0.05)
            most.append(len(within))
            within.pop()
            return x

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda number: predicted(Model(), np.full((1, 1), number), 1).item(), range(3)))
    assert (found, most) == ([0, 1, 2], [1, 1, 1])


def _few(images):
    assert len(images) <= 8
    return images


def test_of_many_networks_no_tracing_is_told(caplog):
    with caplog.at_level("WARNING", "tensorflow"):
        for units in range(1, 9):
            predicted(keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)]), np.zeros((4, 3)), 4)
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]
