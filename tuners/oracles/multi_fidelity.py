"""Multi-fidelity oracles, such as HyperbandOracle: many architectures on few epochs, the best of them on more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasnas.search import ASHA, BOHB, Hyperband, SearchStrategy, SuccessiveHalving
from kerasnas.spaces import SearchSpace
from tuners.oracles.named import divided, in_space, make_strategy
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle


def trials_of_a_round(search: Hyperband) -> int:
    """Count the trials in one round of a search's brackets, if none fails.

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


def _by_budgets(kind: Callable[..., Any], default: Callable[..., Hyperband] | None = None) -> Callable[..., None]:
    """Make the constructor of an oracle of this search; one round of `default` is its default number of trials."""

    def __init__(
        self: Any,
        space: SearchSpace | None = None,
        objective: ObjectiveLike | None = None,
        max_trials: int | None = None,
        seed: int = 0,
        budgets: Sequence[int] = (4, 12, 36, 108),
        eta: int = 3,
        strategy: str | SearchStrategy = "random",
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ) -> None:
        further, options = divided(kwargs)
        space = getattr(strategy, "space", space)  # a search has one already
        search = in_space(lambda space: kind(make_strategy(strategy, space, seed, further), budgets, eta), space)
        StrategyOracle.__init__(self, search, objective, 1 if max_trials is None else max_trials, costs, **options)
        if max_trials is None:
            self.max_trials = trials_of_a_round((default or kind)(self.strategy, budgets, eta))

    return __init__


class HyperbandOracle(StrategyOracle):
    """Hyperband over any ask/tell search. The epochs of a trial are its value `tuner/epochs`.

    `GenotypeHyperModel` and `SupernetHyperModel` train for that number; a hypermodel of your own reads
    `hp.values["tuner/epochs"]` in its `fit`. A promoted architecture is a trial of its own, trained from scratch.
    The best trials are those of the most epochs.

    Args:
        space: as for `PredictorOracle`.
        objective: as for `StrategyOracle`.
        max_trials: maximum number of trials, over all epochs. Defaults to None: those of one round of brackets.
        seed: seed of the search. Defaults to 0.
        budgets: epochs, ascending. Defaults to `(4, 12, 36, 108)`.
        eta: one in `eta` is promoted. Defaults to 3.
        strategy: chooses the architectures that start: a registered name, or a search. Defaults to `"random"`,
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

    __init__ = _by_budgets(Hyperband)


class SuccessiveHalvingOracle(StrategyOracle):
    """Successive halving: the first bracket of `HyperbandOracle`, repeated.

    Args: as for `HyperbandOracle`.

    Reference:
        Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2015
        (arXiv 1502.07943).
    """

    __init__ = _by_budgets(SuccessiveHalving)


class ASHAOracle(StrategyOracle):
    """ASHA: an architecture is promoted to more epochs as soon as it is among the best of those with its own.

    For many workers: none waits for another one.

    Args: as for `HyperbandOracle`; `max_trials` is by default that of a successive halving with the same budgets.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> oracle = ASHAOracle(NASBench201Space(), objective="val_accuracy", budgets=(1, 3, 9))
    >>> oracle.max_trials, oracle.populate_space("00")["values"]["tuner/epochs"]
    (13, 1)

    Reference:
        Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2018 (arXiv 1810.05934).
    """

    __init__ = _by_budgets(ASHA, SuccessiveHalving)


class BOHBOracle(StrategyOracle):
    """BOHB: Hyperband that starts architectures where the best of the longest trials are dense.

    Args: as for `HyperbandOracle`, without `strategy`; `kwargs` for `kerasnas.search.BOHB`, such as `random_share`, or
        as for `StrategyOracle`.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> oracle = BOHBOracle(NASBench201Space(), objective="val_accuracy", budgets=(1, 3, 9))
    >>> oracle.max_trials, oracle.populate_space("00")["values"]["tuner/epochs"]
    (22, 1)

    Reference:
        Falkner et al., "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", 2018 (arXiv 1807.01774).
    """

    def __init__(
        self,
        space: SearchSpace | None = None,
        objective: ObjectiveLike | None = None,
        max_trials: int | None = None,
        seed: int = 0,
        budgets: Sequence[int] = (4, 12, 36, 108),
        eta: int = 3,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        further, options = divided(kwargs)
        search = in_space(lambda space: BOHB(space, budgets, eta, seed, **further), space)
        super().__init__(search, objective, 1 if max_trials is None else max_trials, costs, **options)
        if max_trials is None:
            self.max_trials = trials_of_a_round(self.proposals.search)
