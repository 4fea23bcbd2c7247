"""Candidates of a shortlist: what a search found, and what a zero-cost proxy finds around it, or random ones."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.proxies.ascent import ascend
from kerasnas.spaces import SearchSpace

_DRAWS = 20  # for each candidate: in a small space, or a narrow set, most are there already


def candidates(
    space: SearchSpace,
    found: Sequence[Genotype],
    size: int,
    score: Callable[[Genotype], float],
    within: Container[Genotype] | None = None,
    evaluations: int = 60,
    seed: int = 0,
) -> list[Genotype]:
    """Different genotypes to choose from: a third of what the search found, the others by `score`.

    The scored ones are all of `found` and what an ascent from its first one visits: its neighbors, and those of what is
    better than it. The most probable genotypes by mixing weights would be no choice: they differ in the decisions that
    matter least.

    Args:
        space: the space.
        found: genotypes of the search, the best first; one at least.
        size: how many candidates; fewer where the set holds fewer.
        score: higher for what is expected to be better, such as a `kerasnas.proxies.ProxyScore`.
        within: the set that candidates are of, such as `space.reachable(...)`. Defaults to None: the whole space.
        evaluations: most genotypes that the ascent scores. Defaults to 60.
        seed: of the order of the ascent. Defaults to 0.

    Returns:
        The candidates; the first of `found` is the first.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(num_nodes=1)
    >>> start = space.from_string("|skip_connect~0|")
    >>> for genotype in candidates(space, [start], 3, lambda genotype: genotype.count("nor_conv_3x3")):
    ...     print(space.to_string(genotype))
    |skip_connect~0|
    |nor_conv_3x3~0|
    |none~0|
    """
    distinct = list(dict.fromkeys(found))
    kept = distinct[: max(1, size // 3)]
    scores = ascend(space, score, kept[0], within, evaluations, seed)
    scores |= {genotype: score(genotype) for genotype in distinct if genotype not in scores}
    by_score = sorted(scores, key=lambda genotype: -scores[genotype])
    return list(dict.fromkeys([*kept, *by_score]))[:size]


def drawn(
    space: SearchSpace,
    found: Sequence[Genotype],
    size: int,
    within: Container[Genotype] | None = None,
    seed: int = 0,
) -> list[Genotype]:
    """Different genotypes to choose from where no proxy is defined: a third of what the search found, and random ones.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(num_nodes=1)
    >>> len(drawn(space, [space.from_string("|skip_connect~0|")], 3))
    3
    """
    rng = np.random.default_rng([seed, 5])
    chosen = dict.fromkeys(list(dict.fromkeys(found))[: max(1, size // 3)])
    draw = getattr(within, "sample", space.sample)  # of a `ReachableSet`, as a whole space may have few of its networks
    for _ in range(_DRAWS * size):
        if len(chosen) >= size:
            break
        genotype = draw(rng)
        if within is None or genotype in within:
            chosen.setdefault(genotype)
    return list(chosen)[:size]
