"""check_images: errors in clear words about images, signals and labels that no classifier can learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.tasks import CLASSIFICATION, Classification, Task


def check_images(
    x: Any,
    y: Any,
    *,
    num_classes: int | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    what: str = "training",
    task: Task = CLASSIFICATION,
) -> None:
    """Raise a clear error when `x` and `y` are not labelled images or signals that a classifier can learn from.

    Args:
        x: images, an array `(samples, height, width, channels)` of finite numbers, or signals, one
            `(samples, length, channels)`.
        y: class labels, an integer array `(samples,)`.
        num_classes: when given, every label is below it; of other tasks, the number of labels or of numbers.
        input_shape: when given, the `(height, width, channels)` of every image, or the `(length, channels)` of every
            signal; None in it fits any size. Without it, images are expected.
        what: name of these data in the errors. Defaults to `"training"`. Data of a single class are an error unless
            this is `"test"`.
        task: what the labels are. Defaults to classification; `y` of other tasks is `(samples, labels)`.

    Raises:
        TypeError: if `what` is not a string, or `task` no task.
        ValueError: names the first problem found, the value received, and the fix where there is a usual one.

    Example:

    >>> check_images(np.zeros((4, 8, 8, 1)), np.array([0, 1, 0, 1]), num_classes=2)
    >>> check_images(np.zeros((4, 128, 1)), np.array([0, 1, 0, 1]), input_shape=(128, 1))
    >>> check_images(np.zeros((4, 8, 8)), np.array([0, 1, 0, 1]))
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `x` (training data). Expected images of shape (samples, height, \
width, channels). Received: shape (4, 8, 8). Grey images without a channel axis get one by x[..., None]
    """
    checks.instance("what", what, str, "the name of the data")
    checks.instance("task", task, Task, "a `kerasnas.tasks.Task`")
    checks.optional(checks.size, "num_classes", num_classes)
    if input_shape is not None:
        _check_shape(input_shape)
    for argument, value in (("x", x), ("y", y)):
        if not (hasattr(value, "shape") and hasattr(value, "dtype")):
            raise _invalid(argument, what, "an array (np.asarray makes one)", type(value).__name__)
    x, y = np.asarray(x), np.asarray(y)
    kind = "images" if input_shape is None else _KINDS[len(input_shape)]
    _check_values(x, input_shape, what, kind)
    if not isinstance(task, Classification):
        if len(x) != len(y):
            raise _invalid("y", what, f"as many rows as {kind}", f"{len(x)} {kind} and {len(y)} rows")
        task.check(y, num_classes, what)
        return
    if y.ndim != 1:
        one_hot = y.ndim == 2 and y.shape[1] > 1
        fix = "One-hot labels become class numbers by y.argmax(axis=-1)" if one_hot else "Flatten them by y.reshape(-1)"
        one = {"images": "an image", "signals": "a signal"}.get(kind, "a text")
        expected = f"one class number {one}, shape (samples,)"
        raise _invalid("y", what, expected, f"shape {y.shape}. {fix}")
    if len(x) != len(y):
        raise _invalid("y", what, f"as many labels as {kind}", f"{len(x)} {kind} and {len(y)} labels")
    _check_labels(y, num_classes, what)


@checks.arguments(x=np.ndarray)
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


def _check_shape(input_shape: Any) -> None:
    expected = "(height, width, channels), (length, channels) or (length,), where None fits any size"
    if isinstance(input_shape, (str, bytes)) or not isinstance(input_shape, Sequence) or len(input_shape) not in _KINDS:
        raise ValueError(checks.invalid("input_shape", expected, input_shape))
    for size in input_shape:
        checks.optional(checks.size, "input_shape", size)


_KINDS = {3: "images", 2: "signals", 1: "token ids"}
_AXES = {
    "images": "(samples, height, width, channels)",
    "signals": "(samples, length, channels)",
    "token ids": "(samples, length)",
}
_SINGULAR = {"images": ("image", "pixel"), "signals": ("signal", "value"), "token ids": ("text", "token id")}
_FIXES = {  # for arrays of another rank
    ("images", 3): ". Grey images without a channel axis get one by x[..., None]",
    ("images", 2): ". Flattened images get their axes back by x.reshape(-1, height, width, channels)",
    ("signals", 2): ". Signals without a channel axis get one by x[..., None]",
    ("signals", 4): ". These are images: a space for images takes them",
    ("token ids", 4): ". These are images: a space for images takes them",
    ("token ids", 3): ". These are signals: a space for signals takes them",
    ("token ids", 1): ". Texts become token ids by `kerasnas.datasets.load`, or by TextVectorization",
}


def _check_values(x: np.ndarray, input_shape: tuple[int | None, ...] | None, what: str, kind: str) -> None:
    if x.ndim != _AXES[kind].count(",") + 1:
        said = ", as `input_shape` says" if kind == "token ids" else ""
        expected = f"{kind} of shape {_AXES[kind]}{said}"
        raise _invalid("x", what, expected, f"shape {x.shape}{_FIXES.get((kind, x.ndim), '')}")
    image, pixel = _SINGULAR[kind]
    if x.size == 0:
        raise _invalid("x", what, f"at least one {image} with at least one {pixel}", f"an empty array, shape {x.shape}")
    if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer)):
        raise _invalid("x", what, f"{kind} of numbers, float or integer", f"dtype {x.dtype}")
    if kind == "token ids" and not np.issubdtype(x.dtype, np.integer):
        raise _invalid("x", what, "token ids of an integer dtype", f"dtype {x.dtype}")
    if input_shape is not None:
        fits = len(input_shape) == x.ndim - 1 and all(
            wanted is None or wanted == found for wanted, found in zip(input_shape, x.shape[1:], strict=True)
        )
        if not fits:
            raise _invalid("x", what, f"{kind} of shape {tuple(input_shape)}", f"{kind} of shape {x.shape[1:]}")
    if np.issubdtype(x.dtype, np.floating):
        bad = np.flatnonzero(~np.isfinite(x).all(axis=tuple(range(1, x.ndim))))
        if bad.size:
            received = f"NaN or infinity in {bad.size} of {len(x)} {kind}, first in {image} {bad[0]}"
            raise _invalid("x", what, f"finite {pixel}s" if image == "signal" else "finite pixel values", received)


def _check_labels(y: np.ndarray, num_classes: int | None, what: str) -> None:
    if not np.issubdtype(y.dtype, np.integer):
        fix = "Names become numbers by np.unique(y, return_inverse=True)[1]"
        if y.dtype == bool or np.issubdtype(y.dtype, np.floating):
            whole = bool(np.isfinite(y).all() and (y == np.round(y)).all())
            fix = 'They hold whole numbers: convert by y.astype("int64")' if whole else "They are not whole numbers"
        raise _invalid("y", what, "labels of an integer dtype", f"dtype {y.dtype}. {fix}")
    smallest, largest = int(y.min()), int(y.max())
    if smallest < 0 or (num_classes is not None and largest >= num_classes):
        expected = "labels of at least 0" if num_classes is None else f"labels from 0 to {num_classes - 1}"
        fix = ". Labels that count from 1 are put right by y - 1" if (smallest, largest) == (1, num_classes) else ""
        if largest >= len(y):
            fix = ". Labels that are ids become class numbers by np.unique(y, return_inverse=True)[1]"
        raise _invalid("y", what, expected, f"smallest {smallest}, largest {largest}{fix}")
    if num_classes is None and what != "test" and largest >= len(y):
        expected, received = checks.ids(len(y), largest)
        raise _invalid("y", what, expected, received)
    if smallest == largest and what != "test":
        received = f"only label {smallest}, {len(y)} times: there is nothing to learn"
        raise _invalid("y", what, "at least two classes", received)


def _invalid(argument: str, what: str, expected: str, received: str) -> ValueError:
    return ValueError(
        f"Invalid value received for argument `{argument}` ({what} data). Expected {expected}. Received: {received}"
    )
