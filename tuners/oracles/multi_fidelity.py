"""HyperbandOracle and SuccessiveHalvingOracle: many architectures on few epochs, the best of them on more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas.spaces import SearchSpace
from kerasnas.strategies import Hyperband, SearchStrategy, SuccessiveHalving
from tuners.oracles.named import make_strategy
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle


def trials_of_a_round(search: Hyperband) -> int:
    """The number of trials in one round of a search's brackets, if none fails.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import NASBench201Space
    >>> trials_of_a_round(Hyperband(RandomSearch(NASBench201Space()), budgets=(1, 3, 9)))
    22
    """
    trials = 0
    for rung, size in search.bracket_sizes():
        for _ in search.budgets[rung:]:
            trials += size
            size = max(1, size // search.eta)
    return trials


class HyperbandOracle(StrategyOracle):
    """Hyperband over any ask/tell search. The epochs of a trial are its value `tuner/epochs`.

    `GenotypeHyperModel` and `SupernetHyperModel` train for that number; a hypermodel of your own reads
    `hp.values["tuner/epochs"]` in its `fit`. A promoted architecture is a trial of its own, trained from scratch.
    The best trials are those of the most epochs.

    Args:
        space: where to search.
        objective: as for `StrategyOracle`.
        max_trials: how many trials at most, over all epochs. Defaults to None: all of one round of brackets.
        seed: seed of the search. Defaults to 0.
        budgets: epochs, ascending. Defaults to `(4, 12, 36, 108)`.
        eta: one in `eta` is promoted. Defaults to 3.
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
        chosen, own = make_strategy(strategy, space, seed, kwargs)
        self.search = Hyperband(chosen, budgets, eta)
        trials = trials_of_a_round(self.search) if max_trials is None else max_trials
        super().__init__(self.search, objective, trials, costs, **own)


class SuccessiveHalvingOracle(StrategyOracle):
    """Successive halving: the first bracket of `HyperbandOracle`, over and over.

    Args: as for `HyperbandOracle`.

    Reference:
        Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2015
        (arXiv 1502.07943).
    """

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
        chosen, own = make_strategy(strategy, space, seed, kwargs)
        self.search = SuccessiveHalving(chosen, budgets, eta)
        trials = trials_of_a_round(self.search) if max_trials is None else max_trials
        super().__init__(self.search, objective, trials, costs, **own)
