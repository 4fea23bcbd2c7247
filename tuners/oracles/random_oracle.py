"""RandomOracle: random search over the hyperparameters of any hypermodel, resumable after a kill."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras_tuner.engine.trial import TrialStatus

from kerasnas import checks
from tuners.oracles.objectives import ObjectiveLike, as_objectives
from tuners.oracles.project_oracle import ProjectOracle

_TRIES = 20  # draws before values are repeated


class RandomOracle(ProjectOracle):
    """Random search: the first trial has the defaults, and each further one is a function of the seed and its number.

    No values are repeated while others are found. Later repetitions show how much results vary by chance where each
    trial has a seed of its own.

    Args:
        objective: a reported metric, by name or as `keras_tuner.Objective`. Defaults to `"val_accuracy"`.
        max_trials: maximum number of trials. Defaults to 4.
        seed: Defaults to 0.
        kwargs: as for `keras_tuner.Oracle`.

    Raises:
        ValueError: if `max_trials` is below 1, `seed` below 0, or there are several objectives.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> units = hp.Int("units", 1, 100, default=7)
    >>> oracle = RandomOracle(hyperparameters=hp)
    >>> [oracle.populate_space(number)["values"] for number in "011"]
    [{'units': 7}, {'units': 89}, {'units': 89}]
    """

    def __init__(self, objective: ObjectiveLike = "val_accuracy", max_trials: int = 4, seed: int = 0, **kwargs: Any):
        seed = checks.seed(seed)
        objectives = as_objectives(objective)
        if len(objectives) > 1:
            names = [one.name for one in objectives]
            hint = "For the Pareto front of several there is `ParetoOracle`."
            raise ValueError(checks.invalid("objective", "one", names, hint))
        super().__init__(objectives[0], max_trials, seed, **kwargs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, int(trial_id)])
        values = self._values(None if int(trial_id) == 0 else rng)
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        for _ in range(_TRIES):
            if values not in tried:
                break
            values = self._values(rng)
        return {"status": TrialStatus.RUNNING, "values": values}

    def _values(self, rng: np.random.Generator | None) -> dict[str, Any]:
        """Draw values of all active hyperparameters, or take their defaults without a generator."""
        drawn = self.hyperparameters.copy()
        drawn.values = {}
        for hp in drawn.space:  # parents stand before their children here
            if drawn.is_active(hp):
                value = hp.default if rng is None else hp.prob_to_value(float(rng.random()))
                drawn.values[hp.name] = value.item() if isinstance(value, np.generic) else value
        return dict(drawn.values)

    def identity(self) -> dict[str, Any]:
        return {"objectives": self.directions(), "seed": self.seed}
