"""Labeled inputs in memory to draw episodes from: images with names, arrays, iterable data sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.modalities.lazy_images import LazyImages
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.wording import wrong_value

_INFINITE_CARDINALITY = -1  # tf.data.INFINITE_CARDINALITY


@dataclasses.dataclass(frozen=True, eq=False)  # `==` between arrays has no single answer
class LabelledImages:
    """Images with their labels: the result of `omniglot`, `glyphs` and `mini_imagenet`.

    Args:
        x: images: characters as float32 in [0, 1], ink 1, `(samples, size, size, 1)`; color images as uint8, `(samples,
            size, size, 3)`.
        y: class numbers, int64, shape `(samples,)`.
        classes: the name of every class; a label is an index into it.
        alphabets: the alphabet of every class. Defaults to `()`: no alphabets.

    Raises:
        ValueError: if numbers of labels and images differ, a label has no class, or a class no alphabet.

    Example:

    >>> x, y = np.zeros((6, 28, 28, 1), "float32"), np.array([0, 0, 1, 1, 2, 2])
    >>> data = LabelledImages(x, y, ("Greek/alpha", "Greek/beta", "Latin/a"), ("Greek", "Greek", "Latin"))
    >>> data.of_alphabets(["Greek"])
    array([0, 1])
    """

    x: np.ndarray = dataclasses.field(repr=False)
    y: np.ndarray = dataclasses.field(repr=False)
    classes: tuple[str, ...] = dataclasses.field(repr=False)
    alphabets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", checks.names("classes", self.classes))
        check_named("x", self.x, "y", self.y, self.classes)
        each = [str] * len(self.classes)
        if not isinstance(self.alphabets, tuple) or list(map(type, self.alphabets)) not in ([], each):
            expected = f"a tuple of the alphabets of the {len(each)} classes"
            raise ValueError(checks.invalid("alphabets", expected, self.alphabets))

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape `(size, size, channels)` of every image."""
        return self.x.shape[1:]

    def of_alphabets(self, names: str | Iterable[str]) -> np.ndarray:
        """Return the labels of all classes of these alphabets, sorted, for `classes` of an `EpisodeSampler`.

        Raises:
            ValueError: for an unknown alphabet; names the nearest one.
        """
        wanted = checks.names("names", [names] if isinstance(names, str) else names, set(self.alphabets))
        return np.flatnonzero([alphabet in wanted for alphabet in self.alphabets])


def read_pool(x: Any, y: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and integer labels as arrays of one length, checked.

    Args:
        x: inputs, an array `(samples, ...)`; or, without `y`, a finite `tf.data.Dataset` or another iterable of pairs
            `(x, y)`, in batches (labels of shape `(batch,)`) or single (labels of shape `()`).
        y: labels, an integer array `(samples,)`. Defaults to None.

    Raises:
        ValueError: if the data set is infinite or has other elements; if numbers of inputs and labels differ or are 0;
            if inputs are not numbers, integers outside of 0..255, or not finite; or if labels are not integers.
    """
    if y is None:
        if isinstance(x, np.ndarray) or not (hasattr(x, "__iter__") or hasattr(x, "__getitem__")):
            expected = "the labels of `x`; it may be left out only where `x` is a dataset of pairs (x, y)"
            raise wrong_value("y", expected, f"None, with `x` of type {type(x).__name__}")
        x, y = read_pairs(x)
    x, y = checks.as_array("x", x), checks.as_array("y", y)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y  # the shape in keras.datasets
    if x.ndim < 2 or not x.size or x.dtype.kind not in "iufb":
        expected = "an array of numbers (samples, ...), not empty, or pairs (x, y)"
        raise wrong_value("x", expected, f"shape {x.shape}, dtype {x.dtype}")
    if x.dtype.kind in "iu" and (x.min() < 0 or x.max() > 255):
        fix = "Pass numbers other than pixels as floats, by x.astype('float32')"
        raise wrong_value("x", "integers from 0 to 255, or floats", f"integers from {x.min()} to {x.max()}. {fix}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise wrong_value("x", "finite values", "NaN or infinity")
    if y.ndim != 1:
        fix = ". One-hot labels become class numbers by y.argmax(axis=-1)" if y.ndim == 2 else ""
        raise wrong_value("y", "one label a sample, shape (samples,)", f"shape {y.shape}{fix}")
    if y.dtype.kind not in "iu":
        raise wrong_value("y", "labels of an integer dtype", f"dtype {y.dtype}")
    if len(x) != len(y):
        raise wrong_value("y", "as many labels as inputs", f"{len(x)} inputs and {len(y)} labels")
    return x, y


def read_pairs(dataset: Any, name: str = "x") -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of an iterable of pairs, batches or single, as two arrays; errors say `name`."""
    endless = hasattr(dataset, "cardinality") and int(dataset.cardinality()) == _INFINITE_CARDINALITY
    if endless or getattr(dataset, "num_batches", 0) is None:
        raise wrong_value(name, "a finite dataset", "an infinite one, as of dataset.repeat(). See dataset.take(n)")
    xs: list[np.ndarray] = []
    ys: list[np.ndarray] = []
    for x, y in _pairs(dataset, name):
        x, y = (x, y) if y.ndim else (x[None], y[None])
        if not x.ndim or len(x) != len(y) or (xs and x.shape[1:] != xs[0].shape[1:]):
            expected = "batches (x, y) of as many labels as inputs, or single pairs, all inputs of one shape"
            first = f" after inputs of shape {xs[0].shape}" if xs else ""
            raise wrong_value(name, expected, f"inputs of shape {x.shape} with labels of shape {y.shape}{first}")
        xs.append(x)
        ys.append(y)
    if not xs:
        raise wrong_value(name, "a dataset of pairs (x, y), not empty", "no pair")
    return np.concatenate(xs), np.concatenate(ys)


def _pairs(dataset: Any, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # `as_numpy_iterator` is a method of tf.data.Dataset, which needs no import here.
    for element in dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else dataset:
        if not isinstance(element, (tuple, list)) or len(element) != 2:
            received = f"{type(element).__name__}{f' of {len(element)}' if isinstance(element, (tuple, list)) else ''}"
            raise wrong_value(name, "a dataset of pairs (x, y)", f"an element of type {received}")
        yield checks.as_array(name, element[0]), checks.as_array("y", element[1])


def check_named(
    x_name: str, x: Any, y_name: str, y: Any, classes: tuple[str, ...], task: Task = CLASSIFICATION
) -> None:
    """Raise ValueError unless `x` are samples and `y` as many labels of `task`, for these classes or outputs."""
    for name, array in ((x_name, x), (y_name, y)):
        if not isinstance(array, np.ndarray | LazyImages):
            raise ValueError(checks.invalid(name, "a NumPy array", array))
    if x.ndim < 2 or x.dtype.kind not in "iuf":
        raise wrong_value(x_name, "numbers of shape (samples, ...)", f"shape {x.shape}, dtype {x.dtype}")
    if len(y) != len(x):
        raise wrong_value(y_name, f"{len(x)} labels, one for each sample", f"shape {y.shape}")
    task.check(y, len(classes), "", y_name)
