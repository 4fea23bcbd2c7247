"""One cell graph: mixed over all edges in a supernet, or discrete from a genotype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.genotypes import Edge
from kerasnas.networks.derivation import Option, decision
from kerasnas.primitives import FactorizedReduce, MixedOp, PartialMixedOp, Primitive, ReLUConvBN, primitive
from kerasnas.primitives.base import expand
from kerasnas.primitives.mixed_op import SampledPaths

INPUTS = 2  # a cell reads the outputs of the two cells before it


def cell_edges(num_nodes: int, inputs: int = INPUTS) -> tuple[tuple[int, int], ...]:
    """All (source, target) of a cell, by target: the order of the rows of the architecture parameters.

    Args:
        num_nodes: nodes after the inputs.
        inputs: how many outputs of other cells it reads. Defaults to 2.

    Example:

    >>> cell_edges(2)
    ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    """
    return tuple((source, target) for target in range(inputs, inputs + num_nodes) for source in range(target))


def preprocess(filters: int, halve: bool, affine: bool, **kwargs: Any) -> Primitive:
    """What brings an input of a cell to the cell's number of channels, and to its size if `halve`."""
    return FactorizedReduce(filters, 2, affine, **kwargs) if halve else ReLUConvBN(filters, 1, affine, **kwargs)


