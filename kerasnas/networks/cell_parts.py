"""The parts of networks of cells: what their cost models are tables of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from kerasnas.networks.cell_network import KINDS, CellPlan, cell_head, cell_plan, cell_stem
from kerasnas.networks.cells import INPUTS, cell_edges, preprocess
from kerasnas.networks.parts import NetworkParts, Part, Shape, shape_after
from kerasnas.networks.stage_network import ResidualReduction, stage_edges, stage_head, stage_plan, stage_stem
from kerasnas.networks.supernet import ChoiceTable
from kerasnas.primitives.base import expand, primitive


def primitive_parts(name: str, filters: int, strides: int, shape: Shape, added: bool) -> list[Part]:
    """What a chosen primitive puts in a network: itself, and the sum of its value and that of the edges before it.

    `none` and a skip connection of stride 1 put nothing there but the sum.
    """
    parts = []
    if name != "none" and (name != "skip_connect" or strides > 1):
        title = f"{name}, {filters} filters, strides {strides}"
        parts.append(Part(title, (shape,), lambda x: expand(primitive(name, filters, strides), x)))
    if added and name != "none":
        after = shape_after(shape, filters, strides)
        parts.append(Part("sum", (after, after), lambda x, y: keras.layers.Add()([x, y])))
    return parts


def stage_parts(
    input_shape: Shape, num_classes: int, filters: int, num_cells: int, num_nodes: int, primitives: Sequence[str]
) -> NetworkParts:
    """The parts of `stage_network`, for the arguments of the same names.

    Every edge counts, whether it leads anywhere or not, as in the published counts of NAS-Bench-201.
    """
    edges = stage_edges(num_nodes)
    fixed = [Part(f"stem, {filters} filters", (tuple(input_shape),), lambda x, f=filters: stage_stem(x, f))]
    options: list[list[list[Part]]] = [[[] for _ in primitives] for _ in edges]
    shape: Shape = (*tuple(input_shape)[:-1], filters)
    for block in stage_plan(num_cells, filters):
        if block == "reduce":
            filters *= 2
            fixed.append(
                Part(f"reduction, {filters} filters", (shape,), lambda x, f=filters: ResidualReduction(f).expand(x))
            )
            shape = shape_after(shape, filters, 2)
            continue
        for row, (source, _) in enumerate(edges):
            for column, name in enumerate(primitives):
                options[row][column] += primitive_parts(name, filters, 1, shape, added=source > 0)
    fixed.append(Part(f"head, {num_classes} classes", (shape,), lambda x: stage_head(x, num_classes)))
    return NetworkParts(tuple(fixed), {"cell": ChoiceTable(edges, tuple(primitives))}, {"cell": options})


def cell_parts(
    input_shape: Shape,
    num_classes: int,
    filters: int,
    num_cells: int,
    num_nodes: int,
    primitives: Sequence[str],
    stem_multiplier: int = 3,
    stem_strides: int = 1,
) -> NetworkParts:
    """The parts of `cell_network`, for the arguments of the same names; two edges a node are kept."""
    edges, plans = cell_edges(num_nodes), cell_plan(num_cells, filters)
    kinds = [kind for kind in KINDS if any(plan.kind == kind for plan in plans)]
    options: dict[str, list[list[list[Part]]]] = {kind: [[[] for _ in primitives] for _ in edges] for kind in kinds}
    width = stem_multiplier * filters
    fixed = [
        Part(f"stem, {width} filters", (tuple(input_shape),), lambda x: cell_stem(x, width, stem_strides)),
    ]
    shape = shape_after(tuple(input_shape), width, stem_strides)
    shapes = [shape, shape]
    for plan in plans:
        inner = (*shapes[1][:-1], plan.filters)
        node = shape_after(inner, plan.filters, 2 if plan.kind == "reduce" else 1)
        fixed += _cell_frame(plan, shapes, node, num_nodes)
        for row, (source, _) in enumerate(edges):
            strides = 2 if plan.kind == "reduce" and source < INPUTS else 1
            read = inner if source < INPUTS else node
            for column, name in enumerate(primitives):
                options[plan.kind][row][column] += primitive_parts(name, plan.filters, strides, read, added=False)
        shapes = [shapes[1], (*node[:-1], num_nodes * plan.filters)]
    fixed.append(Part(f"head, {num_classes} classes", (shapes[1],), lambda x: cell_head(x, num_classes)))
    choices = dict.fromkeys(kinds, ChoiceTable(edges, tuple(primitives)))
    return NetworkParts(tuple(fixed), choices, options, keep=2)


def _cell_frame(plan: CellPlan, shapes: Sequence[Shape], node: Shape, num_nodes: int) -> list[Part]:
    """What every cell has: its inputs brought to its size, the sums of its nodes, and their concatenation."""

    def bring(halves: bool) -> Callable:
        return lambda x: preprocess(plan.filters, halves, affine=True).expand(x)

    parts = [
        Part(f"input, {plan.filters} filters{', halved' * halves}", (shape,), bring(halves))
        for shape, halves in zip(shapes, (plan.reduction_previous, False), strict=True)
    ]
    parts += [Part("sum", (node, node), lambda x, y: keras.layers.Add()([x, y]))] * num_nodes
    if num_nodes > 1:
        parts.append(Part("concatenation", (node,) * num_nodes, lambda *nodes: keras.layers.Concatenate()(list(nodes))))
    return parts
