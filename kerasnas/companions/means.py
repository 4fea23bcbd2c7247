"""A linear model of means of parts, beside a network of images."""

from __future__ import annotations

import dataclasses

import numpy as np

from kerasnas.companions.base import Companion, Learned, Parts, Weights
from kerasnas.companions.kernels import ridge_learned
from kerasnas.networks.part_means import PartMeans
from kerasnas.tasks import Task


@dataclasses.dataclass(frozen=True)
class MeansCompanion(Companion):
    """A ridge regression on means of parts of images, where it leads: as where planes of a board count pieces.

    Of chess, the sums of its twelve planes tell who wins better than networks learn in minutes; of digits in channels
    means tell next to nothing, and the network stands alone.
    """

    samples = "images"
    prior = (0.5, 0.5)
    must_lead = True

    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        return ridge_learned(PartMeans.of(x.shape[1:]), x, y, parts, task, outputs, weights)

    def __str__(self) -> str:
        return "linear model on means of parts"