class MixedGraph(keras.layers.Layer):
    """Nodes with a mixed operation on every edge; all edges that leave one node are computed side by side.

    Node `t` is the sum over its edges: `x_t = sum_s mixed_{s,t}(x_s)`. What a cell makes of the nodes is the subclass'.

    Args:
        filters: channels of each node.
        inputs: how many nodes are given.
        num_nodes: number of nodes computed.
        partial_channels: 1, or the reciprocal of the share of the channels that is mixed (PC-DARTS). Defaults to 1.
    """

    def __init__(self, filters: int, inputs: int, num_nodes: int, partial_channels: int = 1, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.filters, self.inputs, self.num_nodes = filters, inputs, num_nodes
        self.partial_channels = partial_channels
        self.mixed: list[Any] = []
        self._rows: list[list[int]] = []  # of each source: which rows of the mixing weights belong to its edges

    def add_edges(self, primitives: Sequence[str], strides: int, sampled_paths: SampledPaths | None) -> None:
        """Make the mixed operations; those of edges that leave an input have `strides`."""
        self.strides = strides
        edges = cell_edges(self.num_nodes, self.inputs)
        for source in range(self.inputs + self.num_nodes - 1):
            rows = [row for row, edge in enumerate(edges) if edge[0] == source]
            arguments = {
                "filters": self.filters,
                "strides": strides if source < self.inputs else 1,
                "copies": len(rows),
                "sampled_paths": sampled_paths or SampledPaths(),
                "dtype": self.dtype_policy,
            }
            if self.partial_channels == 1:
                self.mixed.append(MixedOp(primitives, **arguments))
            else:
                self.mixed.append(PartialMixedOp(primitives, partial_channels=self.partial_channels, **arguments))
            self._rows.append(rows)

    def mix(
        self, inputs: Sequence[Any], weights: Any, active: Any, edge_weights: Any, auxiliary: Any, training: bool | None
    ) -> list:
        """All nodes, the given `inputs` first."""
        if edge_weights is not None and self.partial_channels == 1:
            weights, edge_weights = weights * ops.expand_dims(edge_weights, -1), None
        tables = {"weights": weights, "active": active, "edge_weights": edge_weights}
        rows = {name: ops.unstack(table, axis=0) for name, table in tables.items() if table is not None}
        incoming: dict[int, list] = {self.inputs + node: [] for node in range(self.num_nodes)}
        states = list(inputs)
        for source, (mixed, own) in enumerate(zip(self.mixed, self._rows, strict=True)):
            if source >= self.inputs:
                states.append(_total(incoming[source]))
            fed = {name: ops.stack([table[row] for row in own]) for name, table in rows.items()}
            outgoing = mixed(states[source], **fed, training=training)
            targets = range(max(source + 1, self.inputs), self.inputs + self.num_nodes)
            beside = []
            if auxiliary is not None and (source >= self.inputs or self.strides == 1):
                beside = [states[source] * ops.cast(auxiliary, states[source].dtype)]
            for target, edge in zip(targets, ops.split(outgoing, len(own), axis=-1), strict=True):
                incoming[target] += [edge, *beside]
        states.append(_total(incoming[self.inputs + self.num_nodes - 1]))
        return states


class MixedCell(MixedGraph):
    """A cell of DARTS, mixed: it reads the two cells before it, and its output concatenates its nodes.

    Args:
        filters: channels of each node.
        num_nodes: number of intermediate nodes.
        primitives: names of the candidates on every edge.
        reduction: whether the cell halves height and width (edges from its inputs stride).
        reduction_previous: whether the cell before it did (its first input is twice as large).
        partial_channels: 1, or the reciprocal of the share of the channels that is mixed (PC-DARTS). Defaults to 1.
        sampled_paths: what the cells of one supernet share to compute sampled primitives. Defaults to the cell's own.

    Call arguments:
        inputs: the outputs of the two cells before, `(batch, h, w, c)` each.
        weights: mixing weights `(edges, primitives)`, edges in the order of `cell_edges`.
        active: optional integers `(edges, paths)`: the primitives whose weight is not zero.
        edge_weights: optional tensor `(edges,)` that multiplies the value of each edge.
        auxiliary: optional scalar: weight of the skip connection beside every edge of stride 1.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Tensor `(batch, h', w', num_nodes * filters)`.
    """

    def __init__(
        self,
        filters: int,
        num_nodes: int,
        primitives: Sequence[str],
        reduction: bool,
        reduction_previous: bool,
        partial_channels: int = 1,
        sampled_paths: SampledPaths | None = None,
        **kwargs: Any,
    ):
        super().__init__(filters, INPUTS, num_nodes, partial_channels, **kwargs)
        self.preprocess = [
            preprocess(filters, reduction_previous, affine=False, dtype=self.dtype_policy),
            preprocess(filters, False, affine=False, dtype=self.dtype_policy),
        ]
        self.add_edges(primitives, 2 if reduction else 1, sampled_paths)

    def build(self, inputs_shape: Sequence[tuple], weights_shape: Any = None, **shapes: Any) -> None:
        for layer, shape in zip(self.preprocess, inputs_shape, strict=True):
            layer.build(shape)
        inputs = self.preprocess[1].compute_output_shape(inputs_shape[1])
        inner = (*self.mixed[0].compute_output_shape(inputs)[:-1], self.filters)
        for source, mixed in enumerate(self.mixed):
            mixed.build(inputs if source < INPUTS else inner, weights_shape)

    def call(
        self,
        inputs: Sequence[Any],
        weights: Any,
        active: Any = None,
        edge_weights: Any = None,
        auxiliary: Any = None,
        training: bool | None = None,
    ) -> Any:
        states = [layer(x, training=training) for layer, x in zip(self.preprocess, inputs, strict=True)]
        states = self.mix(states, weights, active, edge_weights, auxiliary, training)
        return ops.concatenate(states[INPUTS:], axis=-1)

    def compute_output_shape(self, inputs_shape: Sequence[tuple], weights_shape: Any = None) -> tuple:
        inputs = self.preprocess[1].compute_output_shape(inputs_shape[1])
        return (*self.mixed[0].compute_output_shape(inputs)[:-1], self.filters * self.num_nodes)


def _total(tensors: list[Any]) -> Any:
    return sum(tensors[1:], tensors[0])


def chosen_primitive(
    x: Any, name: str, filters: int, strides: int, drop_path: float, seeds: np.random.Generator
) -> Any:
    """What a primitive of a discrete network makes of `x`, of standard Keras layers.

    Args:
        x: KerasTensor.
        name, filters, strides: of the primitive.
        drop_path: probability with which training drops it (not a skip) for a sample; it is written as `Dropout` with
            one mask value a sample.
        seeds: gives what is dropped a seed.
    """
    y = expand(primitive(name, filters, strides), x)
    if not drop_path or name == "skip_connect":
        return y
    own = int(seeds.integers(2**31))  # without one, Keras takes a seed from Python's global generator
    return keras.layers.Dropout(drop_path, noise_shape=(None, *[1] * (len(y.shape) - 1)), seed=own)(y)


def discrete_cell(
    inputs: Sequence[Any],
    edges: Sequence[Edge],
    filters: int,
    reduction: bool,
    reduction_previous: bool,
    drop_path: float = 0.0,
    seed: Any = 0,
) -> Any:
    """Build a cell of standard Keras layers from the edges of a genotype.

    Args:
        inputs: two KerasTensors, the outputs of the two cells before.
        edges: the chosen operations.
        filters, reduction, reduction_previous: as in `MixedCell`.
        drop_path: probability with which training drops an edge, see `chosen_primitive`. Defaults to 0.
        seed: of what is dropped: as `np.random.default_rng` takes it. Defaults to 0.

    Returns:
        KerasTensor `(batch, h', w', nodes * filters)`.
    """
    seeds = np.random.default_rng(seed)
    states = [
        preprocess(filters, halve, affine=True).expand(x)
        for halve, x in zip((reduction_previous, False), inputs, strict=True)
    ]
    for node in range(INPUTS, 1 + max(edge.target for edge in edges)):
        terms = []
        for edge in (edge for edge in edges if edge.target == node):
            strides = 2 if reduction and edge.source < INPUTS else 1
            term = chosen_primitive(states[edge.source], edge.primitive, filters, strides, drop_path, seeds)
            terms.append(term)
        states.append(keras.layers.Add()(terms) if len(terms) > 1 else terms[0])
    nodes = states[INPUTS:]
    return keras.layers.Concatenate()(nodes) if len(nodes) > 1 else nodes[0]


def node_decisions(
    kind: str, weights: np.ndarray, num_nodes: int, primitives: Sequence[str], inputs_per_node: int = 2
) -> list[list[Option]]:
    """The decisions that make a cell of DARTS: which edges each node keeps, and their primitives.

    By the paper's rule, which the strongest option follows, every edge keeps its strongest primitive other than `none`,
    and every node keeps the `inputs_per_node` edges on which that primitive is strongest.

    Args:
        kind: name of the cell.
        weights: mixing weights `(edges, primitives)`, edges in the order of `cell_edges`.
        num_nodes: number of intermediate nodes.
        primitives: names of the columns.
        inputs_per_node: edges kept for each node. Defaults to 2.

    Example:

    >>> from kerasnas.networks.derivation import choose
    >>> weights = np.array([[0.1, 0.9], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1]])
    >>> [option.picks for option in choose(node_decisions("normal", weights, 2, ["none", "skip_connect"]))]
    [((0, 1), (1, 1)), ((2, 1), (3, 1))]

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), section 2.4.
    """
    edges = cell_edges(num_nodes)
    nodes = [
        [row for row, (_, target) in enumerate(edges) if target == node] for node in range(INPUTS, INPUTS + num_nodes)
    ]
    return [decision(kind, weights, rows, primitives, inputs_per_node) for rows in nodes]
