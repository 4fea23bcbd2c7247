"""Task: what a network predicts of a sample, and all that follows from it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from kerasnas import checks

SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest probability whose logarithm is taken."""
_RESAMPLED = 400  # draws of a bootstrap interval


class Task(abc.ABC):
    """A kind of prediction, and all that follows from it: loss, metrics, scores, what a deployed model answers.

    Networks have as many outputs as there are classes, labels or numbers, without an activation: `outputs` below.

    Attributes:
        name: `"classification"`, `"multilabel"` or `"regression"`.
        metric: the name of the metric that a result is stated by: `"accuracy"`, `"f1"` or `"r2"`.
        words: that metric in words.
        percent: whether the metric is shown in per cent.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    words: ClassVar[str]
    percent: ClassVar[bool]

    @abc.abstractmethod
    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """The loss of a network's outputs.

        Args:
            label_smoothing: share of a label that is spread over the others. Defaults to 0; numbers have none.
        """

    @abc.abstractmethod
    def metrics(self) -> list[Any]:
        """New metrics of a network's outputs, for `compile`."""

    @abc.abstractmethod
    def layer(self) -> keras.layers.Layer:
        """The layer that makes a deployed model's answers of a network's outputs."""

    @abc.abstractmethod
    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """The answers that `layer` makes of outputs, as an array."""

    @abc.abstractmethod
    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """For each sample, how right a network is: the mean is 1 at best.

        Args:
            outputs: `(samples, outputs)`.
            y: the labels, as the network was trained on them.
        """

    @abc.abstractmethod
    def chance(self, y: np.ndarray, outputs: int) -> float:
        """The mean score of a network that has learned nothing of the samples."""

    @abc.abstractmethod
    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """The loss and all metrics of a deployed model's answers; `y` as it was trained on."""

    @abc.abstractmethod
    def check(self, y: np.ndarray, outputs: int | None, what: str = "training") -> None:
        """Raise ValueError, naming `y`, unless these are labels of this task, for so many outputs where known."""

    @abc.abstractmethod
    def strata(self, y: np.ndarray) -> np.ndarray:
        """A number for each sample, which a split has in equal shares on both sides."""

    @abc.abstractmethod
    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """For each sample, whether two models that should be the same answer the same."""

    def interval(self, answers: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float]:
        """The 95 % interval of `metric`, by 400 bootstrap samples.

        Args:
            answers, y: as for `evaluation`.
            seed: of the samples. Defaults to 0.
        """
        rng = np.random.default_rng(checks.seed(seed))
        draws = (rng.integers(len(y), size=len(y)) for _ in range(_RESAMPLED))
        low, high = np.quantile(
            [self.evaluation(answers[rows], y[rows])[self.metric] for rows in draws], (0.025, 0.975)
        )
        return float(low), float(high)

    def raw(self, y: np.ndarray) -> np.ndarray:
        """Labels as a deployed model answers them. Here: as networks learn them."""
        return y

    @abc.abstractmethod
    def in_words(self, answers: Mapping[str, float]) -> str:
        """The answers of a deployed model for one sample as text: probabilities or numbers, by name."""

    @abc.abstractmethod
    def score_in_words(self, score: float, samples: str) -> str:
        """A mean score, and of what; `samples` such as `"held-out images"`."""

    def show(self, value: float) -> str:
        """A value of `metric` as text."""
        return f"{100 * value:.2f} %" if self.percent else f"{value:.3f}"

    def get_config(self) -> dict[str, Any]:
        """The configuration that `task_of` makes it of again."""
        return {"name": self.name}


def wrong_labels(argument: str, what: str, expected: str, y: np.ndarray) -> ValueError:
    """The error for labels of another dtype or shape than expected."""
    return ValueError(labels_message(argument, what, expected, f"dtype {y.dtype}, shape {y.shape}"))


def labels_message(argument: str, what: str, expected: str, received: str) -> str:
    """The message for labels that cannot be right."""
    return f"Invalid value received for argument `{argument}` ({what} data). Expected {expected}. Received: {received}"
