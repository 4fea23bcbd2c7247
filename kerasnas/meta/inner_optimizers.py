"""The optimizers of the inner loop as pure functions: they return the values that Keras' optimizers assign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.registry import Registry

INNER_OPTIMIZERS = Registry("inner optimizer")


@INNER_OPTIMIZERS.register("sgd")
class InnerSGD:
    """Gradient descent: `w' = w - rate g`. It has no slots.

    Example:

    >>> w, _ = InnerSGD()([ops.ones(2)], [ops.ones(2)], [0.25], [])
    >>> [float(value) for value in w[0]]
    [0.75, 0.75]
    """

    def slots(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """The shapes of the slots, kept from step to step, for parameters of these shapes."""
        return []

    def __call__(
        self, w: Sequence[Tensor], gradients: Sequence[Tensor], rates: Sequence[Any], slots: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """`(new values, new slots)`; a rate for each parameter."""
        return [
            p - ops.convert_to_tensor(rate, p.dtype) * g for p, g, rate in zip(w, gradients, rates, strict=True)
        ], []


@INNER_OPTIMIZERS.register("adam")
class InnerAdam:
    """Adam without momentum (beta_1 = 0), the inner optimizer of Reptile.

    Its slots, the second moments and the number of steps, are kept from task to task, as in the published code: a step
    is then scaled by the gradients of all tasks so far, not by its own.

    Args:
        beta_2: decay of the second moments, at least 0 and below 1. Defaults to 0.999.
        epsilon: a positive number added to the root of the second moments. Defaults to 1e-8.

    Raises:
        ValueError: if a number is out of its range.

    Example:

    >>> w, slots = InnerAdam()([ops.ones(2)], [ops.ones(2)], [0.25], [ops.zeros(()), ops.zeros(2)])
    >>> [round(float(value), 3) for value in w[0]]
    [0.75, 0.75]

    Reference:
        Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015 (arXiv 1412.6980); Nichol et al., "On
        First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999), section 6.1.
    """

    def __init__(self, beta_2: float = 0.999, epsilon: float = 1e-8):
        self.beta_2 = checks.number("beta_2", beta_2, least=0, below=1)
        self.epsilon = checks.number("epsilon", epsilon, above=0)

    def slots(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """The number of steps, then the second moments."""
        return [(), *shapes]

    def __call__(
        self, w: Sequence[Tensor], gradients: Sequence[Tensor], rates: Sequence[Any], slots: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """`(new values, new slots)`; a rate for each parameter."""
        steps, *moments = slots
        steps = steps + 1
        correction = ops.sqrt(1 - ops.power(ops.convert_to_tensor(self.beta_2, steps.dtype), steps))
        moments = [self.beta_2 * v + (1 - self.beta_2) * ops.square(g) for v, g in zip(moments, gradients, strict=True)]
        new = [
            p - ops.convert_to_tensor(rate, p.dtype) * ops.cast(correction, p.dtype) * g / (ops.sqrt(v) + self.epsilon)
            for p, g, rate, v in zip(w, gradients, rates, moments, strict=True)
        ]
        return new, [steps, *moments]
