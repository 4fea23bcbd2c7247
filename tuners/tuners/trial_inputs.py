"""Inputs of a trial: checked data, split into parts to train and to evaluate on, and callbacks of its own."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras_tuner import HyperParameters
from keras_tuner.errors import FatalTypeError

from kerasnas import checks
from kerasnas.datasets.pools import read_pairs
from kerasnas.modalities.images import unit_pixels
from kerasnas.modalities.lookup import check_images
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.tasks.splits import split_samples
from tuners.keras_tuner_internals import hparams_of

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
        """Return a checksum of all of it."""
        sums = [zlib.crc32(np.ascontiguousarray(part).data.cast("B")) for part in self]
        return "-".join(f"{one:08x}" for one in sums)


def is_dataset(data: Any) -> bool:
    """Return True for a `tf.data.Dataset` or a Keras `PyDataset`."""
    return hasattr(data, "element_spec") or isinstance(data, keras.utils.PyDataset)


def arrays_of(argument: str, dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Read all samples of a `tf.data.Dataset` or `PyDataset` of `(x, y)`, batched or not, as two arrays.

    Each trial splits and trains on the data again, and a resumed search must find the same: a dataset that shuffles
    has another order each time, so samples are ordered by their labels and checksums.

    Raises:
        ValueError: for a dataset that is endless, empty, or not of images with labels.
    """
    x, y = read_pairs(dataset, argument)
    if y.ndim > 2:
        return x, y  # `check_images` has the message for them
    sums = np.array([zlib.crc32(np.ascontiguousarray(sample).data.cast("B")) for sample in x])
    order = np.lexsort((sums, *np.reshape(y, (len(y), -1)).T))
    return x[order], y[order]


def make_data(
    x: Any,
    y: Any,
    validation_data: Any,
    folds: int | None,
    input_shape: tuple[int, ...],
    num_classes: int,
    seed: int,
    validation_split: float | None = None,
    task: Task = CLASSIFICATION,
) -> list[SearchData]:
    """Check the data: one part with `validation_data` or `validation_split`, or as many as there are folds.

    Raises:
        ValueError: for data that cannot be searched on, and unless there is exactly one of `validation_data`,
            `validation_split` and `folds`.
    """
    right: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_classes, "task": task}
    if is_dataset(x):
        if y is not None:
            raise ValueError("A dataset as `x` has the labels in it: leave out `y`.")
        x, y = arrays_of("x", x)
    if is_dataset(validation_data):
        validation_data = arrays_of("validation_data", validation_data)
    check_images(x, y, **right, what="training")
    x, y = unit_pixels(np.asarray(x)), np.asarray(y)
    if validation_split is not None:
        if validation_data is not None or folds is not None:
            other = "`folds`" if validation_data is None else "`validation_data`"
            raise ValueError(
                f"Pass `validation_split` or {other}, not both. The share of the training data that chooses the "
                f"architecture is `architecture_split`. Received: validation_split={validation_split}"
            )
        first, second = split_samples(task, y, validation_split, seed)
        return [SearchData(x[first], y[first], x[second], y[second])]
    if folds is None:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            expected = "`(x, y)`, two arrays, or a dataset; or `validation_split`; or a tuner with `folds`"
            raise ValueError(checks.invalid("validation_data", expected, type(validation_data).__name__))
        x_val, y_val = validation_data
        check_images(x_val, y_val, **right, what="validation")
        return [SearchData(x, y, unit_pixels(np.asarray(x_val)), np.asarray(y_val))]
    if validation_data is not None:
        raise ValueError(
            "With `folds` the networks are evaluated on each part of the data in turn: leave out `validation_data`."
        )
    part = fold_numbers(task.strata(y), folds, seed)
    return [SearchData(x[part != one], y[part != one], x[part == one], y[part == one]) for one in range(folds)]


def fold_numbers(y: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Assign each sample to a fold, dealing out each class evenly."""
    if len(y) < folds:
        raise ValueError(checks.invalid("folds", f"at most the number of samples, {len(y)}", folds))
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)])
    numbers = np.empty(len(y), int)
    numbers[order] = np.arange(len(y)) % folds
    return numbers


def fresh_callbacks(callbacks: Callbacks) -> list[keras.callbacks.Callback]:
    """Return callbacks for one `fit`: copies, or those that the function makes; FatalTypeError where neither works."""
    if callable(callbacks):
        copies = list(callbacks())
    elif not isinstance(callbacks, (list, tuple, type(None))):
        expected = "a list of Keras callbacks, or a function that returns one"
        raise FatalTypeError(checks.invalid("callbacks", expected, callbacks))
    else:
        copies = []
        for one in callbacks or ():
            try:
                copies.append(copy.deepcopy(one))
            except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
                raise FatalTypeError(
                    f"{type(one).__name__} cannot be copied ({error}), and each trial needs callbacks of its own. Pass "
                    "a function that makes them: `callbacks=lambda: [...]`."
                ) from error
    for one in copies:
        if not isinstance(one, keras.callbacks.Callback):
            expected = "Keras callbacks, or a function that returns a list of them"
            raise FatalTypeError(checks.invalid("callbacks", expected, one))
    return copies


def logged(
    callbacks: Callbacks, trial_id: str, part: str, hyperparameters: HyperParameters | None = None
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of one training, whose `TensorBoard`s have a folder of their own.

    That is `log_dir/trial_id/part`, part being `"search"` or `"network"`; KerasTuner's own is `execution0`. On
    TensorFlow, the page HParams shows the hyperparameters, if given, next to the metrics.
    """
    copies = fresh_callbacks(callbacks)
    further: list[Any] = []
    for one in copies:
        if not isinstance(one, keras.callbacks.TensorBoard):
            continue
        one.log_dir = str(Path(one.log_dir, trial_id, part))
        if hyperparameters is not None and keras.backend.backend() == "tensorflow":
            from tensorboard.plugins.hparams import api  # not needed without such a callback

            hparams = hparams_of(hyperparameters)
            further.append(api.KerasCallback(writer=one.log_dir, hparams=hparams, trial_id=trial_id))
    return [*copies, *further]
