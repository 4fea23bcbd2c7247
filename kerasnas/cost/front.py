"""The Pareto front of a searched supernet: for each cost the most probable network that does not exceed it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasnas import checks
from kerasnas.cost.model import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.networks.supernet import Supernet


class FrontPoint(NamedTuple):
    """A network on the front, and its cost."""

    genotype: Genotype
    cost: float


@checks.arguments(supernet=Supernet, cost=CostModel)
def pareto_front(
    supernet: Supernet, cost: CostModel, points: int = 8, max_skips: int | None = None
) -> list[FrontPoint]:
    """Return the networks that a searched supernet derives under limits from the least cost to that of its free choice.

    All of them come from one search; each is worth training if the cost matters.

    Args:
        supernet: a supernet after its search.
        cost: a cost model of its space.
        points: number of limits, evenly spaced, at least 2. Defaults to 8.
        max_skips: as for `Supernet.derive`. Defaults to None.

    Returns:
        The distinct networks, cheaper ones first.

    Raises:
        TypeError: if `supernet` or `cost` is of another type.
        ValueError: if `points` is not an integer of at least 2.

    Example:

    >>> from kerasnas.cost import COSTS
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1)
    >>> supernet = space.build_supernet((8, 8, 3), 10)
    >>> _ = supernet.alphas["cell"].assign(np.array([0, 1, 2, 3, 0.0]) * np.ones((6, 1)))
    >>> [point.cost for point in pareto_front(supernet, COSTS["parameters"](space, (8, 8, 3), 10), points=3)]
    [1332.0, 3348.0, 6036.0]
    """
    points = checks.integer("points", points, 2)
    most = cost.cost(supernet.derive(max_skips))
    limits = np.linspace(cost.least_cost(), most, points)
    genotypes = [supernet.derive(max_skips, cost, float(limit)) for limit in limits]
    return sorted({FrontPoint(genotype, cost.cost(genotype)) for genotype in genotypes}, key=lambda point: point.cost)
