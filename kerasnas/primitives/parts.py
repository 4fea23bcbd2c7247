"""Parts of an image: those that pass one shared network, the sum of what it finds in each, and lines as signals."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Stage

CHANNELS = "channels"
ROWS, COLUMNS = LINES = ("rows", "columns")
MOST_PARTS = 8
"""Into which each side of an image is divided."""
_SIDES = range(1, 1 + MOST_PARTS)
TILES = {f"tiles_{down}x{across}": (down, across) for down in _SIDES for across in _SIDES if down * across > 1}
"""Name of a division into tiles, as `"tiles_2x3"` -> how many of equal size lie below and beside each other."""
QUARTERS = "tiles_2x2"
RUNS = {f"{lines}_in_{parts}": (lines, parts) for lines in LINES for parts in range(2, 1 + MOST_PARTS)}
"""Name of a division into runs of lines, as `"rows_in_4"` -> the lines, and how many runs of equal length they make."""
PARTS = (CHANNELS, *TILES)
SIGNALS = (*LINES, *RUNS)
"""Divisions of which networks are one-dimensional."""
DIVISIONS = (*PARTS, *SIGNALS)


def parts_in(division: str, channels: int) -> int:
    """Return how many parts of an image with so many channels a division makes, each of which passes one network.

    Example:

    >>> [parts_in(division, channels=3) for division in ("channels", "tiles_2x3", "rows_in_4")]
    [3, 6, 4]
    """
    return channels if division == CHANNELS else math.prod(TILES.get(division) or RUNS[division][1:])


def halvings_of(division: str) -> int:
    """Return how often a division at least halves a side of an image: for tiles, the side of which there are fewer.

    A side that may be halved so many times more, until two pixels are left, leaves two of a tile as well.

    Example:

    >>> [halvings_of(division) for division in ("channels", "tiles_1x2", "tiles_2x4", "tiles_3x3")]
    [0, 0, 1, 1]
    """
    return min(TILES.get(division, (1, 1))).bit_length() - 1


class Apart(Stage):
    """Each channel, or each tile, of an image as an image of its own, within the batch.

    Args:
        division: `"channels"`, or of `TILES`.

    Call arguments:
        inputs: images `(batch, height, width, channels)`; for tiles, of a height and a width that they divide.

    Returns:
        Images `(batch * channels, height, width, 1)` or `(batch * tiles, height / down, width / across, channels)`,
        the parts of one image next to each other, tiles from row to row.

    Raises:
        ValueError: for a height or a width that the tiles do not divide.

    Example:

    >>> [tuple(Apart(division)(ops.ones((2, 8, 6, 5))).shape) for division in ("channels", "tiles_2x3")]
    [(10, 8, 6, 1), (12, 4, 2, 5)]
    """

    def __init__(self, division: str):
        super().__init__()
        self.division = checks.one_of("division", division, PARTS)

    def call(self, inputs: Tensor) -> Tensor:
        _, height, width, channels = inputs.shape
        shape = self.compute_output_shape(inputs.shape)[1:]
        if self.division == CHANNELS:
            return ops.reshape(ops.transpose(inputs, (0, 3, 1, 2)), (-1, *shape))
        down, across = TILES[self.division]
        _check_divided("height", height, down)
        _check_divided("width", width, across)
        inputs = ops.reshape(inputs, (-1, down, height // down, across, width // across, channels))
        return ops.reshape(ops.transpose(inputs, (0, 1, 3, 2, 4, 5)), (-1, *shape))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        _, height, width, channels = inputs_shape
        if self.division == CHANNELS:
            return None, height, width, 1
        down, across = TILES[self.division]
        return None, height // down, width // across, channels

    def standard(self) -> list[Callable[[Any], Any]]:
        return [self.call]


class Together(Stage):
    """Sum, or product, of the features of the parts of each image: neither depends on their order.

    Args:
        parts: of each image.
        multiplied: whether features are multiplied. Defaults to False: they are added.

    Call arguments:
        inputs: features `(batch * parts, features)`, as `Apart` orders images.

    Returns:
        Features `(batch, features)`.

    Example:

    >>> parts = ops.reshape(ops.arange(6.0), (6, 1))
    >>> [Together(3, multiplied)(parts).numpy().tolist() for multiplied in (False, True)]
    [[[3.0], [12.0]], [[0.0], [60.0]]]
    """

    def __init__(self, parts: int, multiplied: bool = False):
        super().__init__()
        self.parts, self.multiplied = checks.size("parts", parts), multiplied

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.reshape(inputs, (-1, self.parts, inputs.shape[-1]))
        if not self.multiplied:
            return ops.sum(x, axis=1)
        # Not `ops.prod`, which TensorFlow Lite Micro does not have.
        return functools.reduce(ops.multiply, [x[:, part] for part in range(self.parts)])

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return None, inputs_shape[-1]

    def standard(self) -> list[Callable[[Any], Any]]:
        return [self.call]


class Lines(Stage):
    """Rows, or columns, of an image as the steps of a signal, whose channels are the pixels of the line.

    Where neighboring lines are no more alike than others, as in a table of one-hot rows, windows of a few pixels see
    nothing; a convolution of this signal reads whole lines. Runs of lines are signals of their own, as the words of a
    text whose letters are lines.

    Args:
        division: of `SIGNALS`.

    Attributes:
        runs: number of signals that each image is; 1 for lines.

    Call arguments:
        inputs: images `(batch, height, width, channels)`; for runs, of a number of lines that they divide.

    Returns:
        Signals `(batch, height, width * channels)` or `(batch, width, height * channels)`; of runs
        `(batch * runs, lines / runs, ...)`, those of one image next to each other.

    Raises:
        ValueError: for a number of lines that the runs do not divide.

    Example:

    >>> [tuple(Lines(division)(ops.ones((2, 8, 6, 3))).shape) for division in ("rows", "columns", "rows_in_4")]
    [(2, 8, 18), (2, 6, 24), (8, 2, 18)]
    """

    def __init__(self, division: str):
        super().__init__()
        self.division = checks.one_of("division", division, SIGNALS)
        self._lines, self.runs = RUNS.get(division, (division, 1))

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs if self._lines == ROWS else ops.transpose(inputs, (0, 2, 1, 3))
        _check_divided(f"number of {self._lines}", x.shape[1], self.runs)
        return ops.reshape(x, (-1, *self.compute_output_shape(inputs.shape)[1:]))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        _, height, width, channels = inputs_shape
        lines, others = (height, width) if self._lines == ROWS else (width, height)
        return None, lines // self.runs, others * channels

    def standard(self) -> list[Callable[[Any], Any]]:
        return [self.call]


def _check_divided(name: str, size: int, parts: int) -> None:
    """Raise ValueError unless parts of equal size make up an image."""
    if size % parts:
        raise ValueError(checks.invalid("inputs", f"images whose {name} is divisible by {parts}", size))
