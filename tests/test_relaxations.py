"""Relaxations: closed forms, and the flag that tells alphas from weights."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import relaxations
from kerasnas.backend import value_and_grad
from kerasnas.relaxations import Gumbel, Softmax, add_alphas, is_alphas, split_variables


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


def test_gumbel_draws_by_the_softmax_and_is_one_hot():
    """Frequencies of 20,000 draws against the probabilities; four standard deviations of the count."""
    probabilities = np.array([0.1, 0.2, 0.7])
    alphas = ops.convert_to_tensor(np.tile(np.log(probabilities) + 3, (20_000, 1)).astype("float32"))
    weights, active = Gumbel(temperature=0.7, seed=1)(alphas, training=True)
    weights = ops.convert_to_numpy(weights)
    assert set(np.unique(weights)) == {0, 1} and (weights.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(np.argmax(weights, axis=1), active[:, 0])
    deviation = 4 * np.sqrt(probabilities * (1 - probabilities) / 20_000)
    assert (np.abs(weights.mean(axis=0) - probabilities) < deviation).all()


def test_gumbel_gradient_is_that_of_the_soft_sample():
    alphas = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    cotangent = np.random.default_rng(1).standard_normal((3, 4)).astype("float32")

    def hard(parameters):
        return ops.sum(Gumbel(temperature=2.0, seed=5)(parameters[0], training=True)[0] * cotangent), None

    def soft(parameters):
        uniform = keras.random.uniform((3, 4), 1e-7, 1 - 1e-7, seed=keras.random.SeedGenerator(5))
        logits = ops.log_softmax(parameters[0]) - ops.log(-ops.log(uniform))
        return ops.sum(ops.softmax(logits / 2.0) * cotangent), None

    gradients = [value_and_grad(f)([ops.convert_to_tensor(alphas)])[1][0] for f in (hard, soft)]
    np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-6)


def test_gumbel_outside_training_and_its_seeds():
    alphas = ops.convert_to_tensor(np.random.default_rng(0).standard_normal((50, 4)).astype("float32"))
    relax = Gumbel(seed=3)
    weights, active = relax(alphas, training=False)
    np.testing.assert_array_equal(active[:, 0], np.argmax(alphas, axis=1))
    np.testing.assert_array_equal(weights, np.eye(4)[np.argmax(alphas, axis=1)])
    np.testing.assert_allclose(relaxations.expected(relax, alphas), Softmax()(alphas)[0], rtol=1e-6)
    draws = [np.array(relax(alphas, training=True)[1]) for _ in range(2)]
    assert not np.array_equal(*draws)
    np.testing.assert_array_equal(Gumbel(seed=3)(alphas, training=True)[1], draws[0])
    assert not np.array_equal(relaxations.get("gumbel", seed=4)(alphas, training=True)[1], draws[0])
    np.testing.assert_array_equal(relaxations.get("gumbel", seed=3)(alphas, training=True)[1], draws[0])


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_gumbel_temperature_is_checked(temperature):
    with pytest.raises(ValueError, match="`temperature`"):
        Gumbel(temperature)
