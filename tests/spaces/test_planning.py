"""The planning space: cells by hand, one set of weights for all sizes, and paths that a network finds."""

import keras
import numpy as np
import pytest

from kerasnas.cost import macs, parameters
from kerasnas.datasets import mazes
from kerasnas.pipeline.racing.portfolio import portfolio
from kerasnas.primitives.recurrent_blocks import RECURRENT_CELLS, MarkedReadout, RecurrentBlock
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


@pytest.mark.parametrize("cell", RECURRENT_CELLS)
def test_cells_by_hand(cell):
    model = block_model(cell, 3)
    x = RNG.normal(size=(2, 5, 5, 2)).astype("float32")
    convolutions = [layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]

    def beside(*values):
        return np.concatenate(values, axis=-1)

    if cell == "residual":
        start, first, second = convolutions
        h = convolve(x, *start)
        for _ in range(3):
            h = h + convolve(np.maximum(convolve(beside(h, x), *first), 0), *second)
    elif cell == "gru":
        assert any(
            np.allclose(model.predict(x, verbose=0), gru(model, x, *order), atol=1e-5) for order in ((0, 1), (1, 0))
        )
        return
    else:
        start, bellman = convolutions
        q = convolve(x, *start)
        for _ in range(3):
            q = convolve(beside(x, q.max(axis=-1, keepdims=True)), *bellman)
        h = q
    np.testing.assert_allclose(model.predict(x, verbose=0), h, atol=1e-5)


def gru(model, x, update, reset):
    """The state of a GRU of three steps; `update` and `reset` are the places of its gates among the sigmoids."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    gates = [layer.get_weights() for layer in layers if layer.activation is keras.activations.sigmoid]
    start, candidate = (layer.get_weights() for layer in layers if layer.activation is keras.activations.tanh)
    h = np.tanh(convolve(x, *start))
    for _ in range(3):
        both = np.concatenate([h, x], axis=-1)
        z, r = (sigmoid(convolve(both, *gates[index])) for index in (update, reset))
        h = z * h + (1 - z) * np.tanh(convolve(np.concatenate([r * h, x], axis=-1), *candidate))
    return h


def test_iterations_share_their_weights_and_their_multiply_adds_add_up():
    few, many = (block_model("value_iteration", iterations) for iterations in (1, 4))
    assert parameters(few) == parameters(many)
    bellman = 25 * (9 * 3 * 3 + 3)  # of two channels and the values
    assert macs(many) - macs(few) == 3 * bellman


@pytest.mark.parametrize("cell", RECURRENT_CELLS)
def test_the_block_is_its_standard_layers(cell):
    layer, model = RecurrentBlock(3, cell=cell, iterations=2), block_model(cell, 2)
    x = RNG.normal(size=(2, 5, 5, 2)).astype("float32")
    layer(x)
    model.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), model.predict(x, verbose=0), atol=1e-6)


def test_the_readout_is_at_the_mark():
    inputs = keras.Input((3, 4, 6))
    model = keras.Model(inputs, MarkedReadout(2).expand(inputs))
    x = RNG.normal(size=(2, 3, 4, 6)).astype("float32")
    x[..., 5] = 0
    x[0, 1, 2, 5] = x[1, 2, 3, 5] = 1
    np.testing.assert_allclose(model.predict(x, verbose=0), [x[0, 1, 2, :2], x[1, 2, 3, :2]], rtol=1e-6)


def test_weights_are_those_of_larger_worlds(tmp_path):
    for genotype in SPACE.references().values():
        small, large = (SPACE.build_network(genotype, (size, size, 3), 4) for size in (7, 11))
        large.set_weights(small.get_weights())
        inside = RNG.random((1, 7, 7, 3)).astype("float32")
        assert small.predict(inside, verbose=0).shape == (1, 4)
    large.save(tmp_path / "model.keras")
    x = RNG.random((2, 11, 11, 3)).astype("float32")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), large.predict(x, verbose=0), atol=1e-6)
    assert {type(layer).__module__.split(".")[0] for layer in large.layers} == {"keras"}


def test_a_network_learns_to_find_its_way():
    data = mazes(400, 100, size=7, seed=0)
    space = PlanningSpace(filters=16, iterations=(8,))
    model = space.build_network(space.references()["value_iteration"], data.input_shape, 4)
    model.compile(
        keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    model.fit(data.x_train, data.y_train, epochs=12, batch_size=32, verbose=0)
    assert model.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True)["accuracy"] > 0.6  # chance: a quarter


def test_the_space():
    assert SPACES["planning"] is PlanningSpace and SPACE.size == 3 * 2 * 3 * 4 * 2
    names = [one.name for one in portfolio(SPACE, 8, seed=0)]
    assert set(RECURRENT_CELLS) <= set(names)
    with pytest.raises(ValueError, match="no supernet"):
        SPACE.build_supernet((7, 7, 3), 4)
    with pytest.raises(ValueError, match="Did you mean 'gru'"):
        PlanningSpace(primitives=["grue"])
    with pytest.raises(ValueError, match="`iterations`"):
        PlanningSpace(iterations=[4, 4])
    with pytest.raises(ValueError, match="`strides`"):
        RecurrentBlock(4, strides=2)
