"""Parts of a raw sample, left out in turn to find out which an answer depends on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np

GRID, WINDOWS = (8, 8), (16,)
"""Blocks of a picture, and of a series."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """A raw sample without each of its parts in turn.

    Args:
        names: of the parts, in reading order.
        samples: the raw sample without each of them, `(parts, ...)`.
        rows: lines of the grid that the parts lie in. Defaults to 1.
    """

    names: Sequence[str]
    samples: np.ndarray
    rows: int = 1


def blocks(x: np.ndarray, most: Sequence[int], name: Callable[..., str]) -> Parts:
    """Return a sample of numbers without each of its blocks, which become the mean of the sample.

    Args:
        x: the sample, channels last. NaN, the padding of short ones, stays.
        most: number of blocks along each of the first axes; fewer where it is shorter.
        name: `((start, stop), ...)`, a pair for each of these axes, -> name of the block.

    Example:

    >>> parts = blocks(np.array([[0.0], [0.0], [3.0]]), (3,), lambda steps: f"step {steps[0]}")
    >>> parts.names, parts.samples[2, :, 0].tolist()
    (['step 0', 'step 1', 'step 2'], [0.0, 0.0, 1.0])
    """
    bounds = [
        np.linspace(0, size, min(size, sides) + 1).round().astype(int).tolist()
        for size, sides in zip(x.shape, most, strict=False)
    ]
    boxes = list(itertools.product(*map(itertools.pairwise, bounds)))
    mean = np.nanmean(x, axis=tuple(range(len(bounds))))
    samples = np.repeat(x[None], len(boxes), axis=0)
    for sample, box in zip(samples, boxes, strict=True):
        inside = sample[tuple(slice(*ends) for ends in box)]
        inside[...] = np.where(np.isnan(inside), inside, mean)
    rows = len(bounds[0]) - 1 if len(bounds) > 1 else 1
    return Parts([name(*box) for box in boxes], samples, rows)


def words(text: str) -> Parts:
    """Return a text without each of its words; of one without spaces, such as Chinese, without each character.

    Example:

    >>> words("a fine film").samples.tolist()
    ['fine film', 'a film', 'a fine']
    """
    found, space = (text.split(), " ") if " " in text.strip() else (list(text.strip()), "")
    without = [space.join(found[:index] + found[index + 1 :]) for index in range(len(found))]
    return Parts(found, np.array(without, object))
