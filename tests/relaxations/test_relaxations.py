"""Relaxations: closed forms, and the flag that tells alphas from weights."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.backend import value_and_grad
from kerasnas.primitives import MixedOp
from kerasnas.relaxations import BinaryGates, Dirichlet, Gumbel, Relaxation, Sigmoid, Softmax
from kerasnas.relaxations.base import add_alphas, get_relaxation, is_alphas, split_variables


def test_softmax_is_the_closed_form():
    alphas = np.array([[0.0, np.log(2), np.log(5)], [3.0, 3.0, 3.0]])
    weights, active = Softmax()(ops.convert_to_tensor(alphas))
    np.testing.assert_allclose(weights, [[1 / 8, 2 / 8, 5 / 8], [1 / 3] * 3], rtol=1e-12)
    assert active is None
    sharp, _ = Softmax(temperature=0.5)(ops.convert_to_tensor(alphas))
    np.testing.assert_allclose(sharp[0], np.array([1, 4, 25]) / 30, rtol=1e-12)


def test_get():
    assert isinstance(get_relaxation("softmax"), Softmax)
    own = Softmax(0.5)
    assert get_relaxation(own) is own
    again = get_relaxation(keras.saving.serialize_keras_object(own))
    assert isinstance(again, Softmax) and again.temperature == 0.5
    with pytest.raises(ValueError, match=r"Unknown relaxation 'sofmax'. Did you mean 'softmax'"):
        get_relaxation("sofmax")
    with pytest.raises(ValueError, match="`relaxation`"):
        get_relaxation(3)


def test_base_fills_in_what_a_relaxation_does_not_say():
    class Shifted(Relaxation):
        def call(self, alphas, training=None):
            return ops.softmax(alphas + (1.0 if training else 0.0) * np.eye(2, dtype="float32"), axis=-1), None

    relax, alphas = Shifted(), np.array([[0.0, 1.0], [2.0, 0.0]], "float32")
    assert (relax.paths, relax.temperature, relax.penalty(alphas)) == (None, None, None)
    np.testing.assert_array_equal(relax.expected(alphas), relax(alphas, training=False)[0])
    assert get_relaxation(relax) is relax


@keras.saving.register_keras_serializable(package="tests")
def relax(alphas, training=None):
    return ops.softmax(2 * alphas, axis=-1), None


def test_a_callable_becomes_a_relaxation():
    made, alphas = get_relaxation(relax), ops.convert_to_tensor([[0.0, 1.0]])
    assert isinstance(made, Relaxation) and made.function is relax
    assert (made.paths, made.temperature, made.penalty(alphas)) == (None, None, None)
    np.testing.assert_array_equal(made(alphas, training=True)[0], relax(alphas)[0])
    np.testing.assert_array_equal(made.expected(alphas), relax(alphas)[0])
    assert get_relaxation(keras.saving.serialize_keras_object(made)).function is relax
    with pytest.raises(ValueError, match=r"`relaxation`\. Expected a name, a `Relaxation` or a callable"):
        get_relaxation(Softmax)  # the class, not one of it


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("float32", "float32"), ("mixed_bfloat16", "float32"), ("bfloat16", "float32"), ("float64", "float64")],
)
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
    np.testing.assert_allclose(relax.expected(alphas), Softmax()(alphas)[0], rtol=1e-6)
    draws = [np.array(relax(alphas, training=True)[1]) for _ in range(2)]
    assert not np.array_equal(*draws)
    np.testing.assert_array_equal(Gumbel(seed=3)(alphas, training=True)[1], draws[0])
    assert not np.array_equal(get_relaxation("gumbel", seed=4)(alphas, training=True)[1], draws[0])
    np.testing.assert_array_equal(get_relaxation("gumbel", seed=3)(alphas, training=True)[1], draws[0])


def softmax_gradient(alphas, cotangent):
    """Of sum(softmax(alphas) * cotangent), written out."""
    p = np.exp(alphas) / np.exp(alphas).sum(axis=-1, keepdims=True)
    return p * (cotangent - (p * cotangent).sum(axis=-1, keepdims=True))


def test_binary_gates_frequencies():
    """The primitive that passes, and the pairs that are drawn: without replacement, the first by the softmax."""
    p, draws = np.array([0.5, 0.3, 0.2]), 20_000
    alphas = ops.convert_to_tensor(np.tile(np.log(p), (draws, 1)).astype("float32"))
    weights, active = BinaryGates(seed=1)(alphas, training=True)
    weights, active = ops.convert_to_numpy(weights), np.sort(ops.convert_to_numpy(active), axis=1)
    assert set(np.unique(weights)) == {0, 1} and (weights.sum(axis=1) == 1).all()
    assert (np.take_along_axis(weights, active, axis=1).sum(axis=1) == 1).all()  # the one that passes is of the pair
    passed = np.zeros(3)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        pair = p[i] * p[j] * (1 / (1 - p[i]) + 1 / (1 - p[j]))
        assert abs((active == (i, j)).all(axis=1).mean() - pair) < 4 * np.sqrt(pair * (1 - pair) / draws)
        passed[[i, j]] += pair * p[[i, j]] / (p[i] + p[j])
    deviation = 4 * np.sqrt(passed * (1 - passed) / draws)
    assert (np.abs(weights.mean(axis=0) - passed) < deviation).all()


@pytest.mark.parametrize("unbiased", [True, False])
def test_binary_gates_expected_gradient_is_the_softmax(unbiased):
    """Averaged over 40,000 draws of a linear loss; without the correction it is another one."""
    alphas, cotangent = np.array([0.9, -0.4, 0.1, -1.2]), np.array([1.0, -2.0, 0.5, 3.0])
    draws = 40_000
    tiled = ops.convert_to_tensor(np.tile(alphas, (draws, 1)).astype("float32"))

    def loss(parameters):
        weights, _ = BinaryGates(seed=2, unbiased=unbiased)(parameters[0], training=True)
        return ops.sum(weights * ops.convert_to_tensor(cotangent.astype("float32"))), None

    _, (gradients,) = value_and_grad(loss)([tiled])
    gradients = ops.convert_to_numpy(gradients)
    error = 4 * gradients.std(axis=0) / np.sqrt(draws)
    difference = np.abs(gradients.mean(axis=0) - softmax_gradient(alphas, cotangent))
    assert (difference < error).all() if unbiased else (difference > 3 * error).any()
    assert (np.count_nonzero(gradients, axis=1) <= 2).all()  # only the pair learns


def test_binary_gates_at_the_limits():
    sure = ops.convert_to_tensor([[200.0, 0.0, 0.0]])
    weights, active = BinaryGates()(sure, training=True)
    np.testing.assert_array_equal(weights, [[1, 0, 0]])
    _, (gradient,) = value_and_grad(lambda a: (ops.sum(BinaryGates()(a[0], training=True)[0][:, 0]), None))([sure])
    assert np.isfinite(gradient).all()
    weights, active = BinaryGates()(ops.convert_to_tensor([[0.0, 2.0, 1.0]]), training=False)
    np.testing.assert_array_equal(weights, [[0, 1, 0]])
    np.testing.assert_array_equal(active, [[1, 2]])


def test_binary_gates_draw_a_single_path_for_the_weights():
    """By the softmax, with no gradient; in a step of the alphas, two as ever."""
    p, draws = np.array([0.5, 0.3, 0.2]), 20_000
    alphas = ops.convert_to_tensor(np.tile(np.log(p), (draws, 1)).astype("float32"))
    relax = BinaryGates(seed=1)
    with relax.for_weights():
        weights, active = relax(alphas, training=True)
        _, (gradient,) = value_and_grad(lambda a: (ops.sum(relax(a[0] * 1.0, training=True)[0] * a[0]), None))([alphas])
    assert active.shape == (draws, 1) and relax(alphas, training=True)[1].shape == (draws, 2)
    weights = ops.convert_to_numpy(weights)
    np.testing.assert_array_equal(weights, np.eye(3)[ops.convert_to_numpy(active)[:, 0]])
    assert (np.abs(weights.mean(axis=0) - p) < 4 * np.sqrt(p * (1 - p) / draws)).all()
    assert set(np.unique(gradient)) == {0, 1}  # that of the alphas as factors, and none through the gates


def test_dirichlet_moments():
    """Mean and variance of 20,000 draws against those of Dirichlet(elu(alphas) + 1)."""
    alphas, draws = np.array([1.0, 0.0, -0.5]), 20_000
    concentrations = np.where(alphas > 0, alphas, np.expm1(alphas)) + 1
    mean, total = concentrations / concentrations.sum(), concentrations.sum()
    variance = mean * (1 - mean) / (total + 1)
    tiled = ops.convert_to_tensor(np.tile(alphas, (draws, 1)).astype("float32"))
    weights = ops.convert_to_numpy(Dirichlet(seed=1)(tiled, training=True)[0])
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert (np.abs(weights.mean(axis=0) - mean) < 4 * np.sqrt(variance / draws)).all()
    np.testing.assert_allclose(weights.var(axis=0), variance, rtol=0.05)
    np.testing.assert_allclose(Dirichlet()(tiled[:1], training=False)[0][0], mean, rtol=1e-6)


def test_dirichlet_expected_gradient():
    """The draw's gradient, averaged, is that of the mean: E[weights] = concentrations / sum(concentrations)."""
    alphas, draws = np.array([0.8, 0.2, -0.3], "float32"), 40_000
    cotangent = ops.convert_to_tensor([1.0, -2.0, 0.5])
    tiled = ops.convert_to_tensor(np.tile(alphas, (draws, 1)))
    relax = Dirichlet(seed=3)

    def drawn(a):
        return ops.sum(relax(a[0], training=True)[0] * cotangent), None

    def mean(a):
        return ops.sum(relax.expected(a[0]) * cotangent), None

    _, (gradients,) = value_and_grad(drawn)([tiled])
    _, (expected,) = value_and_grad(mean)([tiled[:1]])
    gradients = ops.convert_to_numpy(gradients)
    error = 4 * gradients.std(axis=0) / np.sqrt(draws)
    assert (np.abs(gradients.mean(axis=0) - ops.convert_to_numpy(expected)[0]) < error).all()


def test_sigmoid_and_its_zero_one_loss():
    alphas = np.array([[0.0, np.log(3)], [-np.log(3), 50.0]])
    weights, active = Sigmoid()(ops.convert_to_tensor(alphas))
    np.testing.assert_allclose(weights, [[0.5, 0.75], [0.25, 1.0]], rtol=1e-6)
    assert active is None
    relax = Sigmoid(zero_one_weight=2.0)
    np.testing.assert_allclose(relax.penalty(ops.convert_to_tensor(alphas)), -2 * (2 / 16 + 1 / 4) / 4)
    assert Softmax().penalty(alphas) is None
    with pytest.raises(ValueError, match="zero_one_weight"):
        Sigmoid(-1)


def test_the_penalty_is_part_of_the_training_loss_alone():
    layer = MixedOp(["skip_connect", "max_pool_3x3"], filters=2, relaxation="sigmoid")
    x = np.ones((1, 4, 4, 2), "float32")
    layer(x, training=False)
    assert not layer.losses
    layer.alphas.assign([[2.0, -1.0]])
    layer(x, training=True)
    np.testing.assert_allclose(layer.losses, [Sigmoid().penalty(ops.convert_to_tensor(layer.alphas))])
