"""The discrete networks of ENAS' two spaces, of standard Keras layers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.building import check_drop_path, check_image_shape, classify, discrete_model
from kerasnas.networks.cell_network import CellPlan, cell_plan, halvings, skeleton
from kerasnas.networks.cells import INPUTS, chosen_primitive, preprocess
from kerasnas.networks.enas_macro import halving_pool, macro_halvings, macro_plan, macro_skeleton
from kerasnas.networks.weight_sharing import Stem
from kerasnas.primitives import ReLUConvBN, primitive
from kerasnas.primitives.base import expand


def micro_network(
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
    """Build the discrete network of a genotype of ENAS' micro space, of standard Keras layers only.

    Args:
        genotype: its cells `"normal"` and `"reduce"`.
        input_shape, num_classes, filters, num_cells, stem_multiplier, stem_strides: as for `MicroSupernet`.
        drop_path: drop-path probability of the last cell; it grows linearly from 0 with the depth. Defaults to 0.
        seed: seed of the start weights, and of what drop-path drops. Defaults to 0.

    Returns:
        A functional `keras.Model`.
    """
    check_drop_path(drop_path)
    image_shape = check_image_shape(input_shape, halvings(num_cells, stem_strides))

    def cell(plan: CellPlan, depth: int) -> Callable:
        probability = drop_path * depth / max(num_cells - 1, 1)
        return lambda states: _cell(states, genotype[plan.kind], plan, probability, [seed, depth, 1])

    def head(x: Any) -> Any:
        return classify(keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x), num_classes)

    inputs = keras.Input(image_shape)
    stem = Stem(stem_multiplier * filters, stem_strides)
    cells = [cell(plan, depth) for depth, plan in enumerate(cell_plan(num_cells, filters))]
    return discrete_model(inputs, skeleton(inputs, stem.expand, cells, head), seed)


def _cell(inputs: Sequence[Any], edges: Sequence[Edge], plan: CellPlan, drop_path: float, seed: Any) -> Any:
    """What `edges` make of the outputs of the two cells before: the nodes that none reads, side by side."""
    seeds = np.random.default_rng(seed)
    halves = (plan.reduction_previous, False)
    states = [preprocess(plan.filters, halve, True).expand(x) for halve, x in zip(halves, inputs, strict=True)]
    for node in range(INPUTS, 1 + max(edge.target for edge in edges)):
        terms = []
        for edge in (edge for edge in edges if edge.target == node):
            strides = 2 if plan.kind == "reduce" and edge.source < INPUTS else 1
            term = chosen_primitive(states[edge.source], edge.primitive, plan.filters, strides, drop_path, seeds)
            terms.append(term)
        states.append(keras.layers.Add()(terms))
    read = {edge.source for edge in edges}
    return _concatenate([state for node, state in enumerate(states) if node >= INPUTS and node not in read])


def macro_network(
    genotype: Genotype,
    input_shape: tuple[int, ...],
    num_classes: int,
    filters: int,
    num_layers: int,
    stem_strides: int = 1,
    seed: int = 0,
) -> keras.Model:
    """Build the discrete network of a genotype of ENAS' macro space, of standard Keras layers only.

    Args:
        genotype: its cell `"network"`, whose nodes are the stem (0) and the layers.
        input_shape, num_classes, filters, num_layers, stem_strides: as for `MacroSupernet`.
        seed: seed of the start weights. Defaults to 0.

    Returns:
        A functional `keras.Model`.
    """
    image_shape = check_image_shape(input_shape, macro_halvings(num_layers, stem_strides))
    edges, plan = genotype["network"], macro_plan(num_layers, filters)

    def layer(number: int, width: int) -> Callable:
        incoming = [edge for edge in edges if edge.target == number]

        def apply(states: list[Any]) -> Any:
            x = _concatenate([states[edge.source] for edge in incoming])
            return expand(primitive(incoming[0].primitive, width), ReLUConvBN(width).expand(x))

        return apply

    def head(states: list[Any]) -> Any:
        read = {edge.source for edge in edges}
        loose = [state for number, state in enumerate(states, start=1) if number not in read]
        pooled = [keras.layers.GlobalAveragePooling2D(data_format="channels_last")(state) for state in loose]
        return classify(_concatenate(pooled), num_classes)

    inputs = keras.Input(image_shape)
    layers = [layer(number, width) for number, width in enumerate(plan, start=1)]
    stem = Stem(filters, stem_strides)
    return discrete_model(
        inputs, macro_skeleton(inputs, plan, stem.expand, layers, lambda x: halving_pool()(x), head), seed
    )


def _concatenate(tensors: list[Any]) -> Any:
    return keras.layers.Concatenate()(tensors) if len(tensors) > 1 else tensors[0]
