"""Graph primitives: each against its formula with dense matrices, gradients against differences, and their contract."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasnas import Genotype
from kerasnas.backend import value_and_grad
from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.primitives import Graph, MixedOp
from kerasnas.primitives.base import GRAPH_PRIMITIVES, primitive, run_stages
from kerasnas.primitives.graph_stages import Attention, Linear, NearIdentity, Neighbors, Pooled
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.spaces import GraphSpace
from kerasnas.testing.common import dtype_policy, remade, scatter

NODES, CHANNELS, FILTERS = 7, 4, 8
EDGES = [[0, 1], [1, 2], [2, 0], [4, 3], [3, 2], [2, 1], [5, 5], [4, 5]]  # twice one edge, a loop; node 6 is isolated
GRAPH = Graph(EDGES, NODES)
ADJACENCY = np.zeros((NODES, NODES))
for first, second in ((0, 1), (1, 2), (0, 2), (3, 4), (2, 3), (4, 5)):
    ADJACENCY[first, second] = ADJACENCY[second, first] = 1
DEGREES = ADJACENCY.sum(axis=1)
LOOPED = ADJACENCY + np.eye(NODES)
NORMAL_LOOPED = LOOPED / np.sqrt(np.outer(DEGREES + 1, DEGREES + 1))
ROOT = np.where(DEGREES > 0, 1 / np.sqrt(np.maximum(DEGREES, 1)), 0)
NORMAL = ROOT[:, None] * ADJACENCY * ROOT[None]
MEAN = ADJACENCY / np.maximum(DEGREES, 1)[:, None]
X = np.random.default_rng(0).standard_normal((NODES, CHANNELS))
every = pytest.mark.parametrize("name", sorted(GRAPH_PRIMITIVES))


def made(name, dtype="float64", **arguments):
    channels = FILTERS if name == "skip_connect" else CHANNELS
    layer = GRAPH_PRIMITIVES[name](graph=GRAPH, filters=FILTERS, dtype=dtype, **arguments)
    layer.build((NODES, channels))
    scatter(layer.trainable_variables)
    return layer, np.random.default_rng(0).standard_normal((NODES, channels)).astype(dtype)


def halves(kernel):
    return kernel[:CHANNELS], kernel[CHANNELS:]


def attention(h, kernels):
    """Four heads of two channels, by loops."""
    out = np.zeros_like(h)
    for head in range(4):
        part = h[:, 2 * head : 2 * head + 2]
        target, source = (part @ kernel[0, :, head] for kernel in kernels)
        scores = target[:, None] + source[None]
        scores = np.where(LOOPED > 0, np.where(scores > 0, scores, 0.2 * scores), -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, 2 * head : 2 * head + 2] = weights / weights.sum(axis=1, keepdims=True) @ part
    return out


FORMULAS = {
    "gcn": lambda x, w: NORMAL_LOOPED @ x @ w,
    "gin": lambda x, w: (x + ADJACENCY @ x) @ w,
    "cheb": lambda x, w: x @ halves(w)[0] - NORMAL @ x @ -halves(w)[1],
    "sage": lambda x, w: x @ halves(w)[0] + MEAN @ x @ halves(w)[1],
    "arma": lambda x, w: np.maximum(NORMAL @ x @ halves(w)[1] + x @ halves(w)[0], 0),
    "graph": lambda x, w: x @ halves(w)[0] + ADJACENCY @ x @ halves(w)[1],
    "fc": lambda x, w: x @ w,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    layer, x = made(name)
    (kernel,) = (np.array(v)[0] for v in layer.trainable_variables if "kernel" in v.name)
    expected = FORMULAS[name](np.tanh(x), kernel)
    np.testing.assert_allclose(run_stages(layer.chain[:-1], ops.convert_to_tensor(x), False), expected, rtol=1e-7)
    other, x = made(name, activation="relu")  # the same kernel, by `scatter`
    expected = FORMULAS[name](np.maximum(x, 0), kernel)
    np.testing.assert_allclose(run_stages(other.chain[:-1], ops.convert_to_tensor(x), False), expected, rtol=1e-7)


def test_formula_of_attention():
    layer, x = made("gat")
    kernel = np.array(layer.chain[1].kernel)[0]
    expected = attention(np.tanh(x) @ kernel, [np.array(own) for own in layer.chain[2].kernels])
    found = run_stages(layer.chain[:-1], ops.convert_to_tensor(x), False)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=2e-9)  # TensorFlow has the slope 0.2 in float32


def test_an_isolated_node_reads_itself_alone():
    x = ops.convert_to_tensor(X)
    assert np.allclose(Neighbors(GRAPH, "looped", dtype="float64")(x)[6], X[6])
    for kind in ("sum", "symmetric"):
        np.testing.assert_array_equal(Neighbors(GRAPH, kind, dtype="float64")(x)[6, CHANNELS:], np.zeros(CHANNELS))
    layer = Attention(GRAPH, heads=2, dtype="float64")
    np.testing.assert_allclose(layer(x)[6], X[6])


@every
def test_gradients_are_those_of_differences(name):
    layer, x = made(name)
    cotangent = np.random.default_rng(1).standard_normal((NODES, FILTERS))
    state = [ops.convert_to_tensor(variable) for variable in layer.non_trainable_variables]

    def loss(parameters):
        y, _ = layer.stateless_call(parameters[1:], state, parameters[0], training=True)
        return ops.sum(y * cotangent), None

    values = [ops.convert_to_tensor(x), *(ops.convert_to_tensor(v) for v in layer.trainable_variables)]
    _, gradients = value_and_grad(loss)(values)
    rng = np.random.default_rng(2)
    for index, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        direction = rng.standard_normal(value.shape)
        ends = []
        for sign in (1, -1):
            moved = [np.array(v) + (sign * 1e-6 * direction if i == index else 0) for i, v in enumerate(values)]
            ends.append(float(loss([ops.convert_to_tensor(v) for v in moved])[0]))
        assert np.sum(np.array(gradient) * direction) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-6)


@every
def test_contract(name):
    """Shapes, half precision, no learned scale, copies and their weights, configuration, and the spelled-out layers."""
    layer, x = made(name, "float32")
    assert tuple(layer.compute_output_shape((NODES, x.shape[1]))) == (NODES, FILTERS)
    with dtype_policy("mixed_bfloat16"):
        half = primitive(name, FILTERS, graph=GRAPH)
        y = half(x, training=True)
        assert y.shape == (NODES, FILTERS) and np.isfinite(ops.convert_to_numpy(ops.cast(y, "float32"))).all()
        assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
    bare, _ = made(name, "float32", affine=False)
    assert not any(isinstance(own, BatchNorm) and own.affine for own in flatten_layers(bare))

    mixed = MixedOp([name], FILTERS, copies=2, graph=GRAPH)
    plain = np.array(mixed(x, weights=np.ones((2, 1), "float32"), training=False))
    scaled = np.array(mixed(x, weights=np.array([[1], [0.25]], "float32"), training=False))
    assert plain.shape == (NODES, 2 * FILTERS)
    np.testing.assert_allclose(scaled[:, FILTERS:], 0.25 * plain[:, FILTERS:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaled[:, :FILTERS], plain[:, :FILTERS], rtol=1e-4, atol=1e-5)

    given = {} if name == "skip_connect" else {"activation": "relu", "near_identity": False}
    other, _ = made(name, "float32", **given)
    assert given.items() <= remade(name, other, keras.saving.deserialize_keras_object).get_config().items()
    again = remade(name, layer, keras.saving.deserialize_keras_object)
    assert type(again) is type(layer) and again.get_config() == layer.get_config()
    inputs = keras.Input((x.shape[1],))
    model = keras.Model(inputs, layer.expand(inputs))
    for source, target in zip(layer.variables, model.variables, strict=True):
        target.assign(ops.reshape(source, target.shape))
    np.testing.assert_allclose(model(x), layer(x, training=False), rtol=1e-4, atol=1e-5)


def test_mixed_op_on_a_graph_is_made_again_from_its_configuration():
    mixed = MixedOp(["gcn", "sage"], FILTERS, graph=GRAPH)
    again = MixedOp.from_config(mixed.get_config())
    assert again.graph.edges.tolist() == GRAPH.edges.tolist() and again.primitives == ("gcn", "sage")
    assert not {"graph", "options"} & set(MixedOp(["skip_connect"], FILTERS).get_config())
    given = {"activation": "relu", "near_identity": False}
    mixed = MixedOp(["gcn", "skip_connect"], FILTERS, graph=GRAPH, options=given)
    again = MixedOp.from_config(mixed.get_config())
    assert again.options == given and again.candidates["gcn"].activation == "relu"
    with pytest.raises(TypeError, match="`options`"):
        MixedOp(["gcn"], FILTERS, graph=GRAPH, options=["relu"])


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("layer", [Neighbors(GRAPH, "looped"), Pooled(GRAPH, "mean"), Attention(GRAPH, heads=2)])
def test_another_number_of_rows_is_reported(layer):
    message = "Expected a row for each of the 7 nodes of the graph, all in one batch: batch_size=7"
    with pytest.raises(ValueError, match=f"{message}. Received: 6 rows"):
        layer(np.ones((6, 4), "float32"))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs))
    model.compile(loss="mse")
    assert model.predict(np.ones((7, 4)), batch_size=7, verbose=0).shape[0] == 7
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):  # by whichever operation is first to see it
        model.predict(np.ones((14, 4)), batch_size=5, verbose=0)


def test_kernels_are_near_the_identity_at_first():
    """Those that mix messages, in supernets, too; they pass on the mean of equal parts. Others are random."""
    whole = GraphSpace(GRAPH, filters=8, num_nodes=2, primitives=["gcn", "sage"], dropout=0.0)
    genotype = Genotype("graphs", {"cell": [("gcn", 0, 1), ("sage", 1, 2)]})
    network = whole.build_network(genotype, (4,), 2, seed=3)
    supernet = whole.build_supernet((4,), 2, seed=3)
    first, *kernels, _ = (np.array(v) for v in network.trainable_variables if "kernel" in v.path)
    kernels += [
        copy
        for mixed in supernet.graphs[0].mixed
        for one in mixed.candidates.values()
        for stage in one.chain
        if isinstance(stage, Linear)
        for copy in np.array(stage.kernel)
    ]
    assert first.shape == (4, 8) and len(kernels) == 2 + 2 * 3
    for kernel in kernels:
        parts = len(kernel) // 8
        target = np.concatenate([np.eye(8)] * parts) / parts
        deviation = np.std(kernel - 0.8 * target)
        assert deviation == pytest.approx(0.2 * np.sqrt(2 / len(kernel)), rel=0.35)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(NearIdentity(0.5, seed=2)))
    assert again.get_config() == {"share": 0.5, "seed": 2}
    np.testing.assert_array_equal(again((8, 4)), NearIdentity(0.5, seed=2)((8, 4)))
    drawn = np.ones((3, 8))
    assert NearIdentity().mixed(drawn) is drawn  # no multiple: no identity
    with pytest.raises(ValueError, match="`share`"):
        NearIdentity(1.5)


def test_wrong_settings_are_reported():
    with pytest.raises(ValueError, match=r"`filters`. Expected a multiple of the 4 heads of graph attention"):
        GRAPH_PRIMITIVES["gat"](graph=GRAPH, filters=6)(X.astype("float32"))
    with pytest.raises(ValueError, match=r"`activation`.*Received: 'rely'.*Did you mean 'relu'"):
        GRAPH_PRIMITIVES["gcn"](graph=GRAPH, filters=8, activation="rely")
    with pytest.raises(ValueError, match=r"`kind`.*Received: 'loopd'.*looped"):
        Neighbors(GRAPH, "loopd")
    with pytest.raises(TypeError, match=r"`graph`. Expected a `kerasnas.primitives.Graph`. Received: \[\[0, 1\]\]"):
        Neighbors([[0, 1]], "sum")
    with pytest.raises(ValueError, match=r"Unknown graph primitive 'gcnn'. Did you mean 'gcn'"):
        primitive("gcnn", 8, graph=GRAPH)
    with pytest.raises(ValueError, match=r"`primitives`.*Received: 'sep_conv_3x3'"):
        MixedOp(["sep_conv_3x3"], 4, graph=GRAPH)


def test_graph_keeps_each_edge_once_and_without_loops():
    assert GRAPH.edges.tolist() == [[0, 1], [0, 2], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert GRAPH.degrees.tolist() == DEGREES.tolist()
    sources, targets = GRAPH.messages
    dense = np.zeros((NODES, NODES))
    dense[targets, sources] = 1
    np.testing.assert_array_equal(dense, ADJACENCY)
    assert Graph([], 3).degrees.tolist() == [0, 0, 0] and Graph([], 3).messages[0].size == 0
    again = Graph.from_config(GRAPH.get_config())
    assert again.edges.tolist() == GRAPH.edges.tolist() and again.num_nodes == NODES


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[0, 1], [2, 7]], "Expected nodes from 0 to 6. Received: edge 1, of nodes 2 and 7"),
        ([[0, 1], [-1, 2]], "Received: edge 1, of nodes -1 and 2"),
        ([[0, 1, 2]], r"Expected an array \(edges, 2\)"),
        ([0, 1], r"Expected an array \(edges, 2\)"),
        ([[0.0, 1.0]], "Expected an array of integers"),
    ],
)
def test_wrong_edges_are_reported(edges, message):
    with pytest.raises(ValueError, match=f"`edges`. {message}" if message.startswith("Expected") else message):
        Graph(edges, NODES)
