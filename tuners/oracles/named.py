"""Oracles by name: each an ask/tell search of KerasNAS, made from a space and a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.search import STRATEGIES, SearchStrategy
from kerasnas.spaces import SearchSpace
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle

_ORACLE_ARGUMENTS = (
    "hyperparameters",
    "allow_new_entries",
    "tune_new_entries",
    "max_retries_per_trial",
    "max_consecutive_failed_trials",
    "lease",
)


def divided(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide arguments into those for a search and those for its oracle.

    Example:

    >>> divided({"population_size": 4, "lease": 30})
    ({'population_size': 4}, {'lease': 30})
    """
    own = {name: value for name, value in arguments.items() if name in _ORACLE_ARGUMENTS}
    return {name: value for name, value in arguments.items() if name not in own}, own


def make_strategy(
    strategy: str | SearchStrategy, space: SearchSpace, seed: int, arguments: Mapping[str, Any]
) -> tuple[SearchStrategy, dict[str, Any]]:
    """Make a strategy by its registered name.

    Args:
        strategy: its name; a strategy that is made already is returned as it is.
        space: where to search.
        seed: seed of the search.
        arguments: for the strategy or for its oracle, by their names.

    Returns:
        The strategy, and the oracle's arguments.

    Raises:
        TypeError: if `space` is none, or the strategy does not know an argument.
        ValueError: for an unknown name.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> strategy, own = make_strategy("evolution", NASBench201Space(), 0, {"population_size": 4, "lease": 30})
    >>> strategy.population_size, own
    (4, {'lease': 30})
    """
    checks.instance("space", space, SearchSpace, "a `kerasnas.SearchSpace`")
    further, own = divided(arguments)
    if isinstance(strategy, SearchStrategy):
        if further:
            raise TypeError(f"{type(strategy).__name__} is made already, and takes no {', '.join(map(repr, further))}.")
        return strategy, own
    return STRATEGIES[strategy](space, seed=seed, **further), own


class PredictorOracle(StrategyOracle):
    """The default: Bayesian optimization with a Gaussian process on the choices, which knows that they are categories.

    Args:
        space: where to search.
        objective: as for `StrategyOracle`.
        max_trials: how many trials at most. Defaults to 100.
        seed: seed of the search. Defaults to 0.
        costs: name -> cost of a genotype, with a `cost_limit`. Defaults to None.
        kwargs: for `kerasnas.search.PredictorSearch`, such as `cost_limit`; or as for `StrategyOracle`.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> oracle = PredictorOracle(NASBench201Space(), objective="val_accuracy", max_trials=50, seed=0)
    >>> type(oracle.strategy).__name__
    'PredictorSearch'

    Reference:
        See `kerasnas.search.PredictorSearch`.
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        strategy, own = make_strategy("predictor", space, seed, kwargs)
        super().__init__(strategy, objective, max_trials, costs, **own)


class ControllerOracle(StrategyOracle):
    """ENAS' controller: an LSTM policy that learns by REINFORCE which architectures are rewarded.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.Controller`.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        strategy, own = make_strategy("controller", space, seed, kwargs)
        super().__init__(strategy, objective, max_trials, costs, **own)


class EvolutionOracle(StrategyOracle):
    """Regularized evolution: mutations of the best of a sample, and the oldest dies.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.RegularizedEvolution`.

    Reference:
        Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2018 (arXiv 1802.01548).
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        strategy, own = make_strategy("evolution", space, seed, kwargs)
        super().__init__(strategy, objective, max_trials, costs, **own)


class LocalSearchOracle(StrategyOracle):
    """Local search: from architecture to better neighbor.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.LocalSearch`.

    Reference:
        White et al., "Local Search is State of the Art for Neural Architecture Search Benchmarks", 2020
        (arXiv 2005.02960).
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        strategy, own = make_strategy("local_search", space, seed, kwargs)
        super().__init__(strategy, objective, max_trials, costs, **own)


DefaultOracle = PredictorOracle
