"""Oracles by name: each an ask/tell search of KerasNAS, made from a space and a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.search import STRATEGIES, SearchStrategy
from kerasnas.spaces import SearchSpace
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle

_OF_PROJECTS = ("max_retries_per_trial", "max_consecutive_failed_trials", "lease")
_ORACLE_ARGUMENTS = ("hyperparameters", "allow_new_entries", "tune_new_entries", *_OF_PROJECTS)


def divided(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide arguments into those for a strategy and those for its oracle.

    Example:

    >>> divided({"population_size": 4, "lease": 30})
    ({'population_size': 4}, {'lease': 30})
    """
    oracle = {name: value for name, value in arguments.items() if name in _ORACLE_ARGUMENTS}
    return {name: value for name, value in arguments.items() if name not in oracle}, oracle


def make_strategy(
    strategy: str | SearchStrategy, space: SearchSpace, seed: int, arguments: Mapping[str, Any]
) -> SearchStrategy:
    """Make a strategy by its registered name.

    Raises:
        TypeError: if `space` is not a space, or the strategy has no such argument.
        ValueError: for an unknown name.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> make_strategy("evolution", NASBench201Space(), 0, {"population_size": 4}).population_size
    4
    """
    checks.instance("space", space, SearchSpace, "a `kerasnas.SearchSpace`")
    if not isinstance(strategy, SearchStrategy):
        return STRATEGIES[strategy](space, seed=seed, **arguments)
    if arguments:
        names = ", ".join(map(repr, arguments))
        raise TypeError(f"{type(strategy).__name__} is an instance already, and takes no {names}.")
    return strategy


def in_space(make: Callable[[SearchSpace], Any], space: SearchSpace | None) -> Any:
    """Make a search of `space`; without one, return `make`, from which `StrategyOracle` makes it."""
    return make if space is None else make(space)


def _by_name(strategy: str) -> Callable[..., None]:
    """Make the constructor of an oracle of this strategy."""

    def __init__(
        self: Any,
        space: SearchSpace | None = None,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ) -> None:
        further, options = divided(kwargs)
        search = in_space(lambda space: make_strategy(strategy, space, seed, further), space)
        StrategyOracle.__init__(self, search, objective, max_trials, costs, **options)

    return __init__


class PredictorOracle(StrategyOracle):
    """Bayesian optimization with a Gaussian process on choices; the default oracle.

    Args:
        space: where to search. Defaults to None: the hyperparameters of the hypermodel, such as a `build(hp)`.
        objective: as for `StrategyOracle`.
        max_trials: maximum number of trials. Defaults to 100.
        seed: seed of the search. Defaults to 0.
        costs: name -> cost of a genotype, with a `cost_limit`. Defaults to None.
        kwargs: for `kerasnas.search.PredictorSearch`, such as `cost_limit`; or as for `StrategyOracle`.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> oracle = PredictorOracle(NASBench201Space(), objective="val_accuracy", max_trials=50, seed=0)
    >>> type(oracle.strategy).__name__
    'PredictorSearch'

    Reference:
        White et al., "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search", 2019
        (arXiv 1910.11858), and those of `kerasnas.search.PredictorSearch`.
    """

    __init__ = _by_name("predictor")


class ControllerOracle(StrategyOracle):
    """ENAS' controller: an LSTM policy that learns by REINFORCE which architectures are rewarded.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.Controller`.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    __init__ = _by_name("controller")


class EvolutionOracle(StrategyOracle):
    """Regularized evolution: mutates the best of a sample and drops the oldest.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.RegularizedEvolution`.

    Reference:
        Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2018 (arXiv 1802.01548).
    """

    __init__ = _by_name("evolution")


class LocalSearchOracle(StrategyOracle):
    """Local search: from architecture to better neighbor.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.LocalSearch`.

    Reference:
        White et al., "Local Search is State of the Art for Neural Architecture Search Benchmarks", 2020
        (arXiv 2005.02960).
    """

    __init__ = _by_name("local_search")
