"""Relaxations: closed forms, and the flag that tells alphas from weights."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import relaxations
from kerasnas.relaxations import Softmax, add_alphas, is_alphas, split_variables


def test_softmax_is_the_closed_form():
    alphas = np.array([[0.0, np.log(2), np.log(5)], [3.0, 3.0, 3.0]])
    weights, active = Softmax()(ops.convert_to_tensor(alphas))
    np.testing.assert_allclose(weights, [[1 / 8, 2 / 8, 5 / 8], [1 / 3] * 3], rtol=1e-12)
    assert active is None
    sharp, _ = Softmax(temperature=0.5)(ops.convert_to_tensor(alphas))
    np.testing.assert_allclose(sharp[0], np.array([1, 4, 25]) / 30, rtol=1e-12)


def test_low_temperature_is_one_hot_and_high_is_uniform():
    alphas = ops.convert_to_tensor([[0.1, 0.3, 0.2]])
    np.testing.assert_allclose(Softmax(1e-3)(alphas)[0], [[0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(Softmax(1e6)(alphas)[0], [[1 / 3] * 3], atol=1e-6)
    assert np.isfinite(Softmax()(ops.convert_to_tensor([[1e4, -1e4]]))[0]).all()


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_temperature_is_checked(temperature):
    with pytest.raises(ValueError, match="`temperature`"):
        Softmax(temperature)


def test_get():
    assert isinstance(relaxations.get("softmax"), Softmax)
    own = Softmax(0.5)
    assert relaxations.get(own) is own
    again = relaxations.get(keras.saving.serialize_keras_object(own))
    assert isinstance(again, Softmax) and again.temperature == 0.5
    with pytest.raises(ValueError, match=r"Unknown relaxation 'sofmax'. Did you mean 'softmax'"):
        relaxations.get("sofmax")
    with pytest.raises(ValueError, match="`relaxation`"):
        relaxations.get(3)


@pytest.mark.parametrize(
    ("policy", "expected"), [("float32", "float32"), ("mixed_bfloat16", "float32"), ("bfloat16", "float32"),
                             ("float64", "float64")]
)  # fmt: skip
def test_alphas_are_marked_small_and_precise(policy, expected):
    class Owner(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(name="kernel", shape=(2,))
            self.alphas = add_alphas(self, (3, 4), seed=1)

        def call(self, x):
            return ops.convert_to_tensor(self.alphas)

    layer = Owner(dtype=policy)
    alphas = layer(np.ones((1, 2), "float32"))
    assert keras.backend.standardize_dtype(alphas.dtype) == layer.alphas.dtype == expected
    values = ops.convert_to_numpy(alphas)
    assert 1e-4 < np.abs(values).max() < 1e-2 and len(np.unique(values)) == 12
    assert layer.alphas.trainable
    assert is_alphas(layer.alphas) and not is_alphas(layer.kernel)
    weights, found = split_variables(iter(layer.variables))
    assert [v.name for v in weights] == ["kernel"] and [v.name for v in found] == ["alphas"]
