"""Spaces of one cell in three stages: the skeleton of NAS-Bench-201, on images or on signals."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.networks.skeleton import ChoiceTable, Filler, cell_edges
from kerasnas.primitives.blocks import NormReLU, ResidualReduction, Stem
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.skeleton_space import SkeletonSpace

STAGES = 3


class StageSpace(SkeletonSpace):
    """Base of the spaces of one cell with a primitive on each edge: sizes, table, skeleton.

    Args:
        filters, num_cells, num_nodes, primitives: see the subclasses.
    """

    def __init__(self, filters: int, num_cells: int, num_nodes: int, primitives: Sequence[str]):
        self.filters = checks.size("filters", filters)
        self.num_cells = checks.size("num_cells", num_cells)
        self.num_nodes = checks.size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """One table, of the cell that is everywhere the same."""
        return {"cell": ChoiceTable(cell_edges(self.num_nodes, inputs=1), self.primitives)}

    def skeleton(self, fill: Filler, x: Any) -> Any:
        filters = self.filters
        x = fill.block(x, Stem, filters)
        for stage in range(STAGES):
            if stage:
                filters *= 2
                x = fill.block(x, ResidualReduction, filters)
            for _ in range(self.num_cells):
                x = fill.graph("cell", [x], filters)[-1]
        return fill.head(fill.block(x, NormReLU, filters))
