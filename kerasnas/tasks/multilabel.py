"""Multilabel: any number of labels for each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.tasks.base import MISTAKES, PENALTY, SMALLEST, TASKS, Loss, Task
from kerasnas.tasks.labels import check_numbers, wrong_labels
from kerasnas.tasks.metrics import OF_LABELS
from kerasnas.tasks.readings import Reading
from kerasnas.wording import wrong_value


@keras.saving.register_keras_serializable(package="kerasnas")
def label_accuracy(y_true: Tensor, y_pred: Tensor) -> Any:
    """Return for each sample the share of its labels that the signs of the logits get right."""
    return ops.mean(ops.cast(ops.equal(y_pred > 0, ops.cast(y_true, "float32") > 0.5), "float32"), axis=-1)


@TASKS.register("multilabel")
class Multilabel(Task):
    """Any number of labels for each sample: 0 or 1 for each, `(samples, labels)`.

    A score is the share of labels that are right. The result is stated by the micro-averaged F1, which is 0 for a
    network that finds nothing.

    Example:

    >>> task = Multilabel()
    >>> y = np.array([[1, 0], [1, 1]])
    >>> task.scores(np.array([[3.0, -2.0], [3.0, -2.0]]), y).tolist()
    [1.0, 0.5]
    >>> round(task.evaluation(np.array([[0.9, 0.2], [0.9, 0.2]]), y)["f1"], 2)
    0.8
    """

    name, metric, words, percent = "multilabel", "f1", "micro-F1", True
    score_metric, score_words, least_score, logits = "accuracy", "accuracy of labels", 0.0, True
    scored_on, known_metrics = "of the labels of the", OF_LABELS
    further = {"accuracy": "accuracy of labels", "exact": "all labels right"}
    losses = ("binary",)
    outputs_words, answer_name = ("label", "labels"), "labels"
    described_as, deployed_as = "multi-label classifier", "classifier"
    deployed = ("binary_crossentropy", ("binary_accuracy",))
    usage = ("probabilities", "print([name for name, value in zip(classes, probabilities) if value > 0.5])")
    mistakes_words = "Test samples with the most wrong labels, and what the network found."

    @classmethod
    def trained_by(cls, loss_name: str, y: np.ndarray | None) -> bool:
        return super().trained_by(loss_name, y) and (y is None or np.ndim(y) == 2)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing)

    def metrics(self) -> list[Any]:
        return [keras.metrics.MeanMetricWrapper(label_accuracy, name="accuracy")]

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((outputs > 0) == (np.asarray(y) > 0.5)).mean(axis=1)

    def chance(self, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        shares = np.average(y, axis=0, weights=weights)
        return float(np.maximum(shares, 1 - shares).mean())

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Return the rarest label of each sample; the number of labels for one that has none."""
        y = np.asarray(y) > 0.5
        frequency = np.append(y.sum(axis=0), len(y) + 1)
        own = np.where(np.column_stack([y, np.ones(len(y), bool)]), frequency, len(y) + 2)
        return own.argmin(axis=1)

    def strata_number(self, strata: np.ndarray, outputs: int) -> int:
        return outputs + 1

    @classmethod
    def recognizes(cls, y: np.ndarray) -> bool:
        if not check_numbers(y) or y.ndim != 2 or not np.isin(y, (0, 1)).all():
            return False
        if (y.sum(axis=1) == 1).all():
            hint = 'They may be one-hot: pass y.argmax(axis=-1), or say task="multilabel".'
            raise wrong_value("y", "class numbers, or a task", f"one 1 in each row. {hint}", "training")
        return True

    @classmethod
    def recognizes_columns(cls, table: np.ndarray | None) -> bool:
        return table is not None and table.shape[1] > 1 and bool(np.isin(table, (0, 1)).all())

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training", argument: str = "y") -> None:
        if y.ndim != 2 or y.dtype.kind not in "iufb" or not np.isin(y, (0, 1)).all():
            raise wrong_labels(argument, what, "0 or 1 for each label, shape (samples, labels)", y)
        if outputs is not None and y.shape[1] != outputs:
            raise wrong_labels(argument, what, f"{outputs} labels a sample", y)

    @classmethod
    def encoded(cls, y: np.ndarray, test: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        labels = np.arange(y.shape[-1])
        for part in (y, test):
            if part is not None:
                cls().check(part, len(labels))
        return y.astype("int64"), test, labels

    def labels_of(self, names: Sequence[str]) -> np.ndarray:
        return np.array(names)

    def given(self, y: np.ndarray, labels: np.ndarray) -> np.ndarray:
        self.check(y, len(labels), "test")
        return y

    def predicted(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return (answers > 0.5).astype(int)

    def layer(self) -> keras.layers.Layer:
        return keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-np.clip(outputs, -80, 80)))

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

    def answer_loss(self, answers: np.ndarray) -> Loss:
        return keras.losses.binary_crossentropy

    def answer_scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((answers > 0.5) == y).mean(axis=1)

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return ((first > 0.5) == (second > 0.5)).all(axis=1)

    def agreement(self, answers: np.ndarray, y: np.ndarray) -> float:
        return float(((answers > 0.5) == (y > 0.5)).mean())

    def reading(self, names: Sequence[Any], watched: Sequence[int] = ()) -> Reading:
        return LabelReading(names, watched)

    def linear_losses(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.logaddexp(0, outputs) - targets * outputs, self.answers(outputs) - targets

    def machine(self) -> Any:
        from sklearn.multioutput import MultiOutputClassifier
        from sklearn.svm import SVC

        return MultiOutputClassifier(SVC(C=PENALTY))

    def machine_score(self, predicted: np.ndarray, y: np.ndarray) -> float:
        return float((predicted == y).mean())

    def mistakes(self, answers: np.ndarray, y: np.ndarray, number: int = MISTAKES) -> list[dict[str, Any]]:
        """Return the samples with the most wrong labels, the surest first among equals; labels by number."""
        found, true = answers > 0.5, np.asarray(y) > 0.5
        wrong = (found != true).sum(axis=1)
        sure = np.where(found != true, np.abs(answers - 0.5), 0).sum(axis=1)
        order = [index for index in np.lexsort((-sure, -wrong))[:number] if wrong[index]]
        return [
            {
                "index": int(index),
                "label": np.flatnonzero(true[index]).tolist(),
                "taken_for": np.flatnonzero(found[index]).tolist(),
            }
            for index in order
        ]

    def evidence(self, answers: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        """Return `"labels"`: the samples of each, and how well it is found."""
        found, true = answers > 0.5, np.asarray(y) > 0.5
        counts = ((part).sum(axis=0).tolist() for part in (found & true, found, true))
        labels = [
            {
                "samples": there,
                "precision": hits / given if given else None,
                "recall": hits / there if there else None,
                "f1": 2 * hits / (given + there) if given + there else None,
            }
            for hits, given, there in zip(*counts, strict=True)
        ]
        return {"labels": labels}

    def summary(self, answers: np.ndarray, y: np.ndarray, names: Sequence[str], dataset: str) -> dict[str, Any]:
        labels = dict(zip(names, self.evidence(answers, y)["labels"], strict=True))
        return {**super().summary(answers, y, names, dataset), "labels": labels}

    def members(self, y: np.ndarray, outputs: int) -> list[np.ndarray]:
        return [y[:, number] > 0.5 for number in range(outputs)]

    def in_words(self, answers: Mapping[str, float]) -> str:
        return ", ".join(name for name, value in answers.items() if value > 0.5) or "none"

    def label_in_words(self, label: Any, names: Sequence[str]) -> str:
        return self.in_words({name: float(number in label) for number, name in enumerate(names)})

    def summary_in_words(self, record: Mapping[str, Any]) -> str:
        lines = [super().summary_in_words(record)]
        width = max(map(len, record["labels"]), default=0)
        for name, label in sorted(record["labels"].items(), key=lambda item: item[1]["f1"] or 0.0):
            values = {key: "-" if label[key] is None else f"{label[key]:.4g}" for key in ("precision", "recall", "f1")}
            shown = ", ".join(f"{key} {text}" for key, text in values.items())
            lines.append(f"  {name:<{width}}  {shown} of {label['samples']:,}\n")
        return "".join(lines)

    def purpose(self, kinds: str, dataset: str, names: Sequence[str]) -> str:
        return f"finds any of {len(names)} labels in {kinds} of {dataset}"


class LabelReading(Reading):
    """Probabilities of labels: their sum, and one of each label. An answer is right if all labels are."""

    what, summary = "0 or 1 for each label", ("number of labels",)

    def summed_up(self, answers: np.ndarray) -> list[np.ndarray]:
        return [answers.sum(axis=1, keepdims=True)]

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        y = self._table(argument, y, samples)
        if not np.isin(y, (0, 1)).all():
            raise ValueError(checks.invalid(argument, self.what, y[~np.isin(y, (0, 1))][0].item()))
        return y > 0

    def errors(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((np.asarray(answers) > 0.5) != y).any(axis=1).astype("float64")
