"""Objectives: the values that a search optimizes and that a trial has to report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalValueError

from kerasnas.constraints import asking
from kerasnas.wording import invalid, nearest

ObjectiveLike: TypeAlias = str | keras_tuner.Objective


class ReportedObjective(keras_tuner.Objective):
    """An objective that a model reports. If it does not, the search ends at once, with a list of reported metrics.

    A NaN is worse than any number, so that a diverged epoch does not hide the good ones.
    """

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        require_reported([self.name], logs)
        return logs[self.name]

    def better_than(self, a: float, b: float) -> bool:
        if math.isnan(b):
            return not math.isnan(a)
        return super().better_than(a, b)


def require_reported(names: Iterable[str], metrics: Iterable[str]) -> None:
    """Raise `FatalValueError`, which ends a search, unless all of `names` are among `metrics`."""
    reported = list(metrics)
    for name in names:
        if name not in reported:
            raise FatalValueError(
                f"The model does not report the objective {name!r}. {nearest(name, reported)}. Choose one of these, "
                "or let `compile(metrics=...)` or `HyperModel.fit` report it (a name with `val_` needs validation "
                "data)."
            )


def not_finite(values: Mapping[str, float]) -> str:
    """Say which values are not finite; "" if all are.

    Example:

    >>> not_finite({"val_loss": 1.0, "latency": math.inf})
    'Not finite: latency = inf.'
    """
    wrong = [f"{name} = {value}" for name, value in values.items() if not math.isfinite(value)]
    return f"Not finite: {', '.join(wrong)}." if wrong else ""


def record_metrics(trial: Trial, metrics: Mapping[str, Any], step: int, directions: Mapping[str, str]) -> None:
    """Add the metrics that a trial reports at a step; those without a direction get KerasTuner's guess."""
    for name, value in metrics.items():
        if not trial.metrics.exists(name):
            trial.metrics.register(name, direction=directions.get(name))
        trial.metrics.update(name, value, step=step)


def reported_at_best(trial: Trial, names: Iterable[str]) -> dict[str, float]:
    """Return the values of `names` that a trial reported at its best step, or else last; NaN for missing ones."""
    values = {}
    for name in names:
        history = trial.metrics.get_history(name) if trial.metrics.exists(name) else []
        at_best = [one for one in history if one.step == trial.best_step] or history[-1:]
        values[name] = float(at_best[0].mean()) if at_best else math.nan  # not a NumPy scalar
    return values


def as_objectives(objective: ObjectiveLike | Sequence[ObjectiveLike] | None) -> list[keras_tuner.Objective]:
    """Return `objective` as a list of objectives, with their directions.

    Raises:
        ValueError: if a direction is neither given nor known by the metric's name, or an objective is there twice.
    """
    expected, objectives = "a name, a `keras_tuner.Objective` or several", []
    with asking("objective", expected, objective):
        given = list(objective) if isinstance(objective, (list, tuple)) else [objective]
    for one in given:
        with asking("objective", expected, one):
            if one is not None and not isinstance(one, (str, keras_tuner.Objective)):
                raise TypeError(invalid("objective", expected, objective))
        try:
            known = keras_tuner.Oracle(objective=one).objective
        except ValueError as error:
            hint = f"{error} One of another name is a `keras_tuner.Objective(name, direction)`."
            raise ValueError(invalid("objective", "a metric whose direction is known", one, hint)) from None
        if one is not None:
            if known.direction not in ("min", "max"):
                raise ValueError(
                    f"Invalid value received for argument `direction` of objective {known.name!r}. Expected 'min' or "
                    f"'max'. Received: {known.direction!r}"
                )
            known = ReportedObjective(known.name, known.direction)
        objectives.append(known)
    names = [one.name for one in objectives]
    if len(set(names)) != len(names) or not names:
        raise ValueError(invalid("objective", "each once", names))
    return objectives
