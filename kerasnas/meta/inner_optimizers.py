"""Optimizers of the inner loop as pure functions, which return the values that Keras' optimizers assign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensors
from kerasnas.registry import Registry

INNER_OPTIMIZERS = Registry("inner optimizer")


@INNER_OPTIMIZERS.register("sgd")
class InnerSGD:
    """Gradient descent: `w' = w - rate g`, without slots."""

    def slots(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Return the shapes of the slots, which persist from step to step, for parameters of these shapes."""
        return []

    def __call__(self, w: Tensors, gradients: Tensors, rates: Tensors, slots: Tensors) -> tuple[list[Any], list[Any]]:
        """Return `(new values, new slots)`; one rate per parameter."""
        return [
            p - ops.convert_to_tensor(rate, p.dtype) * g for p, g, rate in zip(w, gradients, rates, strict=True)
        ], []


@INNER_OPTIMIZERS.register("adam")
class InnerAdam:
    """Adam without momentum (beta_1 = 0), the inner optimizer of Reptile.

    Its slots, the second moments and the number of steps, persist from task to task, as in the published code: a step
    is scaled by the gradients of all tasks so far.

    Args:
        beta_2: decay of the second moments, at least 0 and below 1. Defaults to 0.999.
        epsilon: a positive number added to the root of the second moments. Defaults to 1e-8.

    Reference:
        Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015 (arXiv 1412.6980); Nichol et al., "On
        First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999), section 6.1.
    """

    def __init__(self, beta_2: float = 0.999, epsilon: float = 1e-8):
        self.beta_2 = checks.number("beta_2", beta_2, least=0, below=1)
        self.epsilon = checks.number("epsilon", epsilon, above=0)

    def slots(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Return the shapes of the slots: the number of steps, then the second moments."""
        return [(), *shapes]

    def __call__(self, w: Tensors, gradients: Tensors, rates: Tensors, slots: Tensors) -> tuple[list[Any], list[Any]]:
        """Return `(new values, new slots)`; one rate per parameter."""
        steps, *moments = slots
        steps = steps + 1
        correction = ops.sqrt(1 - ops.power(ops.convert_to_tensor(self.beta_2, steps.dtype), steps))
        moments = [self.beta_2 * v + (1 - self.beta_2) * ops.square(g) for v, g in zip(moments, gradients, strict=True)]
        new = [
            p - ops.convert_to_tensor(rate, p.dtype) * ops.cast(correction, p.dtype) * g / (ops.sqrt(v) + self.epsilon)
            for p, g, rate, v in zip(w, gradients, rates, moments, strict=True)
        ]
        return new, [steps, *moments]
