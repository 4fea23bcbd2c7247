"""Parts of an image: those that pass one shared network, the sum of what it finds in each, and lines as signals."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Stage

CHANNELS, QUARTERS = PARTS = ("channels", "quarters")
ROWS, COLUMNS = LINES = ("rows", "columns")
_MOST_RUNS = 8
RUNS = {f"{lines}_in_{parts}": (lines, parts) for lines in LINES for parts in range(2, 1 + _MOST_RUNS)}
"""Name of a division into runs of lines, as `"rows_in_4"` -> the lines, and how many runs of equal length they make."""
SIGNALS = (*LINES, *RUNS)
"""Divisions of which networks are one-dimensional."""
DIVISIONS = (*PARTS, *SIGNALS)


class Apart(Stage):
    """Each channel, or each quarter, of an image as an image of its own, within the batch.

    Args:
        division: `"channels"` or `"quarters"`.

    Call arguments:
        inputs: images `(batch, height, width, channels)`; for quarters, of even height and width.

    Returns:
        Images `(batch * channels, height, width, 1)` or `(batch * 4, height / 2, width / 2, channels)`, the parts of
        one image next to each other.

    Raises:
        ValueError: for quarters of an odd height or width.

    Example:

    >>> [tuple(Apart(division)(ops.ones((2, 8, 6, 3))).shape) for division in PARTS]
    [(6, 8, 6, 1), (8, 4, 3, 3)]
    """

    def __init__(self, division: str):
        super().__init__()
        self.division = checks.one_of("division", division, PARTS)

    def call(self, inputs: Tensor) -> Tensor:
        _, height, width, channels = inputs.shape
        if self.division == QUARTERS:
            _check_divided({"height": height, "width": width}, 2)
            inputs = ops.reshape(inputs, (-1, 2, height // 2, 2, width // 2, channels))
            return ops.reshape(ops.transpose(inputs, (0, 1, 3, 2, 4, 5)), (-1, height // 2, width // 2, channels))
        return ops.reshape(ops.transpose(inputs, (0, 3, 1, 2)), (-1, height, width, 1))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        _, height, width, channels = inputs_shape
        return (None, height // 2, width // 2, channels) if self.division == QUARTERS else (None, height, width, 1)

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
        _check_divided({f"number of {self._lines}": x.shape[1]}, self.runs)
        return ops.reshape(x, (-1, *self.compute_output_shape(inputs.shape)[1:]))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        _, height, width, channels = inputs_shape
        lines, others = (height, width) if self._lines == ROWS else (width, height)
        return None, lines // self.runs, others * channels

    def standard(self) -> list[Callable[[Any], Any]]:
        return [self.call]


def _check_divided(sizes: Mapping[str, int], parts: int) -> None:
    """Raise ValueError unless parts of equal size make up an image."""
    for name, size in sizes.items():
        if size % parts:
            raise ValueError(checks.invalid("inputs", f"images whose {name} is divisible by {parts}", size))
