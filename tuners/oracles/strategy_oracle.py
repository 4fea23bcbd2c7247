"""StrategyOracle: any ask/tell search of KerasNAS as an oracle of KerasTuner."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalValueError

from kerasnas import checks
from kerasnas.cost import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.search import SearchStrategy
from kerasnas.spaces import SearchSpace
from kerasnas.strategies.base import SpaceExhaustedError
from kerasnas.strategies.multi_fidelity import MultiFidelitySearch
from tuners.hypermodels.checked_hypermodel import EPOCHS
from tuners.oracles.hyperparameter_space import HyperParameterSpace
from tuners.oracles.objectives import ObjectiveLike, as_objectives, record_metrics
from tuners.oracles.project_oracle import ProjectOracle
from tuners.persistence.trial_store import FINISHED

Values = dict[str, Any]
Cost = CostModel | Callable[[Genotype], float]
Search = SearchStrategy | MultiFidelitySearch
_SEARCHES = (SearchStrategy, MultiFidelitySearch)


class Proposals:
    """Values that a search asks for: one for each choice of its space."""

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
        return self.space.assignment(self.genotype(values))

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


class StrategyOracle(ProjectOracle):
    """An ask/tell search as an oracle: the trials are exactly what the search asks for, in order.

    The hypermodel declares a `Choice` for each choice of the space (as `GenotypeHyperModel` does); its other
    hyperparameters keep their defaults. The search receives the objective (negated if it is minimized), or NaN for a
    trial that failed. The saved state contains the search's own, so that a reloaded search continues identically.

    A function in place of the strategy makes it for the hyperparameters of any `build(hp)`, as a
    `HyperParameterSpace`. When new ones appear, it is called again, and the new search receives all results so far.

    Args:
        strategy: a search, fresh or warm, such as one of `kerasnas.search.STRATEGIES`, or
            `kerasnas.search.Hyperband`, `ASHA` or `BOHB`; or a function that makes one of a space, such as the class.
        objective: a metric that the model reports, by name or as `keras_tuner.Objective`; a list if the search has
            several objectives. Defaults to None: `HyperModel.fit` returns one number, which is minimized.
        max_trials: maximum number of trials. Defaults to 100.
        costs: minimized functions of the genotype: name -> `CostModel` or function. A search with several objectives
            receives them after the reported ones; one with a `cost_limit` the single one. Defaults to None.
        kwargs: as for `keras_tuner.Oracle`: `hyperparameters`, `allow_new_entries`, `tune_new_entries`,
            `max_retries_per_trial`, `max_consecutive_failed_trials`; and `lease`, as for `ProjectOracle`.

    Attributes:
        strategy: the search that chooses architectures.
        space: its search space.
        proposals: the search in terms of trials' values.

    Raises:
        ValueError: if `max_trials` is below 1, or the number of objectives is not the search's.
        TypeError: if `strategy` is not a search.

    Example:

    >>> from kerasnas.search import LocalSearch
    >>> from kerasnas.spaces import NASBench201Space
    >>> oracle = StrategyOracle(LocalSearch(NASBench201Space(), seed=0), "val_accuracy", max_trials=3)
    >>> trial = oracle.populate_space("0")
    >>> trial["status"], len(trial["values"])
    ('RUNNING', 6)
    """

    @checks.arguments(costs=checks.mapping)
    def __init__(
        self,
        strategy: Search | Callable[[SearchSpace], Search],
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        expected = "a `kerasnas.search.SearchStrategy`, or a function that makes one of a space"
        self._given = checks.instance("strategy", strategy, (*_SEARCHES, Callable), expected)  # type: ignore[arg-type]
        self._start(kwargs.get("hyperparameters") or keras_tuner.HyperParameters())
        self.objectives, self.costs = as_objectives(objective), dict(costs or {})
        for name, cost in self.costs.items():
            if not isinstance(cost, CostModel) and not callable(cost):
                expected = f"a `CostModel` or a function of the genotype for {name!r}"
                raise TypeError(checks.invalid("costs", expected, cost))
        self._limited = getattr(self.strategy, "cost_limit", None) is not None
        names = [*(one.name for one in self.objectives), *self.costs]
        if len(names) != self.strategy.objectives + self._limited or (self._limited and len(self.costs) != 1):
            limited = " and a limited cost" * self._limited
            raise ValueError(
                f"{type(self.strategy).__name__} has {self.strategy.objectives} objective(s){limited}. "
                f"Received: {', '.join(names)}. A single number from several objectives has to be made by the model; "
                "for their Pareto front there is `ParetoOracle`."
            )
        super().__init__(self.objectives[0], max_trials, seed=self.strategy.seed, **kwargs)
        self._declared = callable(strategy)
        self._orphans: list[dict[str, Any]] = []  # asked for, but without a trial

    def _start(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Use the search that was given, or make it for these hyperparameters."""
        self._tuned = len(hyperparameters.space)
        search: Any = self._given
        if callable(search):
            made = search(HyperParameterSpace(hyperparameters))
            search = checks.instance("strategy", made, _SEARCHES, "a function that makes a search of a space")
        self.proposals = (BudgetedProposals if isinstance(search, MultiFidelitySearch) else Proposals)(search)
        self.strategy, self.space = self.proposals.strategy, self.proposals.space

    def genotype(self, trial: Trial) -> Genotype:
        """Return the genotype of a trial."""
        return self.proposals.genotype(trial.hyperparameters.values)

    def get_best_genotypes(self, num_genotypes: int = 1) -> list[Genotype]:
        """Return the genotypes of the best completed trials, the best first."""
        return [self.genotype(trial) for trial in self.get_best_trials(num_genotypes)]

    # Overridden parts of an oracle -------------------------------------------------------------------
    def update_space(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Add new hyperparameters; a search that was made for fewer is made again, and receives all results."""
        with self.lock:
            super().update_space(hyperparameters)
            if callable(self._given) and self._tuned < len(self.hyperparameters.space):
                self._start(self.hyperparameters)
                for trial_id in self.leases.ended:
                    self.trial_finished(self.trials[trial_id])

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._check_declared()
        if self._orphans:
            return {"status": TrialStatus.RUNNING, "values": self._orphans.pop(0)}
        try:
            return {"status": TrialStatus.RUNNING, "values": self.proposals.ask()}
        except SpaceExhaustedError:
            return {"status": TrialStatus.STOPPED}

    def trial_finished(self, trial: Trial) -> None:
        several = self.strategy.objectives > 1
        completed = trial.status == TrialStatus.COMPLETED
        if completed:
            signs = {one.name: 1 if one.direction == "max" else -1 for one in self.objectives}
            rewards = [signs.get(name, -1) * value for name, value in self.objective_values(trial).items()]
        else:
            rewards = [math.nan] * self.strategy.objectives
        options: dict[str, Any] = {}
        if self._limited:
            (options["cost"],) = self._costs_of(trial).values() if completed else (None,)
        self.proposals.tell(trial.hyperparameters.values, tuple(rewards) if several else rewards[0], **options)

    def rank(self, trial: Trial) -> Any:
        return self.proposals.budget(trial.hyperparameters.values), super().rank(trial)

    def score_trial(self, trial: Trial) -> None:
        super().score_trial(trial)
        record_metrics(trial, self._costs_of(trial), trial.best_step, self.directions())

    def _costs_of(self, trial: Trial) -> dict[str, float]:
        if not self.costs:
            return {}
        genotype = self.genotype(trial)
        return {
            name: float(cost.cost(genotype) if isinstance(cost, CostModel) else cost(genotype))
            for name, cost in self.costs.items()
        }

    def required_metrics(self) -> list[str]:
        return [one.name for one in self.objectives]

    def directions(self) -> dict[str, str]:
        return {**{one.name: one.direction for one in self.objectives}, **dict.fromkeys(self.costs, "min")}

    def _check_declared(self) -> None:
        """Check once that the hypermodel's choices are the space's: else all trials would be the same network."""
        if self._declared:
            return
        declared = {hp.name: hp for hp in self.hyperparameters.space}
        for name, options in self.space.choices.items():
            if not declared:  # no hypermodel: `run_trial` does all
                self.hyperparameters.Choice(name, list(options), ordered=False)
            elif list(getattr(declared.get(name), "values", [])) != list(options):
                raise FatalValueError(
                    f"Choice '{name}' of the oracle's space '{self.space.name}' has the options {list(options)}; the "
                    f"hypermodel declares {declared.get(name) or 'no such hyperparameter'}. Is it of another space? "
                    f"{checks.nearest(name, declared)}"
                )
        self._declared = True

    def identity(self) -> dict[str, Any]:
        identity = {**self.proposals.identity(), "objectives": self.directions(), "seed": self.seed}
        if callable(self._given):
            del identity["choices"]  # a program that resumes has not declared them yet
        return identity

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "search": self.proposals.search.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._start(self.hyperparameters)
        self.proposals.search.set_state(state["search"])

    def trial_recovered(self, trial: Trial) -> None:
        self.update_space(trial.hyperparameters)  # without a state, they are known from the trials alone
        # The search chooses by what was reported to it alone: asked again, it asks for this trial.
        proposal = self.proposals.own(trial.hyperparameters.values)
        if any(values == proposal for values in self.proposals.pending()):
            return
        try:
            self.proposals.ask()  # another one becomes an orphan
        except SpaceExhaustedError:
            return

    def recovered(self) -> None:
        self._orphans = self.proposals.pending()
        for trial in self.trials.values():
            values = self.proposals.own(trial.hyperparameters.values)
            if trial.status not in FINISHED and values in self._orphans:
                self._orphans.remove(values)
