"""StrategyOracle: any ask/tell search of KerasNAS as an oracle of KerasTuner."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalValueError

from kerasnas.checks import nearest
from kerasnas.cost import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.strategies import SearchStrategy, SpaceExhaustedError
from tuners.oracles.objectives import ObjectiveLike, as_objectives
from tuners.oracles.trial_oracle import FINISHED
from tuners.persistence.recovery import RecoverableOracle

Cost = CostModel | Callable[[Genotype], float]


class StrategyOracle(RecoverableOracle):
    """Any ask/tell search as an oracle: the trials are exactly what the search asks, one after the other.

    The hypermodel declares a `Choice` for each choice of the space (as `GenotypeHyperModel` does); its other
    hyperparameters keep their defaults. The search is told the objective (negated if it is minimised), or NaN for a
    trial that failed. What is saved contains the search's own state, so that a reloaded search goes on identically.

    Args:
        strategy: a search, such as one of `kerasnas.search.STRATEGIES`, at its beginning or warm.
        objective: what the model reports, by name or as `keras_tuner.Objective`; a list if the search has several
            objectives. Defaults to None: `HyperModel.fit` returns one number, which is minimised.
        max_trials: how many trials at most. Defaults to 100.
        costs: what is computed of the genotype and minimised as well: name -> `CostModel` or function. A search with
            several objectives is told them after the reported ones; one with a `cost_limit` the single one.
            Defaults to None.
        kwargs: as for `keras_tuner.Oracle`: `hyperparameters`, `allow_new_entries`, `tune_new_entries`,
            `max_retries_per_trial`, `max_consecutive_failed_trials`; and `lease`, as for `LeasedOracle`.

    Attributes:
        strategy: the search.
        space: where it searches.

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

    strategy: SearchStrategy

    def __init__(
        self,
        strategy: SearchStrategy,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        if not isinstance(strategy, SearchStrategy):
            raise TypeError(
                f"Invalid value received for argument `strategy`. Expected a `kerasnas.search.SearchStrategy`. "
                f"Received: {strategy!r}"
            )
        self.strategy, self.space = strategy, strategy.space
        self.objectives, self.costs = as_objectives(objective), dict(costs or {})
        for name, cost in self.costs.items():
            if not isinstance(cost, CostModel) and not callable(cost):
                raise TypeError(
                    f"Invalid value received for argument `costs`. Expected a `CostModel` or a function of the "
                    f"genotype for {name!r}. Received: {cost!r}"
                )
        self._limited = getattr(strategy, "cost_limit", None) is not None
        expected = strategy.objectives + self._limited
        names = [*(one.name for one in self.objectives), *self.costs]
        if len(names) != expected or (self._limited and len(self.costs) != 1):
            limited = " and a limited cost" * self._limited
            raise ValueError(
                f"{type(strategy).__name__} has {strategy.objectives} objective(s){limited}. "
                f"Received: {', '.join(names)}. A single number from several objectives has to be made by the model; "
                "for their Pareto front there is `ParetoOracle`."
            )
        super().__init__(self.objectives[0], max_trials, seed=strategy.seed, **kwargs)
        self._declared = False
        self._orphans: list[dict[str, Any]] = []  # asked, but of no trial

    # The search --------------------------------------------------------------------------------------
    def ask(self) -> dict[str, Any]:
        """The values of the next trial. Raises SpaceExhaustedError if there is none."""
        return self.space.assignment(self.strategy.ask())

    def tell(self, trial: Trial, reward: Any) -> None:
        """Report the reward of a finished trial; NaN if it failed."""
        if self._limited:
            (cost,) = self._costs_of(trial).values() if trial.status == TrialStatus.COMPLETED else (None,)
            self.strategy.tell(self.genotype(trial), reward, cost=cost)  # type: ignore[call-arg]
        else:
            self.strategy.tell(self.genotype(trial), reward)

    def pending(self) -> list[dict[str, Any]]:
        """The values of all that was asked and not told."""
        return [self.space.assignment(self.space.decode(indices)) for indices in self.strategy.pending]

    def search_state(self) -> dict[str, Any]:
        """The state of the search."""
        return self.strategy.get_state()

    def set_search_state(self, state: dict[str, Any]) -> None:
        """The inverse of `search_state`."""
        self.strategy.set_state(state)

    def own_values(self, trial: Trial) -> dict[str, Any]:
        """Those values of a trial that `ask` gave."""
        values = trial.hyperparameters.values
        return {name: values[name] for name in self.space.choices if name in values}

    def genotype(self, trial: Trial) -> Genotype:
        """The genotype of a trial."""
        values = trial.hyperparameters.values
        return self.space.genotype({name: values[name] for name in self.space.choices if name in values})

    def get_best_genotypes(self, num_genotypes: int = 1) -> list[Genotype]:
        """The genotypes of the best completed trials, the best first."""
        return [self.genotype(trial) for trial in self.get_best_trials(num_genotypes)]

    # What an oracle writes ---------------------------------------------------------------------------
    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._check_declared()
        if self._orphans:
            return {"status": TrialStatus.RUNNING, "values": self._orphans.pop(0)}
        try:
            return {"status": TrialStatus.RUNNING, "values": self.ask()}
        except SpaceExhaustedError:
            return {"status": TrialStatus.STOPPED}

    def trial_finished(self, trial: Trial) -> None:
        several = self.strategy.objectives > 1
        if trial.status != TrialStatus.COMPLETED:
            self.tell(trial, (math.nan,) * self.strategy.objectives if several else math.nan)
            return
        values = self.objective_values(trial)
        signs = {one.name: 1 if one.direction == "max" else -1 for one in self.objectives}
        rewards = [signs.get(name, -1) * value for name, value in values.items()]
        self.tell(trial, tuple(rewards) if several else rewards[0])

    def score_trial(self, trial: Trial) -> None:
        super().score_trial(trial)
        for name, value in self._costs_of(trial).items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction="min")
            trial.metrics.update(name, value, step=trial.best_step)

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

    def _directions(self) -> dict[str, str]:
        return {**{one.name: one.direction for one in self.objectives}, **dict.fromkeys(self.costs, "min")}

    def _check_declared(self) -> None:
        """Once: the hypermodel's choices must be the space's, or all trials would be one and the same network."""
        if self._declared:
            return
        declared = {hp.name: hp for hp in self.hyperparameters.space}
        for name, options in self.space.choices.items():
            if not declared:  # no hypermodel: `run_trial` does all
                self.hyperparameters.Choice(name, list(options), ordered=False)
            elif name not in declared:
                raise FatalValueError(
                    f"The hypermodel does not declare choice '{name}' of the oracle's space '{self.space.name}': is it "
                    f"of another space? {nearest(name, declared)}"
                )
            elif list(getattr(declared[name], "values", [])) != list(options):
                raise FatalValueError(
                    f"Choice '{name}' of the oracle's space '{self.space.name}' has the options {list(options)}; the "
                    f"hypermodel declares {declared[name]}."
                )
        self._declared = True

    # Saving and reading ------------------------------------------------------------------------------
    def identity(self) -> dict[str, Any]:
        return {
            "space": self.space.name,
            "choices": {name: list(options) for name, options in self.space.choices.items()},
            "objectives": self._directions(),
            "strategy": type(self.strategy).__name__,
        }

    def differences(self, saved: Mapping[str, Any]) -> list[str]:
        own = self.identity()
        theirs, ours = saved.get("choices", {}), own.pop("choices")
        found = [
            f"{name} {saved.get(name)!r} there, {own[name]!r} here" for name in own if saved.get(name) != own[name]
        ]
        for name in [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)][:3]:
            there, here = (f"{side[name]}" if name in side else "missing" for side in (theirs, ours))
            found.append(f"choice '{name}': {there} there, {here} here")
        return found

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "search": self.search_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.set_search_state(state["search"])

    def trial_recovered(self, trial: Trial) -> None:
        # The search chooses by what it was told alone: asked again, it asks for this trial.
        if any(values == self.own_values(trial) for values in self.pending()):
            return
        try:
            self.ask()  # another one becomes an orphan
        except SpaceExhaustedError:
            return

    def recovered(self) -> None:
        self._orphans = self.pending()
        for trial in self.trials.values():
            values = self.own_values(trial)
            if trial.status not in FINISHED and values in self._orphans:
                self._orphans.remove(values)


def oracle_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Take out of `kwargs` what `StrategyOracle` takes; the rest is the strategy's."""
    names = (
        "hyperparameters",
        "allow_new_entries",
        "tune_new_entries",
        "max_retries_per_trial",
        "max_consecutive_failed_trials",
        "lease",
    )
    return {name: kwargs.pop(name) for name in names if name in kwargs}
