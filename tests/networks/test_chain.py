"""The chain of ProxylessNAS: parameters, parts, one-hot choices, sampled paths, search and derivation."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import backend
from kerasnas.cost import CostModel
from kerasnas.spaces import ProxylessSpace

PAIR = ["mbconv_3x3_e3", "mbconv_5x5_e3"]
SPACE = ProxylessSpace(filters=4, num_layers=2, strides=(2,), primitives=PAIR)
SHAPE, CLASSES = (8, 8, 3), 3


def images(count=4, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype("float32")


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def bottleneck(name, channels, filters):
    """Trainable parameters of a primitive, by its name."""
    if name == "skip_connect":
        return 0
    kernel, expansion = int(name[7]), int(name[-1])
    wide = expansion * channels
    first = channels * wide + 2 * wide if expansion > 1 else 0
    return first + kernel**2 * wide + 2 * wide + wide * filters + 2 * filters


# Parameters ----------------------------------------------------------------------------------------
IMAGENET = [(24, 4), (40, 4), (80, 4), (96, 4), (192, 4), (320, 1)]  # filters and layers of each stage, as published


def test_parameters_of_the_published_skeleton():
    names = ["mbconv_5x5_e3", "skip_connect", "mbconv_7x7_e6", "mbconv_3x3_e3"]
    space = ProxylessSpace.imagenet()
    chosen = [name for _, number in IMAGENET for name in names[:number]]
    genotype = space.genotype(dict(zip(space.choices, chosen, strict=True)))
    expected = 27 * 32 + 2 * 32 + bottleneck("mbconv_3x3_e1", 32, 16)
    channels = 16
    for filters, number in IMAGENET:
        for name in names[:number]:
            expected += bottleneck(name, channels, filters)
            channels = filters
    expected += 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    model = space.build_network(genotype, (224, 224, 3), 1000)
    assert count(model.trainable_variables) == expected
    pool = next(layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    assert pool.input.shape == (None, 7, 7, 1280)


def test_a_table_without_layers_is_left_out():
    one_each = ProxylessSpace(filters=4, num_layers=1, strides=(2, 2), primitives=PAIR)
    assert list(one_each.parts(SHAPE, 2).choices) == ["first"]
    no_first = ProxylessSpace(filters=(4,), num_layers=2, strides=(1,), primitives=PAIR)
    assert list(no_first.parts(SHAPE, 2).options) == ["rest"]


def test_drop_path_only_where_a_residual_connection_is_left():
    genotype = SPACE.genotype(dict(zip(SPACE.choices, PAIR, strict=True)))
    model = SPACE.build_network(genotype, SHAPE, CLASSES, drop_path=0.25)
    (dropout,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropout.rate == 0.25


# Supernet ------------------------------------------------------------------------------------------
def set_alphas(supernet, chosen):
    """Make each table (nearly) one-hot at the chosen columns."""
    for kind, columns in chosen.items():
        supernet.alphas[kind].assign(80.0 * np.eye(len(supernet.choices[kind].primitives))[columns])


@pytest.mark.parametrize(("first", "rest"), [(0, 1), pytest.param(1, 2, marks=pytest.mark.slow)])
def test_one_hot_alphas_are_the_discrete_network(first, rest):
    supernet = SPACE.build_supernet(SHAPE, CLASSES, relaxation="softmax")
    set_alphas(supernet, {"first": [first], "rest": [rest]})
    genotype = supernet.derive()
    assert [edge.primitive for edge in genotype["chain"]] == [PAIR[first], [*PAIR, "skip_connect"][rest]]
    network = SPACE.build_network(genotype, SHAPE, CLASSES)
    stem, first_block, *graphs, head, _, classifier = supernet.parts
    chosen = zip(graphs, (first, rest), strict=True)
    candidates = [list(graph.mixed[0].candidates.values())[index] for graph, index in chosen]
    layers = [stem, first_block, *candidates, head, classifier]
    rng = np.random.default_rng(0)
    for kind in ("trainable_variables", "non_trainable_variables"):
        sources = [variable for layer in layers for variable in getattr(layer, kind)]
        for source, target in zip(sources, getattr(network, kind), strict=True):
            source.assign(source + rng.uniform(0, 0.3, source.shape))
            target.assign(ops.reshape(source, target.shape))
    for training in (False, True):
        received, expected = (model(images(), training=training) for model in (supernet, network))
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_only_two_paths_are_computed_and_learn():
    """Of three candidates that a layer has, the one that is not drawn has no gradient, and one passes."""
    supernet = SPACE.build_supernet(SHAPE, CLASSES)
    drawn = {"first": np.array([[0, 1]]), "rest": np.array([[2, 1]])}
    weights = {"first": np.array([[0.0, 1.0]], "float32"), "rest": np.array([[0.0, 0.4, 0.6]], "float32")}
    supernet.tables = lambda training: {
        kind: {"weights": weights[kind], "active": drawn[kind], "edge_weights": None} for kind in drawn
    }
    state = [ops.convert_to_tensor(variable) for variable in supernet.non_trainable_variables]

    def loss(values):
        logits, _ = supernet.stateless_call(values, state, images(), training=True)
        return ops.sum(ops.square(logits)), None

    values = [ops.convert_to_tensor(variable) for variable in supernet.trainable_variables]
    _, gradients = backend.value_and_grad(loss)(values)
    by_id = {id(v): np.abs(g).max() for v, g in zip(supernet.trainable_variables, gradients, strict=True)}

    def largest(layer, name):
        return [
            by_id[id(variable)] for variable in supernet.graphs[layer].mixed[0].candidates[name].trainable_variables
        ]

    assert max(largest(1, PAIR[0])) == 0 and min(largest(1, PAIR[1])) > 0
    assert max(largest(0, PAIR[0])) == 0 and min(largest(0, PAIR[1])) > 0  # drawn, but its gate is shut


def test_it_derives_within_limits():
    supernet = SPACE.build_supernet(SHAPE, CLASSES)
    set_alphas(supernet, {"first": [1], "rest": [1]})
    plain = supernet.derive()
    assert [edge.primitive for edge in plain["chain"]] == [PAIR[1], PAIR[1]]
    tables = {"first": np.array([[3.0, 5.0]]), "rest": np.array([[3.0, 5.0, 0]])}
    cost = CostModel("cost", "", 1.0, supernet.choices, tables)
    assert supernet.derive(cost=cost, limit=11.0) == plain
    for limit in (9.0, 7.0, 6.0, 4.0):
        genotype = supernet.derive(cost=cost, limit=limit)
        SPACE.validate(genotype)
        assert cost.cost(genotype) <= limit
    with pytest.raises(ValueError, match="within the limit of 3"):
        supernet.derive(cost=cost, limit=3.0)
