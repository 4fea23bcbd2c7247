"""Regularized evolution: tournaments in a population that drops its oldest member."""

from __future__ import annotations

from collections import deque
from typing import Any

from kerasnas import checks
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy


@STRATEGIES.register("evolution")
class RegularizedEvolution(SearchStrategy):
    """Regularized (aging) evolution: mutate the best of a random sample; every newcomer replaces the oldest member.

    The first `population_size` architectures are random. A failed one never enters the population.

    Args:
        space, seed: as for `SearchStrategy`.
        population_size: size of the population, the latest architectures (P). Defaults to 10.
        sample_size: number of members, drawn with replacement, that compete to be the parent (S), at most
            `population_size`. Defaults to 3.
        unique: as for `SearchStrategy`. Defaults to True; the paper has False.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> strategy = RegularizedEvolution(DARTSSpace(num_nodes=1), seed=0)
    >>> for _ in range(60):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("sep_conv_3x3"))
    >>> strategy.best[1] >= 3  # of 4 edges
    True

    Reference:
        Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2018 (arXiv 1802.01548).
    """

    def __init__(
        self, space: SearchSpace, seed: int = 0, population_size: int = 10, sample_size: int = 3, unique: bool = True
    ):
        super().__init__(space, seed, unique)
        self.population_size = checks.integer("population_size", population_size, 1)
        self.sample_size = checks.integer("sample_size", sample_size, 1, most=self.population_size)
        self.population: deque[tuple[Indices, float]] = deque(maxlen=self.population_size)

    def propose(self) -> Indices:
        members = len(self.population)
        if not members or members + len(self.pending) < self.population_size:
            return self.space.sample_indices(self.rng)
        sample = [self.population[index] for index in self.rng.integers(members, size=self.sample_size)]
        parent, _ = max(sample, key=lambda member: member[1])
        return mutated(self.space, parent, self.rng)

    def observe(self, indices: Indices, reward: float) -> None:
        self.population.append((indices, reward))

    def restore(self, state: dict[str, Any]) -> None:
        self.population = deque(self.succeeded, maxlen=self.population_size)


def mutated(space: SearchSpace, parent: Indices, rng: Any) -> Indices:
    """Return `parent` with one choice changed; unchanged if no choice has several options."""
    return space.mutate_indices(parent, rng) if max(space.cardinalities) > 1 else parent
