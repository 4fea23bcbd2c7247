"""Graphs with features of their nodes as files: reading, recognizing and making them."""

from __future__ import annotations

import os

import numpy as np

from kerasnas import checks
from kerasnas.datasets.graphs import GraphDataset
from kerasnas.modalities.graphs import read_graph

_ARRAYS = ("y", "train", "val", "test", "classes")


def graph_dataset(path: str | os.PathLike) -> GraphDataset:
    """Read a graph with the split of Planetoid: Cora, CiteSeer or PubMed as one `.npz` file.

    Args:
        path: the file, or a folder with one in it. Its arrays: the features as parts of a sparse matrix by rows,
            `feat_indptr`, `feat_indices`, `feat_shape` (all values 1, or those of `feat_data`); `edges` (edges, 2);
            `y`, with -1 where there is no class; the nodes `train`, `val`, `test`; `classes`, their names; and
            `name`, if the file's is not the graph's.

    Raises:
        TypeError: if `path` is not a path.
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or no such graph; names the file.
    """
    file = checks.path("path", path)
    arrays, graph, x = read_graph(path, _ARRAYS)
    parts = {"train": arrays["train"], "validation": arrays["val"], "test": arrays["test"]}
    try:
        return GraphDataset(
            str(arrays.get("name", file.stem)), graph, x, arrays["y"], parts, tuple(map(str, arrays["classes"]))
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def graph_arrays(data: GraphDataset) -> dict[str, np.ndarray]:
    """The arrays of a graph, by the names that they have in the `.npz` file which `graph_dataset` reads."""
    from scipy.sparse import csr_matrix

    checks.instance("data", data, GraphDataset, "a `kerasnas.datasets.GraphDataset`")
    features = csr_matrix(data.x)
    return {
        "name": np.array(data.name),
        "feat_indptr": features.indptr,
        "feat_indices": features.indices,
        "feat_shape": np.array(data.x.shape),
        "feat_data": features.data,
        "edges": data.graph.edges,
        "y": data.y,
        "train": data.parts["train"],
        "val": data.parts["validation"],
        "test": data.parts["test"],
        "classes": np.array(data.classes),
    }
