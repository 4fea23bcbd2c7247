"""PC-DARTS: the channels that are mixed, those that bypass the mixture, the shuffle, and edge normalization."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import DARTSSpace
from kerasnas.backend import value_and_grad
from kerasnas.primitives.partial_mixed_op import PartialMixedOp
from kerasnas.relaxations.base import normalize_edges

NAMES = ["none", "skip_connect", "sep_conv_3x3"]


def shuffle(x, groups):
    """Channel `g * size + i` goes to `i * groups + g`."""
    size = x.shape[-1] // groups
    return np.stack([x[..., group * size + index] for index in range(size) for group in range(groups)], axis=-1)


def images(channels=8, size=6):
    return np.random.default_rng(0).standard_normal((2, size, size, channels)).astype("float32")


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize("edge_weights", [None, np.array([0.25, 0.75], "float32")])
def test_equals_its_definition(strides, size, edge_weights):
    x, weights = images(size=size), np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], "float32")
    layer = PartialMixedOp(NAMES, filters=8, strides=strides, copies=2, partial_channels=4)
    received = layer(x, weights=weights, edge_weights=edge_weights, training=True).numpy()
    mixed = layer.mixed(x[..., :2], weights=weights, training=True).numpy()
    others = x[..., 2:] if strides == 1 else keras.layers.MaxPooling2D(2, padding="same")(x[..., 2:]).numpy()
    for copy in range(2):
        weight = 1 if edge_weights is None else edge_weights[copy]
        whole = np.concatenate([mixed[..., 2 * copy : 2 * copy + 2], others], axis=-1) * weight
        np.testing.assert_allclose(received[..., 8 * copy : 8 * copy + 8], shuffle(whole, 4), rtol=1e-4, atol=1e-5)


def test_other_channels_are_untouched_and_come_first_in_their_turn():
    x = images()
    layer = PartialMixedOp(NAMES, filters=8, partial_channels=4)
    y = layer(x, weights=np.array([[0.0, 0.0, 1.0]], "float32"), training=True).numpy()
    passed = np.stack([y[..., channel] for channel in range(8) if channel % 4], axis=-1)
    np.testing.assert_array_equal(np.sort(passed, axis=-1), np.sort(x[..., 2:], axis=-1))
    np.testing.assert_array_equal(y[..., 1], x[..., 2])  # the next layer mixes one that bypassed this one
    assert layer.count_params() == layer.mixed.count_params()


def test_configuration_and_errors():
    layer = PartialMixedOp(NAMES, filters=6, strides=2, copies=2, partial_channels=3, name="partial")
    again = PartialMixedOp.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape((None, 5, 4, 6)) == (None, 3, 2, 12)
    with pytest.raises(ValueError, match=r"divisor of the filters: one of \[1, 2, 3, 6\] for 6 filters. Received: 4"):
        PartialMixedOp(NAMES, filters=6)
    with pytest.raises(ValueError, match="Expected 6 channels"):
        layer.build((None, 4, 4, 5), (2, 3))
    with pytest.raises(ValueError, match="`partial_channels`"):
        DARTSSpace(filters=8, partial_channels=3)


def test_edge_normalization_is_a_softmax_over_the_edges_into_a_node():
    betas = np.log(np.array([1.0, 3.0, 2.0, 2.0, 4.0]))
    weights = normalize_edges(ops.convert_to_tensor(betas), [2, 2, 3, 3, 3])
    np.testing.assert_allclose(weights, [0.25, 0.75, 0.25, 0.25, 0.5], rtol=1e-12)
    np.testing.assert_allclose(normalize_edges(ops.zeros((2,)), [2, 2]), [0.5, 0.5])


def test_edge_weights_take_part_in_the_search_and_in_the_derivation():
    space = DARTSSpace(4, 3, 2, primitives=NAMES[:2], partial_channels=2, edge_normalization=True)
    supernet = space.build_supernet((8, 8, 1), 3)
    names = [v.name for v in supernet.architecture_parameters]
    assert names == ["alphas_normal", "alphas_reduce", "betas_normal", "betas_reduce"]
    for alphas in supernet.alphas.values():
        alphas.assign(np.zeros(alphas.shape))
    supernet.betas["normal"].assign([0.0, 0.0, 2.0, -9.0, 1.0])
    kept = [(edge.source, edge.target) for edge in supernet.derive()["normal"]]
    assert kept == [(0, 2), (1, 2), (0, 3), (2, 3)]  # the edge of the least beta is dropped
    np.testing.assert_allclose(supernet.mixing_weights()["normal"][:2].sum(), 1, rtol=1e-6)

    state = [ops.convert_to_tensor(v) for v in supernet.non_trainable_variables]
    values = [ops.convert_to_tensor(v) for v in supernet.trainable_variables]

    def loss(parameters):
        logits, _ = supernet.stateless_call(parameters, state, images(1, 8), training=True)
        return ops.sum(ops.square(logits)), None

    _, gradients = value_and_grad(loss)(values)
    for variable, gradient in zip(supernet.trainable_variables, gradients, strict=True):
        if variable.name.startswith(("alphas", "betas")):
            assert np.abs(ops.convert_to_numpy(gradient)).max() > 0, variable.path


def test_edge_normalization_without_partial_channels():
    space = DARTSSpace(2, 3, 2, primitives=NAMES[:2], edge_normalization=True)
    supernet = space.build_supernet((8, 8, 1), 3)
    plain = DARTSSpace(2, 3, 2, primitives=NAMES[:2]).build_supernet((8, 8, 1), 3)
    x, edges = images(1, 8), supernet._edge_weights("normal")
    cells = supernet.graphs[0], plain.graphs[0]
    for variable, value in zip(cells[1].variables, cells[0].variables, strict=True):
        variable.assign(value)
    stem, preprocess = supernet.parts[:2]
    states = [preprocess(stem(x))] * 2
    weights = np.full((5, 2), 1 / 2, "float32")
    received = cells[0](states, weights=weights, edge_weights=edges)
    expected = cells[1](states, weights=weights * ops.convert_to_numpy(edges)[:, None])
    for node, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(node, other, rtol=1e-5, atol=1e-6)
