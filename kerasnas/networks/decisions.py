"""The decisions that make a genotype, by the tables of a space, and the genotype that chosen options make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.derivation import Decision, Option, decision
from kerasnas.networks.skeleton import ChoiceTable


def genotype_of(name: str, tables: Mapping[str, ChoiceTable], chosen: Sequence[Option]) -> Genotype:
    """Return the genotype that an option for every decision makes, in the space of this name and tables."""
    cells: dict[str, list[Edge]] = {}
    for option in chosen:
        table = tables[option.kind]
        edges = [Edge(table.primitives[column], *table.edges[row]) for row, column in option.picks]
        edges += [Edge("none", *table.edges[row]) for row in option.left_out]
        cells.setdefault(table.cell or option.kind, []).extend(edges)
    return Genotype(name, cells)


def decisions_of(
    tables: Mapping[str, ChoiceTable], weights: Mapping[str, np.ndarray] | None = None, allow_none: bool = False
) -> list[Decision]:
    """Return the independent decisions that make a genotype, with all options; by default of equal weight."""
    given = {kind: np.ones(table.shape) for kind, table in tables.items()} if weights is None else weights
    return [made for kind, table in tables.items() for made in table_decisions(kind, given[kind], table, allow_none)]


def skip_cap(tables: Mapping[str, ChoiceTable]) -> int:
    """Return a quarter of the edges that a derived cell keeps, at least 1: 2 of 8, as in P-DARTS."""
    kept: dict[str, int] = {}
    for options in decisions_of(tables):
        kept[options[0].kind] = kept.get(options[0].kind, 0) + len(options[0].picks)
    return max(1, min(kept.values()) // 4)


def table_decisions(kind: str, weights: np.ndarray, table: ChoiceTable, allow_none: bool = False) -> list[list[Any]]:
    """Return the decisions that make the cell of a table: if all edges are kept, a primitive for each of them.

    With `keep`, as in DARTS: which edges each node keeps, and their primitives. By the paper's rule, which the
    strongest option follows, every edge keeps its strongest primitive other than `none`, and every node keeps the edges
    on which that primitive is strongest.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), section 2.4.

    Differences from the paper:
        - None. Where a space keeps all edges, its strongest primitive is on each, other than `none` unless that is
          allowed.
    """
    if np.shape(weights) != table.shape:
        raise ValueError(checks.invalid("weights", f"an array of shape {table.shape}", f"shape {np.shape(weights)}"))
    if table.keep is None:
        rows = range(len(table.edges))
        return [decision(kind, weights, [row], table.primitives, allow_none=allow_none) for row in rows]
    return [decision(kind, weights, rows, table.primitives, table.keep) for rows in table.rows_by_node.values()]
