"""The skeleton of NAS-Bench-201, on images or on signals: one cell in three stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kerasnas.genotypes import Genotype
from kerasnas.networks.skeleton import ChoiceTable, Filler, cell_edges
from kerasnas.primitives.blocks import NormReLU, ResidualReduction, Stem

STAGES = 3


def edge_tables(space: Any) -> dict[str, ChoiceTable]:
    """Return the table of the one cell of a space, with a primitive on each edge."""
    return {"cell": ChoiceTable(cell_edges(space.num_nodes, inputs=1), space.primitives)}


def uniform(space: Any, primitives: Mapping[str, str]) -> dict[str, Genotype]:
    """Return networks with one primitive on every edge, by the name that `primitives` gives them; those that exist."""
    known = {name: primitive for name, primitive in primitives.items() if primitive in space.primitives}
    return {name: space.genotype(dict.fromkeys(space.choices, primitive)) for name, primitive in known.items()}


def stages(space: Any, fill: Filler, x: Any, reduction: Callable[..., Any], *arguments: Any) -> Any:
    """Append three stages of `num_cells` cells; `reduction` halves between them, and the filters double."""
    filters = space.filters
    for stage in range(STAGES):
        if stage:
            filters *= 2
            x = fill.block(x, reduction, filters, *arguments)
        for _ in range(space.num_cells):
            x = fill.graph("cell", [x], filters)[-1]
    return x


def stage_skeleton(space: Any, fill: Filler, x: Any) -> Any:
    """Write the network of NAS-Bench-201: stem, stages with residual reductions between them, head."""
    x = stages(space, fill, fill.block(x, Stem, space.filters), ResidualReduction)
    return fill.head(fill.block(x, NormReLU, space.filters * 2 ** (STAGES - 1)))
