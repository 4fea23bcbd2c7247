"""New architectures around the best ones, for a model to choose from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import check_space
from kerasnas.strategies.gaussian_process import MatchKernel

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


class Batches:
    """Part of a search whose model chooses `batch_size` architectures at a time, after `initial` random ones."""

    def __init__(self, space: SearchSpace, seed: int = 0, unique: bool = True, initial: int = 10, batch_size: int = 2):
        super().__init__(space, seed, unique)  # type: ignore[call-arg]  # of the search that it is part of
        self.initial = checks.integer("initial", initial, 1)
        self.batch_size = checks.integer("batch_size", batch_size, 1)
        self._kernel, self._around = MatchKernel(space), Candidates(space)
        self._chosen: list[Indices] = []  # with the last fit, not asked for yet

    def propose(self: Any) -> Indices:
        if not self._chosen and len(self.succeeded) >= self.initial:
            self._chosen = self._choose()
        return self._chosen.pop(0) if self._chosen else self.space.sample_indices(self.rng)

    def state(self: Any) -> dict[str, Any]:
        return {"chosen": [list(indices) for indices in self._chosen]}

    def restore(self: Any, state: dict[str, Any]) -> None:
        self._chosen = [tuple(indices) for indices in state["chosen"]]
