"""Readings of a model's answers for a drift monitor: their columns, the columns' names, and which answers are wrong."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from kerasnas import checks

_MOST_COLUMNS = 32  # beyond, the test of all columns at once loses power to each of them
_USUAL = 0.9  # share of the reference's errors that count as usual


class Reading(abc.ABC):
    """A reading of the answers of a model.

    Args:
        names: of the outputs.
        watched: the outputs that have a column. Defaults to none: see `watch`.

    Attributes:
        what: an answer in words, such as `"class number"`.
        each: an output in names of columns. Defaults to `"probability of"`.
        summary: names of the columns that sum up an answer. Defaults to none.
        tolerance: the error up to which an answer counts as right.
    """

    what: ClassVar[str]
    each: ClassVar[str] = "probability of"
    summary: ClassVar[tuple[str, ...]] = ()

    def __init__(self, names: Sequence[Any], watched: Sequence[int] = ()) -> None:
        self.names, self.watched, self.tolerance = tuple(names), tuple(watched), 0.5

    def watch(self, answers: np.ndarray) -> None:
        """Give a column to each output, or to the 32 that are largest on average in the reference."""
        means = np.asarray(answers).mean(axis=0)
        self.watched = tuple(sorted(np.argsort(-means, kind="stable")[:_MOST_COLUMNS].tolist()))

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*self.summary, *(f"{self.each} {self.names[index]}" for index in self.watched))

    def columns(self, answers: np.ndarray) -> np.ndarray:
        """Return the columns of answers, `(samples, columns)`: what sums them up, and the outputs that are watched."""
        answers = np.asarray(answers, "float32")
        return np.concatenate([*self.summed_up(answers), answers[:, list(self.watched)]], axis=1)

    def summed_up(self, answers: np.ndarray) -> list[np.ndarray]:
        """Return the columns that `summary` names, each `(samples, 1)`. Here: none."""
        return []

    @abc.abstractmethod
    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        """Return `y` as an array; raise ValueError unless it has the right answer for each sample."""

    @abc.abstractmethod
    def errors(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the error of each answer, which is right up to `tolerance`."""

    def usual_error(self, errors: np.ndarray) -> float:
        """Return the tolerance that follows from the errors on the reference. Here: `tolerance`."""
        return self.tolerance

    def wrong(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return True for each wrong answer."""
        return self.errors(answers, y) > self.tolerance

    def _table(self, argument: str, y: Any, samples: int) -> np.ndarray:
        y = checks.array(argument, y)
        y = y[:, None] if y.ndim == 1 and len(self.names) == 1 else y
        if y.shape != (samples, len(self.names)):
            expected = f"{self.what}, of shape ({samples}, {len(self.names)})"
            raise ValueError(checks.invalid(argument, expected, f"shape {y.shape}"))
        return y


class NumberReading(Reading):
    """Numbers, a column each. An answer is right if its error is at most that of nine in ten reference answers."""

    what, each = "finite numbers", "answer"

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        return self._table(argument, y, samples).astype("float64")

    def errors(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the root of the mean squared error over the numbers of each sample."""
        return np.sqrt(((np.asarray(answers, "float64") - y) ** 2).mean(axis=1))

    def usual_error(self, errors: np.ndarray) -> float:
        """Return the ninth decile."""
        return float(np.quantile(errors, _USUAL))
