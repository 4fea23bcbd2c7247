"""Single primitives: the property that distinguishes each."""

import keras
import numpy as np
import pytest

from kerasnas.primitives.base import Relu, Repeat, apply_standard, primitive
from kerasnas.primitives.convolutions import Convolution, DilConv, FactorizedReduce
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.parameter_free import AveragePool, Identity, MaxPool


def images(channels=3, size=(6, 6), seed=0):
    return np.random.default_rng(seed).standard_normal((2, *size, channels))


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_pools_normalize_without_a_learned_scale(kind):
    layer = kind(3, dtype="float64")
    y = layer(5 + 3 * images(), training=True).numpy()
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-10)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)
    assert layer.trainable_variables == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorizedReduce(4, strides=1), "Expected 2"),
        (lambda: FactorizedReduce(1), "`filters`. Expected an integer of at least 2. Received: 1"),
        (lambda: Identity(4, strides=2), "Expected 1"),
        (lambda: DilConv(True), "`filters`"),
        (lambda: primitive("max_pool_3x", 4), "Did you mean 'max_pool_3x3'"),
    ],
)
def test_wrong_arguments_are_reported(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_chain_of_stages_is_spelled_out_in_its_order():
    inputs = keras.Input((6, 6, 3))
    stages = [Convolution(4, 3), Repeat(1), BatchNorm(), Relu()]
    model = keras.Model(inputs, apply_standard(stages, inputs))
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["Conv2D", "BatchNormalization", "ReLU"]  # one copy is nothing to repeat
