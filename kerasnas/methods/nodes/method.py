"""The search on a graph as a method of a run."""

from __future__ import annotations

from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.modalities.graphs import is_graph_file
from kerasnas.runs.method import Method


class NodeClassification(Method):
    """Networks of the nodes of a graph, averaged with a regression on propagated features."""

    name, words, settings = "graph", "a search on a graph", GraphConfig
    way = "Name the .npz file of a graph."

    def suits(self, space: str | None, dataset: str) -> bool:
        """Whether the space is that of graphs, or, with none named, the data set is a graph."""
        return space == "graphs" or (space is None and is_graph_file(dataset))
