"""Checks of network inputs and labels, with errors that name the problem and the usual fix."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.modalities.lazy_images import as_array, in_parts
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

_AT_ONCE = 1024


def check_samples(
    modality: Any,
    x: Any,
    y: Any,
    num_classes: int | None,
    input_shape: tuple[int | None, ...] | None,
    what: str,
    task: Task | None,
) -> None:
    """Raise a clear error unless `x` and `y` are inputs of a modality and labels; see `Modality.check`."""
    checks.instance("what", what, str, "the name of the data")
    task = CLASSIFICATION if task is None else checks.instance("task", task, Task, "a `kerasnas.tasks.Task`")
    checks.optional(checks.size, "num_classes", num_classes)
    for argument, value in (("x", x), ("y", y)):
        if not (hasattr(value, "shape") and hasattr(value, "dtype")):
            raise invalid_data(argument, what, "an array (np.asarray makes one)", type(value).__name__)
    x, y = as_array(x), np.asarray(y)
    _check_values(modality, x, input_shape, what)
    task.check_trainable(y, len(x), num_classes, what, modality.input_plural)


def unit_pixels(x: np.ndarray) -> np.ndarray:
    """`x`, or of images in integers from 0 to 255, as files hold them, `x / 255` in float32, with a warning.

    Signals, integers of another range and images of no value above 1 are returned as they are.

    Args:
        x: an array.

    Example:

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     unit_pixels(np.array([0, 51, 255], "uint8").reshape(1, 1, 3, 1)).ravel().round(1)
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if x.ndim != 4 or not x.size or not np.issubdtype(x.dtype, np.integer):
        return x
    smallest, largest = int(x.min()), int(x.max())
    if smallest < 0 or not 1 < largest <= 255:
        return x
    checks.warn(
        f"Images of dtype {x.dtype} with values from {smallest} to {largest} are read as `x / 255`. Pass the same to "
        'whatever is trained or evaluated by hand: `x.astype("float32") / 255`.'
    )
    return x.astype("float32") / 255


def _check_values(modality: Any, x: np.ndarray, input_shape: tuple[int | None, ...] | None, what: str) -> None:
    plural, singular, value = modality.input_plural, modality.singular, modality.value
    axes = f"(samples, {', '.join(modality.axes)})" + ("" if input_shape is None else ", as `input_shape` says")
    if x.ndim != len(modality.axes) + 1:
        fix = modality.fixes.get(x.ndim, "")
        raise invalid_data("x", what, f"{plural} of shape {axes}", f"shape {x.shape}{'. ' if fix else ''}{fix}")
    if x.size == 0:
        raise invalid_data(
            "x", what, f"at least one {singular} with at least one {value}", f"an empty array, shape {x.shape}"
        )
    if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer)):
        raise invalid_data("x", what, f"{plural} of numbers, float or integer", f"dtype {x.dtype}")
    modality.check_dtype(x, what)
    if input_shape is not None and not _same_shape(tuple(input_shape), x.shape[1:]):
        raise invalid_data("x", what, f"{plural} of shape {tuple(input_shape)}", f"{plural} of shape {x.shape[1:]}")
    if np.issubdtype(x.dtype, np.floating):
        whole = [np.isfinite(part).all(axis=tuple(range(1, x.ndim))) for part in in_parts(x, _AT_ONCE)]
        bad = np.flatnonzero(~np.concatenate(whole))
        if bad.size:
            received = f"NaN or infinity in {bad.size} of {len(x)} {plural}, first in {singular} {bad[0]}"
            raise invalid_data("x", what, "finite values", received)


def _same_shape(wanted: tuple[int | None, ...], received: tuple[int, ...]) -> bool:
    pairs = zip(wanted, received, strict=False)
    return len(wanted) == len(received) and all(size is None or size == length for size, length in pairs)


def invalid_data(argument: str, what: str, expected: str, received: str) -> ValueError:
    """Return the error of an argument of the training, validation or test data."""
    return ValueError(
        f"Invalid value received for argument `{argument}` ({what} data). Expected {expected}. Received: {received}"
    )
