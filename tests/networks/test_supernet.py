"""Supernet and discrete network: two readings of one skeleton, seeds, saving, errors."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import DARTSSpace, Genotype
from kerasnas.networks.mixed import MixedGraph
from kerasnas.networks.skeleton import cell_edges
from kerasnas.primitives.convolutions import Convolution, Depthwise, OffsetPair, Pointwise
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.spaces.cell_space import cell_plan
from tests.layers import layers_in_order

NAMES = ["none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"]
GENOTYPE = Genotype(
    "darts",
    {
        "normal": [("sep_conv_3x3", 0, 2), ("skip_connect", 1, 2), ("dil_conv_3x3", 0, 3), ("sep_conv_3x3", 2, 3)],
        "reduce": [("skip_connect", 0, 2), ("dil_conv_3x3", 1, 2), ("skip_connect", 2, 3), ("sep_conv_3x3", 1, 3)],
    },
)
POOLED = Genotype("darts", {kind: [("max_pool_3x3", 0, 2), ("avg_pool_3x3", 1, 2)] for kind in ("normal", "reduce")})
SHAPE, CLASSES = (8, 8, 3), 3


def supernet(input_shape=SHAPE, num_classes=CLASSES, relaxation="softmax", seed=0, **sizes):
    space = DARTSSpace(**{"filters": 2, "num_cells": 3, "num_nodes": 2, "primitives": NAMES, **sizes})
    return space.build_supernet(input_shape, num_classes, relaxation, seed)


def discrete(genotype=GENOTYPE, input_shape=SHAPE, num_classes=CLASSES, drop_path=0.0, seed=0, **sizes):
    nodes = len({edge.target for edge in genotype["normal"]})
    space = DARTSSpace(**{"filters": 2, "num_cells": 3, "num_nodes": nodes, **sizes})
    kinds = {kind: genotype[kind] for kind in space.kinds}
    return space.build_network(Genotype("darts", kinds), input_shape, num_classes, drop_path, seed)


def images(size=8, seed=0):
    return np.random.default_rng(seed).standard_normal((2, size, size, 3)).astype("float32")


def numbers(variable):
    return tf.convert_to_tensor(variable).numpy()


# Supernet against discrete network -----------------------------------------------------------------
def stages(layer):
    """The stages of a primitive that have weights."""
    return [
        stage for stage in layer.chain if isinstance(stage, (Convolution, Depthwise, Pointwise, OffsetPair, BatchNorm))
    ]


def weights_of(stage, copy, copies):
    """(class, values) of each standard layer that spells `stage` out, in copy number `copy`."""
    if isinstance(stage, Convolution | Pointwise):
        return [("Conv2D", [numbers(stage.kernel)[copy]])]
    if isinstance(stage, OffsetPair):
        return [("Conv2D", [numbers(kernel)[copy]]) for kernel in stage.kernels]
    if isinstance(stage, Depthwise):
        return [("DepthwiseConv2D", [np.split(numbers(stage.kernel), copies, axis=2)[copy]])]
    moving = [np.split(numbers(v), copies)[copy] for v in (stage.moving_mean, stage.moving_variance)]
    affine = [numbers(stage.gamma), numbers(stage.beta)] if stage.affine else [np.ones_like, np.zeros_like]
    return [("BatchNormalization", [v(moving[0]) if callable(v) else v for v in affine] + moving)]


def values_in_order(supernet, genotype):
    """(class, values) of the discrete network's layers in the order in which it makes them."""
    plans = iter(cell_plan(supernet.space.num_cells, supernet.space.filters))
    for part in supernet.parts[:-2]:  # all but pool and classifier
        chosen = [(part, 0, 1)]
        if isinstance(part, MixedGraph):
            chosen = []
            for edge in genotype[next(plans).kind]:
                targets = [target for source, target in cell_edges(2) if source == edge.source]
                candidate = part.mixed[edge.source].candidates[edge.primitive]
                chosen.append((candidate, targets.index(edge.target), len(targets)))
        for layer, copy, copies in chosen:
            for stage in stages(layer):
                yield from weights_of(stage, copy, copies)
    yield "Dense", [numbers(v) for v in supernet.classifier.weights]


