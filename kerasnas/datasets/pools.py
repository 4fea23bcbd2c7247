"""Labelled inputs in memory, which episodes are drawn from: images with names, arrays, data sets read by iterating."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kerasnas.checks import nearest

_INFINITE_CARDINALITY = -1  # tf.data.INFINITE_CARDINALITY


@dataclasses.dataclass(frozen=True, eq=False)  # `==` between arrays has no single answer
class LabelledImages:
    """Characters and which they are, the form in which `omniglot` and `glyphs` return theirs.

    Args:
        x: images, float32 in [0, 1], ink 1, shape `(samples, size, size, 1)`.
        y: class numbers, int64, shape `(samples,)`.
        classes: the name of every class; a label is an index into it.
        alphabets: the alphabet of every class.

    Example:

    >>> x, y = np.zeros((6, 28, 28, 1), "float32"), np.array([0, 0, 1, 1, 2, 2])
    >>> data = LabelledImages(x, y, ("Greek/alpha", "Greek/beta", "Latin/a"), ("Greek", "Greek", "Latin"))
    >>> data.of_alphabets(["Greek"])
    array([0, 1])
    """

    x: np.ndarray = dataclasses.field(repr=False)
    y: np.ndarray = dataclasses.field(repr=False)
    classes: tuple[str, ...] = dataclasses.field(repr=False)
    alphabets: tuple[str, ...] = dataclasses.field(repr=False)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(size, size, 1)` of every image."""
        return self.x.shape[1:]

    def of_alphabets(self, names: str | Iterable[str]) -> np.ndarray:
        """The labels of all classes of these alphabets, sorted: a value for `classes` of an `EpisodeSampler`.

        Raises:
            ValueError: if there is no alphabet of such a name; says the nearest.
        """
        wanted = {names} if isinstance(names, str) else set(names)
        for name in sorted(wanted - set(self.alphabets), key=str):
            raise ValueError(f"Unknown alphabet {name!r}. {nearest(name, set(self.alphabets))}")
        return np.flatnonzero([alphabet in wanted for alphabet in self.alphabets])


def read_pool(x: Any, y: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and integer labels as arrays of one length, checked.

    Args:
        x: inputs, an array `(samples, ...)`; or, without `y`, a finite `tf.data.Dataset` or another iterable of pairs
            `(x, y)`, in batches (labels of shape `(batch,)`) or single (labels of shape `()`).
        y: labels, an integer array `(samples,)`. Defaults to None.

    Raises:
        ValueError: if the dataset is infinite or gives no such pairs; inputs and labels differ in length or are empty;
            inputs are no numbers, or integers outside of 0..255, or not finite; or labels are no integers.
    """
    if y is None:
        x, y = _read_pairs(x)
    x, y = np.asarray(x), np.asarray(y)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y  # the shape in keras.datasets
    if x.ndim < 2 or not x.size or x.dtype.kind not in "iufb":
        expected = "an array of numbers (samples, ...), not empty, or pairs (x, y)"
        raise _invalid("x", expected, f"shape {x.shape}, dtype {x.dtype}")
    if x.dtype.kind in "iu" and (x.min() < 0 or x.max() > 255):
        fix = "Other numbers than pixels are given as floats, by x.astype('float32')"
        raise _invalid("x", "integers from 0 to 255, or floats", f"integers from {x.min()} to {x.max()}. {fix}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise _invalid("x", "finite values", "NaN or infinity")
    if y.ndim != 1:
        fix = ". One-hot labels become class numbers by y.argmax(axis=-1)" if y.ndim == 2 else ""
        raise _invalid("y", "one label a sample, shape (samples,)", f"shape {y.shape}{fix}")
    if y.dtype.kind not in "iu":
        raise _invalid("y", "labels of an integer dtype", f"dtype {y.dtype}")
    if len(x) != len(y):
        raise _invalid("y", "as many labels as inputs", f"{len(x)} inputs and {len(y)} labels")
    return x, y


def _read_pairs(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(dataset, np.ndarray) or not (hasattr(dataset, "__iter__") or hasattr(dataset, "__getitem__")):
        expected = "the labels of `x`; it may be left out only where `x` is a dataset of pairs (x, y)"
        raise _invalid("y", expected, f"None, with `x` of type {type(dataset).__name__}")
    if hasattr(dataset, "cardinality") and int(dataset.cardinality()) == _INFINITE_CARDINALITY:
        raise _invalid("x", "a finite dataset", "one without end, such as dataset.repeat() makes. See dataset.take(n)")
    xs: list[np.ndarray] = []
    ys: list[np.ndarray] = []
    for x, y in _pairs(dataset):
        x, y = (x, y) if y.ndim else (x[None], y[None])
        if not x.ndim or len(x) != len(y) or (xs and x.shape[1:] != xs[0].shape[1:]):
            expected = "batches (x, y) of as many labels as inputs, or single pairs, all inputs of one shape"
            first = f" after inputs of shape {xs[0].shape}" if xs else ""
            raise _invalid("x", expected, f"inputs of shape {x.shape} with labels of shape {y.shape}{first}")
        xs.append(x)
        ys.append(y)
    if not xs:
        raise _invalid("x", "a dataset of pairs (x, y), not empty", "no pair")
    return np.concatenate(xs), np.concatenate(ys)


def _pairs(dataset: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # `as_numpy_iterator` is that of a tf.data.Dataset, which needs no import here.
    for element in dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else dataset:
        if not isinstance(element, (tuple, list)) or len(element) != 2:
            received = f"{type(element).__name__}{f' of {len(element)}' if isinstance(element, (tuple, list)) else ''}"
            raise _invalid("x", "a dataset of pairs (x, y)", f"an element of type {received}")
        yield np.asarray(element[0]), np.asarray(element[1])


def _invalid(argument: str, expected: str, received: str) -> ValueError:
    return ValueError(f"Invalid value received for argument `{argument}`. Expected {expected}. Received: {received}")
