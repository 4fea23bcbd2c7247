"""Classification: one of several classes for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.tasks.base import SMALLEST, Task, labels_message, wrong_labels


@keras.saving.register_keras_serializable(package="kerasnas")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy from logits against class numbers of which a share is spread evenly over all classes.

    Args:
        label_smoothing: the share. Defaults to 0.1.

    Example:

    >>> loss = SmoothedCrossentropy(0.2)(np.array([0]), np.array([[2.0, 0.0]]))
    >>> expected = 0.9 * np.log1p(np.exp(-2)) + 0.1 * np.log1p(np.exp(2))
    >>> bool(np.isclose(loss, expected))
    True

    Reference:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016 (arXiv 1512.00567), section 7.
    """

    def __init__(self, label_smoothing: float = 0.1, name: str = "smoothed_crossentropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = checks.number("label_smoothing", label_smoothing, least=0, below=1)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        log = ops.log_softmax(y_pred, axis=-1)
        classes = y_pred.shape[-1]
        labels = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), classes, dtype=log.dtype)
        smooth = (1 - self.label_smoothing) * labels + self.label_smoothing / classes
        return -ops.sum(smooth * log, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


class Classification(Task):
    """One of several classes for each sample: labels are class numbers `(samples,)`.

    Example:

    >>> task = Classification()
    >>> task.scores(np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([0, 0]))
    array([ True, False])
    """

    name, metric, words, percent = "classification", "accuracy", "accuracy", True

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        if label_smoothing:
            return SmoothedCrossentropy(label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self) -> list[Any]:
        return ["accuracy"]

    def layer(self) -> keras.layers.Layer:
        return keras.layers.Softmax(dtype="float32", name="probabilities")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return outputs.argmax(axis=-1) == np.asarray(y)

    def chance(self, y: np.ndarray, outputs: int) -> float:
        return 1 / outputs

    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        own = np.maximum(answers[np.arange(len(y)), y], SMALLEST)
        return {"accuracy": float((answers.argmax(axis=1) == y).mean()), "loss": float(-np.log(own).mean())}

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training") -> None:
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise wrong_labels("y", what, "class numbers, integers of shape (samples,)", y)
        if y.size and (y.min() < 0 or (outputs is not None and y.max() >= outputs)):
            expected = "labels of at least 0" if outputs is None else f"labels from 0 to {outputs - 1}"
            raise ValueError(labels_message("y", what, expected, f"smallest {y.min()}, largest {y.max()}"))

    def strata(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(y)

    def in_words(self, answers: Mapping[str, float]) -> str:
        return max(answers, key=lambda name: answers[name])

    def score_in_words(self, score: float, samples: str) -> str:
        return f"{100 * score:.1f} % of the {samples}"

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return first.argmax(axis=1) == second.argmax(axis=1)
