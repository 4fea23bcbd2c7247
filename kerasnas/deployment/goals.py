"""Goals of a re-adaptation, one for each task: the loss and the scores of a deployed model's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from kerasnas.tasks import MULTILABEL, Regression

_SMALLEST = 1e-30  # probability whose logarithm is taken: its gradient is still finite
Loss = Callable[[Any, Any], Any]


class Goal(Protocol):
    """The aim of the answers of a deployed model in a training, and how near to it they are."""

    def loss(self, answers: np.ndarray) -> Loss:
        """The loss of answers like these, `(labels, answers) -> (samples,)`."""

    def scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        """For each sample, how right its answer is, 1 at best."""

    def strata(self, y: np.ndarray) -> np.ndarray:
        """A number for each sample, which a split has in equal shares on both sides."""


class ClassGoal:
    """Classes: cross-entropy of probabilities, or of logits; an answer is right or not."""

    def loss(self, answers: np.ndarray) -> Loss:
        probabilities = bool((answers >= 0).all()) and np.allclose(answers.sum(axis=1), 1, atol=1e-3)
        return _of_probabilities if probabilities else _of_logits

    def scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (answers.argmax(axis=1) == y).astype("float64")

    def strata(self, y: np.ndarray) -> np.ndarray:
        return y


class LabelGoal:
    """Several labels: binary cross-entropy of probabilities; a score is the share of labels that are right."""

    def loss(self, answers: np.ndarray) -> Loss:
        return keras.losses.binary_crossentropy

    def scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((answers > 0.5) == y).mean(axis=1)

    def strata(self, y: np.ndarray) -> np.ndarray:
        return MULTILABEL.strata(y)


class NumberGoal:
    """Numbers: squared errors in units of the variance of the labels; a score is 1 less that.

    Args:
        y: labels, `(samples, numbers)`.
    """

    def __init__(self, y: np.ndarray) -> None:
        self.task = Regression.fitted(y)

    def loss(self, answers: np.ndarray) -> Loss:
        variance = np.square(self.task.scale)

        def squared_error(labels: Any, outputs: Any) -> Any:
            error = keras.ops.cast(labels, outputs.dtype) - outputs
            return keras.ops.mean(keras.ops.square(error) / keras.ops.cast(variance, outputs.dtype), axis=-1)

        return squared_error

    def scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 1 - (((np.asarray(answers, "float64") - y) / np.array(self.task.scale)) ** 2).mean(axis=1)

    def strata(self, y: np.ndarray) -> np.ndarray:
        return self.task.strata(y)


def goal_of(task: str, y: np.ndarray) -> Goal:
    """The goal of a task.

    Args:
        task: its name.
        y: the new labels.

    Example:

    >>> goal_of("multilabel", np.zeros((1, 2))).scores(np.array([[0.9, 0.1]]), np.array([[1, 1]])).tolist()
    [0.5]
    """
    if task == "regression":
        return NumberGoal(y)
    return LabelGoal() if task == "multilabel" else ClassGoal()


def _of_probabilities(labels: Any, outputs: Any) -> Any:
    """As Keras', but unclipped: of a class that is held for impossible there is a gradient too."""
    own = keras.ops.take_along_axis(outputs, keras.ops.cast(keras.ops.reshape(labels, (-1, 1)), "int32"), axis=1)
    return -keras.ops.log(keras.ops.maximum(own[:, 0], _SMALLEST))


def _of_logits(labels: Any, outputs: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)
