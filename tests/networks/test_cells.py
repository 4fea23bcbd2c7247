"""One cell: the sum over its edges, and the rule that makes it discrete."""

import itertools

import keras
import numpy as np
import pytest

from kerasnas import Edge
from kerasnas.networks import MixedCell, cell_edges, node_decisions
from kerasnas.networks.cells import discrete_cell
from kerasnas.networks.derivation import choose
from kerasnas.spaces import DARTS_PRIMITIVES


@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("reduction_previous", [False, True])
def test_mixed_cell_is_the_sum_over_its_edges(reduction, reduction_previous):
    """Nodes written out one edge at a time, from the same MixedOps called on their own."""
    names = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"]
    rng = np.random.default_rng(0)
    cell = MixedCell(4, 3, names, reduction, reduction_previous, dtype="float64")
    size = 12 if reduction_previous else 6
    inputs = [rng.standard_normal((2, size, size, 5)), rng.standard_normal((2, 6, 6, 7))]
    weights = rng.uniform(0.1, 1, (len(cell_edges(3)), len(names)))
    received = cell(inputs, weights=weights).numpy()

    states = [layer(x).numpy() for layer, x in zip(cell.preprocess, inputs, strict=True)]
    for target in range(2, 5):
        total = 0
        for source in range(target):
            mixed = cell.mixed[source]
            rows = [row for row, edge in enumerate(cell_edges(3)) if edge[0] == source]
            copy = [cell_edges(3)[row][1] for row in rows].index(target)
            assert mixed.strides == (2 if reduction and source < 2 else 1)
            outputs = mixed(states[source], weights=weights[rows]).numpy()
            total = total + outputs[..., 4 * copy : 4 * copy + 4]
        states.append(total)
    np.testing.assert_allclose(received, np.concatenate(states[2:], -1), rtol=1e-11, atol=1e-12)
    assert received.shape == cell.compute_output_shape([x.shape for x in inputs])


def test_each_row_of_the_weights_belongs_to_one_edge():
    cell = MixedCell(2, 2, ["none", "skip_connect"], False, False, dtype="float64")
    inputs = [np.random.default_rng(i).standard_normal((1, 4, 4, 2)) for i in range(2)]
    edges, off = cell_edges(2), np.tile([1.0, 0.0], (5, 1))
    cell(inputs, weights=off)
    first, second = (layer(x).numpy() for layer, x in zip(cell.preprocess, inputs, strict=True))
    # With only the edges 0 -> 2 and 2 -> 3, and 3 -> nothing: both nodes are the first input.
    weights = off.copy()
    weights[[edges.index((0, 2)), edges.index((2, 3))]] = 0, 1
    np.testing.assert_allclose(cell(inputs, weights=weights), np.concatenate([first, first], -1))
    weights = off.copy()
    weights[edges.index((1, 3))] = 0, 0.5
    np.testing.assert_allclose(cell(inputs, weights=weights), np.concatenate([0 * first, 0.5 * second], -1))


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
    picks = [pick for option in choose(node_decisions("normal", weights, nodes, primitives)) for pick in option.picks]
    return [Edge(primitives[column], *cell_edges(nodes)[row]) for row, column in picks]


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_derived_cell_follows_the_papers_rule(nodes):
    rng = np.random.default_rng(nodes)
    for _ in range(100):
        weights = rng.dirichlet(np.ones(len(DARTS_PRIMITIVES)), len(cell_edges(nodes)))
        derived = derive_cell(weights, nodes, DARTS_PRIMITIVES)
        assert {tuple(edge) for edge in derived} == papers_rule(weights, nodes, DARTS_PRIMITIVES)
        assert len(derived) == 2 * nodes


def test_none_is_never_derived():
    weights = np.full((5, 3), 0.01)
    weights[:, 1] = 0.98
    assert {edge.primitive for edge in derive_cell(weights, 2, ["max_pool_3x3", "none", "skip_connect"])} == {
        "max_pool_3x3"
    }
    # An edge strong in `none` alone counts by its strongest other primitive.
    weights = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])[[1, 2, 1, 0, 2]]
    assert [edge.source for edge in derive_cell(weights, 2, ["none", "skip_connect"])] == [0, 1, 0, 2]


def test_ties_go_to_the_first():
    derived = derive_cell(np.full((9, 3), 1 / 3), 3, ["none", "skip_connect", "sep_conv_3x3"])
    expected = [("skip_connect", source, target) for target in (2, 3, 4) for source in (0, 1)]
    assert [tuple(edge) for edge in derived] == expected


def test_edges_are_ordered_by_target():
    assert len(cell_edges(4)) == 14
    assert list(cell_edges(4)) == sorted(cell_edges(4), key=lambda edge: (edge[1], edge[0]))


def test_drop_path_spares_skips():
    inputs = [keras.Input((4, 4, 2)), keras.Input((4, 4, 2))]
    edges = [("skip_connect", 0, 2), ("sep_conv_3x3", 1, 2)]
    model = keras.Model(inputs, discrete_cell(inputs, [Edge(*edge) for edge in edges], 2, False, False, 0.3))
    (dropout,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropout.rate == 0.3
    assert tuple(dropout.noise_shape) == (None, 1, 1, 1)
