"""TaskMixture: tasks from several families, for learning that transfers between different kinds of data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnas import checks
from kerasnas.datasets.tasks import Episode, TaskFamily


class TaskMixture(TaskFamily):
    """Tasks of several families, each drawn with equal probability.

    Args:
        families: families whose tasks have the same shapes: inputs, classes, shots and query shots.
        seed: the same seed gives the same tasks. Defaults to 0.

    Raises:
        TypeError: if one of them is not a `TaskFamily`.
        ValueError: without families, or if they differ in shape; states the first difference.

    Example: characters and their negatives.

    >>> from kerasnas.datasets import EpisodeSampler
    >>> x, y = np.zeros((60, 8, 8, 1), "float32"), np.repeat(np.arange(6), 10)
    >>> mixture = TaskMixture([EpisodeSampler(x, y, query_shots=5), EpisodeSampler(1 - x, y, query_shots=5)])
    >>> sorted({float(mixture.episode(index).support[0].max()) for index in range(9)})
    [0.0, 1.0]
    """

    def __init__(self, families: Sequence[TaskFamily], seed: int = 0):
        super().__init__(seed)
        checks.instance("families", families, Sequence, "a sequence of families of tasks")
        if not families:
            raise ValueError(checks.invalid("families", "at least one family of tasks", families))
        self.families = tuple(checks.instance("families", family, TaskFamily) for family in families)
        for name in ("input_shape", "shots", "query_shots", "num_classes"):
            values = [getattr(family, name, None) for family in self.families]
            if len(set(values)) > 1:
                raise ValueError(checks.invalid("families", f"families with one `{name}`", values))
            setattr(self, name, values[0])

    def draw(self, rng: np.random.Generator) -> Episode:
        return self.families[int(rng.integers(len(self.families)))].draw(rng)
