"""Spaces of a normal and a reduction cell that read the two cells before them: the skeleton of DARTS and ENAS."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kerasnas import checks
from kerasnas.networks.skeleton import ChoiceTable, Filler, cell_edges
from kerasnas.primitives.blocks import Stem
from kerasnas.primitives.convolutions import FactorizedReduce, ReLUConvBN
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.skeleton_space import SkeletonSpace

KINDS = ("normal", "reduce")
INPUTS = 2  # a cell reads the outputs of the two cells before it


class CellPlan(NamedTuple):
    """The place of a cell: its kind, its filters, and whether the cell before it halved the image."""

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


class CellSpace(SkeletonSpace):
    """Base of the spaces of cells with two edges a node: sizes, tables, skeleton.

    Args:
        filters, num_cells, num_nodes, primitives, stem_multiplier, stem_strides: see the subclasses.

    Attributes:
        kinds: the kinds of cell that a network of this many cells has.
        reads_twice: whether both edges of a node may come from one node. Defaults to False.
        sparse: whether an edge may be left out, as `none`. Defaults to False.
    """

    reads_twice = False
    sparse = False

    def __init__(
        self,
        filters: int,
        num_cells: int,
        num_nodes: int,
        primitives: Sequence[str],
        stem_multiplier: int,
        stem_strides: int,
    ):
        self.filters = checks.size("filters", filters)
        self.num_cells = checks.size("num_cells", num_cells)
        self.num_nodes = checks.size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)
        self.stem_multiplier = checks.size("stem_multiplier", stem_multiplier)
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))
        present = {cell.kind for cell in cell_plan(num_cells, 1)}
        self.kinds = tuple(kind for kind in KINDS if kind in present)

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """A table for each kind of cell."""
        edges = cell_edges(self.num_nodes, INPUTS)
        table = ChoiceTable(edges, self.primitives, keep=2, repeats=self.reads_twice, sparse=self.sparse)
        return dict.fromkeys(self.kinds, table)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        previous = current = fill.block(x, Stem, self.stem_multiplier * self.filters, self.stem_strides)
        for kind, filters, reduction_previous in cell_plan(self.num_cells, self.filters):
            bring = FactorizedReduce if reduction_previous else ReLUConvBN
            inputs = [
                fill.block(previous, bring, filters, 2 if reduction_previous else 1, fill.affine),
                fill.block(current, ReLUConvBN, filters, 1, fill.affine),
            ]
            nodes = fill.graph(kind, inputs, filters, strides=2 if kind == "reduce" else 1)
            previous, current = current, self.cell_output(fill, kind, nodes)
        return fill.head(current)

    def cell_output(self, fill: Filler, kind: str, nodes: Sequence[Any]) -> Any:
        """The output of a cell: all its nodes, side by side."""
        return fill.concatenate(nodes)
