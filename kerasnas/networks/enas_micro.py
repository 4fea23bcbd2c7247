"""ENAS' cells: the supernet whose children share the weights of every primitive on every edge."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.networks.cell_network import KINDS, cell_plan, halvings, skeleton
from kerasnas.networks.cells import INPUTS, preprocess
from kerasnas.networks.weight_sharing import SharedPrimitives, Stem, WeightSharingSupernet, keep
from kerasnas.primitives import primitive
from kerasnas.primitives.mixed_op import check_primitives

DECISIONS = 3  # for each node: which two sources, the primitive of the first, the primitive of the second


def source_pairs(node: int) -> tuple[tuple[int, int], ...]:
    """The pairs of sources that a node may read: any earlier nodes, also one of them twice.

    Example:

    >>> source_pairs(2)
    ((0, 0), (0, 1), (1, 1))
    """
    return tuple(itertools.combinations_with_replacement(range(node), 2))


class SharedCell(keras.layers.Layer):
    """A cell whose children share the weights of each primitive on each edge.

    Args:
        share: makes the `SharedPrimitives` of given candidates and number of edges.
        primitives: names of the candidates.
        filters: channels of each node.
        num_nodes: nodes after the two inputs.
        reduction: whether the cell halves height and width (edges from its inputs stride).
        reduction_previous: whether the cell before it did (its first input is twice as large).

    Call arguments:
        inputs: the outputs of the two cells before, `(batch, h, w, c)` each.
        sources: for each node the integer tensors `()` of its two sources.
        indices: for each node the integer tensors `()` of their two primitives.

    Returns:
        Tensor `(batch, h', w', num_nodes * filters)`: the nodes side by side, those that another node reads as zeros.
        ReLU and a 1x1 convolution, or the classifier, follow: to them a zero channel is one that is not there.
    """

    def __init__(
        self,
        share: Callable[..., SharedPrimitives],
        primitives: Sequence[str],
        filters: int,
        num_nodes: int,
        reduction: bool,
        reduction_previous: bool,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.filters, self.num_nodes = filters, num_nodes
        self.preprocess = [share([preprocess(filters, halve, affine=True)]) for halve in (reduction_previous, False)]
        strides = 2 if reduction else 1
        self.from_inputs = share([primitive(name, filters, strides) for name in primitives], edges=INPUTS * num_nodes)
        if num_nodes > 1:
            edges = num_nodes * (num_nodes - 1) // 2
            self.between = share([primitive(name, filters) for name in primitives], edges=edges)

    def build(self, inputs_shape: Sequence[tuple]) -> None:
        for layer, shape in zip(self.preprocess, inputs_shape, strict=True):
            layer.build(shape)
        shape = self.preprocess[1].compute_output_shape(inputs_shape[1])
        self.from_inputs.build(shape)
        self.node_shape = self.from_inputs.compute_output_shape(shape)
        if self.num_nodes > 1:
            self.between.build(self.node_shape)

    def call(self, inputs: Sequence[Any], sources: Sequence[Any], indices: Sequence[Any]) -> Any:
        states = [layer(x) for layer, x in zip(self.preprocess, inputs, strict=True)]
        nodes: list[Any] = []
        for pair, chosen in zip(sources, indices, strict=True):
            first, second = (self._read(states, nodes, s, index) for s, index in zip(pair, chosen, strict=True))
            nodes.append(first + second)
        read = ops.stack([source for pair in sources for source in pair])
        loose = [ops.all(ops.not_equal(read, INPUTS + node)) for node in range(self.num_nodes)]
        return ops.concatenate([keep(node, end) for node, end in zip(nodes, loose, strict=True)], axis=-1)

    def _read(self, states: list[Any], nodes: list[Any], source: Any, index: Any) -> Any:
        """What the primitive `index` on the edge from `source` to the next node makes of `source`."""
        number = len(nodes)

        def from_inputs() -> Any:
            return self.from_inputs(_pick(states, source), index, input_row(source, number))

        def between() -> Any:
            return self.between(_pick(nodes, source - INPUTS), index, between_row(source, number))

        return ops.cond(source < INPUTS, from_inputs, between) if nodes else from_inputs()

    def compute_output_shape(self, inputs_shape: Sequence[tuple], **shapes: Any) -> tuple:
        return (*self.node_shape[:-1], self.num_nodes * self.filters)


def input_row(source: Any, number: int) -> Any:
    """The row in `SharedCell.from_inputs` for the edge from input `source` to the node of this number, from 0."""
    return INPUTS * number + source


def between_row(source: Any, number: int) -> Any:
    """The row in `SharedCell.between` for the edge from the earlier node `source` to the node of this number."""
    return number * (number - 1) // 2 + source - INPUTS


def _pick(tensors: Sequence[Any], index: Any) -> Any:
    if len(tensors) == 1:
        return tensors[0]
    return ops.switch(index, [functools.partial(ops.convert_to_tensor, tensor) for tensor in tensors])


@keras.saving.register_keras_serializable(package="kerasnas")
class MicroSupernet(WeightSharingSupernet):
    """The supernet of ENAS' micro space: all normal cells of a child are alike, and all its reduction cells.

    A node adds two primitives of two earlier nodes. Every edge of every cell has weights of its own for each
    primitive; a child that reads one node twice with one primitive uses them twice.

    Args:
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        filters: channels of each node in the first cells.
        num_cells: number of cells.
        num_nodes: nodes of a cell after its inputs.
        primitives: names of the candidates.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.
        seed: seed of all start values. Defaults to 0.

    Call arguments, Returns: as for `WeightSharingSupernet`.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        filters: int,
        num_cells: int,
        num_nodes: int,
        primitives: Sequence[str],
        stem_multiplier: int = 3,
        stem_strides: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ):
        plan = cell_plan(num_cells, filters)
        kinds = tuple(kind for kind in KINDS if any(cell.kind == kind for cell in plan))
        num_choices = len(kinds) * checks.size("num_nodes", num_nodes) * DECISIONS
        super().__init__(input_shape, num_classes, num_choices, halvings(num_cells, stem_strides), seed, **kwargs)
        self.plan, self.kinds = plan, kinds
        self.filters, self.num_cells, self.num_nodes = filters, num_cells, num_nodes
        self.primitives = check_primitives(primitives)
        self.stem_multiplier, self.stem_strides = stem_multiplier, stem_strides

        self.stem = self.share([Stem(stem_multiplier * filters, stem_strides)])
        self.stem.build((None, *self.image_shape))
        shapes = [self.stem.compute_output_shape()] * 2
        self.cells = []
        for cell in self.plan:
            reduction = cell.kind == "reduce"
            layer = SharedCell(
                self.share,
                self.primitives,
                cell.filters,
                num_nodes,
                reduction,
                cell.reduction_previous,
                dtype=self.dtype_policy,
            )
            layer.build(shapes)
            shapes = [shapes[1], layer.compute_output_shape(shapes)]
            self.cells.append(layer)
        self.pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        self.finish(shapes[1][-1])

    def features(self, inputs: Any, architecture: Any) -> Any:
        decisions = ops.unstack(ops.reshape(architecture, (len(self.kinds), self.num_nodes, DECISIONS)))
        chosen = {kind: self._decode(rows) for kind, rows in zip(self.kinds, decisions, strict=True)}

        def cell(layer: SharedCell, kind: str) -> Callable:
            return lambda states: layer(states, **chosen[kind])

        cells = [cell(layer, plan.kind) for layer, plan in zip(self.cells, self.plan, strict=True)]
        return skeleton(inputs, self.stem, cells, self.pool)

    def _decode(self, rows: Any) -> dict[str, list[Any]]:
        """The sources and the primitives of all nodes, from their decisions `(nodes, 3)`."""
        sources, indices = [], []
        for node, row in enumerate(ops.unstack(rows), start=INPUTS):
            pair, first, second = ops.unstack(row)
            pairs = ops.convert_to_tensor(np.array(source_pairs(node), "int32"))
            sources.append(ops.unstack(ops.take(pairs, pair, axis=0)))
            indices.append([first, second])
        return {"sources": sources, "indices": indices}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_cells": self.num_cells,
            "num_nodes": self.num_nodes,
            "primitives": list(self.primitives),
            "stem_multiplier": self.stem_multiplier,
            "stem_strides": self.stem_strides,
        }
