"""Multilabel: any number of labels for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.tasks.base import SMALLEST, Task, wrong_labels


@keras.saving.register_keras_serializable(package="kerasnas")
def label_accuracy(y_true: Tensor, y_pred: Tensor) -> Any:
    """For each sample, the share of its labels that the signs of the logits get right."""
    return ops.mean(ops.cast(ops.equal(y_pred > 0, ops.cast(y_true, "float32") > 0.5), "float32"), axis=-1)


class Multilabel(Task):
    """Any number of labels for each sample: 0 or 1 for each, `(samples, labels)`.

    A score is the share of labels that are right; the result is stated by the micro-averaged F1, which a network that
    finds nothing gets 0 of.

    Example:

    >>> task = Multilabel()
    >>> y = np.array([[1, 0], [1, 1]])
    >>> task.scores(np.array([[3.0, -2.0], [3.0, -2.0]]), y).tolist()
    [1.0, 0.5]
    >>> round(task.evaluation(np.array([[0.9, 0.2], [0.9, 0.2]]), y)["f1"], 2)
    0.8
    """

    name, metric, words, percent = "multilabel", "f1", "micro-F1", True

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing)

    def metrics(self) -> list[Any]:
        return [keras.metrics.MeanMetricWrapper(label_accuracy, name="accuracy")]

    def layer(self) -> keras.layers.Layer:
        return keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-np.clip(outputs, -80, 80)))

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((outputs > 0) == (np.asarray(y) > 0.5)).mean(axis=1)

    def chance(self, y: np.ndarray, outputs: int) -> float:
        shares = np.asarray(y).mean(axis=0)
        return float(np.maximum(shares, 1 - shares).mean())

    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        found, true = answers > 0.5, np.asarray(y) > 0.5
        total = found.sum() + true.sum()
        losses = -np.log(np.maximum(np.where(true, answers, 1 - answers), SMALLEST))
        return {
            "f1": float(2 * (found & true).sum() / total) if total else 1.0,
            "accuracy": float((found == true).mean()),
            "exact": float((found == true).all(axis=1).mean()),
            "loss": float(losses.mean()),
        }

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training") -> None:
        if y.ndim != 2 or y.dtype.kind not in "iufb" or not np.isin(y, (0, 1)).all():
            raise wrong_labels("y", what, "0 or 1 for each label, shape (samples, labels)", y)
        if outputs is not None and y.shape[1] != outputs:
            raise wrong_labels("y", what, f"{outputs} labels a sample", y)

    def strata(self, y: np.ndarray) -> np.ndarray:
        """The rarest label of each sample; the number of labels for one that has none."""
        y = np.asarray(y) > 0.5
        frequency = np.append(y.sum(axis=0), len(y) + 1)
        own = np.where(np.column_stack([y, np.ones(len(y), bool)]), frequency, len(y) + 2)
        return own.argmin(axis=1)

    def in_words(self, answers: Mapping[str, float]) -> str:
        return ", ".join(name for name, value in answers.items() if value > 0.5) or "none"

    def score_in_words(self, score: float, samples: str) -> str:
        return f"{100 * score:.1f} % of the labels of the {samples}"

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return ((first > 0.5) == (second > 0.5)).all(axis=1)
