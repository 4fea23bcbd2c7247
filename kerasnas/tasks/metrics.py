"""Metrics that may take the place of a task's own, computed by scikit-learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

Value = Callable[[np.ndarray, np.ndarray, Any], float]
"""`(answers, raw labels, weights of the samples or None) -> value`."""
_PARTS = 20  # of the samples, that the uncertainty of a metric is measured with


@dataclasses.dataclass(frozen=True)
class Metric:
    """Metric of a task.

    Args:
        words: its name in words.
        value: computes it.
        percent: True if it is shown in per cent. Defaults to False.
        lower: True if lower is better. Defaults to False.
        by_class: what it is where samples lack a class, in words. Defaults to "": the same.
    """

    words: str
    value: Value
    percent: bool = False
    lower: bool = False
    by_class: str = ""

    def spread(self, answers: np.ndarray, y: np.ndarray, strata: np.ndarray, weights: Any = None) -> np.ndarray:
        """Return a value for each sample: their mean is the metric, and their deviation that of its estimate.

        The samples are dealt into 20 parts; the value of a part is how the metric changes where its samples count half.

        Reference:
            Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982, chapter 6 (infinitesimal jackknife).
        """
        whole, samples = self.value(answers, y, weights), len(y)
        weights = np.ones(samples) if weights is None else np.asarray(weights, float)
        parts = np.empty(samples, int)
        parts[np.argsort(strata, kind="stable")] = np.arange(samples) % min(_PARTS, samples)
        changes = np.zeros(parts.max() + 1)
        for number in range(len(changes)):
            half = np.where(parts == number, 0.5, 1.0)
            kept = (half * weights).sum() / weights.sum()
            changes[number] = 2 * len(changes) * kept * (whole - self.value(answers, y, half * weights))
        deviations = np.sqrt(samples / len(changes)) * changes[parts]
        return whole + deviations - deviations.mean()


def _over_classes(name: str) -> Value:
    """Return the mean over the classes that are there of a metric of scikit-learn."""

    def value(answers: np.ndarray, y: np.ndarray, weights: Any) -> float:
        from sklearn import metrics

        options = {"labels": np.unique(y), "average": "macro", "zero_division": 0, "sample_weight": weights}
        return float(getattr(metrics, name)(y, answers.argmax(axis=1), **options))

    return value


def _roc_auc(answers: np.ndarray, y: np.ndarray, weights: Any) -> float:
    """Return the mean over classes or labels that some samples have and others lack; 0.5 where there is none."""
    from sklearn.metrics import roc_auc_score

    columns = np.asarray(y) > 0.5 if y.ndim == 2 else np.eye(answers.shape[1], dtype=bool)[y]
    counts = columns if weights is None else columns[np.asarray(weights) > 0]
    known = [number for number, column in enumerate(counts.T) if column.any() and not column.all()]
    values = [roc_auc_score(columns[:, one], answers[:, one], sample_weight=weights) for one in known]
    return float(np.mean(values)) if values else 0.5


def _log_loss(answers: np.ndarray, y: np.ndarray, weights: Any) -> float:
    from sklearn.metrics import log_loss

    probabilities = np.asarray(answers, np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(log_loss(y, probabilities, labels=np.arange(answers.shape[1]), sample_weight=weights))


def _mae(answers: np.ndarray, y: np.ndarray, weights: Any) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(y, answers, sample_weight=weights))


def _rmse(answers: np.ndarray, y: np.ndarray, weights: Any) -> float:
    from sklearn.metrics import mean_squared_error

    return float(np.sqrt(mean_squared_error(y, answers, sample_weight=weights)))


_OTHERS = "the mean over the other classes"
OF_LABELS = {"roc_auc": Metric("ROC AUC", _roc_auc, by_class=f"{_OTHERS}, or 0.5 where only one is left")}
OF_CLASSES = {
    "balanced_accuracy": Metric("balanced accuracy", _over_classes("recall_score"), percent=True, by_class=_OTHERS),
    "f1": Metric("macro-F1", _over_classes("f1_score"), percent=True, by_class=_OTHERS),
    **OF_LABELS,
    "log_loss": Metric("log loss", _log_loss, lower=True),
}
OF_NUMBERS = {
    "mae": Metric("mean absolute error", _mae, lower=True),
    "rmse": Metric("root mean squared error", _rmse, lower=True),
}
