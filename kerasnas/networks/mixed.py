"""The layers of a supernet: a skeleton read with every choice mixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.networks.layered import LayerBuilder, LayerRunner
from kerasnas.networks.skeleton import ChoiceTable, HasSkeleton, Shape
from kerasnas.primitives import MixedOp
from kerasnas.primitives.partial_mixed_op import PartialMixedOp
from kerasnas.primitives.sampled_paths import SampledPaths


class MixedGraph(keras.layers.Layer):
    """Nodes with a mixed operation on every edge; all edges that leave one node are computed together.

    Node `t` is the sum over its edges: `x_t = sum_s mixed_{s,t}(x_s)`.

    Args:
        table: its edges and primitives.
        inputs: number of input nodes.
        filters: channels of each node.
        strides: of the edges that leave an input. Defaults to 1.
        affine: whether batch norm learns scale and offset. Defaults to False.
        partial_channels: 1, or the reciprocal of the fraction of channels that is mixed (PC-DARTS). Defaults to 1.
        sampled_paths: shared by the graphs of one supernet to compute sampled primitives. Defaults to the graph's own.
        kept: for each edge the primitives that it has left; see `kerasnas.MixedOp`. Defaults to None: all.
        skip_dropout: as there. Defaults to 0.
        seed: of what is dropped. Defaults to 0.

    Call arguments:
        inputs: the input nodes, `(batch, h, w, filters)` or `(batch, length, filters)` each.
        weights: mixing weights `(edges, primitives)`, of the primitives that are left.
        active: optional integers `(edges, paths)`: the primitives whose weight is not zero.
        edge_weights: optional tensor `(edges,)` that multiplies the value of each edge.
        auxiliary: optional scalar: weight of a skip connection next to every edge that keeps the shape.
        training: whether batch norm uses the batch's statistics.
    """

    def __init__(
        self,
        table: ChoiceTable,
        inputs: int,
        filters: int,
        strides: int = 1,
        affine: bool = False,
        partial_channels: int = 1,
        sampled_paths: SampledPaths | None = None,
        kept: Sequence[Sequence[str]] | None = None,
        skip_dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.inputs, self.filters, self.strides, self.partial_channels = inputs, filters, strides, partial_channels
        self.dropouts: list[Any] = []  # of each of these sources, where there is dropout
        self.nodes = list(table.rows_by_node)
        self.mixed: list[Any] = []  # of each source that edges leave
        self.sources: list[int] = []
        self._rows: list[list[int]] = []  # of each of these sources, the rows of its edges
        self._targets: list[list[int]] = []
        for source in dict.fromkeys(sorted(source for source, _ in table.edges)):
            rows = [row for row, edge in enumerate(table.edges) if edge[0] == source]
            arguments = {
                "filters": filters,
                "strides": strides if source < inputs else 1,
                "affine": affine,
                "copies": len(rows),
                "sampled_paths": sampled_paths or SampledPaths(),
                "kept": None if kept is None else [kept[row] for row in rows],
                "skip_dropout": skip_dropout,
                "seed": seed + source,
                "dtype": self.dtype_policy,
            }
            if table.dropout:
                self.dropouts.append(keras.layers.Dropout(table.dropout, seed=source, dtype=self.dtype_policy))
            if partial_channels == 1:
                self.mixed.append(MixedOp(table.primitives, **arguments, graph=table.graph, options=table.options))
            else:
                self.mixed.append(PartialMixedOp(table.primitives, partial_channels=partial_channels, **arguments))
            self.sources.append(source)
            self._rows.append(rows)
            self._targets.append([table.edges[row][1] for row in rows])

    def build(self, inputs_shape: Sequence[tuple], weights_shape: Any = None, **shapes: Any) -> None:
        shapes_by_node = dict(enumerate(map(tuple, inputs_shape)))
        inner = self.compute_output_shape(inputs_shape)[0]
        self._keeps_shape = []
        for source, mixed in zip(self.sources, self.mixed, strict=True):
            shape = shapes_by_node.get(source, inner)
            mixed.build(shape, weights_shape or (mixed.copies, 1))
            self._keeps_shape.append(shape == inner)

    @property
    def auxiliary_edges(self) -> int:
        """Number of edges that have an auxiliary skip connection."""
        return sum(len(rows) for rows, keeps in zip(self._rows, self._keeps_shape, strict=True) if keeps)

    def call(
        self,
        inputs: Sequence[Tensor],
        weights: Tensor,
        active: Tensor = None,
        edge_weights: Any = None,
        auxiliary: Any = None,
        training: bool | None = None,
    ) -> list[Any]:
        if edge_weights is not None and self.partial_channels == 1:
            weights, edge_weights = weights * ops.expand_dims(edge_weights, -1), None
        tables = {"weights": weights, "active": active, "edge_weights": edge_weights}
        rows = {name: ops.unstack(table, axis=0) for name, table in tables.items() if table is not None}
        states = dict(enumerate(inputs))
        incoming: dict[int, list[Any]] = {node: [] for node in self.nodes}
        for index, (source, mixed) in enumerate(zip(self.sources, self.mixed, strict=True)):
            if source not in states:
                states[source] = _total(incoming[source])
            targets, x = self._targets[index], states[source]
            arguments = {name: ops.stack([table[row] for row in self._rows[index]]) for name, table in rows.items()}
            read = self.dropouts[index](x, training=training) if self.dropouts else x
            outgoing = mixed(read, **arguments, training=training)
            skip = [x * ops.cast(auxiliary, x.dtype)] if auxiliary is not None and self._keeps_shape[index] else []
            for target, edge in zip(targets, ops.split(outgoing, len(targets), axis=-1), strict=True):
                incoming[target] += [edge, *skip]
        return [states[node] if node in states else _total(incoming[node]) for node in self.nodes]

    def compute_output_shape(self, inputs_shape: Sequence[tuple], weights_shape: Any = None) -> list[tuple]:
        node = (*self.mixed[0].compute_output_shape(tuple(inputs_shape[0]))[:-1], self.filters)
        return [node] * len(self.nodes)


def _total(tensors: list[Any]) -> Any:
    return sum(tensors[1:], tensors[0])


class MixedBuilder(LayerBuilder):
    """Reads a skeleton into the layers of a supernet: a `MixedGraph` at every choice."""

    def __init__(
        self,
        space: HasSkeleton,
        num_classes: int,
        policy: keras.DTypePolicy,
        partial_channels: int,
        kept: Mapping[str, Sequence[Sequence[str]]],
        skip_dropout: float,
    ):
        super().__init__(space, num_classes, policy, space.affine)
        self.partial_channels, self.kept, self.skip_dropout = partial_channels, kept, skip_dropout
        self._paths, self._places = SampledPaths(), places(space.tables)

    def block_layer(self, factory: Callable[..., Any], *arguments: Any, **options: Any) -> keras.layers.Layer:
        return factory(*arguments, **options, dtype=self.policy)

    def choice(self, x: Shape, name: str, filters: int, strides: int = 1) -> Shape:
        kind, row = self._places[name]
        table, kept = self.space.tables[kind], self.kept.get(kind)
        one = dataclasses.replace(table, edges=((0, 1),), names=(), keep=None)
        self._graph(one, [x], filters, strides, kept and kept[row : row + 1])
        return super().choice(x, name, filters, strides)

    def graph(self, kind: str, inputs: Sequence[Shape], filters: int, strides: int = 1) -> list[Shape]:
        self._graph(self.space.tables[kind], inputs, filters, strides, self.kept.get(kind))
        return super().graph(kind, inputs, filters, strides)

    def _graph(
        self,
        table: ChoiceTable,
        inputs: Sequence[Shape],
        filters: int,
        strides: int,
        kept: Sequence[Sequence[str]] | None,
    ) -> None:
        seed = 100 * len(self.layers)  # so that no two layers drop the same values
        settings = self.affine, self.partial_channels, self._paths, kept, self.skip_dropout, seed
        layer = MixedGraph(table, len(inputs), filters, strides, *settings, dtype=self.policy)
        layer.build([(None, *shape) for shape in inputs], table.shape)
        self.layers.append(layer)

    def read(self, values: Sequence[Shape], names: Sequence[str]) -> Shape:
        raise self._unread()


class MixedRunner(LayerRunner):
    """Reads a skeleton with the layers that a `MixedBuilder` made of it.

    `tables` has, for each kind, the arguments of its `MixedGraph`s except `inputs` and `training`; `reads` how much of
    each of its edges is read: tensors `(edges,)` from 0 to 1, or None if edges have no weights.
    """

    def __init__(
        self,
        space: HasSkeleton,
        layers: Sequence[Any],
        tables: Mapping[str, Mapping[str, Any]],
        reads: Mapping[str, Any],
        training: bool | None,
    ):
        super().__init__(space, layers, training)
        self.affine, self._tables, self._places = space.affine, tables, places(space.tables)
        self._reads = reads

    def choice(self, x: Tensor, name: str, filters: int, strides: int = 1) -> Any:
        kind, row = self._places[name]
        arguments = {
            key: value if value is None or key == "auxiliary" else value[row : row + 1]
            for key, value in self._tables[kind].items()
        }
        return self.next_layer()([x], **arguments, training=self.training)[0]

    def graph(self, kind: str, inputs: Sequence[Tensor], filters: int, strides: int = 1) -> list[Any]:
        return self.next_layer()(list(inputs), **self._tables[kind], training=self.training)

    def loose_ends(self, kind: str, nodes: Sequence[Any], inputs: int = 2) -> Any:
        """Concatenate all nodes, each times the probability that no edge reads it; times 1 if that is unknown.

        At a definite choice, the nodes that are read become zeros.
        """
        if self._reads[kind] is None:
            return self.concatenate(nodes)
        unread = ops.unstack(1 - self._reads[kind])
        loose: dict[int, Any] = {}
        for (source, _), factor in zip(self.space.tables[kind].edges, unread, strict=True):
            loose[source] = loose[source] * factor if source in loose else factor
        numbered = enumerate(nodes, start=inputs)
        return self.concatenate([x * ops.cast(loose[node], x.dtype) if node in loose else x for node, x in numbered])


def places(tables: Mapping[str, ChoiceTable]) -> dict[str, tuple[str, int]]:
    """Return name of a choice -> its table and row."""
    return {name: (kind, row) for kind, table in tables.items() for row, name in enumerate(table.names)}
