"""Base of searches that train many architectures on small budgets and the best on larger ones."""

from __future__ import annotations

import abc
import math
import numbers
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.strategies.base import SearchStrategy, ask_many, check_genotype, reading_state, real
from kerasnas.strategies.brackets import Result, Trial


class MultiFidelitySearch(abc.ABC):
    """A search over trials, each a genotype and a budget: `ask` for a trial, `tell` its reward (higher is better).

    A subclass implements `_next_trial`, `_told`, `running`, `_own_state` and `_restored`. `Hyperband` describes the
    arguments, and which rewards the strategy receives.

    Attributes:
        results: all reported trials.
        running: trials asked for and not yet reported.
    """

    def __init__(self, strategy: SearchStrategy, budgets: Sequence[int] = (4, 12, 36, 108), eta: int = 3):
        checks.instance(
            "strategy", strategy, SearchStrategy, "a search strategy, such as `kerasnas.search.RandomSearch`"
        )
        if strategy.objectives != 1:
            received = f"{type(strategy).__name__} with {strategy.objectives}"
            raise ValueError(checks.invalid("strategy", "one with a single objective", received))
        self.strategy, self.budgets = strategy, _check_budgets(budgets)
        self.eta = checks.integer("eta", eta, 2)
        self._forget()

    # Implemented by a search ------------------------------------------------------------------------
    @property
    @abc.abstractmethod
    def running(self) -> list[Trial]:
        """Trials asked for and not yet reported."""

    @abc.abstractmethod
    def _next_trial(self) -> Trial:
        """Return the next trial; raise SpaceExhaustedError if there is none now."""

    @abc.abstractmethod
    def _told(self, result: Result) -> None:
        """Learn from a result, which `results` already holds."""

    @abc.abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """Return the JSON-serializable state beyond the strategy's and the results."""

    @abc.abstractmethod
    def _restored(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Read the result of `_own_state`: attributes, which are set once the results are restored."""

    def _start(self) -> Genotype:
        """Return an architecture that has not been trained yet."""
        return self.strategy.ask()

    # Provided ----------------------------------------------------------------------------------------
    @property
    def best(self) -> tuple[Genotype, float] | None:
        """Best genotype at the largest budget with a finite reward, and that reward; None before the first one."""
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
            n: number of trials, for parallel workers; the result is then a list, shorter than `n` if no more trials are
                available before one is reported. Defaults to None: a single trial.

        Raises:
            SpaceExhaustedError: if the strategy has no other architecture and no trial can be promoted now.
            ValueError: if `n` is not a positive integer.
        """
        if n is not None:
            return ask_many(self.ask, n)
        return self._next_trial()

    def tell(self, genotype: Genotype, reward: float, budget: int) -> None:
        """Report the reward of `genotype` after a training of `budget`; it need not have been asked for.

        A reward that is not finite marks the trial as failed: it is not promoted and never the best.

        Raises:
            ValueError: if the space does not contain `genotype`, or `budget` is not one of the budgets.
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
        self._told(result)

    def get_state(self) -> dict[str, Any]:
        """Return the JSON-serializable state from which a search made with the same arguments resumes identically."""
        return {
            "search": type(self).__name__,
            "budgets": list(self.budgets),
            "strategy": self.strategy.get_state(),
            "results": [result.to_json() for result in self.results],
            **self._own_state(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from the result of `get_state`.

        Raises:
            TypeError: if `state` is not a mapping.
            ValueError: if the state is that of another search, strategy or space, has other budgets, or cannot be read.
        """
        checks.instance("state", state, Mapping, "the result of `get_state`")
        for name, wanted in (("search", type(self).__name__), ("budgets", list(self.budgets))):
            if state.get(name) != wanted:
                expected = f"a state with {name} {wanted!r}"
                raise ValueError(checks.invalid("state", expected, state.get(name), f"It is the state's {name}."))
        with reading_state(type(self).__name__):
            results = [Result.from_json(saved) for saved in state["results"]]
            own = self._restored(state)
            self.strategy.set_state(state["strategy"])
            self._forget()
            for result in results:
                self._record(result)
            vars(self).update(own)

    def _forget(self) -> None:
        self.results: list[Result] = []
        self._started: set[Genotype] = set()
        self._first_rewards: dict[int, list[float]] = {budget: [] for budget in self.budgets}

    def _record(self, result: Result) -> None:
        self.results.append(result)
        if result.genotype not in self._started:
            self._started.add(result.genotype)
            if not math.isnan(result.reward):
                self._first_rewards[result.budget].append(result.reward)

    def _comparable(self, reward: float, budget: int) -> float:
        """Map a first reward to the reward of the same rank at the lowest budget."""
        lowest, peers = self._first_rewards[self.budgets[0]], [*self._first_rewards[budget], reward]
        if budget == self.budgets[0] or not lowest or math.isnan(reward):
            return reward
        rank = np.mean([(other < reward) + 0.5 * (other == reward) for other in peers])
        return float(np.quantile(lowest, rank))


def _check_budgets(budgets: Any) -> tuple[Any, ...]:
    expected = "ascending positive numbers"
    if isinstance(budgets, (str, bytes)) or not isinstance(budgets, (Sequence, np.ndarray)) or not len(budgets):
        raise ValueError(checks.invalid("budgets", expected, budgets))
    values = [checks.number("budgets", budget, above=0) for budget in budgets]
    if values != sorted(set(values)):
        raise ValueError(checks.invalid("budgets", expected, budgets))
    return tuple(int(value) if value.is_integer() else value for value in values)
