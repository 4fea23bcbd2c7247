"""The space of graph networks: supernet and network compute the same, the table's cells, all relaxations."""

import itertools

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, Genotype, relaxations
from kerasnas.cost import COSTS
from kerasnas.cost.counting import macs, parameters
from kerasnas.datasets import stochastic_blocks
from kerasnas.primitives.graph_stages import Attention, Linear
from kerasnas.search import STRATEGIES
from kerasnas.spaces import GraphSpace, NASBench201Space
from kerasnas.spaces.graphs import GRAPH_SPACE_PRIMITIVES, canonical
from kerasnas.tabular import NASBenchGraph

DATA = stochastic_blocks(nodes=60, classes=3, features=8, train_per_class=5)
SPACE = GraphSpace(DATA.graph, filters=8, dropout=0.0)
X = DATA.x


def of(*cell):
    return Genotype("graphs", {"cell": [(name, source, node) for node, (name, source) in enumerate(cell, start=1)]})


def listed(*cell):
    return Genotype("nasbench_graph", {"cell": [(name, own, node) for node, (name, own) in enumerate(cell, start=1)]})


def test_size_and_choices():
    assert SPACE.size == 24 * 9**4 and SPACE.inputs == "node"
    assert list(SPACE.choices)[:2] == ["cell/1/sources", "cell/1/first"]


def copied(supernet, network, genotype):
    """The network with the supernet's kernels for the choices of `genotype`."""
    kernels = [supernet.parts[1].chain[0].kernel[0]]
    for edge in genotype["cell"]:
        copy = edge.target - edge.source - 1  # edges of one source are side by side, by target
        for stage in supernet.graphs[0].mixed[edge.source].candidates[edge.primitive].chain:
            if isinstance(stage, Linear):
                kernels.append(stage.kernel[copy])
            elif isinstance(stage, Attention):
                kernels += [kernel[copy : copy + 1] for kernel in stage.kernels]
    *own, classifier = (v for layer in network.layers for v in layer.trainable_variables if "kernel" in v.name)
    for kernel in kernels:  # those of one shape are met in the order in which they were made
        target = next(variable for variable in own if tuple(variable.shape) == tuple(kernel.shape))
        own.remove(target)
        target.assign(kernel)
    assert not own
    read, filters, last = {edge.source for edge in genotype["cell"]}, supernet.space.filters, len(genotype["cell"])
    rows = [filters * (node - 1) + row for node in range(1, last + 1) if node not in read for row in range(filters)]
    classifier.assign(np.array(supernet.classifier.kernel)[rows])
    return network


@pytest.mark.parametrize(
    ("genotype", "activation"),
    [
        (of(("gcn", 0), ("sage", 1), ("gin", 2)), "tanh"),
        (of(("cheb", 0), ("skip_connect", 0), ("fc", 1)), "relu"),
        (of(("gat", 0), ("skip_connect", 1), ("graph", 1)), "tanh"),
        (of(("arma", 0), ("arma", 0), ("skip_connect", 2)), "tanh"),
    ],
    ids=["chain", "tree", "attention", "skip"],
)
def test_supernet_with_a_choice_made_is_the_discrete_network(genotype, activation):
    """Its output has zeros for nodes that are read, and those of the others as in the network."""
    names = sorted({edge.primitive for edge in genotype["cell"]})
    space = GraphSpace(DATA.graph, 8, num_nodes=3, primitives=names, dropout=0.0, activation=activation)
    supernet = space.build_supernet(DATA.input_shape, 3)
    network = copied(supernet, space.build_network(genotype, DATA.input_shape, 3), genotype)
    with supernet.mixing_by(supernet.one_hot_weights(genotype)):
        mixed = supernet(X, training=True)
    np.testing.assert_allclose(mixed, network(X, training=True), rtol=1e-3, atol=1e-4)


