"""Tasks as a few numbers: how large the data are, how hard they look; and how alike two tasks are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor

FEATURES = ("samples", "classes", "height", "width", "channels", "balance", "nearest_mean", "nearest_image")
"""The names of what describes a task."""
_LANDMARKS = ("nearest_mean", "nearest_image")
_LEAST_ERROR = 0.02  # below it, landmarks of a few hundred samples tell no tasks apart
_SIDE, _MOST = 8, 1000  # of the images that landmarks are computed on, pixels and number
# Standard deviations of few tasks say little: they are taken together with so many tasks of this one, in logarithms.
_SCALE, _WEIGHT = 1.0, 5


def describe_task(x: Tensor, y: Tensor, num_classes: int) -> dict[str, float]:
    """A task of images as the numbers `FEATURES`: nothing of it shows an image, a name or a place.

    Args:
        x: images `(samples, height, width, channels)`.
        y: their classes.
        num_classes: number of classes.

    Returns:
        Name -> number. `balance` is 1 where all classes are as frequent, and falls to the reciprocal of their number;
        the landmarks `nearest_mean` and `nearest_image` are the accuracies of the nearest class mean and the nearest
        image, on at most 1,000 images of 8x8 pixels. The same data have the same numbers.

    Raises:
        ValueError: if `x` is not of that shape, holds less than two images, or `y` is not as long.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> x = rng.random((60, 16, 16, 1)) + y[:, None, None, None]
    >>> describe_task(x, y, 3)["samples"], describe_task(x, y, 3)["nearest_mean"]
    (60, 1.0)
    """
    checks.size("num_classes", num_classes)
    x, y = checks.array("x", x), checks.array("y", y, kinds="iu")
    shape = x.shape
    if len(shape) != 4 or shape[0] < 2:
        raise ValueError(checks.invalid("x", "at least two images (samples, height, width, channels)", shape))
    if y.shape != shape[:1]:
        raise ValueError(checks.invalid("y", f"one class for each of the {shape[0]} images", y.shape))
    if not 0 <= y.min() <= y.max() < num_classes:
        raise ValueError(checks.invalid("y", f"class numbers from 0 to {num_classes - 1}", f"{y.min()} to {y.max()}"))
    chosen = np.sort(np.random.default_rng(0).permutation(shape[0])[:_MOST])
    mean, image = _landmarks(_small(np.asarray(x)[chosen]), y[chosen])
    shares = np.bincount(y.astype(int), minlength=num_classes) / len(y)
    entropy = -float(sum(share * math.log(share) for share in shares if share))
    balance = math.exp(entropy) / num_classes
    values = (shape[0], num_classes, *shape[1:], balance, mean, image)
    return dict(zip(FEATURES, values, strict=True))


def _small(x: np.ndarray) -> np.ndarray:
    """Images as rows of the means of 8x8 areas, or fewer where they are smaller."""
    for axis in (1, 2):
        parts = np.array_split(x, min(_SIDE, x.shape[axis]), axis=axis)
        x = np.stack([part.mean(axis=axis, dtype=np.float32) for part in parts], axis=axis)
    return x.reshape(len(x), -1)


def _landmarks(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The accuracies of the nearest class mean and of the nearest image, of one half on the other."""
    order = np.random.default_rng(1).permutation(len(x))
    first, second = order[: len(x) // 2], order[len(x) // 2 :]
    classes = np.unique(y[first])
    means = np.stack([x[first][y[first] == one].mean(axis=0) for one in classes])
    found = [
        labels[((others**2).sum(axis=1) - 2 * x[second] @ others.T).argmin(axis=1)]
        for others, labels in ((means, classes), (x[first], y[first]))
    ]
    return tuple(float((labels == y[second]).mean()) for labels in found)  # type: ignore[return-value]


def check_task(task: Any) -> dict[str, float]:
    """The description of a task, if it has all of `FEATURES`, as numbers that a task can have.

    Raises:
        ValueError: otherwise; names the feature.
    """
    checked = {}
    for name in FEATURES:
        value = checks.instance("task", task, Mapping).get(name)
        if name in _LANDMARKS:
            checked[name] = checks.number(name, value, least=0, most=1)
        elif name == "balance":
            checked[name] = checks.number(name, value, above=0, most=1 + 1e-6)
        else:
            checked[name] = checks.size(name, value)
    return checked


def distances(task: Mapping[str, float], others: Sequence[Mapping[str, float]]) -> np.ndarray:
    """The distance of a task from each of `others`: root mean square of the differences of their standardized features.

    Counts, the balance and the errors of the landmarks are compared by their logarithms, standardized over all tasks
    at hand. As few tasks tell little about what is usual, five of standard deviation 1 are assumed beside them.

    Args:
        task: as `describe_task` returns it; may have further numbers above 0, which are compared too.
        others: tasks with the same names.

    Returns:
        `(len(others),)`; 0 for a task that is the same.

    Example:

    >>> task = dict.fromkeys(FEATURES, 0.5) | {"samples": 1000, "classes": 10}
    >>> distances(task, [task, {**task, "samples": 8000}, {**task, "samples": 8000, "classes": 100}]).round(1)
    array([0. , 0.7, 1.1])
    """
    if not others:
        return np.zeros(0)
    points = np.array([[_logarithm(name, one[name]) for name in task] for one in (task, *others)])
    variance = (len(points) * points.var(axis=0) + _WEIGHT * _SCALE**2) / (len(points) + _WEIGHT)
    return np.sqrt(((points[1:] - points[0]) ** 2 / variance).mean(axis=1))


def _logarithm(name: str, value: float) -> float:
    return math.log(max(1 - value, _LEAST_ERROR) if name in _LANDMARKS else value)
