"""Local search: steps to better neighbors, and restarts from random architectures."""

from __future__ import annotations

from typing import Any

from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy


@STRATEGIES.register("local_search")
class LocalSearch(SearchStrategy):
    """Local search: try neighbors in random order, move to the first better one, restart at a local optimum.

    With several architectures pending it moves as soon as any reward exceeds the current one. While the last neighbors
    of an architecture are being evaluated, `ask` returns random architectures; the search moves to one that is better.

    Args:
        space, seed, unique: as for `SearchStrategy`; with `unique`, neighbors evaluated before are skipped.

    Attributes:
        current: the architecture whose neighbors are tried, and its reward; None before a (re)start.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> strategy = LocalSearch(DARTSSpace(num_nodes=1), seed=0)
    >>> for _ in range(60):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("sep_conv_3x3"))
    >>> strategy.best[1]  # of 4 edges
    4.0

    Reference:
        White et al., "Local Search is State of the Art for Neural Architecture Search Benchmarks", 2020
        (arXiv 2005.02960).
    """

    def __init__(self, space: SearchSpace, seed: int = 0, unique: bool = True):
        super().__init__(space, seed, unique)
        self.current: tuple[Indices, float] | None = None
        self._untried: list[Indices] = []  # neighbors of the current one, in random order

    def propose(self) -> Indices:
        while self._untried:
            neighbor = self._untried.pop()
            if not self.unique or self.is_new(neighbor):
                return neighbor
        if self.current is not None and set(self.pending).isdisjoint(self.space.neighbors(self.current[0])):
            self.current = None  # a local optimum
        return self.space.sample_indices(self.rng)

    def observe(self, indices: Indices, reward: float) -> None:
        if self.current is None or reward > self.current[1]:
            self.current = indices, reward
            neighbors = self.space.neighbors(indices)
            self._untried = [neighbors[position] for position in self.rng.permutation(len(neighbors))]

    def state(self) -> dict[str, Any]:
        return {"current": self.current, "untried": list(self._untried)}

    def restore(self, state: dict[str, Any]) -> None:
        current = state["current"]
        self.current = None if current is None else (tuple(current[0]), current[1])
        self._untried = [tuple(indices) for indices in state["untried"]]
