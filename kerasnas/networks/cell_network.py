"""Stem, cells, head: the one skeleton that the supernet and the discrete network share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnas import checks, relaxations
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.building import (
    check_drop_path,
    check_image_shape,
    classify,
    discrete_model,
    head_dtype,
    initialize,
)
from kerasnas.networks.cells import MixedCell, cell_edges, discrete_cell, node_decisions
from kerasnas.networks.derivation import Decision
from kerasnas.networks.supernet import ChoiceTable, Supernet
from kerasnas.primitives import BatchNorm
from kerasnas.primitives.mixed_op import SampledPaths, check_primitives
from kerasnas.primitives.partial_mixed_op import check_partial_channels

KINDS = ("normal", "reduce")


class CellPlan(NamedTuple):
    """Where a cell stands: its kind, its filters, and whether the cell before it halved the image."""

    kind: str
    filters: int
    reduction_previous: bool


def cell_plan(num_cells: int, filters: int) -> tuple[CellPlan, ...]:
    """The cells of a network: reduction cells at one and two thirds of the depth double the filters.

    Example:

    >>> [cell.kind for cell in cell_plan(5, 16)]
    ['normal', 'reduce', 'normal', 'reduce', 'normal']
    """
    plan: list[CellPlan] = []
    for index in range(checks.size("num_cells", num_cells)):
        kind = "reduce" if index in (num_cells // 3, 2 * num_cells // 3) else "normal"
        filters = filters * 2 if kind == "reduce" else filters
        plan.append(CellPlan(kind, filters, bool(plan) and plan[-1].kind == "reduce"))
    return tuple(plan)


def halvings(num_cells: int, stem_strides: int) -> int:
    """How often the network halves the image."""
    return sum(cell.kind == "reduce" for cell in cell_plan(num_cells, 1)) + (stem_strides == 2)


def skeleton(inputs: Any, stem: Callable, cells: Sequence[Callable], head: Callable) -> Any:
    """The network: every cell reads the two outputs before it, the first ones the stem's."""
    previous = current = stem(inputs)
    for cell in cells:
        previous, current = current, cell([previous, current])
    return head(current)


