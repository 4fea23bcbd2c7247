"""Lookups of modalities: by name, by what a space takes, and by what arrays, models and records look like."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.modalities.base import MODALITIES, Modality
from kerasnas.modalities.columns import Columns
from kerasnas.modalities.lazy_images import as_array
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

_ALIASES = {"audio": "recordings", "text": "texts"}  # in the array `kind` of `.npz` files


def modality(name: str) -> Modality:
    """Return the modality of a name in `MODALITIES`, `"audio"` and `"text"` included.

    Raises:
        ValueError: for an unknown name; names the nearest.

    Example:

    >>> modality("audio")
    <modality recordings>
    """
    checks.instance("name", name, str)
    return MODALITIES[_ALIASES.get(name, name)]()


def all_modalities() -> list[Modality]:
    """Return one of each registered modality."""
    return [MODALITIES[name]() for name in MODALITIES]


def of_inputs(inputs: str) -> Modality:
    """Return the first modality whose networks take `inputs`, as a search space names them.

    Raises:
        ValueError: for an unknown name; names the nearest.

    Example:

    >>> of_inputs("signal")
    <modality signals>
    """
    known = {one.inputs: one for one in reversed(all_modalities())}
    return known[checks.one_of("inputs", inputs, known)]


def of_space(space: Any) -> Modality:
    """Return the modality whose inputs the networks of a search space, or of its class, take."""
    return of_inputs(getattr(space, "inputs", "image"))


def of_arrays(arrays: Mapping[str, np.ndarray]) -> Modality:
    """Return the modality of raw samples in a file: what its array `kind` says, or what they look like; else images.

    Samples at a `rate` are recordings.

    Raises:
        ValueError: for an unknown kind; names the nearest.
    """
    x = as_array(arrays["x_train"])
    claimed = next((one for one in all_modalities() if one.claims(x)), MODALITIES["images"]())
    if "kind" not in arrays and "rate" not in arrays:
        return claimed
    kind = str(arrays["kind"]) if "kind" in arrays else "audio"
    if _ALIASES.get(kind, kind) not in MODALITIES:
        raise ValueError(
            f"Expected the array `kind`, if there is one, to name a modality. Received: {kind!r}. "
            f"{checks.nearest(kind, (*MODALITIES, *_ALIASES))}"
        )
    named = modality(kind)
    if x.dtype.kind == "U" and not named.claims(x):
        raise ValueError(f"Expected {named.plural}, as the array `kind` says. Received: {claimed.plural}")
    return named


def of_files(paths: Iterable[str | os.PathLike]) -> Modality:
    """Return the modality that reads most of these files, by their suffixes; the first one if none reads any."""
    found = [*map(Path, paths)]
    return max((one for one in all_modalities() if one.suffixes), key=lambda one: sum(map(one.holds, found)))


def of_samples(x: Any, columns: Columns | None) -> Modality:
    """Return the modality of samples as an estimator takes them, by what they look like.

    A table with a column named as those of texts, or of files of images, is one of them, any other one rows of a table;
    of lists, the first sample decides; arrays are as in files, see `of_arrays`.

    Example:

    >>> of_samples(["a fine film", "dull"], None), of_samples(["cat.png", "dog.png"], None)
    (<modality texts>, <modality images>)
    """
    if columns is not None and "" not in columns:
        names = {name.lower() for name in columns}
        own = [one for one in all_modalities() if names & set(one.columns)] or [modality("tables")]
        first = next((next(iter(columns[name]), "") for name in columns if name.lower() in own[0].columns), "")
        return next((one for one in own if isinstance(first, str | os.PathLike) and one.holds(Path(first))), own[0])
    x = x if columns is None else columns[""]
    first = next(iter(x), None)
    if isinstance(first, str | os.PathLike):
        found = of_files([first])
        if isinstance(first, os.PathLike) or found.holds(Path(first)):
            return found
    if hasattr(first, "getexif"):
        return modality("images")
    array = np.asarray(x)
    return of_arrays({"x_train": array.astype(str) if array.dtype.kind == "O" else array})


def of_input_shape(shape: Sequence[int | None], dtype: Any = None) -> Modality:
    """Return the first modality whose network inputs have as many axes, of a dtype if one is given.

    Raises:
        ValueError: if there is none.
    """
    known = [one for one in all_modalities() if len(one.axes) == len(shape)]
    if known:
        return next((one for one in known if dtype is not None and np.dtype(dtype).kind in one.kinds), known[0])
    expected = " or ".join(dict.fromkeys(f"({', '.join(one.axes)})" for one in all_modalities()))
    raise ValueError(checks.invalid("input_shape", f"a shape {expected}", tuple(shape)))


def of_model(model: keras.Model) -> Modality:
    """Return the modality of the raw samples that a deployed model takes, by its input: strings, or their axes.

    Of two kinds of flat samples, recordings are those whose spectrogram is computed in the model.
    """
    if model.inputs[0].dtype == "string":
        return modality("texts")
    named = {layer.name for layer in model.layers}
    flat = next((one.name for one in all_modalities() if not named.isdisjoint(one.exact_layers)), "tables")
    return modality({4: "images", 3: "signals"}.get(len(model.input_shape), flat))


def of_record(record: Mapping[str, Any]) -> Modality:
    """Return the modality of a saved network, given the content of its `model.json`, or a run's record of its data.

    Args:
        record: `"modality"`, images where it is missing, and what the modality needs.

    Raises:
        ValueError: for an unknown modality; names the nearest.
    """
    return modality(record.get("modality", "images")).restored(record)


def of_result(result: Mapping[str, Any]) -> Modality:
    """Return the modality of a run, given its record; images where the record has no data.

    Example:

    >>> of_result({"dataset": {"modality": "signals"}}), of_result({})
    (<modality signals>, <modality images>)
    """
    return of_record(result.get("dataset") or {})


def check_images(
    x: Any,
    y: Any,
    *,
    num_classes: int | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    what: str = "training",
    task: Task = CLASSIFICATION,
) -> None:
    """Raise a clear error when `x` and `y` are not inputs and labels that a network can learn from.

    Args:
        x: images, an array `(samples, height, width, channels)` of finite numbers, or inputs of another modality.
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
    found = (
        modality("images") if input_shape is None else of_input_shape(_shape(input_shape), getattr(x, "dtype", None))
    )
    found.check(x, y, num_classes=num_classes, input_shape=input_shape, what=what, task=task)


def _shape(input_shape: Any) -> tuple[int | None, ...]:
    expected = "(height, width, channels), (length, channels) or (length,), where None fits any size"
    if isinstance(input_shape, (str, bytes)) or not isinstance(input_shape, Sequence) or not 1 <= len(input_shape) <= 3:
        raise ValueError(checks.invalid("input_shape", expected, input_shape))
    for size in input_shape:
        checks.optional(checks.size, "input_shape", size)
    return tuple(input_shape)
