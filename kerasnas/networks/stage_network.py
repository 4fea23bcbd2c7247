"""Stem, stages of alike cells with residual blocks between them, head: the skeleton of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks, relaxations
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.building import (
    check_drop_path,
    check_input_shape,
    classify,
    discrete_model,
    head_dtype,
    initialize,
)
from kerasnas.networks.cells import MixedGraph, cell_edges, chosen_primitive
from kerasnas.networks.derivation import Decision, decision
from kerasnas.networks.supernet import ChoiceTable, Supernet
from kerasnas.primitives import BatchNorm, NorConv
from kerasnas.primitives.base import Relu, Stage, by_rank, halve
from kerasnas.primitives.convolutions import Convolution, Pointwise
from kerasnas.primitives.mixed_op import SampledPaths, check_primitives
from kerasnas.primitives.partial_mixed_op import check_partial_channels

STAGES = 3


def stage_edges(num_nodes: int) -> tuple[tuple[int, int], ...]:
    """All (source, target) of a cell with one input, by target.

    Example:

    >>> stage_edges(2)
    ((0, 1), (0, 2), (1, 2))
    """
    return cell_edges(num_nodes, inputs=1)


class HalvingPool(Stage):
    """2x2 average pooling of stride 2, of signals over 2 steps."""

    def call(self, inputs: Any) -> Any:
        return ops.average_pool(inputs, 2, strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return halve(inputs_shape)

    def standard(self) -> list[Callable]:
        return [by_rank("AveragePooling", pool_size=2, strides=2, padding="same")]


class ResidualReduction(keras.layers.Layer):
    """The residual block between two stages: halves the image, or the signal.

    Two `NorConv` 3x3, the first of stride 2, and beside them 2x2 average pooling with a 1x1 convolution; of signals
    with windows of 3, 2 and 1 steps.
    """

    def __init__(self, filters: int, affine: bool = True, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        policy = {"dtype": self.dtype_policy}
        self.branch = [NorConv(filters, strides, affine, **policy) for strides in (2, 1)]
        self.shortcut: list[Stage] = [HalvingPool(), Pointwise(filters)]
        for stage in self.shortcut:
            stage.dtype_policy = self.dtype_policy

    def build(self, inputs_shape: tuple) -> None:
        for path in (self.branch, self.shortcut):
            shape = inputs_shape
            for layer in path:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        y, short = inputs, inputs
        for primitive in self.branch:
            y = primitive(y, training=training)
        for stage in self.shortcut:
            short = stage.call(short)
        return y + short

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return self.branch[0].compute_output_shape(inputs_shape)

    def expand(self, x: Any) -> Any:
        """The same of new standard Keras layers."""
        y = x
        for primitive in self.branch:
            y = primitive.expand(y)
        return keras.layers.Add()([y, _spelled_out(self.shortcut, x)])


class MixedStageCell(MixedGraph):
    """A cell of NAS-Bench-201, mixed: node 0 is its input, its output the last node.

    Args:
        filters: channels of each node.
        num_nodes: nodes after the input.
        primitives: names of the candidates on every edge.
        partial_channels: 1, or the reciprocal of the share of the channels that is mixed (PC-DARTS). Defaults to 1.
        sampled_paths: what the cells of one supernet share to compute sampled primitives. Defaults to the cell's own.

    Call arguments:
        inputs: tensor `(batch, h, w, filters)`, or `(batch, length, filters)`.
        weights, active, edge_weights, auxiliary, training: as for `MixedCell`.

    Returns:
        Tensor of the shape of `inputs`.
    """

    def __init__(
        self,
        filters: int,
        num_nodes: int,
        primitives: Sequence[str],
        partial_channels: int = 1,
        sampled_paths: SampledPaths | None = None,
        **kwargs: Any,
    ):
        super().__init__(filters, 1, num_nodes, partial_channels, **kwargs)
        self.add_edges(primitives, 1, sampled_paths)

    def build(self, inputs_shape: tuple, weights_shape: Any = None, **shapes: Any) -> None:
        for mixed in self.mixed:
            mixed.build(inputs_shape, weights_shape)

    def call(
        self,
        inputs: Any,
        weights: Any,
        active: Any = None,
        edge_weights: Any = None,
        auxiliary: Any = None,
        training: bool | None = None,
    ) -> Any:
        return self.mix([inputs], weights, active, edge_weights, auxiliary, training)[-1]

    def compute_output_shape(self, inputs_shape: tuple, weights_shape: Any = None) -> tuple:
        return inputs_shape


def stage_plan(num_cells: int, filters: int) -> tuple[int | str, ...]:
    """The blocks after the stem: the filters of a cell, or "reduce" for a residual block that doubles them.

    Example:

    >>> stage_plan(1, 16)
    (16, 'reduce', 32, 'reduce', 64)
    """
    plan: list[int | str] = []
    for stage in range(STAGES):
        plan += ["reduce"] * (stage > 0) + [filters * 2**stage] * num_cells
    return tuple(plan)


@keras.saving.register_keras_serializable(package="kerasnas")
class StageSupernet(Supernet):
    """The supernet of a space of one cell in three stages: all cells share one table of architecture parameters.

    Args:
        input_shape: `(height, width, channels)` of one image, or `(length, channels)` of one signal.
        num_classes: number of classes; the model returns logits.
        filters: channels of the first stage.
        num_cells: cells of each stage.
        num_nodes: nodes of a cell after its input.
        primitives: names of the candidates.
        partial_channels: 1, or the reciprocal of the share of the channels that is mixed (PC-DARTS: 4). Defaults to 1.
        edge_normalization: whether each edge has a weight of its own, by a softmax over the edges into its node
            (PC-DARTS). Defaults to False.
        relaxation: how alphas become mixing weights: a name or a callable. Defaults to `"softmax"`.
        space: name of the space that derived genotypes carry. Defaults to `"nasbench201"`.
        seed: seed of all start values. Defaults to 0.

    Call arguments:
        inputs: images `(batch, height, width, channels)`, or signals `(batch, length, channels)`.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Logits `(batch, num_classes)`.

    Reference:
        Dong and Yang, "NAS-Bench-201", 2020 (arXiv 2001.00326).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        filters: int,
        num_cells: int,
        num_nodes: int,
        primitives: Sequence[str],
        partial_channels: int = 1,
        edge_normalization: bool = False,
        relaxation: Any = "softmax",
        space: str = "nasbench201",
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = check_input_shape(input_shape, STAGES - 1)
        self.num_classes = checks.size("num_classes", num_classes)
        self.filters, self.num_cells = checks.size("filters", filters), checks.size("num_cells", num_cells)
        self.num_nodes, self.primitives = checks.size("num_nodes", num_nodes), check_primitives(primitives)
        self.partial_channels = check_partial_channels(partial_channels, filters)
        self.edge_normalization = edge_normalization
        self.space, self.seed = space, seed
        self.relaxation = relaxations.get(relaxation, seed)

        self.stem: list[Stage] = [Convolution(filters, 3), BatchNorm()]
        self.blocks: list[Any] = []
        sampled_paths = SampledPaths()
        for block in stage_plan(num_cells, filters):
            if block == "reduce":
                filters *= 2
                self.blocks.append(ResidualReduction(filters))
            else:
                self.blocks.append(MixedStageCell(filters, num_nodes, primitives, partial_channels, sampled_paths))
        self.last: list[Stage] = [BatchNorm(), Relu()]
        pool = (
            keras.layers.GlobalAveragePooling1D if len(self.image_shape) == 2 else keras.layers.GlobalAveragePooling2D
        )
        self.pool = pool(data_format="channels_last")
        self.classifier = keras.layers.Dense(num_classes, dtype=head_dtype(self.dtype_policy))
        self.add_architecture({"cell": ChoiceTable(stage_edges(num_nodes), self.primitives)})
        self.build((None, *self.image_shape))
        initialize(self, seed)

    def build(self, input_shape: tuple) -> None:
        if self.built:
            return
        shape = input_shape
        for layer in [*self.stem, *self.blocks, *self.last]:
            mixed = isinstance(layer, MixedStageCell)
            layer.build(shape, *[self.choices["cell"].shape] * mixed)
            shape = layer.compute_output_shape(shape)
        self.classifier.build((None, shape[-1]))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        table = self.tables(training)["cell"]
        x = self.stem[1](self.stem[0](inputs), training=training)
        for block in self.blocks:
            fed = table if isinstance(block, MixedStageCell) else {}
            x = block(x, **fed, training=training)
        x = self.last[1](self.last[0](x, training=training))
        return self.classifier(self.pool(x))

    def decisions(self, weights: Mapping[str, np.ndarray]) -> list[Decision]:
        """Every edge by itself: a primitive, but not `none`."""
        return [decision("cell", weights["cell"], [row], self.primitives) for row in range(len(weights["cell"]))]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "filters": self.filters,
            "num_cells": self.num_cells,
            "num_nodes": self.num_nodes,
            "primitives": list(self.primitives),
            "partial_channels": self.partial_channels,
            "edge_normalization": self.edge_normalization,
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "space": self.space,
            "seed": self.seed,
        }


