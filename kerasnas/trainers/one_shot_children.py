"""Children of a supernet, evaluated with its shared weights, here or in workers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from kerasnas import backend
from kerasnas.annotations import Tensor
from kerasnas.genotypes import Genotype
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.spaces import SearchSpace
from kerasnas.tasks import Task

Reward = Callable[[Genotype, Tensor, Tensor], float]


class Children:
    """Children of `supernet`, built by `space`. A worker receives both and traces its own graph."""

    def __init__(self, supernet: WeightSharingSupernet, space: SearchSpace):
        self.supernet, self.space = supernet, space
        self._compiled_logits = backend.traced_once(self._logits)

    def reward(self, genotype: Genotype, x: Tensor, y: Tensor, task: Task, eagerly: bool) -> float:
        """Return one child's mean score on one batch; NaN if its logits are not finite."""
        logits = self._logits if eagerly else self._compiled_logits
        architecture = ops.convert_to_tensor(self.space.encode(genotype), "int32")
        images = ops.convert_to_tensor(x, self.supernet.compute_dtype)
        outputs = ops.convert_to_numpy(logits(backend.values(self.supernet.trainable_variables), images, architecture))
        return float(np.mean(task.scores(outputs, np.asarray(y)))) if np.isfinite(outputs).all() else math.nan

    def _logits(self, weights: list[Any], images: Tensor, architecture: Any) -> Any:
        return self.supernet.stateless_call(weights, [], images, architecture=architecture)[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Children, (self.supernet, self.space)


def mean_reward(shared: tuple[Reward, np.ndarray, np.ndarray, int], genotype: Genotype) -> float:
    """Return a child's reward on all of the data, in batches of nearly equal size: a function for an executor.

    `shared` holds the reward of a child on a batch; images, their labels, and the maximum size of a batch.
    """
    reward, x, y, batch_size = shared
    parts = np.array_split(np.arange(len(y)), -(-len(y) // batch_size))
    rewards = [reward(genotype, x[part], y[part]) for part in parts]
    return float(np.average(rewards, weights=[len(part) for part in parts]))
