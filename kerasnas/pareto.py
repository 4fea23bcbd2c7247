"""Pareto dominance: the rewards that no other dominates, with every objective maximized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnas import checks


def non_dominated(rewards: np.ndarray) -> np.ndarray:
    """Return the Pareto front of `(n, objectives)`: positions, ascending, of rewards that no other dominates.

    Equal rewards do not dominate each other: all of them are on the front, or none.
    """
    rewards = checks.array("rewards", rewards, rank=2)
    front: list[int] = []
    # In descending order whatever dominates a reward stands before it.
    for position in np.lexsort(rewards.T[::-1])[::-1].tolist() if rewards.size else range(len(rewards)):
        if not _dominance(rewards[front], rewards[[position]]).any():
            front.append(position)
    return np.sort(np.array(front, np.intp))


def non_dominated_sort(rewards: np.ndarray) -> list[np.ndarray]:
    """Divide `(n, objectives)` rewards into Pareto fronts, the best first, as ascending positions.

    Each is the front of the rewards that those before it leave.
    """
    rewards = checks.array("rewards", rewards, rank=2)
    dominance = _dominance(rewards, rewards)
    fronts, left = [], np.arange(len(rewards))
    while len(left):
        free = ~dominance[np.ix_(left, left)].any(axis=0)
        fronts.append(left[free])
        left = left[~free]
    return fronts


def crowding_distance(rewards: np.ndarray) -> np.ndarray:
    """Return the distance between the neighbors of each member of a front, summed over the objectives.

    It is infinite at the ends.

    Reference:
        Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", 2002.
    """
    rewards = checks.array("rewards", rewards, rank=2)
    distance = np.zeros(len(rewards))
    for values in rewards.T if len(rewards) else ():
        order = np.argsort(values, kind="stable")
        spread = float(values[order[-1]] - values[order[0]])
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / spread
    return distance


def staircase(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Return the front of a cost to minimize and a value to maximize: positions, cheaper ones first.

    Of equal points only the first is listed, so that costs and values both ascend strictly.
    """
    costs = checks.array("costs", costs, rank=1).tolist()
    values = checks.array("values", values, rank=1).tolist()
    if len(costs) != len(values):
        raise ValueError(checks.invalid("values", f"{len(costs)} numbers, as many as `costs` has", values))
    front: list[int] = []
    for position in sorted(range(len(costs)), key=lambda position: (costs[position], -values[position])):
        if not front or values[position] > values[front[-1]]:
            front.append(position)
    return front


def hypervolume(rewards: np.ndarray, reference: Sequence[float]) -> float:
    """Return the area that two-objective rewards `(n, 2)`, both maximized, dominate above a reference point.

    Rewards that do not exceed the reference in both objectives add nothing.

    Reference:
        Zitzler and Thiele, "Multiobjective Optimization Using Evolutionary Algorithms: A Comparative Case Study", 1998.
    """
    rewards = checks.array("rewards", rewards, rank=2).astype(float)
    corner = checks.array("reference", reference, rank=1).astype(float)
    if rewards.shape[1] != 2:
        raise ValueError(checks.invalid("rewards", "an array (n, 2), of two objectives", rewards.shape))
    if corner.shape != (2,):
        raise ValueError(checks.invalid("reference", "two numbers", reference))
    above = rewards[(rewards > corner).all(axis=1)] - corner
    # The first objective descends, the second ascends.
    steps = above[staircase((-above[:, 0]).tolist(), above[:, 1].tolist())]
    return float(steps[:, 0] @ np.diff(steps[:, 1], prepend=0.0))


def _dominance(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return an array `(n, m)`: True where a row of `ones` dominates a row of `others`."""
    as_good, better = ones[:, None] >= others, ones[:, None] > others
    return np.logical_and(as_good.all(axis=-1), better.any(axis=-1))
