"""Task of a run, its kind of samples, and how sure a difference is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas.records import Record
from kerasnas.tasks import Task
from kerasnas.tasks.known import task_of


def finite(value: float | None) -> float | None:
    """`value` as a float; None for NaN, infinity and None."""
    return float(value) if value is not None and math.isfinite(value) else None


def numbers_in(history: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """Return the metrics of a history that are one number an epoch."""
    series = {name: values for name, values in history.items() if isinstance(values, (list, tuple))}
    return {name: values for name, values in series.items() if all(isinstance(one, int | float) for one in values)}


def accuracies(result: Record) -> tuple[float | None, list[float]]:
    """Return the task's metric of the searched network, None if it is missing, and those of the random ones."""
    name = task_in(result).metric
    values = [finite(result.metric(name, network)) for network in (result.searched, *result.random)]
    return values[0], [value for value in values[1:] if value is not None]


def task_in(result: Mapping[str, Any]) -> Task:
    """Return the task of a run; a record without one is of a classification."""
    return task_of((result.get("dataset") or {}).get("task"))


def doubt_in_words(difference: float, error: float) -> str:
    """Return the end of a sentence on a difference that its 95 % interval does not tell from none; else nothing.

    Example:

    >>> doubt_in_words(-0.01, 0.02), doubt_in_words(0.1, 0.02)
    (', which may be chance', '')
    """
    return "" if abs(difference) > 1.96 * error else ", which may be chance"
