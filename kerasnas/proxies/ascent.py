"""Steepest ascent of a score over neighboring genotypes."""

from __future__ import annotations

from collections.abc import Callable, Container

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace


def ascend(
    space: SearchSpace,
    score: Callable[[Genotype], float],
    start: Genotype,
    within: Container[Genotype] | None = None,
    steps: int = 10,
) -> list[Genotype]:
    """Steepest ascent: from a genotype to its best neighbor, as long as that is better.

    Args:
        space: the space; neighbors differ in one choice.
        score: of a genotype, such as a `ProxyScore`.
        start: the first genotype.
        within: the set that is not left, such as `space.reachable(...)`. Defaults to None: the whole space.
        steps: most steps. Defaults to 10.

    Returns:
        The genotypes from `start` to where the ascent ends.

    Raises:
        ValueError: if `start` is not of the space, and for a negative number of steps.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(num_nodes=1)
    >>> start = space.decode([0] * len(space.choices))
    >>> path = ascend(space, lambda genotype: genotype.count("sep_conv_3x3"), start)
    >>> [genotype.count("sep_conv_3x3") for genotype in path]
    [0, 1, 2, 3, 4]
    """
    space.validate(start)
    path = [start]
    for _ in range(checks.integer("steps", steps, least=0)):
        around = map(space.decode, space.neighbors(space.encode(path[-1])))
        allowed = [genotype for genotype in around if within is None or genotype in within]
        best = max(allowed, key=score, default=None)
        if best is None or not score(best) > score(path[-1]):
            break
        path.append(best)
    return path
