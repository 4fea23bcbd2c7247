"""What a search is for: objectives that say what the model reports when they are not among it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import keras_tuner
from keras_tuner.errors import FatalValueError

from kerasnas.checks import nearest

ObjectiveLike: TypeAlias = str | keras_tuner.Objective


class ReportedObjective(keras_tuner.Objective):
    """An objective that a model reports. If it does not, the search ends at once and the message lists what it does.

    A NaN is worse than any number, so that a diverged epoch does not hide the good ones.

    Example:

    >>> ReportedObjective("val_accuracy", "max").get_value({"val_accuracy": 0.5, "loss": 1.0})
    0.5
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


def as_objectives(objective: ObjectiveLike | Sequence[ObjectiveLike] | None) -> list[keras_tuner.Objective]:
    """`objective` as a list of objectives, with their directions.

    Raises:
        ValueError: if a direction is neither given nor known by the metric's name, or an objective is there twice.
    """
    given = list(objective) if isinstance(objective, (list, tuple)) else [objective]
    found = []
    for one in given:
        made = keras_tuner.Oracle(objective=one).objective
        if one is not None:
            if made.direction not in ("min", "max"):
                raise ValueError(
                    f"Invalid value received for argument `direction` of objective {made.name!r}. Expected 'min' or "
                    f"'max'. Received: {made.direction!r}"
                )
            made = ReportedObjective(made.name, made.direction)
        found.append(made)
    names = [one.name for one in found]
    if len(set(names)) != len(names) or not names:
        raise ValueError(f"Invalid value received for argument `objective`. Expected each once. Received: {names}")
    return found
