"""Coordinate ascent of a score over genotypes."""

from __future__ import annotations

from collections.abc import Callable, Container

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace


def ascend(
    space: SearchSpace,
    score: Callable[[Genotype], float],
    start: Genotype,
    within: Container[Genotype] | None = None,
    evaluations: int = 100,
    seed: int = 0,
) -> dict[Genotype, float]:
    """Run coordinate ascent: set one choice after the other to its best option, until no change improves the score.

    Args:
        space: the space.
        score: of a genotype, such as a `ProxyScore`.
        start: the first genotype.
        within: a set to stay in, such as `space.reachable(...)`. Defaults to None: the whole space.
        evaluations: maximum number of scored genotypes. Defaults to 100.
        seed: of the order in which choices are visited. Defaults to 0.
    """
    space.validate(start)
    checks.optional(checks.container, "within", within)
    checks.integer("evaluations", evaluations, least=1)
    rng = np.random.default_rng(checks.seed(seed))
    current = space.encode(start)
    scores = {start: score(start)}
    best, changed = scores[start], True
    while changed:
        changed = False
        for position in rng.permutation(len(space.choices)):
            before = current
            for option in range(space.cardinalities[position]):
                indices = (*before[:position], option, *before[position + 1 :])
                if option == before[position] or not space.feasible(indices):
                    continue
                genotype = space.decode(indices)
                if genotype not in scores:
                    if within is not None and genotype not in within:
                        continue
                    if len(scores) == evaluations:
                        return scores
                    scores[genotype] = score(genotype)
                if scores[genotype] > best:
                    best, current = scores[genotype], indices
            changed = changed or current != before
    return scores
