"""A cell space of graph networks: the operations and the cells of NAS-Bench-Graph."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.skeleton import ChoiceTable, Filler, cell_edges
from kerasnas.primitives.graph import Graph, check_graph
from kerasnas.primitives.graph_primitives import ACTIVATIONS, Projection
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES, Indices
from kerasnas.spaces.skeleton_space import SkeletonSpace

SKIP = "skip_connect"
Cell = tuple[tuple[int, str], ...]
"""For each node, from 1, the node that it reads (0 is the input) and its operation."""


def canonical(cell: Sequence[tuple[int, str]], operations: Sequence[str], unread_input: bool = True) -> Cell:
    """Return the representative of all cells that are the same network.

    Nodes may be numbered in any order in which each comes after its source. A skip connection that is read, or that
    alone reads its node, changes nothing: its readers read its source instead, and a skip connection at the very front
    replaces it. Of the remaining cells, the representative is the one whose sources, and then operations, come first.
    If `unread_input` is False, the output may not contain the input itself (it has another number of channels), and
    skip connections that would put it there change nothing either.
    """
    rest: dict[int, tuple[int, str]] = dict(enumerate(cell, start=1))
    while (idle := next((node for node in rest if _idle(rest, node, unread_input)), None)) is not None:
        source, _ = rest.pop(idle)
        rest = {node: (source if read == idle else read, name) for node, (read, name) in rest.items()}
    front = len(cell) - len(rest)
    moved = {0: front} | {node: number for number, node in enumerate(rest, start=front + 1)}
    skips = [(number, SKIP) for number in range(front)]
    rank = {name: index for index, name in enumerate(operations)}
    kept = tuple((moved[read], rank[name]) for read, name in rest.values())
    return (*skips, *((read, operations[index]) for read, index in _first(kept, front)))


def _idle(cell: dict[int, tuple[int, str]], node: int, unread_input: bool) -> bool:
    """Return True if a node is a skip connection that changes nothing."""
    source, name = cell[node]
    if name != SKIP:
        return False
    read = any(other == node for other, _ in cell.values())
    alone = all(other == node or read_by != source for other, (read_by, _) in cell.items())
    return read or alone or (source == 0 and not unread_input)


@functools.lru_cache(maxsize=4096)
def _first(cell: tuple[tuple[int, int], ...], front: int) -> tuple[tuple[int, int], ...]:
    """Return the numbering of the nodes after the first `front` whose sources, and then operations, come first."""
    nodes = range(front + 1, front + 1 + len(cell))
    best: tuple[list[int], list[int]] | None = None
    for order in itertools.permutations(range(len(cell))):
        number = dict(zip((nodes[index] for index in order), nodes, strict=True))
        sources = [number.get(cell[index][0], cell[index][0]) for index in order]
        if any(source >= node for source, node in zip(sources, nodes, strict=True)):
            continue
        candidate = sources, [cell[index][1] for index in order]
        if best is None or candidate < best:
            best = candidate
    return tuple(zip(*best, strict=True)) if best is not None else ()


GRAPH_SPACE_PRIMITIVES = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", SKIP)
TABLE, TABLE_SKIP = "nasbench_graph", "skip"  # names in genotypes of the published table


@SPACES.register("graphs")
class GraphSpace(SkeletonSpace):
    """Networks that classify the nodes of a graph: a cell in which each node reads one earlier node.

    The samples are the nodes of the graph, all in one batch and in their order; `kerasnas.datasets.GraphDataset` makes
    such batches, with sample weights for the nodes that count. A network is a dense layer on the features, a cell of
    `num_nodes` nodes, each an operation on an earlier node or on the input, and a classifier of the concatenated nodes
    that no other reads. In a supernet, the source of a node is a choice with alphas of its own (`input_alphas`), and a
    node counts in the output by the probability that no other reads it.

    Args:
        graph: the `kerasnas.primitives.Graph`. Defaults to None: enough for genotypes, and for strategies on tables.
        filters: channels of each node; a multiple of 4 if `"gat"` is among the operations. Defaults to 64.
        num_nodes: number of nodes of the cell. Defaults to 4.
        primitives: names of the operations. Defaults to the nine of the paper.
        dropout: fraction of the features, and of the inputs of every operation and the classifier, dropped in training.
            Defaults to 0.5.
        activation: the nonlinearity, `"tanh"` or the paper's `"relu"`. Defaults to `"tanh"`.
        near_identity: whether kernels start near the identity (`NearIdentity`), unlike the paper's. Defaults to True.

    Raises:
        TypeError: if `graph` is not a graph.
        ValueError: for a non-positive size, a dropout out of its range, and for unknown, repeated or no primitives.

    Example:

    >>> import numpy as np
    >>> space = GraphSpace(Graph([[0, 1], [1, 2]], num_nodes=3), filters=8)
    >>> genotype = space.sample(np.random.default_rng(0))
    >>> space.build_network(genotype, input_shape=(5,), num_classes=2)(np.ones((3, 5), "float32")).shape
    TensorShape([3, 2])
    >>> space.from_table(space.to_table(genotype)) == space.canonical(genotype)
    True

    Reference:
        Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", 2022 (arXiv 2206.09166).

    Differences from the paper:
        - Every data set has a dense layer on the features; the paper has it for some (not for Cora, CiteSeer and
          PubMed, where operations read the features themselves). There is none between cell and classifier, where the
          paper has one for some data sets, without an activation.
        - tanh, dropout, operation, batch norm, in this order; there batch norm, ReLU, dropout, operation.
        - Kernels start near the identity, as graphs have few labels. Networks are therefore more accurate after a short
          training or none, and rank differently than in the table; `activation="relu", near_identity=False` is nearer
          to it.
        - 64 filters; in the paper 64, 128 or 256, by data set, like dropout, optimizer, rate and epochs.
    """

    name = "graphs"
    inputs = "node"
    sizes = ("filters", "dropout")
    input_alphas = True
    mixes_channels = False
    skips_collapse = False

    def __init__(
        self,
        graph: Graph | dict[str, Any] | None = None,
        filters: int = 64,
        num_nodes: int = 4,
        primitives: Sequence[str] = GRAPH_SPACE_PRIMITIVES,
        dropout: float = 0.5,
        activation: str = "tanh",
        near_identity: bool = True,
    ):
        self.graph = None if graph is None else check_graph(graph)
        self._set_sizes(filters=filters, num_nodes=num_nodes)
        self.primitives = check_primitives(primitives, on_graph=True)
        self.dropout = checks.number("dropout", dropout, least=0, below=1)
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        self.near_identity = checks.boolean("near_identity", near_identity)
        if "gat" in self.primitives and self.filters % 4:
            raise ValueError(checks.invalid("filters", "a multiple of the 4 heads of graph attention", filters))

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """One table, of the cell; each node keeps one edge."""
        edges, options = cell_edges(self.num_nodes, inputs=1), {}
        if self.activation != "tanh" or not self.near_identity:  # a user's own primitive may take neither
            options = {"activation": self.activation, "near_identity": self.near_identity}
        return {
            "cell": ChoiceTable(edges, self.primitives, keep=1, graph=self.graph, dropout=self.dropout, options=options)
        }

    def skeleton(self, fill: Filler, x: Any) -> Any:
        if self.graph is None:
            raise ValueError(
                f"Space '{self.name}' needs a graph to build networks. Expected `GraphSpace(graph)`, with "
                "`kerasnas.primitives.Graph(edges, num_nodes)`. Received: graph=None"
            )
        x = fill.block(x, keras.layers.Dropout, self.dropout, seed=0)
        x = fill.block(x, Projection, self.filters, 1, fill.affine, near_identity=self.near_identity)
        x = fill.loose_ends("cell", fill.graph("cell", [x], self.filters), inputs=1)
        x = fill.block(x, keras.layers.Activation, self.activation)
        return fill.classify(fill.block(x, keras.layers.Dropout, self.dropout, seed=1))

    def key(self, indices: Indices) -> Hashable:
        """Return the canonical cell, independent of the order of nodes and of skip connections without effect."""
        sources, names = indices[::2], indices[1::2]
        return canonical([(node, self.primitives[i]) for node, i in zip(sources, names, strict=True)], self.primitives)

    def canonical(self, genotype: Genotype) -> Genotype:
        """Return the representative of all genotypes of the same network.

        Raises:
            ValueError: if `genotype` is not of this space.
        """
        return self._genotype(canonical(self._cell(genotype), self.primitives))

    def to_table(self, genotype: Genotype) -> Genotype:
        """Return the genotype under which NAS-Bench-Graph lists this cell, for `kerasnas.tabular.NASBenchGraph`.

        Equivalent cells are listed once there, too. The input itself is not part of the output there: on Cora and
        CiteSeer it has another number of channels.

        Raises:
            ValueError: if `genotype` is not of this space, and for a cell of skip connections alone, which has no row.
        """
        cell = canonical(self._cell(genotype), self.primitives, unread_input=False)
        if all(name == SKIP for _, name in cell):
            raise ValueError(f"NAS-Bench-Graph lists no cell of skip connections alone. Received: {genotype}")
        edges = [Edge(TABLE_SKIP if name == SKIP else name, read, node) for node, (read, name) in enumerate(cell, 1)]
        return Genotype(TABLE, {"cell": edges})

    def from_table(self, genotype: Genotype) -> Genotype:
        """Return the genotype of this space for one of NAS-Bench-Graph, in the same numbering.

        Raises:
            ValueError: if `genotype` is of another space, or not within this one.
        """
        if not isinstance(genotype, Genotype) or genotype.space != TABLE:
            raise ValueError(checks.invalid("genotype", f"a `Genotype` of space '{TABLE}'", genotype))
        edges = sorted(genotype["cell"], key=lambda edge: edge.target)
        names = {TABLE_SKIP: SKIP}
        translated = self._genotype([(edge.source, names.get(edge.primitive, edge.primitive)) for edge in edges])
        self.validate(translated)
        return translated

    def _cell(self, genotype: Genotype) -> Cell:
        self.validate(genotype)
        return tuple((edge.source, edge.primitive) for edge in sorted(genotype["cell"], key=lambda edge: edge.target))

    def _genotype(self, cell: Sequence[tuple[int, str]]) -> Genotype:
        return Genotype(self.name, {"cell": [Edge(name, read, node) for node, (read, name) in enumerate(cell, 1)]})