def test_nodes_count_in_the_output_by_the_probability_that_none_reads_them():
    """At alphas that are sure of a chain, the output is that of its last node; where nothing is known, all count."""
    space = GraphSpace(DATA.graph, 8, num_nodes=2, primitives=["gcn", "fc"], dropout=0.0)
    for input_alphas, least, most in ((True, 0, 1e-4), (False, 0.1, np.inf)):
        supernet = space.build_supernet(DATA.input_shape, 3, input_alphas=input_alphas)
        assert supernet.choices["cell"].edges == ((0, 1), (0, 2), (1, 2))
        if input_alphas:
            supernet.inputs.alphas["cell"].assign([0.0, -60.0, 60.0])
        kernel, before = np.array(supernet.classifier.kernel), supernet(X, training=True)
        supernet.classifier.kernel.assign(np.concatenate([np.zeros_like(kernel[:8]), kernel[8:]]))  # without node 1
        assert least <= np.abs(before - supernet(X, training=True)).max() <= most
    even = space.build_supernet(DATA.input_shape, 3)
    outputs = even.mixing_weights()["cell"].sum(axis=1)
    np.testing.assert_allclose(outputs, [1, 0.5, 0.5], atol=1e-3)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n != "softmax")) for n in relaxations.RELAXATIONS],
)
def test_search_with_every_relaxation(name):
    space = GraphSpace(DATA.graph, filters=4, num_nodes=2, primitives=["gcn", "skip_connect"])
    supernet = space.build_supernet(DATA.input_shape, 3, relaxation=name)
    search = BilevelTrainer(supernet, architecture_warmup_epochs=0)
    options = {"metrics": [], "weighted_metrics": ["accuracy"], "run_eagerly": True}
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.1), **options)
    before = [np.array(v) for v in supernet.architecture_parameters]
    history = search.fit(DATA.pairs(steps=1), epochs=1, verbose=0).history
    assert np.isfinite(history["loss"] + history["val_loss"]).all() and {"accuracy", "alpha_entropy"} <= set(history)
    after = [np.array(v) for v in supernet.architecture_parameters]
    assert len(after) == 2 and all((one != other).any() for one, other in zip(before, after, strict=True))
    space.validate(search.derive())


@pytest.mark.slow
def test_network_learns():
    space = GraphSpace(DATA.graph, filters=8, num_nodes=2, dropout=0.3)
    network = space.build_network(of(("gat", 0), ("sage", 1)), DATA.input_shape, 3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.05), loss, weighted_metrics=["accuracy"])
    network.optimizer.build(network.trainable_variables)  # or the step is traced twice
    network.fit(DATA.batches("train", steps=150), epochs=1, verbose=0, shuffle=False)
    _, accuracy = network.evaluate(DATA.batches("train"), verbose=0)
    logits = np.array(network(X))
    assert accuracy == pytest.approx(DATA.accuracy(logits, "train")) and accuracy > 0.8
    with pytest.raises(ValueError, match=r"a row for each of the 60 nodes of the graph.*Received: 32 rows"):
        network(X[:32])


@pytest.mark.slow
def test_networks_as_the_table_has_them():
    """With ReLU for tanh, everywhere, and Glorot's kernels; the initial kernels of the default ones are others."""
    genotype = of(("gcn", 0), ("sage", 1), ("skip_connect", 1), ("fc", 2))
    space = GraphSpace(DATA.graph, filters=8, activation="relu", near_identity=False)
    networks = [own.build_network(genotype, (8,), 3) for own in (space, SPACE)]
    names = [{getattr(layer, "activation", None) for layer in network.layers} for network in networks]
    assert keras.activations.tanh in names[1] and keras.activations.tanh not in names[0]
    assert any(isinstance(layer, keras.layers.ReLU) for layer in networks[0].layers)
    traces = []
    for network in networks:
        kernels = [np.array(v) for v in network.trainable_variables if v.shape == (8, 8)]
        traces.append([np.trace(kernel) / 8 for kernel in kernels])
    assert len(traces[0]) == 3 and max(map(abs, traces[0])) < 0.5 < min(traces[1])
    supernet = space.build_supernet(DATA.input_shape, 3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(supernet)).space
    assert (again.activation, again.near_identity) == ("relu", False)
    with pytest.raises(ValueError, match=r"`activation`.*Did you mean 'relu'"):
        GraphSpace(activation="relo")


