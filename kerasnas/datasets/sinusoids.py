"""Sinusoid regression: the smallest family of tasks, in closed form."""

from __future__ import annotations

import math

import numpy as np

from kerasnas import checks
from kerasnas.datasets.tasks import Episode, TaskFamily


class SinusoidTasks(TaskFamily):
    """Regression to `amplitude * sin(x - phase)`, both drawn for each task (the sinusoids of MAML).

    Inputs are drawn uniformly; inputs and targets are float32 of shape `(samples, 1)`.

    Args:
        shots: number of support samples. Defaults to 10.
        query_shots: number of query samples; 0 for training on the support alone. Defaults to 10.
        amplitude: `(low, high)` of its uniform distribution. Defaults to `(0.1, 5.0)`.
        phase: `(low, high)` of its uniform distribution, in radians. Defaults to `(0, pi)`.
        inputs: `(low, high)` of their uniform distribution. Defaults to `(-5.0, 5.0)`.
        seed: the same seed gives the same tasks. Defaults to 0.

    Raises:
        ValueError: if a number of samples is out of range, or a range is not finite or not in order.

    Example:

    >>> tasks = SinusoidTasks(shots=5)
    >>> tasks.episode(0).support[0].shape, tasks.batch(0, tasks=25).query[1].shape, tasks.input_shape
    ((5, 1), (25, 10, 1), (1,))

    Reference: [Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks](https://arxiv.org/abs/1703.03400),
        section 5.1.
    """

    input_shape = (1,)

    def __init__(
        self,
        shots: int = 10,
        query_shots: int = 10,
        amplitude: tuple[float, float] = (0.1, 5.0),
        phase: tuple[float, float] = (0.0, math.pi),
        inputs: tuple[float, float] = (-5.0, 5.0),
        seed: int = 0,
    ):
        super().__init__(seed)
        self.shots = checks.integer("shots", shots, 1)
        self.query_shots = checks.integer("query_shots", query_shots, 0)
        self.amplitude = _check_range("amplitude", amplitude)
        self.phase = _check_range("phase", phase)
        self.inputs = _check_range("inputs", inputs)

    def draw(self, rng: np.random.Generator) -> Episode:
        amplitude, phase = rng.uniform(*self.amplitude), rng.uniform(*self.phase)
        x = rng.uniform(*self.inputs, (self.shots + self.query_shots, 1))
        x, y = x.astype(np.float32), (amplitude * np.sin(x - phase)).astype(np.float32)
        return Episode((x[: self.shots], y[: self.shots]), (x[self.shots :], y[self.shots :]))


def _check_range(name: str, ends: tuple[float, float]) -> tuple[float, float]:
    invalid = ValueError(checks.invalid(name, "(low, high), finite and low at most high", ends))
    if not isinstance(ends, (tuple, list)) or len(ends) != 2:
        raise invalid
    try:
        low, high = (checks.number(name, end) for end in ends)
    except ValueError:
        raise invalid from None
    if low > high:
        raise invalid
    return low, high
