"""Columns that drift is looked for in: simple statistics of each input, and the outputs of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks

_MOST_COLUMNS = 32  # of vectors, and of classes
_AT_ONCE = 256
_OF_TEXTS = ("characters", "words", "characters a word", "share of letters", "share of digits", "share of capitals")


def input_statistics(x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """A few numbers of each sample: of images brightness, contrast and sharpness of each channel, of texts length.

    Args:
        x: images `(samples, height, width, channels)` or signals `(samples, length, channels)`: of each channel the
            mean, the standard deviation, and the mean absolute difference of neighbors; or vectors
            `(samples, numbers)`, whose columns are taken as they are, 32 of them evenly spaced where there are more; or
            texts, an array of `str` of dtype object, `(samples,)`: number of characters, of words, characters a word,
            and the shares of letters, digits and capitals.

    Returns:
        `(samples, columns)`, float32, and the name of each column.

    Raises:
        ValueError: if `x` is no such array of finite numbers.

    Example:

    >>> values, names = input_statistics(np.array([[[0.0], [1.0]], [[3.0], [3.0]]]))
    >>> names, values.tolist()
    (('brightness', 'contrast', 'sharpness'), [[0.5, 0.5, 1.0], [3.0, 0.0, 0.0]])
    """
    if isinstance(x, np.ndarray) and x.dtype.kind == "O" and x.ndim == 1 and all(isinstance(text, str) for text in x):
        return _text_statistics(x), _OF_TEXTS
    x = checks.array("x", x)
    if not 2 <= x.ndim <= 4 or 0 in x.shape[1:]:
        expected = "images (samples, height, width, channels), signals (samples, length, channels) or vectors"
        raise ValueError(checks.invalid("x", expected, f"shape {x.shape}"))
    if x.ndim == 2:
        chosen = np.unique(np.linspace(0, x.shape[1] - 1, min(x.shape[1], _MOST_COLUMNS)).astype(int))
        return x[:, chosen].astype("float32"), tuple(f"input {column}" for column in chosen)
    channels = [""] if x.shape[-1] == 1 else [f" of channel {channel}" for channel in range(x.shape[-1])]
    names = tuple(f"{what}{channel}" for what in ("brightness", "contrast", "sharpness") for channel in channels)
    parts = [_statistics(x[start : start + _AT_ONCE]) for start in range(0, len(x), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros((0, len(names)), "float32"), names


def _text_statistics(texts: np.ndarray) -> np.ndarray:
    found = np.zeros((len(texts), len(_OF_TEXTS)), "float32")
    for row, text in zip(found, texts, strict=True):
        words = len(text.split())
        shares = (sum(map(kind, text)) / max(len(text), 1) for kind in (str.isalpha, str.isdigit, str.isupper))
        row[:] = (len(text), words, len(text) / max(words, 1), *shares)
    return found


def _statistics(x: np.ndarray) -> np.ndarray:
    values = x.astype("float32")
    axes = tuple(range(1, x.ndim - 1))
    differences = [np.abs(np.diff(values, axis=axis)).mean(axis=axes) for axis in axes if x.shape[axis] > 1]
    sharpness = np.mean(differences, axis=0) if differences else np.zeros((len(x), x.shape[-1]), "float32")
    return np.concatenate([values.mean(axis=axes), values.std(axis=axes), sharpness], axis=1)


def watched_classes(outputs: np.ndarray) -> tuple[int, ...]:
    """The outputs that have a column of their own: all of them, or of many the 32 that are largest on average."""
    means = np.asarray(outputs).mean(axis=0)
    return tuple(sorted(np.argsort(-means, kind="stable")[:_MOST_COLUMNS].tolist()))


def output_columns(outputs: np.ndarray, watched: Sequence[int]) -> np.ndarray:
    """The largest output of each sample, and those `watched`, as `(samples, 1 + watched)`.

    Example:

    >>> output_columns(np.array([[0.25, 0.75], [1.0, 0.0]]), (0, 1)).tolist()
    [[0.75, 0.25, 0.75], [1.0, 1.0, 0.0]]
    """
    outputs = np.asarray(outputs, "float32")
    return np.concatenate([outputs.max(axis=1, keepdims=True), outputs[:, list(watched)]], axis=1)


def output_names(watched: Sequence[int], classes: Sequence[Any]) -> tuple[str, ...]:
    """The names of `output_columns`."""
    return ("confidence", *(f"probability of {classes[index]}" for index in watched))
