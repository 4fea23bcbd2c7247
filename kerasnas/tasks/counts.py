"""Counts: non-negative whole numbers for each sample."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.tasks.base import SMALLEST, TASKS, Loss, Task
from kerasnas.tasks.labels import wrong_labels
from kerasnas.tasks.metrics import OF_NUMBERS
from kerasnas.tasks.regression import check_columns

_LARGEST = 80.0  # logarithm of a rate: float32 overflows at 88.7


@keras.saving.register_keras_serializable(package="kerasnas")
class PoissonDeviance(keras.losses.Loss):
    """Deviance of Poisson distributions from logarithms of rates, in units of the mean deviance of the labels.

    Outputs are logarithms of rates as multiples of `rate`, so that a network that answers 0 answers the mean.

    Args:
        rate: mean of each count.
        deviance: mean deviance of each count from it.
    """

    def __init__(self, rate: Any = (1.0,), deviance: Any = (1.0,), name: str = "poisson_deviance", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.rate, self.deviance = tuple(rate), tuple(deviance)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        rate, deviance = (ops.convert_to_tensor(values, y_pred.dtype) for values in (self.rate, self.deviance))
        counts = ops.cast(y_true, y_pred.dtype)
        relative = counts / rate
        known = relative * ops.log(ops.maximum(relative, SMALLEST)) - relative
        return ops.mean(2 * rate / deviance * (ops.exp(y_pred) - relative * y_pred + known), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": list(self.rate), "deviance": list(self.deviance)}


@TASKS.register("counts")
@dataclasses.dataclass(frozen=True)
class Counts(Task):
    """Counts of events for each sample: whole numbers of at least 0, `(samples, outputs)`.

    A network learns the logarithm of each rate, as a multiple of the mean rate; a deployed model answers rates. A score
    is 1 minus the Poisson deviance in units of that of the mean rate, so that the mean score is the share of the
    deviance that is explained, D2.

    Args:
        rate: mean of each count in the training data. Defaults to 1.
        deviance: mean Poisson deviance of each count from it there. Defaults to 1.

    Raises:
        ValueError: if they have different lengths, or one is not above 0.

    Example:

    >>> task = Counts.fitted(np.array([[1], [3]]))
    >>> task.rate, task.answers(np.array([[0.0]]))
    ((2.0,), array([[2.]]))
    """

    rate: tuple[float, ...] = (1.0,)
    deviance: tuple[float, ...] = (1.0,)

    name, metric, words, scored_on = "counts", "d2", "D2", "of the deviance of the"
    known_metrics = OF_NUMBERS
    losses = ("poisson",)
    outputs_words = ("count", "counts")
    deployed = ("poisson", ("mae",))
    usage = ("rates", "print(dict(zip(classes, rates)))")
    mistakes_words = "Test samples whose counts are furthest off, and the rates that the network found."

    def __post_init__(self) -> None:
        super().__post_init__()
        check_columns(self, "rate", "deviance")
        for name in ("rate", "deviance"):
            if not all(value > 0 for value in getattr(self, name)):
                raise ValueError(checks.invalid(name, "numbers above 0", getattr(self, name)))

    @classmethod
    def fitted(cls, y: np.ndarray) -> Self:
        y = np.asarray(y, np.float64)
        rate = np.where(y.mean(axis=0) > 0, y.mean(axis=0), 1.0)
        deviance = poisson_deviance(y, rate).mean(axis=0)
        return cls(tuple(rate.tolist()), tuple(np.where(deviance > 0, deviance, 1.0).tolist()))

    @property
    def scale(self) -> np.ndarray:
        """Standard deviations of Poisson distributions with the mean rates."""
        return np.sqrt(self.rate)

    @classmethod
    def of_loss(cls, loss: Any) -> Self:
        return cls(loss.rate, loss.deviance) if isinstance(loss, PoissonDeviance) else cls()

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return PoissonDeviance(self.rate, self.deviance)

    def metrics(self) -> list[Any]:
        return [keras.metrics.MeanMetricWrapper(self.loss().call, name="deviance")]

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.answer_scores(self.answers(outputs), y)

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training", argument: str = "y") -> None:
        numbers = y.ndim == 2 and y.dtype.kind in "iuf"
        if not numbers or not (np.isfinite(y) & (y >= 0) & (y == np.round(y))).all():
            raise wrong_labels(argument, what, "counts, whole numbers of at least 0, shape (samples, outputs)", y)
        if outputs is not None and y.shape[1] != outputs:
            raise wrong_labels(argument, what, f"{outputs} counts a sample", y)

    def layer(self) -> keras.layers.Layer:
        exponential = keras.layers.Activation("exponential", dtype="float32")
        scaled = keras.layers.Rescaling(list(self.rate), dtype="float32")
        return keras.Sequential([keras.Input((len(self.rate),)), exponential, scaled], name="rates")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        return np.exp(np.minimum(outputs, _LARGEST)) * np.array(self.rate)

    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        deviance = poisson_deviance(y, answers)
        usual = poisson_deviance(y, np.maximum(np.mean(y, axis=0), SMALLEST)).mean(axis=0)
        explained = 1 - deviance.mean(axis=0) / np.where(usual > 0, usual, 1.0)
        errors = np.asarray(answers, np.float64) - y
        return {
            "d2": float(explained.mean()),
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "loss": float((deviance / np.array(self.deviance)).mean()),
        }

    def answer_loss(self, answers: np.ndarray) -> Loss:
        return keras.losses.poisson

    def answer_scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 1 - (poisson_deviance(y, answers) / np.array(self.deviance)).mean(axis=1)

    def deviation(self, answers: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return differences in standard deviations of Poisson distributions with these rates."""
        return super().deviation(answers, true) / np.sqrt(np.maximum(answers, SMALLEST))

    def targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Return counts as multiples of the mean rate."""
        return super().targets(y, outputs) / np.array(self.rate)

    def linear_losses(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        relative = np.exp(np.minimum(outputs, _LARGEST))
        return relative - targets * outputs, relative - targets

    def ridge_targets(self, targets: np.ndarray) -> np.ndarray:
        """Return logarithms of the counts plus a half, which stay finite at 0."""
        return np.log(targets + 0.5 / np.array(self.rate))

    def boosting(self, **settings: Any) -> Any:
        return super().boosting(loss="poisson", **settings)

    def machine(self) -> Any:
        from sklearn.linear_model import PoissonRegressor
        from sklearn.multioutput import MultiOutputRegressor

        return MultiOutputRegressor(PoissonRegressor(max_iter=1000))

    def machine_score(self, predicted: np.ndarray, y: np.ndarray) -> float:
        return float(self.answer_scores(predicted, y).mean())


def poisson_deviance(y: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the deviance of each count from a Poisson distribution with this rate.

    Example:

    >>> poisson_deviance(np.array([0, 2]), np.array([1.0, 2.0])).tolist()
    [2.0, 0.0]
    """
    y, rates = np.asarray(y, np.float64), np.maximum(np.asarray(rates, np.float64), SMALLEST)
    ratio = np.where(y > 0, y / rates, 1.0)
    return 2 * (y * np.log(ratio) - y + rates)
