"""Muon in closed form: singular values of its steps, their length, and SGD for what is no filter of a convolution."""

import keras
import numpy as np
import pytest

from kerasnas.training.muon import Muon, orthogonal


def quintic(value):
    for _ in range(5):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    return value


@pytest.mark.parametrize("shape", [(3, 3, 2, 4), (1, 1, 3, 8), (5, 4, 6)])
def test_a_step_keeps_singular_vectors_and_takes_the_iterated_quintic_of_singular_values(shape):
    filters = np.random.default_rng(0).standard_normal(shape).astype("float32")
    left, values, right = np.linalg.svd(filters.reshape(-1, shape[-1]).astype("float64"), full_matrices=False)
    values = quintic(values / np.linalg.norm(values))
    np.testing.assert_allclose(orthogonal(filters), ((left * values) @ right).reshape(shape), atol=2e-4)
    assert values.min() > 0.6 and values.max() < 1.3


def variables(*shapes):
    rng = np.random.default_rng(1)
    return [keras.Variable(rng.standard_normal(shape).astype("float32")) for shape in shapes]


def gradients(variables, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(v.shape).astype("float32") for v in variables]


def test_filters_turn_by_the_same_share_of_their_norm_in_the_direction_of_the_momentum():
    (filters,) = variables((3, 3, 4, 6))
    optimizer, past, value = Muon(0.1, filter_momentum=0.5, pace=0.3), 0.0, filters.numpy()
    for seed, scale in enumerate((1.0, 1000.0, 1e-3)):  # whatever the size of the gradient
        (gradient,) = gradients([filters], seed)
        gradient *= scale
        optimizer.apply([gradient], [filters])
        past = 0.5 * past + gradient
        direction = np.asarray(orthogonal(gradient + 0.5 * past))
        norm = np.linalg.norm(value)
        moved = value - 0.1 * 0.3 * norm * direction / np.linalg.norm(direction)
        assert norm > 6**0.5  # longer than the bound, they grow no further
        moved *= min(1, norm / np.linalg.norm(moved))
        np.testing.assert_allclose(filters, moved, rtol=1e-4, atol=1e-5)
        value = filters.numpy()


def test_what_is_no_filter_takes_the_steps_of_sgd():
    shapes = (5,), (4, 3), (3, 3, 2, 1)  # a bias, a dense layer, depthwise filters
    ours, theirs = variables(*shapes), variables(*shapes)
    optimizers = Muon(0.1, weight_decay=0.01), keras.optimizers.SGD(0.1, 0.9, nesterov=True, weight_decay=0.01)
    for seed in range(3):
        for optimizer, own in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply(gradients(own, seed), own)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_filters_that_no_gradient_reaches_stay():
    (filters,) = variables((3, 3, 2, 4))
    before = filters.numpy()
    Muon(0.1).apply([np.zeros(filters.shape, "float32")], [filters])
    np.testing.assert_array_equal(filters, before)


def test_filters_grow_to_the_root_of_their_number_and_no_further():
    (filters,) = variables((3, 3, 2, 4))
    filters.assign(0.1 * filters)
    optimizer, norms = Muon(0.1, pace=2.0), []
    for _ in range(24):
        optimizer.apply(gradients([filters], 0), [filters])
        norms.append(np.linalg.norm(filters))
    assert norms[0] < 1 and norms[5] > norms[0] and max(norms) == pytest.approx(2, rel=1e-5) == norms[-1]


def test_filters_that_begin_at_zero_are_learned_and_its_arguments_come_back():
    filters = keras.Variable(np.zeros((3, 3, 2, 2), "float32"))
    optimizer = Muon(0.1, momentum=0.8, filter_momentum=0.7, pace=0.4)
    optimizer.apply(gradients([filters], 0), [filters])
    assert np.abs(filters.numpy()).max() > 0
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.momentum, again.filter_momentum, again.pace) == (0.8, 0.7, 0.4)
