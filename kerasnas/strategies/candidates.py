"""New architectures around the best ones, for a model to choose from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import check_space

INCUMBENTS = 5  # best architectures whose neighbors are all candidates
_MUTANTS = 150  # candidates two random changes away from one of them
_RANDOM = 50  # candidates from anywhere


class Candidates:
    """New architectures: all neighbors of the best, 150 that are two changes away from one of them, and 50 random ones.

    Called with the best architectures, a generator and a filter `is_new`, it returns distinct candidates.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> candidates = Candidates(NASBench201Space())
    >>> found = candidates([(0,) * 6], np.random.default_rng(0), lambda indices: indices != (0,) * 6)
    >>> (0, 0, 0, 0, 0, 4) in found, (0,) * 6 in found, len(found) == len(set(found)) > 100
    (True, False, True)
    """

    def __init__(self, space: SearchSpace):
        self.space = check_space(space)
        self._neighbors: dict[Indices, list[Indices]] = {}  # of the best of the latest call

    def __call__(
        self, best: Sequence[Indices], rng: np.random.Generator, is_new: Callable[[Indices], bool]
    ) -> list[Indices]:
        self._neighbors = {
            indices: self._neighbors[indices] if indices in self._neighbors else self.space.neighbors(indices)
            for indices in best
        }
        drawn = [*itertools.chain(*self._neighbors.values()), *self._mutants(best, rng), *self._random(rng)]
        distinct = {self.space.key(indices): indices for indices in drawn}
        return [indices for indices in distinct.values() if is_new(indices)]

    def _mutants(self, best: Sequence[Indices], rng: np.random.Generator) -> list[Indices]:
        parents = rng.integers(len(best), size=_MUTANTS)
        if type(self.space).mutate_indices is not SearchSpace.mutate_indices:
            once = [self.space.mutate_indices(best[parent], rng) for parent in parents]
            return [self.space.mutate_indices(indices, rng) for indices in once]
        # The same as above, vectorized.
        mutants, rows, sizes = np.array(best)[parents], np.arange(_MUTANTS), np.array(self.space.cardinalities)
        for _ in range(2):
            positions = rng.choice(np.flatnonzero(sizes > 1), size=_MUTANTS)
            options = rng.integers(sizes[positions] - 1)
            mutants[rows, positions] = options + (options >= mutants[rows, positions])
        return [indices for indices in map(tuple, mutants.tolist()) if self.space.feasible(indices)]

    def _random(self, rng: np.random.Generator) -> list[Indices]:
        if type(self.space).sample_indices is not SearchSpace.sample_indices:
            return [self.space.sample_indices(rng) for _ in range(_RANDOM)]
        drawn = rng.integers(self.space.cardinalities, size=(_RANDOM, len(self.space.cardinalities)))
        return [indices for indices in map(tuple, drawn.tolist()) if self.space.feasible(indices)]
