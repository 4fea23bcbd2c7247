"""Regression: numbers for each sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from kerasnas import checks
from kerasnas.tasks.base import Task, wrong_labels

_STRATA, _FEWEST = 10, 5  # parts of equal size, and samples in one


@dataclasses.dataclass(frozen=True)
class Regression(Task):
    """Numbers for each sample: `(samples, numbers)`, standardized for the network.

    A network learns `(y - offset) / scale`; a deployed model answers `y`. A score is 1 less the squared error in units
    of the variance, so that the mean score is the share of the variance that is explained, and 0 of a network that
    answers `offset`.

    Args:
        offset: of each number, its mean in the training data. Defaults to 0.
        scale: of each number, its standard deviation there. Defaults to 1.

    Raises:
        ValueError: if they are not of one length, or a scale is not above 0.

    Example:

    >>> task = Regression.fitted(np.array([[10.0], [30.0]]))
    >>> task.standardized(np.array([[30.0]])), task.answers(np.array([[1.0]]))
    (array([[1.]]), array([[30.]]))
    """

    offset: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)

    name: ClassVar[str] = "regression"
    metric: ClassVar[str] = "r2"
    words: ClassVar[str] = "R2"
    percent: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("offset", "scale"):
            values = getattr(self, name)
            if not isinstance(values, (tuple, list)) or not values:
                raise ValueError(checks.invalid(name, "a sequence of numbers, at least one", values))
            object.__setattr__(self, name, tuple(checks.number(name, value) for value in values))
        if len(self.offset) != len(self.scale) or not all(value > 0 for value in self.scale):
            raise ValueError(checks.invalid("scale", f"{len(self.offset)} numbers above 0", self.scale))

    @classmethod
    def fitted(cls, y: np.ndarray) -> Regression:
        """The task of numbers with the mean and the deviation of these, `(samples, numbers)`."""
        y = checks.array("y", y, rank=2).astype(np.float64)
        if not y.size:
            raise ValueError(checks.invalid("y", "numbers of at least one sample", f"shape {y.shape}"))
        columns = y.T
        return cls(
            tuple(float(column.mean()) for column in columns), tuple(float(column.std()) or 1.0 for column in columns)
        )

    def standardized(self, y: np.ndarray) -> np.ndarray:
        """Numbers as the network learns them."""
        return (np.asarray(y, np.float64) - np.array(self.offset)) / np.array(self.scale)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return keras.losses.MeanSquaredError()

    def metrics(self) -> list[Any]:
        return [keras.metrics.MeanAbsoluteError(name="mae")]

    def layer(self) -> keras.layers.Layer:
        return keras.layers.Rescaling(list(self.scale), list(self.offset), dtype="float32", name="values")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        return outputs * np.array(self.scale) + np.array(self.offset)

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 1 - ((np.asarray(outputs, np.float64) - y) ** 2).mean(axis=1)

    def chance(self, y: np.ndarray, outputs: int) -> float:
        return 0.0

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

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training") -> None:
        if y.ndim != 2 or y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise wrong_labels("y", what, "finite numbers, shape (samples, numbers)", y)
        if outputs is not None and y.shape[1] != outputs:
            raise wrong_labels("y", what, f"{outputs} numbers a sample", y)

    def strata(self, y: np.ndarray) -> np.ndarray:
        """The tenth, or a larger part of few samples, that the first number lies in."""
        parts = max(1, min(_STRATA, len(y) // _FEWEST))
        ranks = np.argsort(np.argsort(np.asarray(y)[:, 0], kind="stable"), kind="stable")
        return ranks * parts // len(y)

    def raw(self, y: np.ndarray) -> np.ndarray:
        return self.answers(np.asarray(y, np.float64))

    def in_words(self, answers: Mapping[str, float]) -> str:
        numbers = (f"{value:.4g}" if len(answers) == 1 else f"{name} {value:.4g}" for name, value in answers.items())
        return ", ".join(numbers)

    def score_in_words(self, score: float, samples: str) -> str:
        return f"{score:.3f} of the variance of the {samples}"

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (np.abs(first - second) <= 0.01 * np.array(self.scale)).all(axis=1)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "offset": list(self.offset), "scale": list(self.scale)}
