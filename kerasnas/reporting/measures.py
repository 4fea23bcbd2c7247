"""The measure of a run by its task: the metric of its result, the scores of its race, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas.intervals import wilson_interval
from kerasnas.tasks import Task, task_of

_SCORES = {"classification": "accuracy", "multilabel": "accuracy of labels", "regression": "R2"}


def task_in(result: Mapping[str, Any]) -> Task:
    """The task of a run: classification where the record does not say."""
    return task_of((result.get("dataset") or {}).get("task"))


def score_label(task: Task) -> str:
    """The name of the mean score by which the networks of a race are compared."""
    return _SCORES[task.name]


def axis_scale(task: Task) -> tuple[float, str]:
    """The factor of metrics and scores on an axis, and the end of its label: `" in %"`, or nothing."""
    return (100.0, " in %") if task.percent else (1.0, "")


def interval_in_words(task: Task, record: Mapping[str, Any], value: float | None, samples: int | None) -> str:
    """The 95 % interval of the task's metric in brackets; nothing where it is not known.

    Args:
        task: of the run.
        record: of the network; other tasks than classification have an `"interval"` in it.
        value: of the metric.
        samples: how many it was measured on.

    Example:

    >>> from kerasnas.tasks import CLASSIFICATION
    >>> interval_in_words(CLASSIFICATION, {}, 0.9, 1000)
    ' (95 % interval 88.0 to 91.7 %)'
    """
    if task.name == "classification" and samples and value is not None:
        low, high = wilson_interval(value, samples)
        return f" (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    if "interval" in record:
        low, high = record["interval"]
        return f" (95 % interval {task.show(low)} to {task.show(high)})"
    return ""


def show_score(task: Task, score: float) -> str:
    """A mean score as text.

    Example:

    >>> from kerasnas.tasks import CLASSIFICATION, Regression
    >>> show_score(CLASSIFICATION, 0.912), show_score(Regression(), 0.912)
    ('91.2 %', '0.912')
    """
    return f"{100 * score:.1f} %" if task.percent else f"{score:.3f}"


def show_lead(task: Task, difference: float, error: float, digits: int = 1) -> tuple[str, str]:
    """A difference of mean scores without its sign, and half of its 95 % interval, as text.

    Args:
        task: of the scores.
        difference: of their means.
        error: its standard error.
        digits: of points, where scores are shown in percent. Defaults to 1.

    Example:

    >>> from kerasnas.tasks import CLASSIFICATION, Regression
    >>> show_lead(CLASSIFICATION, -0.02, 0.01), show_lead(Regression(), 0.02, 0.01)
    (('2.0 points', '2.0'), ('0.020', '0.020'))
    """
    if task.percent:
        return f"{100 * abs(difference):.{digits}f} points", f"{196 * error:.{digits}f}"
    return f"{abs(difference):.3f}", f"{1.96 * error:.3f}"


def doubt_in_words(difference: float, error: float) -> str:
    """The end of a sentence on a difference that its 95 % interval does not tell from none; else nothing.

    Example:

    >>> doubt_in_words(-0.01, 0.02), doubt_in_words(0.1, 0.02)
    (', which may be chance', '')
    """
    return "" if abs(difference) > 1.96 * error else ", which may be chance"
