"""Adaptive batch normalization."""

import keras
import numpy as np
import pytest

from kerasnas.drift import adapt_batch_norm
from kerasnas.primitives.normalization import BatchNorm


def network():
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(inputs))
    return keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(3)(x)))


def test_statistics_are_those_of_all_samples():
    model, x = network(), np.random.default_rng(0).normal(3, 2, size=(400, 4)).astype("float32")
    assert adapt_batch_norm(model, x, batch_size=100) == 2
    first = model.layers[1]
    np.testing.assert_allclose(first.moving_mean, x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(first.moving_variance, x.var(axis=0), rtol=1e-4)  # within and between batches
    outputs = model.predict(x, verbose=0)
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(outputs.std(axis=0), 1, atol=0.02)  # no unit was dropped


@pytest.mark.parametrize("shape", [(4,), (5, 4), (5, 5, 4)])
def test_statistics_of_batch_norm_of_the_package(shape):
    """Mean 5 and variance 9, without bias as the layer counts it; the momentum of a step must not enter."""
    model = keras.Sequential([keras.Input(shape), BatchNorm()])
    x = np.random.default_rng(0).normal(5, 3, size=(400, *shape)).astype("float32")
    (layer,), rows = model.layers, x.reshape(-1, 4)
    for batch_size, tolerance in ((400, 1e-5), (100, 1e-2)):
        assert adapt_batch_norm(model, x, batch_size) == 1
        np.testing.assert_allclose(layer.moving_mean, rows.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, rows.var(axis=0, ddof=1), rtol=tolerance)
    assert layer.momentum == 0.9


def test_momentum_rate_and_weights_stay():
    model = network()
    before = [np.array(variable) for variable in model.trainable_variables]
    adapt_batch_norm(model, np.ones((5, 4)))
    assert model.layers[1].momentum == 0.99 and model.layers[2].rate == 0.5
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_nothing_to_adapt_and_bad_input():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    assert adapt_batch_norm(model, np.ones((5, 4))) == 0
    with pytest.raises(ValueError, match=r"`x`.*at least 2 samples"):
        adapt_batch_norm(network(), np.ones((1, 4)))
    with pytest.raises(TypeError, match=r"`model`"):
        adapt_batch_norm(None, np.ones((5, 4)))
