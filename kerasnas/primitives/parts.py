"""Parts of an image that pass one shared network: each channel on its own, and what is known of them combined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Stage

COMBINATIONS = ("sum", "concat")


class Apart(Stage):
    """Each channel of an image as an image of its own, within the batch.

    Call arguments:
        inputs: images `(batch, height, width, channels)`.

    Returns:
        Images `(batch * channels, height, width, 1)`, those of one sample next to each other.

    Example:

    >>> Apart()(ops.ones((2, 8, 8, 3))).shape
    TensorShape([6, 8, 8, 1])
    """

    def call(self, inputs: Tensor) -> Tensor:
        _, height, width, _ = inputs.shape
        return ops.reshape(ops.transpose(inputs, (0, 3, 1, 2)), (-1, height, width, 1))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (None, *inputs_shape[1:3], 1)

    def standard(self) -> list[Callable]:
        return [self.call]


class Together(Stage):
    """Features of the parts of each image, combined: their sum, which does not depend on their order, or all of them.

    Args:
        parts: number of parts of an image.
        combination: `"sum"` or `"concat"`.

    Call arguments:
        inputs: features `(batch * parts, features)`, as `Apart` orders images.

    Returns:
        Features `(batch, features)`, or, of `"concat"`, `(batch, parts * features)`.

    Raises:
        ValueError: for a number that is not positive, and for another combination.

    Example:

    >>> features = ops.reshape(ops.arange(6.0), (6, 1))
    >>> [Together(3, combination)(features).numpy().tolist() for combination in COMBINATIONS]
    [[[3.0], [12.0]], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
    """

    def __init__(self, parts: int, combination: str):
        super().__init__()
        self.parts = checks.size("parts", parts)
        self.combination = checks.one_of("combination", combination, COMBINATIONS)

    def call(self, inputs: Tensor) -> Tensor:
        features = inputs.shape[-1]
        if self.combination == "sum":
            return ops.sum(ops.reshape(inputs, (-1, self.parts, features)), axis=1)
        return ops.reshape(inputs, (-1, self.parts * features))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return None, inputs_shape[-1] * (self.parts if self.combination == "concat" else 1)

    def standard(self) -> list[Callable[[Any], Any]]:
        return [self.call]
