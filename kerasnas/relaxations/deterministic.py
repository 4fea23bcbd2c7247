"""Relaxations that compute every primitive: Softmax (DARTS), Sigmoid (FairDARTS)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.relaxations.base import RELAXATIONS, Relaxation, Tempered


@RELAXATIONS.register("softmax")
@keras.saving.register_keras_serializable(package="kerasnas")
class Softmax(Tempered):
    """The continuous relaxation of DARTS: every primitive takes part, weighted by a softmax over its edge.

    Args:
        temperature: the alphas are divided by it; towards 0 the weights become one-hot. A variable: see
            `kerasnas.callbacks.TemperatureSchedule`. Defaults to 1.

    Raises:
        ValueError: if `temperature` is not above 0.

    Example:

    >>> weights, active = Softmax()(ops.zeros((1, 4)))
    >>> [float(weight) for weight in weights[0]]
    [0.25, 0.25, 0.25, 0.25]

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), equation 2.

    Differences from the paper:
        - The temperature; the paper has none, which equals 1.
    """

    def __init__(self, temperature: float = 1.0, **kwargs: Any):
        super().__init__(temperature, **kwargs)

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, None]:
        return ops.softmax(self.cooled(ops.convert_to_tensor(alphas)), axis=-1), None


@RELAXATIONS.register("sigmoid")
@keras.saving.register_keras_serializable(package="kerasnas")
class Sigmoid(Relaxation):
    """The collaborative relaxation of FairDARTS: each primitive has a weight between 0 and 1 of its own.

    The primitives of an edge do not compete, so that skip connections have no unfair advantage. The zero-one loss is
    added to the loss in training; it moves only the alphas, and every weight towards 0 or 1: `-zero_one_weight *
    mean((sigmoid(alphas) - 0.5) ** 2)`.

    Args:
        zero_one_weight: factor of the zero-one loss. Defaults to the paper's 10.
        threshold: minimum weight at which `derive` keeps an edge, in (0, 1), in a space whose edges may be left out,
            such as `DARTSSpace(sparse=True)`: each of the two strongest edges of a node keeps its strongest primitive
            if that reaches the threshold, and is `none` otherwise. Defaults to the paper's 0.85.

    Raises:
        ValueError: if `zero_one_weight` is negative, or `threshold` not in (0, 1).

    Example:

    >>> weights, active = Sigmoid()(ops.zeros((1, 4)))
    >>> [float(weight) for weight in weights[0]]
    [0.5, 0.5, 0.5, 0.5]

    Reference:
        Chu et al., "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", 2020 (arXiv
        1911.12126), equations 1 and 5.

    Differences from the paper:
        - The zero-one loss is the mean over the table of each kind of cell, added up: with two kinds of equal size it
          counts twice as much as the mean over both, which the original code takes.
        - The space's `none`, if it has one, has a weight of its own, which changes only the zero-one loss; the original
          code has no such primitive.
        - Edges are left out only in a sparse space, `DARTSSpace(sparse=True)`; in others each node keeps two.
    """

    def __init__(self, zero_one_weight: float = 10.0, threshold: float = 0.85, **kwargs: Any):
        super().__init__(**kwargs)
        self.threshold = checks.number("threshold", threshold, above=0, below=1)
        self.zero_one_weight = checks.number("zero_one_weight", zero_one_weight, least=0)

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, None]:
        return ops.sigmoid(alphas), None

    def penalty(self, alphas: Tensor) -> Any:
        """Return the zero-one loss."""
        return -self.zero_one_weight * ops.mean(ops.square(ops.sigmoid(alphas) - 0.5))

    def get_config(self) -> dict[str, Any]:
        return {"zero_one_weight": self.zero_one_weight, "threshold": self.threshold}
