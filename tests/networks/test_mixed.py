"""A mixed graph: the sum over its edges; the rule that makes a cell discrete; auxiliary skip connections."""

import itertools

import numpy as np
import pytest

from kerasnas.genotypes import Edge
from kerasnas.networks import ChoiceTable
from kerasnas.networks.decisions import table_decisions
from kerasnas.networks.derivation import choose
from kerasnas.networks.mixed import MixedGraph
from kerasnas.networks.skeleton import cell_edges
from kerasnas.spaces.darts import DARTS_PRIMITIVES


def graph(names, nodes, filters, strides=1):
    made = MixedGraph(ChoiceTable(cell_edges(nodes), tuple(names)), 2, filters, strides, dtype="float64")
    made.build([(None, 6, 6, filters)] * 2)
    return made


@pytest.mark.parametrize("strides", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_nodes_are_the_sums_over_their_edges(strides):
    """Nodes written out one edge at a time, from the same MixedOps called on their own."""
    names = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"]
    rng = np.random.default_rng(0)
    cell = graph(names, 3, 4, strides)
    inputs = [rng.standard_normal((2, 6, 6, 4)) for _ in range(2)]
    weights = rng.uniform(0.1, 1, (len(cell_edges(3)), len(names)))
    received = [node.numpy() for node in cell(inputs, weights=weights)]

    states = list(inputs)
    for target in range(2, 5):
        total = 0
        for source in range(target):
            mixed = cell.mixed[source]
            rows = [row for row, edge in enumerate(cell_edges(3)) if edge[0] == source]
            copy = [cell_edges(3)[row][1] for row in rows].index(target)
            assert mixed.strides == (strides if source < 2 else 1)
            outputs = mixed(states[source], weights=weights[rows]).numpy()
            total = total + outputs[..., 4 * copy : 4 * copy + 4]
        states.append(total)
    for node, expected in zip(received, states[2:], strict=True):
        np.testing.assert_allclose(node, expected, rtol=1e-11, atol=1e-12)
    assert [node.shape for node in received] == cell.compute_output_shape([x.shape for x in inputs])


def test_each_row_of_the_weights_belongs_to_one_edge():
    cell = graph(["none", "skip_connect"], 2, 2)
    first, second = inputs = [np.random.default_rng(i).standard_normal((1, 6, 6, 2)) for i in range(2)]
    edges, off = cell_edges(2), np.tile([1.0, 0.0], (5, 1))
    # With only the edges 0 -> 2 and 2 -> 3, and 3 -> nothing: both nodes are the first input.
    weights = off.copy()
    weights[[edges.index((0, 2)), edges.index((2, 3))]] = 0, 1
    for node in cell(inputs, weights=weights):
        np.testing.assert_allclose(node, first)
    weights = off.copy()
    weights[edges.index((1, 3))] = 0, 0.5
    nodes = cell(inputs, weights=weights)
    np.testing.assert_allclose(nodes[0], 0 * first)
    np.testing.assert_allclose(nodes[1], 0.5 * second)


@pytest.mark.parametrize(("strides", "expected"), [(1, 5), (2, 1)])
def test_an_auxiliary_skip_stands_beside_every_edge_that_keeps_the_shape(strides, expected):
    cell = graph(["none", "skip_connect"], 2, 2, strides)
    assert cell.auxiliary_edges == expected
    inputs, weights = [np.ones((1, 6, 6, 2))] * 2, np.tile([1.0, 0.0], (5, 1))
    plain, beside = (cell(inputs, weights=weights, auxiliary=auxiliary) for auxiliary in (None, 0.5))
    assert all(not node.numpy().any() for node in plain)
    # At stride 1 node 2 is 0.5 + 0.5, and node 3 half of it more; at stride 2 only the edge 2 -> 3 has one.
    np.testing.assert_allclose([node.numpy().max() for node in beside], [1.0, 1.5] if strides == 1 else [0.0, 0.0])


def papers_rule(weights, nodes, names):
    """The rule as the DARTS paper's section 2.4 words it, over all pairs of edges."""
    cell, start = set(), 0
    for node in range(nodes):
        rows = {source: weights[start + source] for source in range(node + 2)}
        start += node + 2
        strength = {
            source: max((w, name) for w, name in zip(row, names, strict=True) if name != "none")
            for source, row in rows.items()
        }
        pairs = itertools.combinations(rows, 2)
        best = max(pairs, key=lambda pair: strength[pair[0]][0] + strength[pair[1]][0])
        cell |= {(strength[source][1], source, node + 2) for source in best}
    return cell


def derive_cell(weights, nodes, primitives):
    table = ChoiceTable(cell_edges(nodes), tuple(primitives), keep=2)
    picks = [pick for option in choose(table_decisions("normal", weights, table)) for pick in option.picks]
    return [Edge(primitives[column], *cell_edges(nodes)[row]) for row, column in picks]


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_derived_cell_follows_the_papers_rule(nodes):
    rng = np.random.default_rng(nodes)
    for _ in range(100):
        weights = rng.dirichlet(np.ones(len(DARTS_PRIMITIVES)), len(cell_edges(nodes)))
        derived = derive_cell(weights, nodes, DARTS_PRIMITIVES)
        assert {tuple(edge) for edge in derived} == papers_rule(weights, nodes, DARTS_PRIMITIVES)
        assert len(derived) == 2 * nodes


def test_ties_go_to_the_first():
    derived = derive_cell(np.full((9, 3), 1 / 3), 3, ["none", "skip_connect", "sep_conv_3x3"])
    expected = [("skip_connect", source, target) for target in (2, 3, 4) for source in (0, 1)]
    assert [tuple(edge) for edge in derived] == expected


def test_edges_are_ordered_by_target():
    assert len(cell_edges(4)) == 14
    assert list(cell_edges(4)) == sorted(cell_edges(4), key=lambda edge: (edge[1], edge[0]))
