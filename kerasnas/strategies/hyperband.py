"""Hyperband and SuccessiveHalving: many architectures on small budgets, the best of them on larger ones."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.strategies.base import (
    SearchStrategy,
    SpaceExhaustedError,
    ask_many,
    check_genotype,
    reading_state,
    real,
)
from kerasnas.strategies.brackets import Bracket, Result, Trial


class Hyperband:
    """Hyperband: brackets of successive halving that start at ever larger budgets, over and over.

    With budgets 0 .. K-1 and s = K-1, ..., 0, a bracket starts `ceil(K / (s + 1) * eta**s)` architectures at budget
    K-1-s; the best `1 / eta` of each rung are promoted to the next. A bracket that waits for rewards blocks nothing:
    the next one is opened meanwhile.

    Any search strategy proposes the architectures that start. For each, the reward of its first rung alone is reported
    to it: rewards of longer trainings are on another scale, and belong to a selected few. For an architecture that
    starts above the lowest budget, the reward of the same rank among those that started there is reported.

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

    def __init__(self, strategy: SearchStrategy, budgets: Sequence[int] = (4, 12, 36, 108), eta: int = 3):
        checks.instance(
            "strategy", strategy, SearchStrategy, "a search strategy, such as `kerasnas.search.RandomSearch`"
        )
        if strategy.objectives != 1:
            raise ValueError(
                "Invalid value received for argument `strategy`. Expected one with a single objective. "
                f"Received: {type(strategy).__name__} with {strategy.objectives}"
            )
        self.strategy, self.budgets = strategy, _check_budgets(budgets)
        self.eta = checks.integer("eta", eta, 2)
        self._forget()

    def bracket_sizes(self) -> list[tuple[int, int]]:
        """For each bracket of a round: (rung it starts at, number of architectures it starts with)."""
        rungs = len(self.budgets)
        return [(rungs - 1 - s, math.ceil(rungs * self.eta**s / (s + 1))) for s in reversed(range(rungs))]

    @property
    def best(self) -> tuple[Genotype, float] | None:
        """The best genotype and its reward at the largest budget with a finite reward; None if there is none yet."""
        finite = [result for result in self.results if not math.isnan(result.reward)]
        if not finite:
            return None
        best = max(finite, key=lambda result: (result.budget, result.reward))
        return best.genotype, best.reward

    @overload
    def ask(self, n: None = None) -> Trial: ...

    @overload
    def ask(self, n: int) -> list[Trial]: ...

    def ask(self, n: int | None = None) -> Trial | list[Trial]:
        """Return the next trial; may be called again before its reward is reported.

        Args:
            n: number of trials for parallel workers. The result is then a list of `n` trials, or of all that are
                available before one is reported. Defaults to None: a single trial.

        Raises:
            SpaceExhaustedError: if the strategy has no other architecture, and no trial can be promoted now.
            ValueError: if `n` is not a positive integer.
        """
        if n is not None:
            return ask_many(self.ask, n)
        for bracket in list(self._brackets):
            trial = self._next(bracket)
            if trial is not None:
                return trial
        # Nothing to do for the open brackets: open the next one.
        genotype = self.strategy.ask()
        sizes = self.bracket_sizes()
        rung, size = sizes[self._opened % len(sizes)]
        self._opened += 1
        self._brackets.append(Bracket(rung, size - 1, running=[genotype]))
        return Trial(genotype, self.budgets[rung])

    def tell(self, genotype: Genotype, reward: float, budget: int) -> None:
        """Report the reward of `genotype` after a training of `budget`; it need not have been asked for.

        A reward that is not finite marks the trial as failed: it is not promoted and never the best.

        Raises:
            ValueError: if `genotype` is not of the space, or `budget` is none of the budgets.
            TypeError: if `genotype` is not a genotype, or `reward` is not a number.
        """
        check_genotype(genotype)
        if isinstance(budget, bool) or not isinstance(budget, numbers.Real) or budget not in self.budgets:
            raise ValueError(checks.invalid("budget", f"one of {self.budgets}", budget))
        finite = real("reward", reward)
        reward = math.nan if finite is None else finite
        if genotype not in self._started:
            self.strategy.tell(genotype, self._comparable(reward, budget))  # warns of a failure
        elif math.isnan(reward) and not any(math.isnan(result.reward) for result in self.results):
            warnings.warn(
                "A reward that is not finite was reported; such trials count as failed. This warning is shown once.\n"
                f"{budget}: {genotype}",
                stacklevel=2,
            )
        result = Result(genotype, reward, budget)
        self._record(result)
        for bracket in self._brackets:
            if genotype in bracket.running and self.budgets[bracket.rung] == budget:
                bracket.running.remove(genotype)
                bracket.results.append(result)
                self._advance(bracket)
                return

    def get_state(self) -> dict[str, Any]:
        """The JSON-serializable state from which a search made with the same arguments resumes identically."""
        return {
            "search": type(self).__name__,
            "budgets": list(self.budgets),
            "strategy": self.strategy.get_state(),
            "results": [result.to_json() for result in self.results],
            "brackets": [bracket.to_json() for bracket in self._brackets],
            "opened": self._opened,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from the result of `get_state`.

        Raises:
            TypeError: if `state` is not a mapping.
            ValueError: if the state is that of another search, strategy or space, has other budgets, or cannot be read.
        """
        checks.instance("state", state, Mapping, "the result of `get_state`")
        for name, own in (("search", type(self).__name__), ("budgets", list(self.budgets))):
            if state.get(name) != own:
                expected = f"a state with {name} {own!r}"
                raise ValueError(checks.invalid("state", expected, state.get(name), f"It is the state's {name}."))
        with reading_state(type(self).__name__):
            results = [Result.from_json(saved) for saved in state["results"]]
            brackets, opened = [Bracket.from_json(saved) for saved in state["brackets"]], state["opened"]
            self.strategy.set_state(state["strategy"])
            self._forget()
            for result in results:
                self._record(result)
            self._brackets += brackets
            self._opened = opened

    def _forget(self) -> None:
        self.results: list[Result] = []
        self._brackets: list[Bracket] = []
        self._opened = 0
        self._started: set[Genotype] = set()
        self._first_rewards: dict[int, list[float]] = {budget: [] for budget in self.budgets}

    def _next(self, bracket: Bracket) -> Trial | None:
        if bracket.fresh:
            try:
                bracket.queue.append(self.strategy.ask())
                bracket.fresh -= 1
            except SpaceExhaustedError:  # the bracket continues with those it has
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

    def _record(self, result: Result) -> None:
        self.results.append(result)
        if result.genotype not in self._started:
            self._started.add(result.genotype)
            if not math.isnan(result.reward):
                self._first_rewards[result.budget].append(result.reward)

    def _comparable(self, reward: float, budget: int) -> float:
        """The reward to report to the strategy for a first reward: that of the same rank at the lowest budget."""
        lowest, own = self._first_rewards[self.budgets[0]], [*self._first_rewards[budget], reward]
        if budget == self.budgets[0] or not lowest or math.isnan(reward):
            return reward
        rank = np.mean([(other < reward) + 0.5 * (other == reward) for other in own])
        return float(np.quantile(lowest, rank))


def _check_budgets(budgets: Any) -> tuple[Any, ...]:
    expected = "ascending positive numbers"
    if isinstance(budgets, (str, bytes)) or not isinstance(budgets, (Sequence, np.ndarray)) or not len(budgets):
        raise ValueError(checks.invalid("budgets", expected, budgets))
    values = [checks.number("budgets", budget, above=0) for budget in budgets]
    if values != sorted(set(values)):
        raise ValueError(checks.invalid("budgets", expected, budgets))
    return tuple(int(value) if value.is_integer() else value for value in values)


class SuccessiveHalving(Hyperband):
    """Successive halving: `eta ** (K - 1)` architectures at the lowest of K budgets, the best of them at larger ones.

    Args: as for `Hyperband`, the first bracket of which this is.

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
        """For each bracket of a round: (rung it starts at, number of architectures it starts with)."""
        return [(0, self.eta ** (len(self.budgets) - 1))]
