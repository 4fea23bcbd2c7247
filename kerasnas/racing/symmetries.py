"""Symmetries of the data: what may be done to an image without changing its class, found out with a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

KEPT = 0.85
SYMMETRIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flip": lambda x: x[:, :, ::-1],
    "flip_vertical": lambda x: x[:, ::-1],
    "rotate": lambda x: np.rot90(x, axes=(1, 2)),
}
"""Name of an augmentation -> what it does to all images at once."""


def kept_accuracies(scores: Callable[[Any, Any], np.ndarray], x: Any, y: Any, chance: float) -> dict[str, float]:
    """The share of a network's accuracy above chance that is left on transformed images, for each of `SYMMETRIES`.

    The network must not have been trained on images so transformed. Where mirrored images are as good as others, as of
    animals, it is near 1; of digits, or of clothes that all look one way, it is far below. Quarter turns exist for
    square images only.

    Args:
        scores: `(x, y)` -> for each sample the network's score, as whether it gets it right.
        x: held-out images `(samples, height, width, channels)`.
        y: their labels.
        chance: the mean score of a network that has learned nothing.

    Returns:
        name -> share; empty where the network is not clearly better than chance, so that nothing can be told.

    Example:

    >>> def bright_above(x, y):
    ...     return (x[:, :2].mean(axis=(1, 2, 3)) > x[:, 2:].mean(axis=(1, 2, 3))) == y
    >>> x = np.random.default_rng(0).random((200, 4, 4, 1))
    >>> y = bright_above(x, True)
    >>> {name: round(share, 1) for name, share in kept_accuracies(bright_above, x, y, 0.5).items()}
    {'flip': 1.0, 'flip_vertical': -1.0, 'rotate': -0.1}
    """
    own = np.asarray(scores(x, y))
    accuracy = float(np.mean(own))
    deviation = math.sqrt(chance * (1 - chance)) if own.dtype == bool else float(own.std())
    if accuracy - chance <= 5 * deviation / math.sqrt(len(x)):
        return {}
    square = x.shape[1] == x.shape[2]
    return {
        name: (float(np.mean(scores(transform(x), y))) - chance) / (accuracy - chance)
        for name, transform in SYMMETRIES.items()
        if square or name != "rotate"
    }


def found(kept: dict[str, float]) -> tuple[str, ...]:
    """Return the augmentations that the data allow: those that keep `KEPT` of the accuracy.

    Example:

    >>> found({"flip": 0.98, "flip_vertical": 0.4, "rotate": 0.3}), found({})
    (('flip',), ())
    """
    return tuple(name for name, share in kept.items() if share >= KEPT)
