"""Columns that drift is looked for in: simple statistics of each input, and the outputs of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.modalities.lookup import of_raw

_MOST_COLUMNS = 32  # of classes


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
    modality = of_raw(x)
    x = modality.array("x", x)
    if (x.dtype.kind != "O" and not 2 <= x.ndim <= 4) or 0 in x.shape[1:]:
        expected = "images (samples, height, width, channels), signals (samples, length, channels) or vectors"
        raise ValueError(checks.invalid("x", expected, f"shape {x.shape}"))
    return modality.statistics(x)


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
