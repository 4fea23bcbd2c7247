"""Graph: the nodes and edges that graph networks pass messages along."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks


@keras.saving.register_keras_serializable(package="kerasnas")
@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph without weights. A batch of a graph network is all of its nodes, in their order.

    Args:
        edges: integers `(edges, 2)`: the two nodes of each edge, in either order. An edge that is listed twice, or in
            both directions, counts once; loops are left out, as layers add their own where they need them.
        num_nodes: number of nodes.

    Raises:
        ValueError: for an edge to a node that does not exist, and for arguments of another kind.

    Example:

    >>> path = Graph([[0, 1], [1, 2], [2, 1]], num_nodes=4)
    >>> path.edges.tolist(), path.degrees.tolist()
    ([[0, 1], [1, 2]], [1, 2, 1, 0])
    >>> Graph([[0, 1], [1, 4]], num_nodes=4)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: Invalid value ... `edges`. Expected nodes from 0 to 3. Received: edge 1, of nodes 1 and 4
    """

    edges: np.ndarray
    num_nodes: int

    def __post_init__(self) -> None:
        nodes = checks.size("num_nodes", self.num_nodes)
        listed = checks.array("edges", self.edges, kinds="iu")
        if not listed.size and listed.ndim == 1:
            listed = np.zeros((0, 2), "int32")  # a list of no edges
        if listed.ndim != 2 or listed.shape[1] != 2:
            expected = "an array (edges, 2), the two nodes of each edge"
            raise ValueError(checks.invalid("edges", expected, f"shape {listed.shape}"))
        dangling = ((listed < 0) | (listed >= nodes)).any(axis=1)
        if dangling.any():
            first = int(dangling.argmax())
            source, target = listed[first].tolist()
            raise ValueError(
                f"Invalid value received for argument `edges`. Expected nodes from 0 to {nodes - 1}. Received: edge "
                f"{first}, of nodes {source} and {target}"
            )
        pairs = np.sort(listed[listed[:, 0] != listed[:, 1]].astype("int32"), axis=1)
        object.__setattr__(self, "edges", np.unique(pairs, axis=0).reshape(-1, 2))
        object.__setattr__(self, "num_nodes", nodes)

    @functools.cached_property
    def messages(self) -> tuple[np.ndarray, np.ndarray]:
        """Sources and targets of all messages: each edge in both directions, by target."""
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        both = both[np.lexsort((both[:, 0], both[:, 1]))]
        return both[:, 0].copy(), both[:, 1].copy()

    @functools.cached_property
    def degrees(self) -> np.ndarray:
        """Number of neighbors of each node."""
        return np.bincount(self.edges.ravel(), minlength=self.num_nodes)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"edges": self.edges.tolist(), "num_nodes": self.num_nodes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Invert `get_config`."""
        return cls(**config)


def check_graph(graph: Any) -> Graph:
    """Return `graph`, deserialized if it is a configuration; raise TypeError for anything else."""
    made = keras.saving.deserialize_keras_object(graph) if isinstance(graph, dict) and "class_name" in graph else graph
    return checks.instance("graph", made, Graph, "a `kerasnas.primitives.Graph`")
