"""NSGA2: evolution towards several objectives at once, and their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.pareto import crowding_distance, non_dominated, non_dominated_sort
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy
from kerasnas.strategies.evolution import mutated


@STRATEGIES.register("nsga2")
class NSGA2(SearchStrategy):
    """NSGA-II: evolution that keeps what no other architecture beats in every objective, well spread.

    A reward is a vector, all of whose numbers are maximised; one with a number that is not finite has failed.
    Parents are winners of binary tournaments; a child takes each choice from either parent, and has one of them
    changed with the probability `mutation_probability`. After `population_size` children the best half of parents
    and children lives on: by Pareto front, and in the last front that fits by crowding distance.

    Args:
        space: where to search.
        seed: seed of everything it draws. Defaults to 0.
        population_size: of parents, and of children between two selections. Defaults to 20.
        objectives: how many numbers a reward has. Defaults to 2.
        mutation_probability: of each child. Defaults to 0.9.
        unique: whether no architecture is asked twice. Defaults to True.

    Raises:
        ValueError: if a number is out of its range.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> strategy = NSGA2(DARTSSpace(num_nodes=1), seed=0)
    >>> for _ in range(200):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, [genotype.count("sep_conv_3x3"), genotype.count("skip_connect")])
    >>> sorted({rewards for _, rewards in strategy.pareto_front()})
    [(0.0, 4.0), (1.0, 3.0), (2.0, 2.0), (3.0, 1.0), (4.0, 0.0)]

    Reference:
        Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", 2002; for architectures: Lu et al.,
        "NSGA-Net: Neural Architecture Search using Multi-Objective Genetic Algorithm", 2018 (arXiv 1810.03522).
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        population_size: int = 20,
        objectives: int = 2,
        mutation_probability: float = 0.9,
        unique: bool = True,
    ):
        super().__init__(space, seed, unique)
        for argument, value, least in (("population_size", population_size, 2), ("objectives", objectives, 1)):
            if value < least:
                raise ValueError(
                    f"Invalid value received for argument `{argument}`. Expected at least {least}. Received: {value}"
                )
        if not 0 <= mutation_probability <= 1:
            raise ValueError(
                "Invalid value received for argument `mutation_probability`. Expected a number in [0, 1]. "
                f"Received: {mutation_probability}"
            )
        self.population_size, self.objectives = population_size, objectives
        self.mutation_probability = mutation_probability
        self.population: list[tuple[Indices, tuple[float, ...]]] = []  # best first
        self._ranks: list[tuple[int, float]] = []  # (front, -crowding distance) of each: less is better
        self._newcomers: list[tuple[Indices, tuple[float, ...]]] = []

    @property
    def best(self) -> NoReturn:
        """Not defined: rewards with several objectives have no order."""
        raise AttributeError("A multi-objective search has no single best. Use `pareto_front()`.")

    def pareto_front(self) -> list[tuple[Genotype, tuple[float, ...]]]:
        """The genotypes that no told one dominates, and their rewards, by descending first objective."""
        told = sorted(self.succeeded, key=lambda pair: pair[1], reverse=True)
        front = non_dominated(np.array([reward for _, reward in told])) if told else ()
        return [(self.space.decode(told[position][0]), told[position][1]) for position in front]

    def check_reward(self, reward: Any) -> tuple[float, ...] | None:
        if not isinstance(reward, (Sequence, np.ndarray)) or isinstance(reward, str):
            raise TypeError(f"Expected a reward of {self.objectives} numbers. Received: {reward!r}")
        if len(reward) != self.objectives:
            raise ValueError(
                f"Invalid value received for argument `reward`. Expected {self.objectives} numbers. Received: {reward}"
            )
        numbers = tuple(map(float, reward))
        return numbers if all(map(math.isfinite, numbers)) else None

    def propose(self) -> Indices:
        if not self.population:
            return self.space.sample_indices(self.rng)
        first, second = self._parent(), self._parent()
        from_first = self.rng.random(len(first)) < 0.5
        child = tuple(a if take else b for a, b, take in zip(first, second, from_first, strict=True))
        if self.rng.random() < self.mutation_probability:
            child = mutated(self.space, child, self.rng)
        return child

    def observe(self, indices: Indices, reward: tuple[float, ...]) -> None:
        self._newcomers.append((indices, reward))
        if len(self._newcomers) == self.population_size:
            self._select([*self.population, *self._newcomers])
            self._newcomers = []

    def _parent(self) -> Indices:
        one, other = self.rng.integers(len(self.population), size=2)
        return self.population[one if self._ranks[one] <= self._ranks[other] else other][0]

    def _select(self, members: list[tuple[Indices, tuple[float, ...]]]) -> None:
        rewards = np.array([reward for _, reward in members])
        ranked = []
        for front, positions in enumerate(non_dominated_sort(rewards)):
            distances = crowding_distance(rewards[positions])
            ranked += [(front, -float(d), int(p)) for p, d in zip(positions, distances, strict=True)]
        ranked = sorted(ranked)[: self.population_size]
        self.population = [members[position] for _, _, position in ranked]
        self._ranks = [(front, distance) for front, distance, _ in ranked]

    def restore(self, state: dict[str, Any]) -> None:
        # Selection draws nothing: it comes out as it did.
        self.population, self._ranks, self._newcomers = [], [], []
        for indices, reward in self.succeeded:
            self.observe(indices, reward)
