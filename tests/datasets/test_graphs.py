"""Graphs as data: parts and weights, the file format, generated graphs, and what is no such data."""

import dataclasses

import numpy as np
import pytest

from kerasnas.datasets import GraphDataset, graph_dataset, stochastic_blocks
from kerasnas.datasets.smoothing import smoothed
from kerasnas.primitives import Graph

GRAPH = Graph([[0, 1], [1, 2], [2, 3]], 5)
RIGHT = {
    "name": "five",
    "graph": GRAPH,
    "x": np.arange(10.0).reshape(5, 2),
    "y": [0, 1, 0, 1, -1],
    "parts": {"train": [0, 1], "validation": [2], "test": [3]},
    "classes": ("even", "odd"),
}


def test_weights_make_means_over_a_part():
    data = GraphDataset(**RIGHT)
    assert data.input_shape == (2,) and data.num_classes == 2
    for part in ("train", "validation", "test"):
        values = np.random.default_rng(0).standard_normal(5)
        assert np.mean(values * data.weights(part)) == pytest.approx(values[data.parts[part]].mean())
    x, y, weights = data.batches("train")[0]
    assert x.shape == (5, 2) and y.tolist() == [0, 1, 0, 1, 0] and weights[4] == 0  # -1 would be no class to a loss
    (_, _, own), (_, _, other) = data.pairs(steps=3)[2]
    assert len(data.pairs(steps=3)) == 3 and own.tolist() == [2.5, 2.5, 0, 0, 0] and other.tolist() == [0, 0, 5, 0, 0]
    with pytest.raises(IndexError, match="Batch 1 of 1"):
        data.batches("train")[1]
    assert data.accuracy([[0, 1], [0, 1], [1, 0], [1, 0], [0, 0]], "train") == 0.5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.ones((4, 2))}, r"`x`. Expected features of each of the graph's 5 nodes.*Received: 'shape \(4, 2\)'"),
        ({"x": np.ones((5, 0))}, r"`x`.*Received: 'shape \(5, 0\)'"),
        ({"x": np.full((5, 2), np.nan)}, "`x`.*all finite. Received: NaN"),
        ({"x": np.full((5, 2), 1e300)}, "`x`. Expected features that are finite in float32"),
        ({"y": np.zeros((5, 2), int)}, "`y`.*several labels or numbers a node are other tasks"),
        ({"y": np.linspace(0, 1, 5)}, "`y`.*dtype float64.*Numbers are another task"),
        ({"y": [0, 1, 0]}, r"`y`. Expected the class of each of the 5 nodes.*shape \(3,\)"),
        ({"y": [0, 1, 0, 2, -1]}, r"`y`.*integers from 0 to 1, or -1. Received: \[2\]"),
        ({"y": [0, 1, 0, 1, -2]}, r"`y`.*Received: \[-2\]"),
        ({"y": [0, 0, 0, 1, 1]}, r"`y`. Expected at least two classes among the training nodes. Received: \[0\]"),
        ({"classes": ("one",)}, "`classes`. Expected .*at least 2"),
        ({"parts": {"train": [0, 1]}}, "`parts`. Expected a mapping with the keys"),
        ({"parts": {"train": [0, 5], "validation": [], "test": []}}, "`parts`. Expected nodes from 0 to 4 in 'train'"),
        ({"parts": {"train": [0, 1], "validation": [1], "test": []}}, "each node once, in one part.*'validation'"),
        ({"parts": {"train": [0, 1], "validation": [2, 2], "test": []}}, "each node once"),
        ({"parts": {"train": [0, 1], "validation": [4], "test": []}}, "a class in 'validation'.*node 4, of class -1"),
    ],
)
def test_wrong_data_are_reported(changed, message):
    with pytest.raises(ValueError, match=message):
        GraphDataset(**{**RIGHT, **changed})


def test_wrong_parts_are_reported():
    data = GraphDataset(**{**RIGHT, "parts": {"train": [0, 1], "validation": [], "test": [2]}})
    with pytest.raises(ValueError, match=r"`part`. Expected one with nodes. Received: 'validation'"):
        data.batches("validation")
    with pytest.raises(ValueError, match=r"`part`.*Received: 'val'.*validation"):
        data.weights("val")
    with pytest.raises(TypeError, match="`graph`"):
        GraphDataset(**{**RIGHT, "graph": [[0, 1]]})


