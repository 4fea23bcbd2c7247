"""Multi-objective searches: the Pareto front of everything evaluated, and NSGA-II."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.pareto import crowding_distance, non_dominated, non_dominated_sort
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy, real
from kerasnas.strategies.evolution import mutated


class ParetoSearch(SearchStrategy):
    """A search for the Pareto front: a reward is a vector, every entry of which is maximized.

    A reward with an entry that is not finite has failed. Args: as for `SearchStrategy`.
    """

    objectives = 2

    @property
    def best(self) -> NoReturn:
        """Undefined: vectors have no total order."""
        raise AttributeError("A multi-objective search has no single best. Use `pareto_front()`.")

    def pareto_front(self) -> list[tuple[Genotype, tuple[float, ...]]]:
        """Return the non-dominated genotypes and their rewards, by descending first objective."""
        pairs = sorted(self.succeeded, key=lambda pair: pair[1], reverse=True)
        front = non_dominated(np.array([reward for _, reward in pairs])) if pairs else ()
        return [(self.space.decode(pairs[position][0]), pairs[position][1]) for position in front]

    def check_reward(self, reward: Any) -> tuple[float, ...] | None:
        expected = f"{self.objectives} numbers, one for each objective"
        is_vector = isinstance(reward, Sequence) or (isinstance(reward, np.ndarray) and reward.ndim == 1)
        if not is_vector or isinstance(reward, (str, bytes)):
            raise TypeError(checks.invalid("reward", expected, reward))
        if len(reward) != self.objectives:
            raise ValueError(checks.invalid("reward", expected, reward))
        numbers = [real("reward", number) for number in reward]
        return None if None in numbers else tuple(numbers)  # type: ignore[arg-type]


@STRATEGIES.register("nsga2")
class NSGA2(ParetoSearch):
    """NSGA-II: evolution of a well-spread set of non-dominated architectures.

    A reward is a vector, every entry of which is maximized; one with an entry that is not finite has failed.
    Parents are winners of binary tournaments; a child takes each choice from either parent, and has one choice
    mutated with probability `mutation_probability`. After `population_size` children the better half of parents
    and children survives: by Pareto front, and in the last front that fits by crowding distance.

    Args:
        space, seed, unique: as for `SearchStrategy`.
        population_size: number of parents, and of children between two selections. Defaults to 20.
        objectives: number of entries in a reward. Defaults to 2.
        mutation_probability: probability that a child is mutated. Defaults to 0.9.

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
        self.population_size = checks.integer("population_size", population_size, 2)
        self.objectives = checks.integer("objectives", objectives, 1)
        self.mutation_probability = checks.number("mutation_probability", mutation_probability, least=0, most=1)
        self.population: list[tuple[Indices, tuple[float, ...]]] = []  # best first
        self._ranks: list[tuple[int, float]] = []  # (front, -crowding distance) of each: less is better
        self._newcomers: list[tuple[Indices, tuple[float, ...]]] = []

    def propose(self) -> Indices:
        if not self.population:
            return self.space.sample_indices(self.rng)
        first, second = self._parent(), self._parent()
        from_first = self.rng.random(len(first)) < 0.5
        child = tuple(a if take else b for a, b, take in zip(first, second, from_first, strict=True))
        if not self.space.feasible(child):  # which not every space can mutate
            child = first
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
        # Selection draws nothing at random: replaying the observations repeats it.
        self.population, self._ranks, self._newcomers = [], [], []
        for indices, reward in self.succeeded:
            self.observe(indices, reward)
