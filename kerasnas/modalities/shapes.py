"""Short descriptions of arrays with channels: means of parts, and statistics of each channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

_AT_ONCE = 256


def part_means(x: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    """Return samples as rows of means of this many parts along each axis, fewer where they are smaller."""
    return _in_parts(lambda part: _part_means(part, sides), x)


def channel_statistics(x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return brightness, contrast and sharpness of each channel, float32 `(samples, columns)`, and their names.

    They are the mean, the standard deviation, and the mean absolute difference of neighbors.
    """
    channels = [""] if x.shape[-1] == 1 else [f" of channel {channel}" for channel in range(x.shape[-1])]
    names = tuple(f"{what}{channel}" for what in ("brightness", "contrast", "sharpness") for channel in channels)
    return _in_parts(_statistics, x), names


def _in_parts(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return a function of samples, a few at once: photographs are not read all together."""
    return np.concatenate([function(x[start : start + _AT_ONCE]) for start in range(0, max(1, len(x)), _AT_ONCE)])


def _part_means(x: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    for axis, side in enumerate(sides, start=1):
        parts = np.array_split(x, min(side, x.shape[axis]), axis=axis)
        x = np.stack([part.mean(axis=axis, dtype=np.float32) for part in parts], axis=axis)
    return np.reshape(x, (len(x), math.prod(x.shape[1:])))


def _statistics(x: np.ndarray) -> np.ndarray:
    values = x.astype("float32")
    axes = tuple(range(1, x.ndim - 1))
    differences = [np.abs(np.diff(values, axis=axis)).mean(axis=axes) for axis in axes if x.shape[axis] > 1]
    sharpness = np.mean(differences, axis=0) if differences else np.zeros((len(x), x.shape[-1]), "float32")
    return np.concatenate([values.mean(axis=axes), values.std(axis=axes), sharpness], axis=1)
