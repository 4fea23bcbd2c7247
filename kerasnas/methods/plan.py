"""Text of a plan: what a run will do, and how long that may take."""

from __future__ import annotations

from kerasnas import datasets

LATER = "time estimates follow the first epoch of each phase."


def plan_text(first: str, *phases: tuple[str, str]) -> str:
    """Return the lines of a plan: what holds for all of it, then each phase.

    Example:

    >>> print(plan_text("an hour.", ("search", "12 epochs")))
    Plan: an hour.
      search    12 epochs
    """
    return "\n".join([f"Plan: {first}", *(f"  {name:<9} {words}" for name, words in phases)])


def report_words(data: datasets.Dataset) -> str:
    """Return the phase of the report, in words."""
    return f"{data.task.words} on {len(data.x_test):,} test {data.modality.plural}, plots, report, model card"


def count(number: float) -> str:
    """A number of things, exact up to a million.

    Example:

    >>> count(49.0), count(15_625), count(3.2e14)
    ('49', '15,625', '3.2e+14')
    """
    return f"{round(number):,}" if number < 1e6 else f"{number:.1e}"
