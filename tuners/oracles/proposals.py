"""Proposals: an ask/tell search in terms of trials' values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas.genotypes import Genotype
from kerasnas.search import SearchStrategy
from kerasnas.strategies.multi_fidelity import MultiFidelitySearch
from tuners.hypermodels.checked_hypermodel import EPOCHS

Values = dict[str, Any]


class Proposals:
    """Values that a search asks for: one for each choice of its space.

    Example:

    >>> from kerasnas.search import LocalSearch
    >>> from kerasnas.spaces import NASBench201Space
    >>> proposals = Proposals(LocalSearch(NASBench201Space(), seed=0))
    >>> values = proposals.ask()
    >>> proposals.pending() == [values]
    True
    >>> proposals.tell(values, 0.9)
    >>> proposals.pending(), proposals.strategy.best[1]
    ([], 0.9)
    """

    def __init__(self, search: SearchStrategy):
        self.search: Any = search
        self.strategy, self.space = search, search.space

    def genotype(self, values: Mapping[str, Any]) -> Genotype:
        """Return the genotype of a trial's values."""
        return self.space.genotype({name: values[name] for name in self.space.choices if name in values})

    def ask(self) -> Values:
        """Return the values of the next trial. Raises SpaceExhaustedError if there is none."""
        return self.space.assignment(self.search.ask())

    def tell(self, values: Mapping[str, Any], reward: Any, **options: Any) -> None:
        """Report the reward of a finished trial; NaN if it failed. `options` are for the strategy's `tell`."""
        self.search.tell(self.genotype(values), reward, **options)

    def pending(self) -> list[Values]:
        """Return the values of all proposals without a reward."""
        return [self.space.assignment(self.space.decode(indices)) for indices in self.search.pending]

    def own(self, values: Mapping[str, Any]) -> Values:
        """Return those of a trial's values that `ask` gave."""
        return {name: values[name] for name in self.space.choices if name in values}

    def budget(self, values: Mapping[str, Any]) -> int:
        """Return the epochs that a trial was asked to train for, 0 without any: trials of more rank higher."""
        return 0

    def identity(self) -> dict[str, Any]:
        """Return all that must be the same for a project to be resumed, JSON-serializable."""
        return {
            "space": self.space.name,
            "choices": {name: list(options) for name, options in self.space.choices.items()},
            "strategy": type(self.strategy).__name__,
        }


class BudgetedProposals(Proposals):
    """Values that a search with budgets asks for: also `tuner/epochs`, the length of a trial."""

    def __init__(self, search: MultiFidelitySearch):
        super().__init__(search.strategy)
        self.search = search

    def ask(self) -> Values:
        trial = self.search.ask()
        return self._values(trial.genotype, trial.budget)

    def _values(self, genotype: Genotype, budget: int) -> Values:
        return {**self.space.assignment(genotype), EPOCHS: int(budget)}

    def tell(self, values: Mapping[str, Any], reward: Any, **options: Any) -> None:
        self.search.tell(self.genotype(values), reward, budget=values[EPOCHS])

    def pending(self) -> list[Values]:
        return [self._values(trial.genotype, trial.budget) for trial in self.search.running]

    def own(self, values: Mapping[str, Any]) -> Values:
        return {**super().own(values), **({EPOCHS: values[EPOCHS]} if EPOCHS in values else {})}

    def budget(self, values: Mapping[str, Any]) -> int:
        return values[EPOCHS]

    def identity(self) -> dict[str, Any]:
        search = {"search": type(self.search).__name__, "budgets": list(self.search.budgets), "eta": self.search.eta}
        return {**super().identity(), **search}


def proposals_of(search: SearchStrategy | MultiFidelitySearch) -> Proposals:
    """Make the proposals of a search, with budgets if it has them."""
    return BudgetedProposals(search) if isinstance(search, MultiFidelitySearch) else Proposals(search)