def test_dropout_in_training_alone_and_never_of_skips():
    space = GraphSpace(DATA.graph, filters=8, dropout=0.5)
    small = GraphSpace(DATA.graph, filters=8, num_nodes=2, primitives=["gcn"], dropout=0.5)
    supernet = small.build_supernet(DATA.input_shape, 3)
    assert [one.rate for one in supernet.graphs[0].dropouts] == [0.5, 0.5]
    network = space.build_network(of(("gcn", 0), ("skip_connect", 1), ("fc", 1), ("skip_connect", 2)), (8,), 3)
    rates = [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.5] * 4  # features, what gcn reads, what fc reads, what the classifier reads
    for model in (supernet, network):
        np.testing.assert_array_equal(model(X), model(X))
        assert np.abs(model(X, training=True) - model(X, training=True)).max() > 0


# The published table's cells --------------------------------------------------------------------------
def cells_of(names):
    return {
        canonical(list(zip(sources, own, strict=True)), names, unread_input=False)
        for sources in itertools.product((0,), (0, 1), (0, 1, 2), (0, 1, 2, 3))
        for own in itertools.product(names, repeat=4)
    }


def test_cells_of_three_operations_are_as_many_as_in_the_table():
    """The table lists 192 cells of gcn, fc and skip; the one of skips alone is in no table."""
    assert len(cells_of(("gcn", "fc", "skip_connect"))) == 192 + 1


@pytest.mark.parametrize(
    ("cell", "table"),
    [
        # nodes in another order
        ([("gat", 0), ("gcn", 0), ("fc", 2), ("gin", 1)], [("gat", 0), ("gcn", 0), ("gin", 1), ("fc", 2)]),
        # a skip that is read, and one that alone reads its node: both leave, to the front
        (
            [("gcn", 0), ("skip_connect", 1), ("fc", 2), ("skip_connect", 3)],
            [("skip", 0), ("skip", 1), ("gcn", 2), ("fc", 3)],
        ),
        # one beside another reader stays
        ([("gcn", 0), ("skip_connect", 1), ("fc", 1), ("gat", 0)], [("gcn", 0), ("gat", 0), ("fc", 1), ("skip", 1)]),
        # one of the input, which the table's output cannot have
        ([("gcn", 0), ("skip_connect", 0), ("fc", 1), ("gat", 0)], [("skip", 0), ("gcn", 1), ("gat", 1), ("fc", 2)]),
    ],
)
def test_genotypes_of_the_table(cell, table):
    assert SPACE.to_table(of(*cell)) == listed(*table)
    assert SPACE.to_table(SPACE.from_table(listed(*table))) == listed(*table)


def test_genotypes_of_one_network_have_one_key():
    first = of(("gcn", 0), ("skip_connect", 1), ("fc", 2), ("gat", 0))
    second = of(("skip_connect", 0), ("gcn", 1), ("gat", 1), ("fc", 2))
    assert SPACE.key(SPACE.encode(first)) == SPACE.key(SPACE.encode(second))
    assert SPACE.canonical(first) == SPACE.canonical(second) == second
    other = of(("gcn", 0), ("skip_connect", 0), ("fc", 1), ("gat", 0))  # the input is a part of the output
    assert SPACE.key(SPACE.encode(other)) != SPACE.key(SPACE.encode(first))
    networks = [SPACE.build_network(one, DATA.input_shape, 3) for one in (first, second)]
    assert networks[0].count_params() == networks[1].count_params()


