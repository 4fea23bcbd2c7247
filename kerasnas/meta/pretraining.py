"""Joint supervised pre-training: one network learns several data sets at once, each with its own classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor


@keras.saving.register_keras_serializable(package="kerasnas")
class JointCrossentropy(keras.losses.Loss):
    r"""Cross-entropy of a sample among the classes of its own data set.

    With $G(y)$ the classes of the data set that class $y$ belongs to, the loss of logits $z$ is
    $-(1 - s) \log p_y - \frac{s}{|G(y)|} \sum_{c \in G(y)} \log p_c$ with
    $p_c = e^{z_c} / \sum_{c' \in G(y)} e^{z_{c'}}$, as if each data set had its own head.

    Args:
        groups: `(classes,)`, the index of the data set of each class.
        label_smoothing: $s$. Defaults to 0.1.

    Example: logits of another data set's classes do not count.

    >>> loss = JointCrossentropy([0, 0, 1, 1], label_smoothing=0)
    >>> round(float(loss([0], [[2.0, 2.0, 9.0, 5.0]])), 4) == round(float(np.log(2)), 4)
    True

    Reference:
        Caruana, "Multitask Learning", Machine Learning 28, 1997.
    """

    def __init__(
        self, groups: Sequence[int], label_smoothing: float = 0.1, name: str = "joint_crossentropy", **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.groups = [int(group) for group in groups]
        if not self.groups:
            raise ValueError(checks.invalid("groups", "the data set of at least one class", groups))
        self.label_smoothing = checks.number("label_smoothing", label_smoothing, least=0, below=1)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_pred = ops.convert_to_tensor(y_pred)
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        groups = ops.convert_to_tensor(self.groups, "int32")
        group = ops.cast(ops.equal(ops.take(groups, labels)[:, None], groups[None]), y_pred.dtype)
        log = ops.log_softmax(y_pred + (group - 1) * 1e4, axis=-1)
        target = ops.one_hot(labels, len(self.groups), dtype=log.dtype) * (1 - self.label_smoothing)
        target = target + self.label_smoothing * group / ops.sum(group, axis=-1, keepdims=True)
        return -ops.sum(target * log, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups, "label_smoothing": self.label_smoothing}


def within_groups(logits: Tensor, labels: Tensor, groups: Any) -> np.ndarray:
    """Predict each sample's class among the classes of its group data set."""
    groups = np.asarray(groups)
    group = groups[np.asarray(labels)][:, None] == groups[None]
    return np.where(group, logits, -np.inf).argmax(axis=-1)
