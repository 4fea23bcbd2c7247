"""BOHB: Hyperband whose brackets start where the best architectures so far are dense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.hyperband import Hyperband
from kerasnas.strategies.tpe import TPESearch


class BOHB(Hyperband):
    """Bayesian optimization and Hyperband: Hyperband's brackets, with architectures proposed by TPE.

    Before an architecture starts, `TPESearch` learns from the rewards at the largest budget with at least d + 3 of
    them, for d choices in the space; until then architectures are random.

    Args:
        space, seed: as for `SearchStrategy`.
        budgets, eta: as for `Hyperband`.
        options: of `TPESearch`, such as `random_share`.

    Attributes:
        strategy: the `TPESearch`.
        results: all reported trials.

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
        - A bracket that waits for rewards does not block: the next one opens meanwhile.
        - A promoted architecture is trained from scratch unless the evaluator resumes its training.
    """

    strategy: TPESearch

    def __init__(
        self,
        space: SearchSpace,
        budgets: Sequence[int] = (4, 12, 36, 108),
        eta: int = 3,
        seed: int = 0,
        **options: Any,
    ):
        super().__init__(TPESearch(space, seed, **options), budgets, eta)

    def rewards_at(self, budget: int) -> list[tuple[Indices, float]]:
        """Return pairs (indices, finite reward) of the trials of a budget."""
        encode = self.strategy.space.encode
        finite = (result for result in self.results if result.budget == budget and not math.isnan(result.reward))
        return [(encode(result.genotype), result.reward) for result in finite]

    def largest_budget(self) -> int | None:
        """Return the largest budget with enough rewards to learn from, None if there is none."""
        least = self.strategy.least
        return next((budget for budget in reversed(self.budgets) if len(self.rewards_at(budget)) >= least), None)

    def _start(self) -> Genotype:
        budget = self.largest_budget()
        self.strategy.evidence = [] if budget is None else self.rewards_at(budget)
        return super()._start()
