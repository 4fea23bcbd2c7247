"""Runner-ups: the genotypes that mixing weights find nearly as good as the derived one."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.networks.supernet import decisions_of, genotype_of


def runners_up(
    space: Any,
    derived: Genotype,
    weights: Mapping[str, np.ndarray],
    within: Container[Genotype] | None = None,
) -> list[Genotype]:
    """For each decision, `derived` with the best other option of that decision; the nearest first.

    These differ from one another in a decision each, unlike the most probable genotypes, which differ in the few
    decisions that are least sure and matter least.

    Args:
        space: a space with `tables`.
        derived: a genotype of it.
        weights: for each table its mixing weights `(edges, primitives)`.
        within: the set that they are of, such as `space.reachable(...)`. Defaults to None: the whole space.

    Example:

    >>> from kerasnas.networks.skeleton import ChoiceTable
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(num_nodes=2, primitives=["skip_connect", "nor_conv_1x1", "nor_conv_3x3"])
    >>> weights = {"cell": np.array([[0.1, 0.2, 0.7], [0.1, 0.4, 0.5], [0.3, 0.3, 0.4]])}
    >>> derived = space.from_string("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|")
    >>> [space.to_string(genotype) for genotype in runners_up(space, derived, weights)][0]
    '|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|'
    """
    decisions = decisions_of(space.tables, weights)
    chosen = []
    for options in decisions:
        own = [option for option in options if _is_in(space, option, derived)]
        if not own:  # such as an edge left out, which has no option
            return []
        chosen.append(own[0])
    found = []
    for position, options in enumerate(decisions):
        # Ties keep the order of the space.
        for option in sorted(options, key=lambda option: -option.score):
            genotype = genotype_of(space.name, space.tables, [*chosen[:position], option, *chosen[position + 1 :]])
            if genotype != derived and (within is None or genotype in within):
                found.append((chosen[position].score - option.score, genotype))
                break
    return [genotype for _, genotype in sorted(found, key=lambda pair: pair[0])]


def _is_in(space: Any, option: Any, genotype: Genotype) -> bool:
    """True if the genotype has what the option keeps, and nothing else at the nodes that it is about."""
    edges = genotype_of(space.name, space.tables, [option])
    (kind,) = edges
    own = space.tables[option.kind]
    present = [(edge.primitive, edge.source, edge.target) for edge in genotype[kind]]
    kept = [(edge.primitive, edge.source, edge.target) for edge in edges[kind]]
    if own.keep is None:
        return all(edge in present for edge in kept)
    targets = {edge[2] for edge in kept}
    return sorted(kept) == sorted(edge for edge in present if edge[2] in targets)
