"""The skeleton of DARTS and ENAS: a normal and a reduction cell that read the two cells before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kerasnas import checks
from kerasnas.networks.skeleton import ChoiceTable, Filler, cell_edges
from kerasnas.primitives.blocks import Stem
from kerasnas.primitives.convolutions import FactorizedReduce, ReLUConvBN

INPUTS = 2  # a cell reads the outputs of the two cells before it


class CellPlan(NamedTuple):
    """The place of a cell: its kind, its filters, and whether the cell before it halved the image."""

    kind: str
    filters: int
    reduction_previous: bool


def cell_plan(num_cells: int, filters: int) -> tuple[CellPlan, ...]:
    """Return the cells of a network: reduction cells at one and two thirds of the depth double the filters."""
    plan: list[CellPlan] = []
    for index in range(checks.size("num_cells", num_cells)):
        kind = "reduce" if index in (num_cells // 3, 2 * num_cells // 3) else "normal"
        filters = filters * 2 if kind == "reduce" else filters
        plan.append(CellPlan(kind, filters, bool(plan) and plan[-1].kind == "reduce"))
    return tuple(plan)


def cell_kinds(num_cells: int) -> tuple[str, ...]:
    """Return the kinds of cell that a network of this many cells has."""
    return tuple(sorted({cell.kind for cell in cell_plan(num_cells, 1)}))


def cell_tables(space: Any, **options: Any) -> dict[str, ChoiceTable]:
    """Return a table for each of the space's kinds of cell, of which each node keeps two edges."""
    table = ChoiceTable(cell_edges(space.num_nodes, INPUTS), space.primitives, keep=2, **options)
    return dict.fromkeys(space.kinds, table)


def cell_skeleton(space: Any, fill: Filler, x: Any, output: Callable[[str, Sequence[Any]], Any]) -> Any:
    """Write the network of a space of cells; `output` makes the output of a cell from its kind and nodes."""
    previous = current = fill.block(x, Stem, space.stem_multiplier * space.filters, space.stem_strides)
    for kind, filters, reduction_previous in cell_plan(space.num_cells, space.filters):
        bring = FactorizedReduce if reduction_previous else ReLUConvBN
        inputs = [
            fill.block(previous, bring, filters, 2 if reduction_previous else 1, fill.affine),
            fill.block(current, ReLUConvBN, filters, 1, fill.affine),
        ]
        nodes = fill.graph(kind, inputs, filters, strides=2 if kind == "reduce" else 1)
        previous, current = current, output(kind, nodes)
    return fill.head(current)
