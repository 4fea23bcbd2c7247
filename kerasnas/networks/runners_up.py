"""Runner-ups: the genotypes that mixing weights rate nearly as high as the derived one."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.networks.decisions import decisions_of, genotype_of


def runners_up(
    space: Any,
    derived: Genotype,
    weights: Mapping[str, np.ndarray],
    within: Container[Genotype] | None = None,
) -> list[Genotype]:
    """Return, for each decision, `derived` with the best other option of that decision; the nearest first.

    These differ from one another in a decision each, unlike the most probable genotypes, which differ in the few
    decisions that are least certain and matter least. `within` restricts them to a set, such as `space.reachable(...)`.
    """
    decisions = decisions_of(space.tables, weights)
    chosen = []
    for options in decisions:
        matching = [option for option in options if _is_in(space, option, derived)]
        if not matching:  # such as an edge left out, which has no option
            return []
        chosen.append(matching[0])
    ranked = []
    for position, options in enumerate(decisions):
        # Ties keep the order of the space.
        for option in sorted(options, key=lambda option: -option.score):
            genotype = genotype_of(space.name, space.tables, [*chosen[:position], option, *chosen[position + 1 :]])
            if genotype != derived and (within is None or genotype in within):
                ranked.append((chosen[position].score - option.score, genotype))
                break
    return [genotype for _, genotype in sorted(ranked, key=lambda pair: pair[0])]


def _is_in(space: Any, option: Any, genotype: Genotype) -> bool:
    """Return True if the genotype has the edges that the option keeps, and no others at their nodes."""
    edges = genotype_of(space.name, space.tables, [option])
    (kind,) = edges
    present, kept = genotype[kind], edges[kind]
    if space.tables[option.kind].keep is None:
        return all(edge in present for edge in kept)
    targets = {edge.target for edge in kept}
    return sorted(kept) == sorted(edge for edge in present if edge.target in targets)
