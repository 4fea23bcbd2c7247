"""Images held as bytes, in memory or in a file, which become numbers where they are read."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from kerasnas import backend
from kerasnas.distribution.scope import replicas_of
from kerasnas.networks.fused import fused

_MOST_VALUES = 2**22  # of a batch: activations of 250 photographs at 224 pixels took 3 GB
_AT_ONCE = 64  # images that are converted at once
_turn = threading.RLock()  # of a thread that predicts
_DESCRIBED = {np.shape: "shape", np.ndim: "ndim", np.size: "size"}


class LazyImages(NDArrayOperatorsMixin):
    """Images held as bytes, whose values are computed where they are read.

    Stands for the array `np.divide(bytes[rows], divisor, dtype=np.float32) * factor`. Rows are chosen, joined by
    `np.concatenate`, divided and multiplied by a number without a copy: `x[indices]` is another `LazyImages`. An
    integer index, `np.asarray` and anything else that NumPy does with an array read the values.

    Args:
        stored: uint8 `(samples, height, width, channels)`, such as an `np.memmap`.
        rows: those that count, in their order. Defaults to None: all.
        divisor: of the bytes. Defaults to None: values are the bytes themselves, of dtype uint8.
        factor: of the quotient. Defaults to None: 1.

    Example:

    >>> images = LazyImages(np.arange(8, dtype=np.uint8).reshape(4, 1, 2, 1)) / np.float32(2)
    >>> images[[3, 1]].shape, images[[3, 1]][0].ravel().tolist()
    ((2, 1, 2, 1), [3.0, 3.5])
    """

    def __init__(
        self,
        stored: np.ndarray,
        rows: np.ndarray | None = None,
        divisor: float | None = None,
        factor: float | None = None,
    ):
        self.stored = stored
        self.rows = np.arange(len(stored)) if rows is None else rows
        self.divisor, self.factor = divisor, factor

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return np.dtype(np.uint8 if self.divisor is None and self.factor is None else np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(samples, height, width, channels)`."""
        return (len(self.rows), *self.stored.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.stored.ndim

    @property
    def size(self) -> int:
        """The number of values."""
        return int(np.prod(self.shape))

    def min(self) -> Any:
        """Return the smallest value."""
        return min(part.min() for part in self.parts())

    def max(self) -> Any:
        """Return the largest value."""
        return max(part.max() for part in self.parts())

    def parts(self, samples: int = _AT_ONCE) -> Iterator[np.ndarray]:
        """Yield the values, this many images at once."""
        for start in range(0, len(self), samples):
            yield self._values(self.rows[start : start + samples])

    def _values(self, rows: Any) -> np.ndarray:
        values = np.array(self.stored[rows])
        if self.divisor is not None:
            values = np.divide(values, self.divisor, dtype=np.float32)
        return values if self.factor is None else np.multiply(values, self.factor, dtype=np.float32)

    def _as(self, rows: np.ndarray) -> LazyImages:
        return LazyImages(self.stored, rows, self.divisor, self.factor)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for part in self.parts() for image in part)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple) or index is None or index is Ellipsis:
            return np.asarray(self)[index]
        rows = self.rows[index]
        return self._values(rows) if rows.ndim != 1 else self._as(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The values of lazy images are computed: they need a copy.")
        found = np.empty(self.shape, self.dtype if dtype is None else dtype)
        start = 0
        for part in self.parts():
            found[start : start + len(part)] = part
            start += len(part)
        return found

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        other = inputs[-1] if inputs[0] is self else inputs[0]
        # Floats of 64 bits and integers would make other types than float32.
        single = options.get("dtype") == np.float32 or (self.dtype == np.float32 and isinstance(other, float))
        if method == "__call__" and (isinstance(other, np.float32) or (single and isinstance(other, int | float))):
            if ufunc is np.multiply and self.factor is None:
                return LazyImages(self.stored, self.rows, self.divisor, float(other))
            if ufunc is np.divide and inputs[0] is self and self.dtype == np.uint8:
                return LazyImages(self.stored, self.rows, float(other))
        return getattr(ufunc, method)(*map(_read, inputs), **options)

    def __array_function__(self, function: Callable, types: Any, inputs: tuple, options: dict[str, Any]) -> Any:
        if function in _DESCRIBED:
            return getattr(self, _DESCRIBED[function])
        if function is np.concatenate and len(inputs) == 1 and not options:
            alike = [one for one in inputs[0] if self._is_like(one)]
            if len(alike) == len(inputs[0]):
                return self._as(np.concatenate([one.rows for one in alike]))
        return function(*map(_read, inputs), **{name: _read(one) for name, one in options.items()})

    def _is_like(self, other: Any) -> bool:
        scales = (self.divisor, self.factor)
        return isinstance(other, LazyImages) and other.stored is self.stored and (other.divisor, other.factor) == scales

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "rows" not in self.__dict__:
            raise AttributeError(f"Lazy images have no attribute {name!r}.")
        return getattr(np.asarray(self), name)


def as_array(x: Any) -> Any:
    """Return lazy images as they are, and anything else as an array."""
    return x if isinstance(x, LazyImages) else np.asarray(x)


def in_parts(x: Any, samples: int) -> Iterator[np.ndarray]:
    """Yield samples, this many at once."""
    return x.parts(samples) if isinstance(x, LazyImages) else (x[i : i + samples] for i in range(0, len(x), samples))


def fitting_batch(x: Any, batch_size: int) -> int:
    """Return a batch size, smaller where samples are large."""
    return max(1, min(batch_size, _MOST_VALUES // max(1, int(np.prod(x.shape[1:])))))


def even_batch(samples: int, most: int) -> int:
    """Return the size of the fewest batches of at most so many samples, all of which are as large.

    Example:

    >>> even_batch(250, most=100), even_batch(200, most=100), even_batch(7, most=100)
    (84, 100, 7)
    """
    return -(-samples // -(-samples // most))


def predicted(model: Any, x: Any, batch_size: int) -> np.ndarray:
    """Return what a Keras model predicts of samples; of lazy images one batch is floats at a time.

    It is computed on faster kernels, where there are some (`kerasnas.networks.fused`). Keras' `predict` makes a
    `tf.data` pipeline in each call, which takes 60 ms. It is still used for several replicas, among which it shares a
    batch. All batches are of one size, for which the network is traced once: the last one repeats samples of the one
    before. Threads take turns, as the kernels are those of the model while it predicts.
    """
    size = even_batch(len(x), fitting_batch(x, batch_size))
    predict: Callable[[Any], np.ndarray] = model.predict_on_batch
    if replicas_of(model) > 1:
        predict = functools.partial(model.predict, batch_size=size, verbose=0)
    rest = len(x) % size
    with _turn, fused(model), backend.many_networks():
        found = [predict(part) for part in in_parts(x[: len(x) - rest], size)]
        found += [predict(part)[-rest:] for part in in_parts(x[-size:], size) if rest]
    return np.concatenate(found)


def _read(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_read, value))
    return np.asarray(value) if isinstance(value, LazyImages) else value
