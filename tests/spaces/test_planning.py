"""The planning space: cells by hand, one set of weights for all sizes, and paths that a network finds."""

import itertools

import keras
import numpy as np
import pytest

from kerasnas.cost.counting import macs, parameters
from kerasnas.datasets import mazes
from kerasnas.primitives.recurrent_blocks import RECURRENT_CELLS, MarkedReadout, RecurrentBlock
from kerasnas.racing.portfolio import portfolio
from kerasnas.spaces import SPACES, PlanningSpace

SPACE = PlanningSpace(filters=4)
RNG = np.random.default_rng(0)


def block_model(cell, iterations, filters=3, channels=2):
    inputs = keras.Input((5, 5, channels))
    outputs = RecurrentBlock(filters, cell=cell, iterations=iterations, kernel_size=3).expand(inputs)
    return keras.Model(inputs, outputs)


def convolve(x, kernel, bias):
    """A convolution with zeros beyond the border, by sums over the window."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    parts = [padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)]
    return sum(parts) + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(model):
    """Kernel and bias of every convolution, and the kernels of those without one, in the order of the layers."""
    convolutions = [layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return [own for own in convolutions if len(own) == 2], [own[0] for own in convolutions if len(own) == 1]


@pytest.mark.parametrize("cell", RECURRENT_CELLS)
def test_cells_by_hand(cell):
    """Equal for one assignment of the layers' weights to the equation's: Keras may list layers in another order."""
    model = block_model(cell, 3)
    x = RNG.normal(size=(2, 5, 5, 2)).astype("float32")
    for weight in model.weights:  # biases too
        weight.assign(RNG.normal(0, 0.4, size=weight.shape))
    found, (biased, plain) = model(x), weights_of(model)
    equation = {"residual": residual, "gru": gru, "value_iteration": value_iteration}[cell]
    assert any(
        np.allclose(found, equation(x, first, second), atol=1e-4)
        for first in itertools.permutations(biased)
        if first[0][0].shape[2] == 2  # the first state is of x
        for second in itertools.permutations(plain)
    )


def shaped(*pairs):
    return all(own.shape[2] == channels for own, channels in pairs)


def residual(x, biased, plain):
    start, of_x, second = biased
    if not shaped((of_x[0], 2), (second[0], 3)):
        return np.nan
    h = convolve(x, *start)
    for _ in range(3):
        h = h + 0.1 * convolve(np.maximum(convolve(h, plain[0], 0) + convolve(x, *of_x), 0), *second)
    return h


def gru(x, biased, plain):
    start, *of_x = biased
    h, constant = np.tanh(convolve(x, *start)), [convolve(x, *own) for own in of_x]
    for _ in range(3):
        z, r = (sigmoid(convolve(h, plain[index], 0) + constant[index]) for index in range(2))
        h = z * h + (1 - z) * np.tanh(convolve(r * h, plain[2], 0) + constant[2])
    return h


def value_iteration(x, biased, plain):
    start, of_x = biased
    q = convolve(x, *start)
    for _ in range(3):
        q = convolve(0.25 * q.max(axis=-1, keepdims=True), plain[0], 0) + convolve(x, *of_x)
    return q


def test_iterations_share_their_weights_and_their_multiply_adds_add_up():
    few, many = (block_model("value_iteration", iterations) for iterations in (1, 4))
    assert parameters(few) == parameters(many)
    bellman = 25 * 9 * 3  # of the values alone: what is read of the image is read once
    assert macs(many) - macs(few) == 3 * bellman


def test_the_readout_is_at_the_mark():
    inputs = keras.Input((3, 4, 6))
    model = keras.Model(inputs, MarkedReadout(2).expand(inputs))
    x = RNG.normal(size=(2, 3, 4, 6)).astype("float32")
    x[..., 5] = 0
    x[0, 1, 2, 5] = x[1, 2, 3, 5] = 1
    np.testing.assert_allclose(model(x), [x[0, 1, 2, :2], x[1, 2, 3, :2]], rtol=1e-6)


def test_weights_are_those_of_larger_worlds():
    """A cell sees as far as it is applied: what lies within that of the agent is all that counts, in any world."""
    genotype = SPACE.references()["gru"]
    small = SPACE.build_network(genotype, (9, 9, 3), 4)
    large = SPACE.transfer(small, genotype, (15, 15, 3))
    few = [SPACE.transfer(small, genotype, (size, size, 3), iterations=1) for size in (9, 15)]
    x = np.zeros((2, 15, 15, 3), "float32")
    x[:, 3:12, 3:12] = RNG.random((2, 9, 9, 3))
    x[..., 2] = 0
    x[:, 7, 7, 2] = 1
    outputs = few[0](x[:, 3:12, 3:12]), few[1](x)
    np.testing.assert_allclose(*outputs, atol=1e-5)
    assert not np.allclose(outputs[1], large(x), atol=1e-5)
    with pytest.raises(ValueError, match="`model`"):
        SPACE.transfer(small, SPACE.references()["residual"], (15, 15, 3))


@pytest.mark.parametrize("cell", RECURRENT_CELLS)
def test_no_state_grows_over_many_iterations(cell):
    """Of networks that have not learned anything: trainings of such diverged at the rate of a race."""
    data, space = mazes(20, 20, size=11, seed=0), PlanningSpace(iterations=(24,))
    assignment = {"width": "1", "window": "5", "cell": cell, "iterations": "24", "readout": "marked"}
    model = space.build_network(space.genotype(assignment), data.input_shape, 4)
    assert np.abs(model(data.x_train)).max() < 50


@pytest.mark.slow
def test_a_network_learns_to_find_its_way():
    data = mazes(400, 100, size=7, seed=0)
    space = PlanningSpace(iterations=(8,))
    model = space.build_network(space.references()["gru"], data.input_shape, 4)
    model.compile(
        keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    model.fit(data.x_train, data.y_train, epochs=12, batch_size=32, verbose=0)
    assert model.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True)["accuracy"] > 0.6  # chance: a quarter


def test_the_space():
    assert SPACES["planning"] is PlanningSpace and SPACE.size == 3 * 2 * 3 * 4 * 2
    names = [one.name for one in portfolio(SPACE, 8, seed=0)]
    assert set(RECURRENT_CELLS) <= set(names)
    assert names[0] == "gru" and not SPACE.tolerant
    assert PlanningSpace.for_data((9, 7, 3), 4, 100).iterations == (4, 9, 13, 18)
    assert PlanningSpace.for_data((1, 1, 3), 4, 100).iterations == (1, 2)
    with pytest.raises(ValueError, match="no supernet"):
        SPACE.build_supernet((7, 7, 3), 4)
    with pytest.raises(ValueError, match="`strides`"):
        RecurrentBlock(4, strides=2)