def test_what_the_table_does_not_list_is_reported():
    with pytest.raises(ValueError, match="no cell of skip connections alone"):
        SPACE.to_table(of(*[("skip_connect", node) for node in range(4)]))
    with pytest.raises(ValueError, match="belongs to space 'nasbench201', not to 'graphs'"):
        SPACE.to_table(NASBench201Space().decode((1,) * 6))
    with pytest.raises(ValueError, match=r"`genotype`. Expected a `Genotype` of space 'nasbench_graph'"):
        SPACE.from_table(of(("gcn", 0), ("gcn", 0), ("gcn", 0), ("gcn", 0)))
    with pytest.raises(ValueError, match="no option 'monet'"):
        SPACE.from_table(listed(("monet", 0), ("gcn", 0), ("gcn", 0), ("gcn", 0)))


# Costs, strategies, errors ----------------------------------------------------------------------------
def test_costs_are_those_of_networks_with_a_whole_classifier():
    models, rng = [COSTS[cost](SPACE, DATA.input_shape, 3) for cost in ("parameters", "macs")], np.random.default_rng(0)
    for _ in range(3):
        genotype = SPACE.sample(rng)
        unread = 4 - len({edge.source for edge in genotype["cell"]} - {0})
        network = SPACE.build_network(genotype, DATA.input_shape, 3)
        for model, count in zip(models, (parameters, macs), strict=True):
            assert model.cost(genotype) - count(network) == (4 - unread) * 8 * 3


def test_a_strategy_asks_for_no_network_twice():
    space = GraphSpace(num_nodes=2, primitives=["gcn", "skip_connect"])  # without a graph
    strategy = STRATEGIES["random"](space, seed=0)
    asked = [space.canonical(strategy.ask()) for _ in range(6)]
    assert len(set(asked)) == 6


def test_wrong_inputs_are_reported():
    genotype = of(("gcn", 0), ("gcn", 1), ("gcn", 2), ("gcn", 3))
    with pytest.raises(ValueError, match=r"`GraphSpace\(graph\)`.*Received: graph=None"):
        GraphSpace().build_network(genotype, (8,), 3)
    with pytest.raises(ValueError, match=r"`filters`. Expected a multiple of the 4 heads"):
        GraphSpace(filters=6)
    assert GraphSpace(filters=6, primitives=["gcn"]).filters == 6
    with pytest.raises(ValueError, match=r"`primitives`.*Received: 'sep_conv_3x3'"):
        GraphSpace(primitives=["sep_conv_3x3"])
    with pytest.raises(ValueError, match="no setting `partial_channels`"):
        SPACE.build_supernet(DATA.input_shape, 3, partial_channels=2)
    supernet = GraphSpace(DATA.graph, 4, 1, ["gcn"]).build_supernet(DATA.input_shape, 3)
    with pytest.raises(ValueError, match=r"the 60 nodes of the graph.*Received: 59 rows"):
        supernet(X[:59])
    with pytest.raises(ValueError, match=r"Expected samples of shape \(8,\). Received: a batch of shape \(60, 7\)"):
        supernet(X[:, :7])


@pytest.mark.slow
def test_cells_are_those_of_the_published_table(published):
    """Every row is its own representative, and every cell but the one of skips alone has a row: 26,206."""
    table = NASBenchGraph.open(published("nasbench_graph5.npz"), "cora")
    rows = [table.genotype(row) for row in range(table.space.size)]
    space = GraphSpace()
    cells = {tuple((edge.source, edge.primitive) for edge in space.from_table(row)["cell"]) for row in rows}
    missing = cells_of(GRAPH_SPACE_PRIMITIVES) - cells
    assert len(rows) == len(cells) == 26_206 and missing == {tuple((n, "skip_connect") for n in range(4))}
    assert all(space.to_table(space.from_table(row)) == row for row in rows[::50])
