"""The oracles by name: each an ask/tell search of KerasNAS, made from a space and a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kerasnas.spaces import SearchSpace
from kerasnas.strategies import STRATEGIES, SearchStrategy
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle, oracle_arguments


def make_strategy(strategy: str | SearchStrategy, space: SearchSpace, seed: int, arguments: dict[str, Any]) -> Any:
    """`strategy` made by its registered name, with the strategy's own arguments."""
    if not isinstance(space, SearchSpace):
        raise TypeError(
            f"Invalid value received for argument `space`. Expected a `kerasnas.SearchSpace`. Received: {space!r}"
        )
    if isinstance(strategy, SearchStrategy):
        return strategy
    return STRATEGIES[strategy](space, seed=seed, **arguments)


class NamedOracle(StrategyOracle):
    """What the oracles by name have in common.

    Args:
        space: where to search.
        objective: as for `StrategyOracle`.
        max_trials: how many trials at most. Defaults to 100.
        seed: seed of the search. Defaults to 0.
        costs: as for `StrategyOracle`. Defaults to None.
        kwargs: for the search, or as for `StrategyOracle`.
    """

    strategy_name: ClassVar[str]

    def __init__(
        self,
        space: SearchSpace,
        objective: ObjectiveLike | Sequence[ObjectiveLike] | None = None,
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        **kwargs: Any,
    ):
        own = oracle_arguments(kwargs)
        super().__init__(make_strategy(self.strategy_name, space, seed, kwargs), objective, max_trials, costs, **own)


class PredictorOracle(NamedOracle):
    """The default: Bayesian optimisation with a Gaussian process on the choices, which knows that they are categories.

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

    strategy_name = "predictor"


class ControllerOracle(NamedOracle):
    """ENAS' controller: an LSTM policy that learns by REINFORCE which architectures are rewarded.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.Controller`.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    strategy_name = "controller"


class EvolutionOracle(NamedOracle):
    """Regularized evolution: mutations of the best of a sample, and the oldest dies.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.RegularizedEvolution`.

    Reference:
        Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2018 (arXiv 1802.01548).
    """

    strategy_name = "evolution"


class LocalSearchOracle(NamedOracle):
    """Local search: from architecture to better neighbour.

    Args: as for `PredictorOracle`; `kwargs` for `kerasnas.search.LocalSearch`.

    Reference:
        White et al., "Local Search is State of the Art for Neural Architecture Search Benchmarks", 2020
        (arXiv 2005.02960).
    """

    strategy_name = "local_search"


DefaultOracle = PredictorOracle
