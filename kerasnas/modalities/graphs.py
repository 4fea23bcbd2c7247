"""Graphs: the samples are the nodes of one graph, classified all at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.modalities.base import FromPaths, Modality, Paths, Reading, TextLimits
from kerasnas.modalities.columns import Columns
from kerasnas.primitives.graph import Graph
from kerasnas.tabular.table import read_arrays
from kerasnas.tasks import Task

_MARKS = {"edges", "feat_indptr"}  # arrays that no other file of samples has
_ARRAYS = ("feat_indptr", "feat_indices", "feat_shape", "edges")
_MOST_ENTRIES = 2**31  # of the features, which are kept dense: 8 GiB

_USAGE = """\
import json, keras, numpy
import kerasnas  # the layers that read the graph are its own

classes = json.load(open("model.json"))["classes"]
model = keras.models.load_model("model.keras")  # the edges are in it
x = kerasnas.datasets.graph_dataset("graph.npz").x  # the features of all nodes, in their order
probabilities = model.predict(x, batch_size=len(x))
print(numpy.array(classes)[probabilities.argmax(axis=1)])"""


class Graphs(Modality):
    """The nodes of a graph, with features `(features,)` each.

    Args:
        nodes: number of nodes that a saved network answers for. Defaults to 0: not known.
        graph: that its layers read. Defaults to None: not known.
    """

    name = "graphs"
    singular, plural = "node", "nodes"
    inputs = "node"
    axes = ("features",)
    gradient_space = "graphs"
    formats = ("savedmodel",)
    example = "graph.npz"
    drift = adapts = False
    transductive = True

    def __init__(self, nodes: int = 0, graph: Graph | None = None):
        self.nodes, self.graph = checks.integer("nodes", nodes, least=0), graph

    def restored(self, record: Mapping[str, Any]) -> Modality:
        return type(self)(record["nodes"]) if record.get("nodes") else self

    def of_network(self, model: keras.Model) -> Modality:
        graph = next((layer.graph for layer in model.layers if hasattr(layer, "graph")), None)
        return self if graph is None else type(self)(graph.num_nodes, graph)

    def check_data(self, data: Any, shape: tuple[int, ...]) -> None:
        self.check_graph(data.name, data.graph)

    def check_graph(self, name: str, graph: Graph) -> None:
        """Raise ValueError for another graph than that of the network."""
        edges = graph.edges if self.graph is None else self.graph.edges
        nodes = self.nodes or graph.num_nodes
        if graph.num_nodes != nodes or not np.array_equal(edges, graph.edges):
            raise ValueError(
                f"The network is one of a graph of {nodes} nodes and {len(edges)} edges. "
                f"Received {name}, another graph, of {graph.num_nodes} nodes and {len(graph.edges)} edges."
            )

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        raise ValueError(
            "Expected samples and labels. Received: a graph, which `kerasnas.datasets.graph_dataset` reads"
        )

    def sample_column(self, columns: Columns, reading: Reading) -> str:
        raise ValueError(checks.invalid("x", "a graph, which is no table", sorted(columns)))

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        return checks.array("x", x, rank=2)

    def from_paths(self, paths: Paths, reading: Reading) -> FromPaths:
        if len(paths) != 1 or not is_graph_file(paths[0]):
            received = ", ".join(map(str, paths))
            raise ValueError(
                "Expected one .npz file of the graph that the network is of, with its edges and the features of all "
                f"nodes; its answers for those it was trained with are in predictions.csv. Received: {received}"
            )
        _, graph, x = read_graph(paths[0])
        self.check_graph(str(paths[0]), graph)
        return [str(node) for node in range(len(x))], x, {}

    def checked(self, argument: str, x: Any, model: keras.Model, finite: bool = True) -> np.ndarray:
        found = checks.array(argument, x)
        shape = (self.nodes or len(found), *model.input_shape[1:])
        if found.shape != shape or not len(found):
            expected = f"the features of all {shape[0]} nodes of its graph, of shape {shape}"
            raise ValueError(checks.invalid(argument, expected, f"shape {found.shape}"))
        return found

    def usage(self, record: Mapping[str, Any], answers: str, shown: str) -> str:
        return _USAGE

    def answers(self, model: keras.Model, x: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(model(x, training=False))  # one batch: tracing it would take longer

    def some(self, x: np.ndarray, most: int) -> np.ndarray:
        return x


def read_graph(path: str | os.PathLike, others: Sequence[str] = ()) -> tuple[dict[str, np.ndarray], Graph, np.ndarray]:
    """Read a graph and the features of its nodes from a file that `kerasnas.datasets.graph_dataset` describes.

    Args:
        path: the file, or a folder with one in it.
        others: names of arrays that it has to hold besides. Defaults to none.

    Returns:
        All arrays, the graph, and the features `(nodes, features)`.

    Raises:
        TypeError, FileNotFoundError, ValueError: as for `graph_dataset`.
    """
    file = checks.path("path", path)
    arrays = read_arrays(path, (*_ARRAYS, *others), "a graph with features of its nodes")
    rows, columns, shape = arrays["feat_indptr"], arrays["feat_indices"], arrays["feat_shape"]
    values = arrays.get("feat_data", np.ones(len(columns), "float32"))
    whole = shape.shape == (2,) and rows.shape == (int(shape[0]) + 1,) and values.shape == columns.shape
    if not whole or rows[0] != 0 or rows[-1] != len(columns) or (np.diff(rows) < 0).any():
        raise ValueError(f"{file}: `feat_indptr`, `feat_indices` and `feat_shape` are not parts of one sparse matrix.")
    if len(columns) and not 0 <= columns.min() <= columns.max() < shape[1]:
        raise ValueError(f"{file}: `feat_indices` are to be from 0 to {int(shape[1]) - 1}.")
    if int(shape[0]) * int(shape[1]) > _MOST_ENTRIES:
        raise ValueError(f"{file}: {int(shape[0])} x {int(shape[1])} features are too many for this package.")
    x = np.zeros(tuple(map(int, shape)), "float32")
    x[np.repeat(np.arange(len(rows) - 1), np.diff(rows)), columns] = values
    try:
        return arrays, Graph(arrays["edges"], len(x)), x
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def is_graph_file(path: str | os.PathLike) -> bool:
    """Return True for an `.npz` file with the arrays of a graph; its content is not read.

    Args:
        path: a file. False of a folder, of what is not there and of what cannot be read.

    Raises:
        TypeError: if `path` is not a path.
    """
    file = checks.path("path", path)
    if file.suffix.lower() != ".npz" or not file.is_file():
        return False
    try:
        return {name.removesuffix(".npy") for name in untrusted.archive_names(file)} >= _MARKS
    except (OSError, ValueError):
        return False