def stage_network(
    genotype: Genotype,
    input_shape: tuple[int, ...],
    num_classes: int,
    filters: int,
    num_cells: int,
    drop_path: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Build the discrete network of `genotype`, of standard Keras layers only.

    Args:
        genotype: its cell `"cell"`.
        input_shape: `(height, width, channels)` of one image, or `(length, channels)` of one signal.
        num_classes: number of classes; the model returns logits.
        filters: channels of the first stage.
        num_cells: cells of each stage.
        drop_path: drop-path probability of the last cell; it grows linearly from 0 with the depth. Defaults to 0.
        seed: seed of the start weights, and of what drop-path drops. Defaults to 0.

    Returns:
        A functional `keras.Model`.
    """
    shape = check_input_shape(input_shape, STAGES - 1)
    checks.size("num_classes", num_classes)
    check_drop_path(drop_path)
    x = inputs = keras.Input(shape)
    x = stage_stem(x, filters)
    plan = stage_plan(num_cells, filters)
    for depth, block in enumerate(plan):
        if block == "reduce":
            filters *= 2
            x = ResidualReduction(filters).expand(x)
        else:
            x = _discrete_cell(x, genotype["cell"], filters, drop_path * depth / (len(plan) - 1), [seed, depth, 1])
    return discrete_model(inputs, stage_head(x, num_classes), seed)


def stage_stem(x: Any, filters: int) -> Any:
    """The stem of a discrete network, of standard Keras layers."""
    return _spelled_out((Convolution(filters, 3), BatchNorm()), x)


def stage_head(x: Any, num_classes: int) -> Any:
    """The head of a discrete network, of standard Keras layers: from the last cell to the logits."""
    return classify(by_rank("GlobalAveragePooling")(_spelled_out((BatchNorm(), Relu()), x)), num_classes)


def _spelled_out(stages: Sequence[Stage], x: Any) -> Any:
    for stage in stages:
        for layer in stage.standard():
            x = layer(x)
    return x


def _discrete_cell(x: Any, edges: Sequence[Edge], filters: int, drop_path: float, seed: Any) -> Any:
    """What `edges` make of `x`, of standard Keras layers; a node that nothing reaches is zero."""
    seeds = np.random.default_rng(seed)
    states: list[Any] = [x]  # None where nothing arrives
    for node in range(1, 1 + max(edge.target for edge in edges)):
        terms = []
        for edge in edges:
            if edge.target != node or edge.primitive == "none" or states[edge.source] is None:
                continue
            term = chosen_primitive(states[edge.source], edge.primitive, filters, 1, drop_path, seeds)
            terms.append(term)
        states.append(keras.layers.Add()(terms) if len(terms) > 1 else terms[0] if terms else None)
    return keras.layers.Rescaling(0.0)(x) if states[-1] is None else states[-1]
