"""Tasks as a few numbers, the size and difficulty of their data, and distances between tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.modalities.lookup import of_inputs
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

_LABELS = ("classes", "balance")  # features that depend on labels, like landmarks


def features(inputs: str) -> tuple[str, ...]:
    """Return the names of what describes a task, given what its networks take: `"image"`, `"signal"`, `"text"`, ...

    Raises:
        ValueError: for an unknown kind of inputs; names the nearest.
    """
    sizes = of_inputs(inputs).sizes
    return ("samples", "classes", *sizes, "balance", "nearest_mean", f"nearest_{inputs}")


_LEAST = 1e-6  # length of an empty text
_LEAST_ERROR = 0.02  # landmarks of a few hundred samples do not distinguish smaller errors
_MOST = 1000  # samples that landmarks are computed on
_SCALE, _WEIGHT = 1.0, 5  # prior of standard deviations, in logarithms, and the number of tasks that it counts as


def describe_task(
    x: Tensor, y: Tensor, num_classes: int, task: Task = CLASSIFICATION, inputs: str = "image"
) -> dict[str, float]:
    """Describe a task by the numbers `features(inputs)`, which reveal no sample, name or place.

    Args:
        x: images `(samples, height, width, channels)`, signals `(samples, length, channels)`, or texts as token ids
            `(samples, length)`, padded with 0.
        y: their classes; for other tasks `(samples, num_classes)`, labels of 0 and 1 or numbers.
        num_classes: number of classes, of labels, or of numbers.
        task: what is predicted. Defaults to classification.
        inputs: the kind of the samples, `"image"`, `"signal"` or `"text"`. Defaults to `"image"`.

    Returns:
        Name -> number. `classes` is `num_classes`; for texts, `length` is the mean number of tokens, and `vocabulary`
        the number of different ones. `balance` is 1 if all classes (the rarest labels of samples; the tenths of
        numbers) are equally frequent, and falls to the reciprocal of their number. The landmarks are the scores of the
        nearest class mean and the nearest sample: the accuracy, the share of correct labels, or the explained share of
        the variance, at least 0; on at most 1,000 samples, images of 8x8 pixels, signals of 32 parts, words of texts in
        512 buckets. The same data have the same numbers.

    Raises:
        TypeError: if `task` is not a `Task`.
        ValueError: if `x` has another shape or less than two samples, `y` another length, or `inputs` is unknown.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> x = rng.random((60, 16, 16, 1)) + y[:, None, None, None]
    >>> describe_task(x, y, 3)["samples"], describe_task(x, y, 3)["nearest_mean"]
    (60, 1.0)
    >>> texts = describe_task(np.array([[1, 2, 0], [3, 0, 0]] * 9), np.array([0, 1] * 9), 2, inputs="text")
    >>> texts["length"], texts["vocabulary"], texts["nearest_text"]
    (1.5, 3, 1.0)
    """
    checks.size("num_classes", num_classes)
    modality = of_inputs(inputs)
    x, y = checks.array("x", x), checks.array("y", y, kinds="iufb")
    shape = x.shape
    if len(shape) != len(modality.axes) + 1 or shape[0] < 2:
        axes = ", ".join(("samples", *modality.axes))
        raise ValueError(checks.invalid("x", f"at least two {modality.input_plural} ({axes})", shape))
    _check_labels(y, len(x), num_classes, task, inputs)
    chosen = np.sort(np.random.default_rng(0).permutation(shape[0])[:_MOST])
    groups = np.asarray(task.strata(y)).astype(int)
    landmarks = _landmarks(modality.small(np.asarray(x)[chosen]), y[chosen], groups[chosen], task)
    number = task.strata_number(groups, num_classes)
    shares = np.bincount(groups, minlength=number) / len(y)
    entropy = -float(sum(share * math.log(share) for share in shares if share))
    values = (shape[0], num_classes, *modality.measured(np.asarray(x)), math.exp(entropy) / number, *landmarks)
    return dict(zip(features(inputs), values, strict=True))


def _check_labels(y: np.ndarray, samples: int, outputs: int, task: Task, inputs: str) -> None:
    shape = (samples, *task.label_shape(outputs))
    if y.shape != shape:
        each = f"{outputs} {task.outputs_words[1]}" if len(shape) > 1 else f"one {task.outputs_words[0]}"
        raise ValueError(checks.invalid("y", f"{each} for each of the {samples} {inputs}s", y.shape))
    task.check(y, outputs, "")


def _landmarks(x: np.ndarray, y: np.ndarray, groups: np.ndarray, task: Task) -> tuple[float, float]:
    """Return the scores of the nearest class mean and of the nearest sample, from one half to the other."""
    order = np.random.default_rng(1).permutation(len(x))
    first, second = order[: len(x) // 2], order[len(x) // 2 :]
    present = np.unique(groups[first])
    members = [first[groups[first] == group] for group in present]
    means = np.stack([x[rows].mean(axis=0) for rows in members])
    labels = np.stack([task.typical(y[rows]) for rows in members])
    answers = (
        known[((others**2).sum(axis=1) - 2 * x[second] @ others.T).argmin(axis=1)]
        for others, known in ((means, labels), (x[first], y[first]))
    )
    mean, sample = (task.agreement(answer, y[second]) for answer in answers)
    return mean, sample


def check_task(task: Any, inputs: str = "image") -> dict[str, float]:
    """Return the checked description of a task; raises ValueError for a feature that is missing or out of range."""
    checked: dict[str, float] = {}
    for name in features(inputs):
        value = checks.instance("task", task, Mapping).get(name)
        if _is_landmark(name):
            checked[name] = checks.number(name, value, least=0, most=1)
        elif name == "balance":
            checked[name] = checks.number(name, value, above=0, most=1 + 1e-6)
        elif name in ("length", "vocabulary"):  # means, and 0 for texts without words
            checked[name] = checks.number(name, value, least=0)
        else:
            checked[name] = checks.size(name, value)
    return checked


def distances(
    task: Mapping[str, float], others: Sequence[Mapping[str, float]], alike: Sequence[bool] | None = None
) -> np.ndarray:
    """Return the distances of a task from `others`: root mean square of the differences of their standardized features.

    Counts, balance and landmark errors are compared by their logarithms, standardized over all given tasks. As few
    tasks estimate a scale poorly, five tasks with standard deviation 1 are added.

    Args:
        task: as `describe_task` returns it; may have further positive numbers, which are compared too.
        others: tasks with the same names.
        alike: for each of them, whether it has the same kind of prediction. If not, features that depend on labels
            cannot be compared, and count as one standard deviation. Defaults to None: all.

    Returns:
        `(len(others),)`; 0 for an equal task.
    """
    if not others:
        return np.zeros(0)
    points = np.array([[_logarithm(name, other[name]) for name in task] for other in (task, *others)])
    of_labels = np.array([name in _LABELS or _is_landmark(name) for name in task])
    apart = (
        np.zeros(points.shape, bool) if alike is None else np.outer([False, *(not other for other in alike)], of_labels)
    )
    known = np.ma.masked_array(points, apart)
    number = known.count(axis=0)
    variance = (number * known.var(axis=0).filled(0.0) + _WEIGHT * _SCALE**2) / (number + _WEIGHT)
    squares = np.where(apart, 1.0, (points - points[0]) ** 2 / variance)
    return np.sqrt(squares[1:].mean(axis=1))


def _is_landmark(name: str) -> bool:
    return name.startswith("nearest_")


def _logarithm(name: str, value: float) -> float:
    return math.log(max(1 - value, _LEAST_ERROR) if _is_landmark(name) else max(value, _LEAST))
