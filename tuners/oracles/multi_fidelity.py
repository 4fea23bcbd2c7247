"""HyperbandOracle and SuccessiveHalvingOracle: many architectures on few epochs, the best of them on more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from keras_tuner.engine.trial import Trial

from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.strategies import Hyperband, SearchStrategy, SuccessiveHalving
from tuners.hypermodels.checked_hypermodel import EPOCHS
from tuners.oracles.named import make_strategy
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle, oracle_arguments


class HyperbandOracle(StrategyOracle):
    """Hyperband over any ask/tell search. The epochs of a trial are its value `tuner/epochs`.

    `GenotypeHyperModel` and `SupernetHyperModel` train for so many; a hypermodel of your own reads
    `hp.values["tuner/epochs"]` in its `fit`. A promoted architecture is a trial of its own, trained from the start.
    The best trials are those of the most epochs.

    Args:
        space: where to search.
        objective: as for `StrategyOracle`.
        max_trials: how many trials at most, over all epochs. Defaults to None: all of one round of brackets.
        seed: seed of the search. Defaults to 0.
        budgets: epochs, ascending. Defaults to `(4, 12, 36, 108)`.
        eta: one of so many is promoted. Defaults to 3.
        strategy: what chooses the architectures that start: a registered name, or a search. Defaults to `"random"`,
            as published.
        costs: as for `StrategyOracle`. Defaults to None.
        kwargs: for the strategy, or as for `StrategyOracle`.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> oracle = HyperbandOracle(NASBench201Space(), objective="val_accuracy", budgets=(1, 3, 9))
    >>> oracle.max_trials, oracle.populate_space("00")["values"]["tuner/epochs"]
    (22, 1)

    Reference:
        Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2016 (arXiv 1603.06560).
    """

    search_class: ClassVar[type[Hyperband]] = Hyperband

    def __init__(
        self,
        space: SearchSpace,
        objective: ObjectiveLike | None = None,
        max_trials: int | None = None,
        seed: int = 0,
        budgets: Sequence[int] = (4, 12, 36, 108),
        eta: int = 3,
        strategy: str | SearchStrategy = "random",
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        own = oracle_arguments(kwargs)
        chosen = make_strategy(strategy, space, seed, kwargs)
        self.search = self.search_class(chosen, budgets, eta)
        super().__init__(chosen, objective, self._round() if max_trials is None else max_trials, costs, **own)

    def _round(self) -> int:
        trials = 0
        for rung, size in self.search.bracket_sizes():
            for _ in self.search.budgets[rung:]:
                trials += size
                size = max(1, size // self.search.eta)
        return trials

    def ask(self) -> dict[str, Any]:
        trial = self.search.ask()
        return self._values(trial.genotype, trial.budget)

    def _values(self, genotype: Genotype, budget: int) -> dict[str, Any]:
        return {**self.space.assignment(genotype), EPOCHS: int(budget)}

    def tell(self, trial: Trial, reward: Any) -> None:
        self.search.tell(self.genotype(trial), reward, budget=trial.hyperparameters.values[EPOCHS])

    def pending(self) -> list[dict[str, Any]]:
        state = self.search.get_state()
        return [
            self._values(Genotype.from_json(text), state["budgets"][bracket["rung"]])
            for bracket in state["brackets"]
            for text in bracket["running"]
        ]

    def own_values(self, trial: Trial) -> dict[str, Any]:
        values = trial.hyperparameters.values
        return {**super().own_values(trial), **({EPOCHS: values[EPOCHS]} if EPOCHS in values else {})}

    def search_state(self) -> dict[str, Any]:
        return self.search.get_state()

    def set_search_state(self, state: dict[str, Any]) -> None:
        self.search.set_state(state)

    def rank(self, trial: Trial) -> Any:
        return trial.hyperparameters.values[EPOCHS], super().rank(trial)

    def identity(self) -> dict[str, Any]:
        own = {"search": type(self.search).__name__, "budgets": list(self.search.budgets), "eta": self.search.eta}
        return {**super().identity(), **own}


class SuccessiveHalvingOracle(HyperbandOracle):
    """Successive halving: the first bracket of `HyperbandOracle`, over and over.

    Args: as for `HyperbandOracle`.

    Reference:
        Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2015
        (arXiv 1502.07943).
    """

    search_class = SuccessiveHalving
