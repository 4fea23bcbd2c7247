"""Hyperband and successive halving: many architectures on small budgets, the best of them on larger ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kerasnas.strategies.base import SpaceExhaustedError
from kerasnas.strategies.brackets import Bracket, Result, Trial
from kerasnas.strategies.multi_fidelity import MultiFidelitySearch


class Hyperband(MultiFidelitySearch):
    """Hyperband: brackets of successive halving that start at ever larger budgets, in repeated rounds.

    With budgets 0 .. K-1 and s = K-1, ..., 0, a bracket starts `ceil(K / (s + 1) * eta**s)` architectures at budget
    K-1-s; the best `1 / eta` of each rung are promoted to the next. A bracket that waits for rewards does not block:
    the next one opens meanwhile.

    Any search strategy proposes the architectures that start. It receives only the reward of each architecture's first
    rung: rewards of longer trainings are on another scale and favor a selected few. For an architecture that starts
    above the lowest budget, it receives the lowest budget's reward of the same rank.

    Args:
        strategy: a search strategy with one objective; it should not repeat itself (`unique=True`).
        budgets: lengths of training, positive and ascending. Defaults to `(4, 12, 36, 108)`, NAS-Bench-101's epochs.
        eta: the best `1 / eta` of a rung are promoted. Defaults to 3.

    Attributes:
        results: all reported trials.

    Raises:
        TypeError: if `strategy` is not a search strategy.
        ValueError: if `budgets` do not ascend, `eta` is below 2, or the strategy has several objectives.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import DARTSSpace
    >>> search = Hyperband(RandomSearch(DARTSSpace()), budgets=(1, 3, 9))
    >>> for _ in range(22):
    ...     trial = search.ask()
    ...     search.tell(trial.genotype, reward=trial.genotype.count("skip_connect"), budget=trial.budget)
    >>> [sum(result.budget == budget for result in search.results) for budget in search.budgets]
    [9, 8, 5]

    Reference:
        Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2016 (arXiv 1603.06560).
    """

    def bracket_sizes(self) -> list[tuple[int, int]]:
        """Return (first rung, number of architectures started) for each bracket of a round."""
        rungs = len(self.budgets)
        return [(rungs - 1 - s, math.ceil(rungs * self.eta**s / (s + 1))) for s in reversed(range(rungs))]

    @property
    def running(self) -> list[Trial]:
        return [
            Trial(genotype, self.budgets[bracket.rung]) for bracket in self._brackets for genotype in bracket.running
        ]

    def _next_trial(self) -> Trial:
        for bracket in list(self._brackets):
            trial = self._next(bracket)
            if trial is not None:
                return trial
        # No open bracket has work: open the next one.
        genotype = self._start()
        sizes = self.bracket_sizes()
        rung, size = sizes[self._opened % len(sizes)]
        self._opened += 1
        self._brackets.append(Bracket(rung, size - 1, running=[genotype]))
        return Trial(genotype, self.budgets[rung])

    def _told(self, result: Result) -> None:
        for bracket in self._brackets:
            if result.genotype in bracket.running and self.budgets[bracket.rung] == result.budget:
                bracket.running.remove(result.genotype)
                bracket.results.append(result)
                self._advance(bracket)
                return

    def _forget(self) -> None:
        super()._forget()
        self._brackets: list[Bracket] = []
        self._opened = 0

    def _own_state(self) -> dict[str, Any]:
        return {"brackets": [bracket.to_json() for bracket in self._brackets], "opened": self._opened}

    def _restored(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return {"_brackets": [Bracket.from_json(saved) for saved in state["brackets"]], "_opened": state["opened"]}

    def _next(self, bracket: Bracket) -> Trial | None:
        if bracket.fresh:
            try:
                bracket.queue.append(self._start())
                bracket.fresh -= 1
            except SpaceExhaustedError:  # the bracket continues with what it has
                bracket.fresh = 0
                self._advance(bracket)
        if not bracket.queue:
            return None
        genotype = bracket.queue.pop(0)
        bracket.running.append(genotype)
        return Trial(genotype, self.budgets[bracket.rung])

    def _advance(self, bracket: Bracket) -> None:
        bracket.promote(self.eta)
        if bracket.rung == len(self.budgets) or not (bracket.fresh or bracket.queue or bracket.running):
            self._brackets.remove(bracket)
            bracket.queue.clear()


class SuccessiveHalving(Hyperband):
    """Successive halving: `eta ** (K - 1)` architectures at the lowest of K budgets, the best of them at larger ones.

    Args: as for `Hyperband`, whose first bracket this is.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import DARTSSpace
    >>> search = SuccessiveHalving(RandomSearch(DARTSSpace()), budgets=(1, 3, 9))
    >>> for _ in range(13):
    ...     trial = search.ask()
    ...     search.tell(trial.genotype, reward=trial.genotype.count("skip_connect"), budget=trial.budget)
    >>> [sum(result.budget == budget for result in search.results) for budget in search.budgets]
    [9, 3, 1]

    Reference:
        Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2015
        (arXiv 1502.07943).
    """

    def bracket_sizes(self) -> list[tuple[int, int]]:
        return [(0, self.eta ** (len(self.budgets) - 1))]
