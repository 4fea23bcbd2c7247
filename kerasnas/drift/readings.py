"""Readings of a model's outputs, one for each task: their columns, their names, and which answers are wrong."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.drift.features import output_columns, output_names, watched_classes
from kerasnas.tasks import TASKS

_USUAL = 0.9  # share of the reference's errors that are taken for usual


class Reading(abc.ABC):
    """A reading of the outputs of a model.

    Args:
        names: of the outputs.
        watched: the outputs that have a column. Defaults to none: see `watch`.

    Attributes:
        what: an answer in words, such as `"class number"`.
        tolerance: the error up to which an answer counts as right.
    """

    what: str

    def __init__(self, names: Sequence[Any], watched: Sequence[int] = ()) -> None:
        self.names, self.watched, self.tolerance = tuple(names), tuple(watched), 0.5

    def watch(self, outputs: np.ndarray) -> None:
        """Choose the outputs that have a column, by those of the reference."""
        self.watched = watched_classes(outputs)

    @property
    @abc.abstractmethod
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns."""

    @abc.abstractmethod
    def columns(self, outputs: np.ndarray) -> np.ndarray:
        """The columns of outputs, `(samples, columns)`."""

    @abc.abstractmethod
    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        """Return `y` as an array if it has the right answer for each sample.

        Raises:
            ValueError: otherwise.
        """

    @abc.abstractmethod
    def errors(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The error of each answer, which is right up to `tolerance`."""

    def usual_error(self, errors: np.ndarray) -> float:
        """The tolerance that follows from the errors on the reference. Here: what it is anyway."""
        return self.tolerance

    def wrong(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """True for each wrong answer."""
        return self.errors(outputs, y) > self.tolerance

    def _table(self, argument: str, y: Any, samples: int) -> np.ndarray:
        y = checks.array(argument, y)
        y = y[:, None] if y.ndim == 1 and len(self.names) == 1 else y
        if y.shape != (samples, len(self.names)):
            expected = f"{self.what}, of shape ({samples}, {len(self.names)})"
            raise ValueError(checks.invalid(argument, expected, f"shape {y.shape}"))
        return y


class ClassReading(Reading):
    """Probabilities of classes: the largest one, and one of each class. An answer is right or wrong."""

    what = "class number"

    @property
    def column_names(self) -> tuple[str, ...]:
        return output_names(self.watched, self.names)

    def columns(self, outputs: np.ndarray) -> np.ndarray:
        return output_columns(outputs, self.watched)

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        y = checks.array(argument, y, rank=1, kinds="iu")
        if len(y) != samples:
            raise ValueError(checks.invalid(argument, f"a class number of each of the {samples} samples", len(y)))
        unknown = y[(y < 0) | (y >= len(self.names))]
        if len(unknown):
            expected = f"class numbers from 0 to {len(self.names) - 1}, those of the model"
            raise ValueError(checks.invalid(argument, expected, int(unknown[0])))
        return y.astype("int64")

    def errors(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (outputs.argmax(axis=1) != y).astype("float64")


class LabelReading(Reading):
    """Probabilities of labels: how many are expected, and one of each label. An answer is right if all labels are."""

    what = "0 or 1 for each label"

    @property
    def column_names(self) -> tuple[str, ...]:
        return ("number of labels", *(f"probability of {self.names[index]}" for index in self.watched))

    def columns(self, outputs: np.ndarray) -> np.ndarray:
        outputs = np.asarray(outputs, "float32")
        return np.concatenate([outputs.sum(axis=1, keepdims=True), outputs[:, list(self.watched)]], axis=1)

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        y = self._table(argument, y, samples)
        if not np.isin(y, (0, 1)).all():
            raise ValueError(checks.invalid(argument, self.what, y[~np.isin(y, (0, 1))][0].item()))
        return y > 0

    def errors(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((np.asarray(outputs) > 0.5) != y).any(axis=1).astype("float64")


class NumberReading(Reading):
    """Numbers: each is a column. An answer is right if it errs no more than nine of ten did in the reference."""

    what = "finite numbers"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(f"answer {self.names[index]}" for index in self.watched)

    def columns(self, outputs: np.ndarray) -> np.ndarray:
        return np.asarray(outputs, "float32")[:, list(self.watched)]

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        return self._table(argument, y, samples).astype("float64")

    def errors(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The root of the mean squared error over the numbers of a sample."""
        return np.sqrt(((np.asarray(outputs, "float64") - y) ** 2).mean(axis=1))

    def usual_error(self, errors: np.ndarray) -> float:
        """The ninth decile."""
        return float(np.quantile(errors, _USUAL))


_READINGS: dict[str, type[Reading]] = dict(zip(TASKS, (ClassReading, LabelReading, NumberReading), strict=True))


def reading_of(task: str, names: Sequence[Any], watched: Sequence[int] = ()) -> Reading:
    """The reading of a task's outputs.

    Args:
        task: its name, one of `kerasnas.tasks.TASKS`.
        names: of the outputs.
        watched: the outputs that have a column. Defaults to none.

    Raises:
        ValueError: for an unknown task; names the nearest one.

    Example:

    >>> reading_of("regression", ["angle"], [0]).column_names
    ('answer angle',)
    """
    return _READINGS[checks.one_of("task", task, TASKS)](names, watched)
