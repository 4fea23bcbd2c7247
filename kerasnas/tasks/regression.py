"""Regression: numbers for each sample."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.tasks.base import TASKS, Loss, Task
from kerasnas.tasks.labels import check_numbers, wrong_labels
from kerasnas.tasks.metrics import OF_NUMBERS
from kerasnas.wording import wrong_value


@TASKS.register("regression")
@dataclasses.dataclass(frozen=True)
class Regression(Task):
    """Numbers for each sample: `(samples, numbers)`, standardized for the network.

    A network learns `(y - offset) / scale`; a deployed model answers `y`. A score is 1 minus the squared error in units
    of the variance, so that the mean score is the share of the variance that is explained, and 0 for a network that
    answers `offset`.

    Args:
        offset: mean of each number in the training data. Defaults to 0.
        scale: standard deviation of each number there. Defaults to 1.

    Raises:
        ValueError: if they have different lengths, or a scale is not above 0.

    Example:

    >>> task = Regression.fitted(np.array([[10.0], [30.0]]))
    >>> task.prepared(np.array([[30.0]])), task.answers(np.array([[1.0]]))
    (array([[1.]]), array([[30.]]))
    """

    offset: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)

    name, metric, words = "regression", "r2", "R2"
    known_metrics = OF_NUMBERS
    asked_last = True
    losses = ("mse", "mae", "meansquared", "meanabsolute", "huber", "logcosh", "mape", "msle")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_columns(self, "offset", "scale")
        if not all(value > 0 for value in self.scale):
            raise ValueError(checks.invalid("scale", f"{len(self.offset)} numbers above 0", self.scale))

    @classmethod
    def fitted(cls, y: np.ndarray) -> Self:
        y = checks.array("y", y, rank=2).astype(np.float64)
        if not y.size:
            raise ValueError(checks.invalid("y", "numbers of at least one sample", f"shape {y.shape}"))
        columns = y.T
        return cls(
            tuple(float(column.mean()) for column in columns), tuple(float(column.std()) or 1.0 for column in columns)
        )

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return keras.losses.MeanSquaredError()

    def metrics(self) -> list[Any]:
        return [keras.metrics.MeanAbsoluteError(name="mae")]

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 1 - ((np.asarray(outputs, np.float64) - y) ** 2).mean(axis=1)

    @classmethod
    def recognizes(cls, y: np.ndarray) -> bool:
        if not check_numbers(y) or (y.ndim == 2 and np.isin(y, (0, 1)).all()):  # the latter are labels
            return False
        if y.ndim == 1 and (y == np.round(y)).all():
            hint = 'Class numbers are integers: y.astype("int64"); of numbers, say task="regression".'
            raise wrong_value("y", "labels of an integer dtype", f"whole floats. {hint}", "training")
        return True

    @classmethod
    def recognizes_columns(cls, table: np.ndarray | None) -> bool:
        return table is not None and not (table.shape[1] > 1 and np.isin(table, (0, 1)).all())

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training", argument: str = "y") -> None:
        if y.ndim != 2 or y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise wrong_labels(argument, what, "finite numbers, shape (samples, numbers)", y)
        if outputs is not None and y.shape[1] != outputs:
            raise wrong_labels(argument, what, f"{outputs} numbers a sample", y)

    def prepared(self, y: np.ndarray) -> np.ndarray:
        return (np.asarray(y, np.float64) - np.array(self.offset)) / np.array(self.scale)

    def raw(self, y: np.ndarray) -> np.ndarray:
        return self.answers(np.asarray(y, np.float64))

    def layer(self) -> keras.layers.Layer:
        return keras.layers.Rescaling(list(self.scale), list(self.offset), dtype="float32", name="values")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        return outputs * np.array(self.scale) + np.array(self.offset)

    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        true = self.raw(y)
        errors = np.asarray(answers, np.float64) - true
        spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
        explained = 1 - (errors**2).sum(axis=0) / np.where(spread > 0, spread, 1.0)
        return {
            "r2": float(explained.mean()),
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "loss": float(((errors / np.array(self.scale)) ** 2).mean()),
        }

    def deviation(self, answers: np.ndarray, true: np.ndarray) -> np.ndarray:
        return super().deviation(answers, true) / np.array(self.scale)

    def answer_loss(self, answers: np.ndarray) -> Loss:
        """Return the squared error in units of the variance."""
        variance = np.square(self.scale)

        def squared_error(labels: Any, outputs: Any) -> Any:
            error = keras.ops.cast(labels, outputs.dtype) - outputs
            return keras.ops.mean(keras.ops.square(error) / keras.ops.cast(variance, outputs.dtype), axis=-1)

        return squared_error


def check_columns(task: Task, *names: str) -> None:
    """Raise ValueError unless fields of a task are sequences of numbers of one length; make tuples of them."""
    for name in names:
        values = getattr(task, name)
        if not isinstance(values, (tuple, list)) or not values:
            raise ValueError(checks.invalid(name, "a sequence of numbers, at least one", values))
        object.__setattr__(task, name, tuple(checks.number(name, value) for value in values))
    first, last = getattr(task, names[0]), getattr(task, names[-1])
    if len(first) != len(last):
        raise ValueError(checks.invalid(names[-1], f"{len(first)} numbers above 0", last))