@keras.saving.register_keras_serializable(package="kerasnas")
class CellSupernet(Supernet):
    """The supernet of a cell space: each cell mixes all primitives on all edges.

    All normal cells share one table of architecture parameters, all reduction cells another.
    Built at once, with weights that depend on `seed` alone (and not on the backend).

    Args:
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        filters: channels of each node in the first cells.
        num_cells: number of cells.
        num_nodes: intermediate nodes of a cell. Defaults to 4.
        primitives: names of the candidates. Defaults to the eight of DARTS, by way of its space.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.
        partial_channels: 1, or the reciprocal of the share of the channels that is mixed (PC-DARTS: 4). Defaults to 1.
        edge_normalization: whether each edge has a weight of its own, by a softmax over the edges into its node
            (PC-DARTS). Defaults to False.
        relaxation: how alphas become mixing weights: a name or a callable. Defaults to `"softmax"`.
        space: name of the space that derived genotypes carry. Defaults to `"darts"`.
        seed: seed of all start values. Defaults to 0.

    Call arguments:
        inputs: images `(batch, height, width, channels)`.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Logits `(batch, num_classes)`.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
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
        partial_channels: int = 1,
        edge_normalization: bool = False,
        relaxation: Any = "softmax",
        space: str = "darts",
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = check_image_shape(input_shape, halvings(num_cells, stem_strides))
        self.num_classes = checks.size("num_classes", num_classes)
        self.filters, self.num_cells, self.num_nodes = filters, num_cells, checks.size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)
        self.stem_multiplier, self.stem_strides = stem_multiplier, stem_strides
        self.space, self.seed = space, seed
        self.partial_channels = check_partial_channels(partial_channels, filters)
        self.edge_normalization = edge_normalization
        self.relaxation = relaxations.get(relaxation, seed)

        self.stem = [_stem_conv(stem_multiplier * filters, stem_strides), BatchNorm()]
        self.plan, sampled_paths = cell_plan(num_cells, filters), SampledPaths()
        self.cells = [
            MixedCell(
                cell.filters,
                num_nodes,
                primitives,
                cell.kind == "reduce",
                cell.reduction_previous,
                partial_channels,
                sampled_paths,
            )
            for cell in self.plan
        ]
        self.pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        self.classifier = keras.layers.Dense(num_classes, dtype=head_dtype(self.dtype_policy))
        kinds = [kind for kind in KINDS if any(cell.kind == kind for cell in self.plan)]
        self.add_architecture(dict.fromkeys(kinds, ChoiceTable(cell_edges(num_nodes), self.primitives)))
        self.build((None, *self.image_shape))
        initialize(self, seed)

    def build(self, input_shape: tuple) -> None:
        if self.built:
            return
        shape = input_shape
        for layer in self.stem:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        shapes = [shape, shape]
        for cell in self.cells:
            cell.build(shapes, next(iter(self.choices.values())).shape)
            shapes = [shapes[1], cell.compute_output_shape(shapes)]
        self.classifier.build((None, shapes[1][-1]))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        tables = self.tables(training)

        def stem(x: Any) -> Any:
            return self.stem[1](self.stem[0](x), training=training)

        def cell(layer: MixedCell, kind: str) -> Callable:
            return lambda states: layer(states, **tables[kind], training=training)

        cells = [cell(layer, plan.kind) for layer, plan in zip(self.cells, self.plan, strict=True)]
        return skeleton(inputs, stem, cells, lambda x: self.classifier(self.pool(x)))

    def decisions(self, weights: Mapping[str, np.ndarray]) -> list[Decision]:
        """Every node by itself, by the rule of `node_decisions`."""
        return [
            options
            for kind, table in weights.items()
            for options in node_decisions(kind, table, self.num_nodes, self.primitives)
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "filters": self.filters,
            "num_cells": self.num_cells,
            "num_nodes": self.num_nodes,
            "primitives": list(self.primitives),
            "stem_multiplier": self.stem_multiplier,
            "stem_strides": self.stem_strides,
            "partial_channels": self.partial_channels,
            "edge_normalization": self.edge_normalization,
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "space": self.space,
            "seed": self.seed,
        }


def cell_network(
    genotype: Genotype,
    input_shape: tuple[int, ...],
    num_classes: int,
    filters: int,
    num_cells: int,
    stem_multiplier: int = 3,
    stem_strides: int = 1,
    drop_path: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Build the discrete network of `genotype`, of standard Keras layers only.

    Args:
        genotype: its cells `"normal"` and `"reduce"`.
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        filters: channels of each node in the first cells.
        num_cells: number of cells.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.
        drop_path: drop-path probability of the last cell; it grows linearly from 0 with the depth. Defaults to 0.
        seed: seed of the start weights, and of what drop-path drops. Defaults to 0.

    Returns:
        A functional `keras.Model`.
    """
    image_shape = check_image_shape(input_shape, halvings(num_cells, stem_strides))
    checks.size("num_classes", num_classes)
    check_drop_path(drop_path)

    def stem(x: Any) -> Any:
        return cell_stem(x, stem_multiplier * filters, stem_strides)

    def cell(edges: Sequence[Edge], plan: CellPlan, depth: int) -> Callable:
        probability = drop_path * depth / max(num_cells - 1, 1)
        reduction = plan.kind == "reduce"
        return lambda states: discrete_cell(
            states, edges, plan.filters, reduction, plan.reduction_previous, probability, seed=[seed, depth, 1]
        )

    def head(x: Any) -> Any:
        return cell_head(x, num_classes)

    plans = cell_plan(num_cells, filters)
    cells = [cell(genotype[plan.kind], plan, depth) for depth, plan in enumerate(plans)]
    inputs = keras.Input(image_shape)
    return discrete_model(inputs, skeleton(inputs, stem, cells, head), seed)


def cell_stem(x: Any, filters: int, strides: int) -> Any:
    """The stem of a discrete network, of standard Keras layers."""
    (norm,) = BatchNorm().standard()
    return norm(_stem_conv(filters, strides)(x))


def cell_head(x: Any, num_classes: int) -> Any:
    """The logits of a discrete network, of standard Keras layers."""
    return classify(keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x), num_classes)


def _stem_conv(filters: int, strides: int) -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, data_format="channels_last")
