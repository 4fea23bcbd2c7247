"""Means of parts of images: a few features, and a linear model of them, as standard Keras layers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import ops

_SIDES = (1, 2, 4)
_MOST = 1000  # features of a grid, but for the mean of the whole image
_AT_ONCE = 64  # images


@dataclasses.dataclass(frozen=True)
class PartMeans:
    """Of each channel, the means of the whole image, of its quarters, and of their quarters.

    Args:
        pools: `(height, width)` of a part, of each grid of parts.

    Example:

    >>> means = PartMeans.of((4, 4, 1))
    >>> means.pools, means.features(np.arange(16.0).reshape(1, 4, 4, 1))[0, :5].tolist()
    (((4, 4), (2, 2), (1, 1)), [7.5, 2.5, 4.5, 10.5, 12.5])
    """

    pools: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> PartMeans:
        """Return those of images `(height, width, channels)`: no grid of more than 1,000 means."""
        height, width, channels = shape
        grids = [parts for parts in _SIDES if parts == 1 or parts**2 * channels <= _MOST]
        pools = [(math.ceil(height / parts), math.ceil(width / parts)) for parts in grids]
        return cls(tuple(dict.fromkeys(pools)))  # of an image of one pixel they are the same

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return the means, `(images, features)`."""
        parts = (np.asarray(x[start : start + _AT_ONCE], "float32") for start in range(0, len(x), _AT_ONCE))
        return np.concatenate([ops.convert_to_numpy(self._means(part)) for part in parts])

    def linear(self, x: Any, weights: np.ndarray) -> Any:
        """Return the means times `weights`, `(features, outputs)`, for images that a Keras model is given."""
        layer = keras.layers.Dense(weights.shape[1], use_bias=False, dtype="float32", name="weights_of_means")
        found = layer(self._means(x))
        layer.set_weights([weights])
        return found

    def _means(self, x: Any) -> Any:
        grids = [ops.average_pool(x, pool, strides=pool, padding="same") for pool in self.pools]
        flat = [ops.reshape(grid, (-1, math.prod(grid.shape[1:]))) for grid in grids]
        return ops.concatenate(flat, axis=-1)