def test_reduced_features_keep_what_is_principal_and_spread_it():
    """All products of two nodes, in components of which none has most, though the first singular vector does."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 4)) * [9, 2, 2, 2] @ rng.standard_normal((4, 24))
    data = dataclasses.replace(stochastic_blocks(nodes=200), x=x + 0.01 * rng.standard_normal(x.shape))
    products = data.x @ data.x.T
    for components in (4, 24):
        few = data.reduced(components)
        assert few.input_shape == (components,) and few.graph is data.graph and (few.y == data.y).all()
        np.testing.assert_allclose(few.x @ few.x.T, products / np.mean(np.diag(products)), atol=1e-2)
    values = np.linalg.svd(data.x, compute_uv=False)
    assert values[0] ** 2 / np.sum(values**2) > 0.8
    assert (data.reduced(4).x ** 2).mean(axis=0).max() < 0.7
    np.testing.assert_array_equal(data.reduced(4).x, data.reduced(4, seed=0).x)
    assert np.abs(data.reduced(4).x - data.reduced(4, seed=1).x).max() > 0.1


def test_what_cannot_be_reduced_is_reported():
    data = stochastic_blocks(nodes=60, features=8)
    with pytest.raises(ValueError, match=r"`components`.*8.*Received: 9"):
        data.reduced(9)
    with pytest.raises(ValueError, match=r"`x`. Expected features that are not all 0"):
        GraphDataset(**{**RIGHT, "x": np.zeros((5, 2))}).reduced(1)


ARRAYS = {
    "feat_indptr": [0, 1, 3, 3],
    "feat_indices": [1, 0, 3],
    "feat_shape": [3, 4],
    "edges": [[0, 1], [1, 2]],
    "y": np.array([0, 1, -1], "int8"),
    "train": [0, 1],
    "val": np.zeros(0, int),
    "test": np.zeros(0, int),
    "classes": ["a", "b"],
}


def test_file(tmp_path):
    np.savez(tmp_path / "three.npz", **ARRAYS)
    data = graph_dataset(tmp_path / "three.npz")
    assert data.name == "three" and data.x.tolist() == [[0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]]
    assert data.y.tolist() == [0, 1, -1] and data.classes == ("a", "b") and data.graph.degrees.tolist() == [1, 2, 1]
    assert graph_dataset(tmp_path).x.tolist() == data.x.tolist()
    np.savez(tmp_path / "three.npz", **ARRAYS, feat_data=[0.5, 2.0, -1.0])
    assert graph_dataset(tmp_path).x[1].tolist() == [2, 0, 0, -1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"edges": [[0, 3]]}, r"three.npz: .*`edges`.*nodes 0 and 3"),
        ({"feat_indices": [1, 0, 4]}, "three.npz: `feat_indices` are to be from 0 to 3"),
        ({"feat_indptr": [0, 1, 3]}, "three.npz: `feat_indptr`, .* are not parts of one sparse matrix"),
        ({"feat_indptr": [0, 3, 1, 3]}, "not parts of one sparse matrix"),
        ({"y": [0, 1, 2]}, "three.npz: .*`y`"),
        ({"feat_data": [np.nan, 1, 1]}, "three.npz: .*`x`.*NaN"),
    ],
)
def test_wrong_files_are_reported(tmp_path, changed, message):
    np.savez(tmp_path / "three.npz", **{**ARRAYS, **changed})
    with pytest.raises(ValueError, match=message):
        graph_dataset(tmp_path / "three.npz")


def test_files_of_other_content_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        graph_dataset(tmp_path / "none.npz")
    np.savez(tmp_path / "three.npz", x=[1])
    with pytest.raises(ValueError, match="is not a graph with features of its nodes: it lacks classes, edges"):
        graph_dataset(tmp_path / "three.npz")


def test_generated_graphs():
    data = stochastic_blocks(nodes=600, degree=6.0, homophily=0.75)
    assert data.graph.degrees.mean() == pytest.approx(6, rel=0.1)
    same = data.y[data.graph.edges[:, 0]] == data.y[data.graph.edges[:, 1]]
    assert same.mean() == pytest.approx(0.75, abs=0.04)
    assert np.bincount(data.y[data.parts["train"]]).tolist() == [10, 10, 10]
    again, other = stochastic_blocks(nodes=600, degree=6.0, homophily=0.75), stochastic_blocks(nodes=600, seed=1)
    assert again.graph.edges.tolist() == data.graph.edges.tolist() and (again.x == data.x).all()
    assert other.graph.edges.tolist() != data.graph.edges.tolist()


def test_smoothing_solves_its_equation():
    """Z = (1 - a) (I - a S)^-1 G, where G has the classes of the training nodes and of no other."""
    data = GraphDataset(**RIGHT)
    given = np.random.default_rng(0).random((5, 2))
    adjacency = np.zeros((5, 5))
    for one, other in GRAPH.edges:
        adjacency[one, other] = adjacency[other, one] = 1
    scale = np.array([1, 2**-0.5, 2**-0.5, 1, 1])
    known = given.copy()
    known[[0, 1]] = [[1, 0], [0, 1]]
    exact = 0.2 * np.linalg.solve(np.eye(5) - 0.8 * scale[:, None] * adjacency * scale, known)
    before = given.copy()
    np.testing.assert_allclose(smoothed(data, given, steps=200), exact, atol=1e-12)
    np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(smoothed(data, given, alpha=0.0), known)


def test_smoothing_of_what_does_not_fit():
    data = GraphDataset(**RIGHT)
    for arguments, message in (
        ((data, np.ones((5, 3))), r"array \(5, 2\)"),
        ((data, np.ones((5, 2)), 1), "below 1"),
        ((data, np.full((5, 2), np.nan)), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            smoothed(*arguments)
