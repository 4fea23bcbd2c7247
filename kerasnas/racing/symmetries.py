"""Symmetries of the data: what may be done to an image without changing its class, found out with a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from kerasnas.modalities.augmentations import resampled

KEPT = 0.85
_SURE = 0.4  # of what a network knows of images that it has learned from: of few, it knows nothing of others
_LARGER = 1.2  # times, as `zoom` makes images at most: by 1.15, red blood cells kept .87 of the accuracy, by 1.2 .78
SYMMETRIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flip": lambda x: x[:, :, ::-1],
    "flip_vertical": lambda x: x[:, ::-1],
    "rotate": lambda x: np.rot90(x, axes=(1, 2)),
    "zoom": lambda x: x[:, resampled(x.shape[1], _LARGER)][:, :, resampled(x.shape[2], _LARGER)],
}
"""Name of an augmentation -> what it does to all images at once."""


def kept_accuracies(
    scores: Callable[..., np.ndarray],
    chance: Callable[..., float],
    known: tuple[Any, ...],
    held_out: tuple[Any, ...],
    names: Collection[str] = tuple(SYMMETRIES),
) -> dict[str, float]:
    """Return how well a network recognizes images transformed by each of `SYMMETRIES`, beside new ones.

    Its accuracy above chance on all of them, transformed, as a share of that on those held out as they are; or of 0.4
    of that on the known ones, if this is more. The network must not have been trained on images so transformed. Where
    mirrored images are as good as others, as of animals, the share is near 1 or more; of digits, or of clothes that all
    look one way, it is far below. Known images are looked at too, as a few that are held out tell nothing: transformed,
    they are new ones to a network unless it has learned what they have in common. Quarter turns exist for square images
    only.

    Args:
        scores: `(x, y)`, or `(x, y, weights)` -> for each sample the network's score, as whether it gets it right.
        chance: `(y)`, or `(y, weights)` -> the mean score of a network that has learned nothing.
        known: images `(samples, height, width, channels)` that it has learned from, and their labels, for both.
        held_out: others.
        names: of which of `SYMMETRIES`. Defaults to all.

    Returns:
        name -> share; empty where the network is not clearly better than chance on the known images.

    Example:

    >>> def bright_above(x, y):
    ...     return (x[:, :2].mean(axis=(1, 2, 3)) > x[:, 2:].mean(axis=(1, 2, 3))) == y
    >>> x = np.random.default_rng(0).random((200, 4, 4, 1))
    >>> data = x, bright_above(x, True)
    >>> kept = kept_accuracies(bright_above, lambda y: 0.5, data, data, ("flip", "flip_vertical", "rotate"))
    >>> {name: round(share, 1) for name, share in kept.items()}
    {'flip': 1.0, 'flip_vertical': -1.0, 'rotate': -0.1}
    """

    def merit(x: np.ndarray, *labels: Any) -> float:
        return float(np.mean(scores(x, *labels))) - chance(*labels)

    own, level = np.asarray(scores(*known)), chance(*known[1:])
    learned = float(np.mean(own)) - level
    deviation = math.sqrt(level * (1 - level)) if own.dtype == bool else float(own.std())
    if learned <= 5 * deviation / math.sqrt(len(own)):
        return {}
    usual = max(merit(*held_out), _SURE * learned)
    parts = [(np.asarray(x), *labels) for x, *labels in (known, held_out)]  # read once
    numbers, square = [len(x) for x, *_ in parts], known[0].shape[1] == known[0].shape[2]
    kept = {}
    for name in names:
        if square or name != "rotate":
            merits = [merit(SYMMETRIES[name](x), *labels) for x, *labels in parts]
            kept[name] = float(np.average(merits, weights=numbers)) / usual
    return kept


def found(kept: dict[str, float]) -> tuple[str, ...]:
    """Return the augmentations that the data allow: those whose share is at least `KEPT`.

    Example:

    >>> found({"flip": 0.98, "flip_vertical": 0.4, "rotate": 0.3}), found({})
    (('flip',), ())
    """
    return tuple(name for name, share in kept.items() if share >= KEPT)
