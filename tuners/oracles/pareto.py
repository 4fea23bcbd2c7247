"""ParetoOracle: several objectives, and the front of their trade-offs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasnas import checks
from kerasnas.checks import nearest
from kerasnas.genotypes import Genotype
from kerasnas.pareto import non_dominated
from kerasnas.reporting import costs
from kerasnas.spaces import SearchSpace
from tuners.oracles.named import divided, in_space, make_strategy
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.strategy_oracle import Cost, StrategyOracle


class ParetoTrial(NamedTuple):
    """A trial on the front.

    Args:
        trial_id: of the trial, for `oracle.get_trial` and `tuner.load_model`.
        genotype: the architecture.
        values: its value of each objective and each cost.
    """

    trial_id: str
    genotype: Genotype
    values: dict[str, float]


class ParetoOracle(StrategyOracle):
    """Several objectives at once, by NSGA-II or expected hypervolume improvement: the result is a front, not a sum.

    Args:
        space: as for `PredictorOracle`.
        objective: a metric that the model reports, such as `"val_accuracy"`; or a list. Trials are scored by the first.
        max_trials: maximum number of trials. Defaults to 100.
        seed: seed of the search. Defaults to 0.
        costs: minimized functions of the genotype: name -> `CostModel` or function, such as
            `{"parameters": COSTS["parameters"](space, input_shape, num_classes)}`, or a measured latency.
        strategy: `"nsga2"`, or `"ehvi"` for two objectives and costs in all: fewer trials, as it predicts them.
            Defaults to `"nsga2"`.
        kwargs: for `kerasnas.search.NSGA2`, such as `population_size`, or `EHVISearch`; or as for `StrategyOracle`.

    Raises:
        ValueError: if there are not at least two objectives and costs.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> costs = {"convolutions": lambda genotype: genotype.count("nor_conv_3x3")}
    >>> oracle = ParetoOracle(NASBench201Space(), "val_accuracy", max_trials=4, costs=costs)
    >>> oracle.verbose = 0
    >>> for accuracy in (0.7, 0.8, 0.9, 0.6):
    ...     trial = oracle.create_trial("tuner0")
    ...     _ = oracle.update_trial(trial.trial_id, {"val_accuracy": accuracy})
    ...     trial.status = "COMPLETED"
    ...     oracle.end_trial(trial)
    >>> oracle.front()[0].values["val_accuracy"]
    0.9

    Reference:
        Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", 2002.
    """

    @checks.arguments(costs=checks.mapping)
    def __init__(
        self,
        space: SearchSpace | None = None,
        objective: ObjectiveLike | Sequence[ObjectiveLike] = "val_accuracy",
        max_trials: int = 100,
        seed: int = 0,
        costs: Mapping[str, Cost] | None = None,
        strategy: str = "nsga2",
        **kwargs: Any,
    ):
        count = len(costs or {}) + (len(objective) if isinstance(objective, (list, tuple)) else 1)
        if count < 2:
            raise ValueError(
                f"A Pareto front needs at least two objectives and costs. Received: objective={objective!r}, "
                f"costs={dict(costs or {})}"
            )
        further, options = divided({"objectives": count, **kwargs})
        search = in_space(lambda space: make_strategy(strategy, space, seed, further), space)
        super().__init__(search, objective, max_trials, costs, **options)

    def front(self) -> list[ParetoTrial]:
        """Return the completed trials that no other one dominates, the best by the first objective first."""
        trials = self.get_best_trials(len(self.trials))
        if not trials:
            return []
        signs = {name: 1 if direction == "max" else -1 for name, direction in self.directions().items()}
        values = [self.objective_values(trial) for trial in trials]
        rewards = np.array([[signs[name] * value for name, value in one.items()] for one in values])
        front = non_dominated(rewards)
        return [ParetoTrial(trials[i].trial_id, self.genotype(trials[i]), values[i]) for i in front]

    def plot_front(self, path: str | os.PathLike, cost: str, accuracy: str | None = None, scale: float = 1.0) -> None:
        """Draw all completed trials by cost and accuracy, and their front, as a PNG.

        Args:
            path: the PNG file to write.
            cost: the horizontal axis: the name of a cost or an objective that is minimized.
            accuracy: the vertical axis. Defaults to the first objective.
            scale: the factor that brings accuracies between 0 and 1: 0.01 for percent. Defaults to 1.

        Raises:
            ValueError: for an unknown name, or if no trial is completed yet.
        """
        accuracy = self.objective.name if accuracy is None else accuracy
        for name in (cost, accuracy):
            if name not in self.directions():
                raise ValueError(f"There is no objective or cost {name!r}. {nearest(name, self.directions())}")
        values = [self.objective_values(trial) for trial in self.get_best_trials(len(self.trials))]
        if not values:
            raise ValueError("No trial is completed yet: there is nothing to draw.")
        points = [costs.CostPoint("trials", one[cost], scale * one[accuracy]) for one in values]
        costs.plot_front(points, path, cost)
