"""The inputs of a trial: checked data, split into parts to train and to evaluate on, and callbacks of its own."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras_tuner.errors import FatalTypeError

from kerasnas.datasets import check_images

Callbacks = Sequence[keras.callbacks.Callback] | Callable[[], Sequence[keras.callbacks.Callback]] | None


class SearchData(NamedTuple):
    """Data to search and train on, and data to evaluate the resulting network on."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    @property
    def training(self) -> tuple[np.ndarray, np.ndarray]:
        """`(x, y)` to search and train on."""
        return self.x, self.y

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """`(x, y)` to evaluate on."""
        return self.x_val, self.y_val

    def fingerprint(self) -> str:
        """A checksum of all of it."""
        sums = [zlib.crc32(np.ascontiguousarray(part).data.cast("B")) for part in self]
        return "-".join(f"{one:08x}" for one in sums)


def make_data(
    x: Any, y: Any, validation_data: Any, folds: int | None, input_shape: tuple[int, ...], num_classes: int, seed: int
) -> list[SearchData]:
    """Checked data: one part with `validation_data`, or as many as there are folds.

    Raises:
        ValueError: for data that cannot be searched on, and unless there is one of `validation_data` and `folds`.
    """
    checks: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_classes}
    check_images(x, y, **checks, what="training")
    x, y = np.asarray(x), np.asarray(y)
    if folds is None:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise ValueError(
                "Invalid value received for argument `validation_data`. Expected `(x, y)`, two arrays to evaluate the "
                f"networks on; or a tuner with `folds`. Received: {type(validation_data).__name__}"
            )
        x_val, y_val = validation_data
        check_images(x_val, y_val, **checks, what="validation")
        return [SearchData(x, y, np.asarray(x_val), np.asarray(y_val))]
    if validation_data is not None:
        raise ValueError(
            "With `folds` the networks are evaluated on each part of the data in turn: leave out `validation_data`."
        )
    part = fold_numbers(y, folds, seed)
    return [SearchData(x[part != one], y[part != one], x[part == one], y[part == one]) for one in range(folds)]


def fold_numbers(y: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold that each sample belongs to: each class is dealt out evenly.

    Raises:
        ValueError: if there are fewer samples than folds.

    Example:

    >>> fold_numbers(np.array([0, 0, 0, 1, 1, 1]), folds=3, seed=0).reshape(2, 3).sum(axis=1).tolist()
    [3, 3]
    """
    if len(y) < folds:
        raise ValueError(
            f"Invalid value received for argument `folds`. Expected at most the number of samples, {len(y)}. "
            f"Received: {folds}"
        )
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)])
    numbers = np.empty(len(y), int)
    numbers[order] = np.arange(len(y)) % folds
    return numbers


def fresh_callbacks(callbacks: Callbacks) -> list[keras.callbacks.Callback]:
    """Callbacks for one `fit`: copies, or those that the function makes.

    Raises:
        FatalTypeError: for callbacks that cannot be copied; it says what to pass instead.
    """
    if callable(callbacks):
        made = list(callbacks())
    else:
        made = []
        for one in callbacks or ():
            try:
                made.append(copy.deepcopy(one))
            except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
                raise FatalTypeError(
                    f"{type(one).__name__} cannot be copied ({error}), and each trial needs callbacks of its own. Pass "
                    "a function that makes them: `callbacks=lambda: [...]`."
                ) from error
    for one in made:
        if not isinstance(one, keras.callbacks.Callback):
            raise FatalTypeError(
                f"Invalid value received for argument `callbacks`. Expected Keras callbacks, or a function that "
                f"returns a list of them. Received: {one!r}"
            )
    return made
