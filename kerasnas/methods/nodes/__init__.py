"""Searches on a graph: networks of its nodes and a regression on propagated features, weighed on validation nodes."""

from kerasnas.methods.nodes.search import NodeSearch, load_graph, run_node_search

__all__ = ["NodeSearch", "load_graph", "run_node_search"]
