"""The task of a run, its kind of samples, and how sure a difference is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas.tasks import Task, task_of


def task_in(result: Mapping[str, Any]) -> Task:
    """Return the task of a run; a record without one is of a classification."""
    return task_of((result.get("dataset") or {}).get("task"))


def doubt_in_words(difference: float, error: float) -> str:
    """The end of a sentence on a difference that its 95 % interval does not tell from none; else nothing.

    Example:

    >>> doubt_in_words(-0.01, 0.02), doubt_in_words(0.1, 0.02)
    (', which may be chance', '')
    """
    return "" if abs(difference) > 1.96 * error else ", which may be chance"
