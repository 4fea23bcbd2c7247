"""SourceSurrogate: predictions for every architecture of a space, from the record of an earlier search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnas.meta.experience import SearchExperience
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.gaussian_process import MatchKernel, normal_quantiles

NOISE = 0.6  # variance, for rewards with variance 1: a source should contribute trends, not the noise of its run

_REFERENCE = 500  # random architectures over which predictions are standardized


class SourceSurrogate:
    """The posterior mean of a Gaussian process fitted to one source, standardized over random architectures.

    The process is that of `PredictorSearch`, on the normal quantiles of the rewards' ranks, which makes sources with
    rewards in different units comparable. A prediction of 1 is one standard deviation above the mean of random
    architectures.

    Args:
        space: the space of the source.
        source: the record of an earlier search.
        seed: seed of the random architectures. Defaults to 0.
    """

    def __init__(self, space: SearchSpace, source: SearchExperience, seed: int = 0):
        self.source = source
        self._kernel = MatchKernel(space)
        self._codes = self._kernel.encode(source.architectures)
        self.scores = normal_quantiles(source.rewards)
        gram = self._kernel(self._codes, self._codes) + NOISE * np.eye(len(source))
        self._weights = np.linalg.solve(gram, self.scores)
        self._center, self._scale = 0.0, 1.0
        rng = np.random.default_rng(seed)
        reference = self([space.sample_indices(rng) for _ in range(_REFERENCE)])
        self._center, self._scale = float(reference.mean()), float(reference.std()) or 1.0

    def __call__(self, architectures: Sequence[Indices]) -> np.ndarray:
        """Return the predictions `(n,)` for n architectures."""
        raw = self._kernel(self._kernel.encode(architectures), self._codes) @ self._weights
        return (raw - self._center) / self._scale


class SourcePredictions:
    """The predictions of several sources, cached by architecture."""

    def __init__(self, surrogates: Sequence[SourceSurrogate]):
        self.surrogates = list(surrogates)
        self._known: dict[Indices, np.ndarray] = {}

    def __call__(self, architectures: Sequence[Indices]) -> np.ndarray:
        """Return `(n, sources)` predictions for n architectures."""
        new = [indices for indices in dict.fromkeys(architectures) if indices not in self._known]
        if new:
            predictions = np.stack([surrogate(new) for surrogate in self.surrogates], axis=1)
            self._known.update(zip(new, predictions, strict=True))
        return np.array([self._known[indices] for indices in architectures])
