"""BOHB: Hyperband whose brackets start where the best architectures so far are dense."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.hyperband import Hyperband
from kerasnas.strategies.tpe import TPESearch


class BOHB(Hyperband):
    """Bayesian optimization and Hyperband: the brackets of Hyperband, started by the densities of good and bad ones.

    Before an architecture starts, `TPESearch` learns from the rewards at the largest budget that has d + 3 of them,
    with d choices in the space; before there are as many at any, from none: it is random.

    Args:
        space: the space to search.
        budgets: lengths of training, positive and ascending. Defaults to `(4, 12, 36, 108)`, NAS-Bench-101's epochs.
        eta: the best `1 / eta` of a rung are promoted. Defaults to 3.
        seed: seed of all random draws. Defaults to 0.
        good_share, candidates, random_share, bandwidth_factor: as for `TPESearch`.

    Attributes:
        strategy: the `TPESearch`.
        results: all reported trials.

    Raises:
        TypeError: if `space` is not a search space.
        ValueError: if another argument is out of its range.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> search = BOHB(NASBench201Space(), budgets=(1, 3, 9), seed=0)
    >>> for _ in range(66):
    ...     trial = search.ask()
    ...     search.tell(trial.genotype, reward=trial.genotype.count("nor_conv_3x3"), budget=trial.budget)
    >>> [sum(result.budget == budget for result in search.results) for budget in search.budgets]
    [27, 24, 15]
    >>> search.largest_budget()
    9

    Reference:
        Falkner et al., "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", 2018 (arXiv 1807.01774).

    Differences from the paper:
        - Those of `TPESearch`.
        - A bracket that waits for rewards blocks nothing: the next one is opened meanwhile.
        - A promoted architecture is trained from scratch unless whoever evaluates it resumes its training.
    """

    strategy: TPESearch

    def __init__(
        self,
        space: SearchSpace,
        budgets: Sequence[int] = (4, 12, 36, 108),
        eta: int = 3,
        seed: int = 0,
        good_share: float = 0.15,
        candidates: int = 64,
        random_share: float = 1 / 3,
        bandwidth_factor: float = 3.0,
    ):
        strategy = TPESearch(space, seed, True, good_share, candidates, random_share, bandwidth_factor)
        super().__init__(strategy, budgets, eta)

    def rewards_at(self, budget: int) -> list[tuple[Indices, float]]:
        """The finite rewards of trials of a budget, with their architectures as indices."""
        encode = self.strategy.space.encode
        finite = (result for result in self.results if result.budget == budget and not math.isnan(result.reward))
        return [(encode(result.genotype), result.reward) for result in finite]

    def largest_budget(self) -> int | None:
        """The largest budget with enough rewards to learn from; None if there is none."""
        least = self.strategy.least
        return next((budget for budget in reversed(self.budgets) if len(self.rewards_at(budget)) >= least), None)

    def _start(self) -> Genotype:
        budget = self.largest_budget()
        self.strategy.evidence = [] if budget is None else self.rewards_at(budget)
        return super()._start()