@pytest.mark.parametrize("stem_strides", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_one_hot_supernet_equals_the_discrete_network(stem_strides):
    settings = {"stem_strides": stem_strides, "input_shape": (9, 8, 3)}
    mixed = supernet(**settings, relaxation=lambda alphas, training: (alphas, None))
    rng = np.random.default_rng(0)
    for variable in mixed.variables:
        variable.assign(rng.uniform(0.2, 0.8, variable.shape))
    for kind, alphas in mixed.alphas.items():
        table = np.zeros(alphas.shape)
        for edge in GENOTYPE[kind]:
            table[cell_edges(2).index((edge.source, edge.target)), NAMES.index(edge.primitive)] = 1
        alphas.assign(table)
    network = discrete(**settings)

    queues = layers_in_order(network)
    for kind, values in values_in_order(mixed, GENOTYPE):
        layer = queues[kind].pop(0)
        layer.set_weights([v.reshape(w.shape) for v, w in zip(values, layer.weights, strict=True)])
    assert not any(queues.values())
    x = np.random.default_rng(1).standard_normal((2, 9, 8, 3)).astype("float32")
    expected, received = mixed(x, training=False).numpy(), network(x, training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-4  # the images do tell on the logits
    np.testing.assert_allclose(received, expected, rtol=1e-4)


# The discrete network is plain Keras -----------------------------------------------------------------


def test_drop_path_is_dropout_with_one_value_an_image():
    network = discrete(drop_path=0.4)
    drops = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert all(tuple(layer.noise_shape) == (None, 1, 1, 1) for layer in drops)
    # Linear in the depth: nothing in the first cell; skips are spared. Both of the others are reduction cells.
    assert sorted(round(layer.rate, 6) for layer in drops) == [0.2] * 2 + [0.4] * 2
    assert not any(isinstance(x, keras.layers.Dropout) for x in discrete(num_cells=1).layers)
    y = drops[0](np.ones((400, 3, 3, 2), "float32"), training=True).numpy().reshape(400, -1)
    assert (y == y[:, :1]).all()
    assert set(np.unique(y)) == {0, np.float32(1 / (1 - drops[0].rate))}
    dropped = (y[:, 0] == 0).mean()
    assert abs(dropped - drops[0].rate) < 0.1
    x = images()
    np.testing.assert_array_equal(network(x, training=False), network(x, training=False))
    assert np.any(network(x, training=True) != network(x, training=True))


# Seeds -------------------------------------------------------------------------------------------------
BOTH = pytest.mark.parametrize("make", [supernet, discrete], ids=["supernet", "discrete"])


@BOTH
def test_nothing_is_seeded_globally(make):
    """The draws of global generators afterwards depend on their own seed, as before."""
    draws = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        make(seed=9, num_cells=1)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
        draws.append((random.random(), float(keras.random.normal((1,))[0])))
    assert draws[0][0] != draws[1][0] and draws[0][1] != draws[1][1]


# The supernet -------------------------------------------------------------------------------------------
def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        networks = supernet(num_cells=1), discrete(num_cells=1)
    finally:
        keras.config.set_dtype_policy("float32")
    for network in networks:
        logits = network(images(), training=True)
        assert logits.dtype == "float32" and np.isfinite(logits).all()
        assert {v.dtype for v in network.trainable_variables} == {"float32"}
    for alphas in networks[0].architecture_parameters:
        assert tf.convert_to_tensor(alphas).dtype == "float32"


def test_plan_halves_at_one_and_two_thirds():
    assert [index for index, cell in enumerate(cell_plan(20, 36)) if cell.kind == "reduce"] == [6, 13]
    assert [cell.filters for cell in cell_plan(8, 16)] == [16, 16, 32, 32, 32, 64, 64, 64]
    assert [cell.reduction_previous for cell in cell_plan(5, 1)] == [False, False, True, False, True]
    assert [cell.kind for cell in cell_plan(1, 1)] == ["reduce"]


@pytest.mark.parametrize("cells", [1, *(pytest.param(number, marks=pytest.mark.slow) for number in (2, 4, 6))])
def test_any_number_of_cells_and_odd_sizes(cells):
    size = {"num_cells": cells, "input_shape": (9, 7, 3)}
    x = np.ones((1, 9, 7, 3), "float32")
    assert supernet(**size, num_nodes=1)(x).shape == (1, 3)
    assert discrete(POOLED, **size)(x).shape == (1, 3)


def test_wrong_channels_are_reported():
    with pytest.raises(ValueError, match=r"shape \(8, 8, 3\).*Received: a batch of shape \(1, 8, 8, 4\)"):
        supernet(num_nodes=1, primitives=["skip_connect"])(np.ones((1, 8, 8, 4), "float32"))


def test_given_mixing_weights_hold_the_weights_of_the_edges():
    """Under edge normalization the network by its own mixing weights is the network as it is."""
    space = DARTSSpace(num_nodes=2, filters=2, num_cells=1, primitives=NAMES[:3])
    supernet = space.build_supernet((8, 8, 1), 3, edge_normalization=True)
    rng = np.random.default_rng(0)
    for variable in supernet.architecture_parameters:
        variable.assign(rng.standard_normal(variable.shape))
    x = rng.random((4, 8, 8, 1)).astype("float32")
    with supernet.mixing_by(supernet.mixing_weights()):
        given = supernet(x, training=False)
    np.testing.assert_allclose(given, supernet(x, training=False), atol=1e-5)
