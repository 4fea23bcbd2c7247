"""Sinusoid regression: the smallest family of tasks, in closed form."""

from __future__ import annotations

import math

import numpy as np

from kerasnas import checks
from kerasnas.datasets.tasks import Episode, TaskFamily


class SinusoidTasks(TaskFamily):
    """Regression to `amplitude * sin(x - phase)`, both drawn for each task (the sinusoids of MAML).

    Amplitudes are drawn uniformly from 0.1 to 5, phases from 0 to pi, inputs from -5 to 5; inputs and targets are
    float32 of shape `(samples, 1)`.

    Args:
        shots: number of support samples. Defaults to 10.
        query_shots: number of query samples; 0 for training on the support alone. Defaults to 10.
        seed: the same seed gives the same tasks. Defaults to 0.

    Raises:
        ValueError: if a number of samples is out of range.

    Reference: [Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks](https://arxiv.org/abs/1703.03400),
        section 5.1.
    """

    input_shape = (1,)

    def __init__(self, shots: int = 10, query_shots: int = 10, seed: int = 0):
        super().__init__(seed)
        self.shots = checks.integer("shots", shots, 1)
        self.query_shots = checks.integer("query_shots", query_shots, 0)

    def draw(self, rng: np.random.Generator) -> Episode:
        amplitude, phase = rng.uniform(0.1, 5), rng.uniform(0, math.pi)
        x = rng.uniform(-5, 5, (self.shots + self.query_shots, 1))
        x, y = x.astype(np.float32), (amplitude * np.sin(x - phase)).astype(np.float32)
        return Episode((x[: self.shots], y[: self.shots]), (x[self.shots :], y[self.shots :]))
