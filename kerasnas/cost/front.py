"""The front of what a search found: for each cost the most probable network that does not exceed it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasnas.cost.model import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.networks.supernet import Supernet


class FrontPoint(NamedTuple):
    """A network on the front.

    Args:
        genotype: the network.
        cost: what it costs.
    """

    genotype: Genotype
    cost: float


def pareto_front(
    supernet: Supernet, cost: CostModel, points: int = 8, max_skips: int | None = None
) -> list[FrontPoint]:
    """The networks that a searched supernet would choose under limits from the least cost to that of its free choice.

    One search gives them all; each is worth training where the cost counts.

    Args:
        supernet: a searched one.
        cost: of its space.
        points: how many limits, evenly spaced. Defaults to 8.
        max_skips: as for `Supernet.derive`. Defaults to None.

    Returns:
        The distinct networks, cheaper ones first.

    Example:

    >>> from kerasnas.cost import COSTS
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1)
    >>> supernet = space.build_supernet((8, 8, 3), 10)
    >>> _ = supernet.alphas["cell"].assign(np.array([0, 1, 2, 3, 0.0]) * np.ones((6, 1)))
    >>> [point.cost for point in pareto_front(supernet, COSTS["parameters"](space, (8, 8, 3), 10), points=3)]
    [1332.0, 3348.0, 6036.0]
    """
    if points < 2:
        raise ValueError(f"Invalid value received for argument `points`. Expected at least 2. Received: {points}")
    most = cost.cost(supernet.derive(max_skips))
    limits = np.linspace(cost.least_cost(), most, points)
    limits[0] *= 1 + 1e-9  # the sum of a table's entries in another order
    found = [supernet.derive(max_skips, cost, float(limit)) for limit in limits]
    return sorted({FrontPoint(genotype, cost.cost(genotype)) for genotype in found}, key=lambda point: point.cost)
