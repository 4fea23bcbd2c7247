"""Classification: one of several classes for each sample."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.intervals import wilson_interval
from kerasnas.tasks.base import MISTAKES, PENALTY, SMALLEST, TASKS, Loss, Task
from kerasnas.tasks.class_labels import ClassLabels
from kerasnas.tasks.metrics import OF_CLASSES
from kerasnas.tasks.readings import Reading

_SMALLEST_ANSWER = 1e-30  # probability whose logarithm is taken in training: its gradient is still finite
_MOST_COLUMNS = 20  # probabilities in a table of samples
_MOST_CLASSES = 100  # of a confusion matrix


@keras.saving.register_keras_serializable(package="kerasnas")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits for class numbers, with a share of each label spread evenly over all classes.

    Args:
        label_smoothing: that share. Defaults to 0.1.

    Reference:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016 (arXiv 1512.00567), section 7.
    """

    @checks.arguments(name=checks.name)
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


@TASKS.register("classification")
class Classification(ClassLabels, Task):
    """One of several classes for each sample: labels are class numbers `(samples,)`.

    Example:

    >>> task = Classification()
    >>> task.scores(np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([0, 0]))
    array([ True, False])
    """

    name, metric, words, percent = "classification", "accuracy", "accuracy", True
    metric_is_mean, least_score, logits = True, 0.0, True
    scored_on, further, known_metrics = "of the", {}, OF_CLASSES
    outputs_words = ("class", "classes")
    described_as = deployed_as = "classifier"
    deployed = ("sparse_categorical_crossentropy", ("accuracy",))
    usage = ("probabilities", "print(classes[probabilities.argmax()], probabilities.max())")
    mistakes_words = "Test samples that the network is wrong about, those it is surest of first."

    @classmethod
    def prepare(cls, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray, Self]:
        return train, test, cls()

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        if label_smoothing:
            return SmoothedCrossentropy(label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self) -> list[Any]:
        return ["accuracy"]

    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return outputs.argmax(axis=-1) == np.asarray(y)

    def chance(self, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        counts = np.bincount(y, weights)
        return float(counts.max() / counts.sum())

    def strata(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(y)

    def group_strata(self, y: np.ndarray) -> np.ndarray:
        return self.strata(y)

    def strata_number(self, strata: np.ndarray, outputs: int) -> int:
        return outputs

    def layer(self) -> keras.layers.Layer:
        return keras.layers.Softmax(dtype="float32", name="probabilities")

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        own = np.maximum(answers[np.arange(len(y)), y], SMALLEST)
        return {"accuracy": float((answers.argmax(axis=1) == y).mean()), "loss": float(-np.log(own).mean())}

    def answer_loss(self, answers: np.ndarray) -> Loss:
        probabilities = bool((answers >= 0).all()) and np.allclose(answers.sum(axis=1), 1, atol=1e-3)
        return _of_probabilities if probabilities else _of_logits

    def answer_scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (answers.argmax(axis=1) == y).astype("float64")

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return first.argmax(axis=1) == second.argmax(axis=1)

    def agreement(self, answers: np.ndarray, y: np.ndarray) -> float:
        return float((answers == y).mean())

    def typical(self, y: np.ndarray) -> Any:
        return y[0]

    def reading(self, names: Sequence[Any], watched: Sequence[int] = ()) -> Reading:
        return ClassReading(names, watched)

    def targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        return np.eye(outputs)[np.asarray(y)]

    def linear_losses(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        log = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(targets * log), np.exp(log) - targets

    def machine(self) -> Any:
        from sklearn.svm import SVC

        return SVC(C=PENALTY)

    def machine_score(self, predicted: np.ndarray, y: np.ndarray) -> float:
        return float((predicted == y).mean())

    def mistakes(self, answers: np.ndarray, y: np.ndarray, number: int = MISTAKES) -> list[dict[str, Any]]:
        found = answers.argmax(axis=1)
        wrong = np.flatnonzero(found != y)
        sure = answers[wrong, found[wrong]]
        worst = np.argsort(-sure, kind="stable")[:number]
        return [
            {
                "index": int(i),
                "label": int(y[i]),
                "taken_for": int(found[i]),
                "probability": float(answers[i, found[i]]),
            }
            for i in wrong[worst]
        ]

    def true_in_words(self, y: np.ndarray, names: Sequence[str]) -> list[str]:
        return [names[label] for label in y]

    def evidence(self, answers: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        """Return the `"confusion"` matrix, a row for each true class; nothing for more than 100 classes."""
        classes = answers.shape[1]
        if classes > _MOST_CLASSES:
            return {}
        counts = np.bincount(np.asarray(y) * classes + answers.argmax(axis=1), minlength=classes**2)
        return {"confusion": counts.reshape(classes, classes).tolist()}

    def summary(self, answers: np.ndarray, y: np.ndarray, names: Sequence[str], dataset: str) -> dict[str, Any]:
        correct = answers.argmax(axis=1) == y

        def share(of: np.ndarray) -> dict[str, Any]:
            value, samples = float(correct[of].mean()), int(of.sum())
            return {"accuracy": value, "interval": list(wilson_interval(value, samples)), "samples": samples}

        classes = {name: y == number for number, name in enumerate(names)}
        return {
            "dataset": dataset,
            **share(np.ones(len(y), bool)),
            **self.measures(answers, y),
            "classes": {name: share(of) for name, of in classes.items() if of.any()},
        }

    def members(self, y: np.ndarray, outputs: int) -> list[np.ndarray]:
        return [y == number for number in range(outputs)]

    def in_words(self, answers: Mapping[str, float]) -> str:
        return max(answers, key=lambda name: answers[name])

    def label_in_words(self, label: Any, names: Sequence[str]) -> str:
        return names[label]

    def interval_in_words(self, record: Mapping[str, Any], value: float | None, samples: int | None) -> str:
        if not samples or value is None or not self.metric_is_mean:
            return super().interval_in_words(record, value, samples)
        low, high = wilson_interval(value, samples)
        return f" (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"

    def result_in_words(self, value: float, samples: int, data: str) -> str:
        return f"{self.show(value)} {'of' if self.metric_is_mean else 'on'} {samples:,} {data} samples"

    def summary_in_words(self, record: Mapping[str, Any]) -> str:
        def interval(of: Mapping[str, Any]) -> str:
            low, high = of["interval"]
            return f"{100 * low:.1f} to {100 * high:.1f} %"

        known = {name: one for name, one in self.known_metrics.items() if name in record and name != "accuracy"}
        others = "".join(f", {one.words} {record[name]:.4g}" for name, one in known.items())
        lines = [
            f"{record['dataset']}: {100 * record['accuracy']:.2f} % of {record['samples']:,} samples (95 % interval "
            f"{interval(record)}){others}, loss {record['loss']:.4f}"
        ]
        classes = sorted(record["classes"].items(), key=lambda item: item[1]["accuracy"])
        width = max((len(name) for name, _ in classes), default=0)
        for name, of in classes:
            lines.append(f"  {name:<{width}}  {100 * of['accuracy']:.1f} % of {of['samples']:,} ({interval(of)})")
        return "\n".join(lines) + "\n"

    def purpose(self, kinds: str, dataset: str, names: Sequence[str]) -> str:
        return f"sorts {kinds} of {dataset}{f' into {len(names)} classes' if names else ''}"

    def json_entries(self, answers: Mapping[str, float]) -> dict[str, Any]:
        best = self.in_words(answers)
        return {"class": best, "probability": answers[best], "probabilities": dict(answers)}

    def csv_cells(self, answers: Mapping[str, float]) -> list[tuple[str, str]]:
        best = self.in_words(answers)
        values = [("probability", answers[best]), *answers.items()]
        return [("class", best), *((name, f"{value:.6f}") for name, value in values)]

    def sample_cells(self, answers: Mapping[str, float]) -> list[tuple[str, str]]:
        """Return the class and the probability of each; of more than 20 classes, the three most probable ones."""
        if len(answers) <= _MOST_COLUMNS:
            return super().sample_cells(answers)
        best = heapq.nlargest(3, answers, key=lambda name: answers[name])
        cells = []
        for place, name in zip(("predicted", "second", "third"), best, strict=True):
            cells += [(place, name), (f"probability of {place}", f"{answers[name]:.6g}")]
        return cells

    def text_cells(self, answers: Mapping[str, float]) -> tuple[str, ...]:
        best = self.in_words(answers)
        return best, f"{100 * answers[best]:.1f} %"

    def confidence(self, answers: Sequence[float]) -> float | None:
        return max(answers)

    def entry(self) -> dict[str, Any]:
        return super().entry() if self.chosen else {}


class ClassReading(Reading):
    """Probabilities of classes: the largest one, and one of each class. An answer is right or wrong."""

    what, summary = "class number", ("confidence",)

    def summed_up(self, answers: np.ndarray) -> list[np.ndarray]:
        return [answers.max(axis=1, keepdims=True)]

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        y = checks.array(argument, y, rank=1, kinds="iu")
        if len(y) != samples:
            raise ValueError(checks.invalid(argument, f"a class number of each of the {samples} samples", len(y)))
        unknown = y[(y < 0) | (y >= len(self.names))]
        if len(unknown):
            expected = f"class numbers from 0 to {len(self.names) - 1}, those of the model"
            raise ValueError(checks.invalid(argument, expected, int(unknown[0])))
        return y.astype("int64")

    def errors(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (answers.argmax(axis=1) != y).astype("float64")


def _of_probabilities(labels: Any, answers: Any) -> Any:
    """Unlike Keras', unclipped: a class with probability 0 has a gradient too."""
    own = ops.take_along_axis(answers, ops.cast(ops.reshape(labels, (-1, 1)), "int32"), axis=1)
    return -ops.log(ops.maximum(own[:, 0], _SMALLEST_ANSWER))


def _of_logits(labels: Any, answers: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(labels, answers, from_logits=True)
