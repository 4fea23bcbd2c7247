"""Aggregations of the clients' values: the mean, and three that withstand a minority of hostile clients.

Each has `members`, one list of arrays per client, equal in number and shapes, and `shares`, the weight of each client,
which count in the mean alone. Differences from the papers: their members are gradients, here they are the values after
local training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from kerasnas.registry import Registry

Arrays = Sequence[np.ndarray]
Aggregation = Callable[[Sequence[Arrays], Sequence[float]], list[np.ndarray]]
AGGREGATIONS = Registry("aggregation")


@AGGREGATIONS.register("mean")
def weighted_mean(members: Sequence[Arrays], shares: Sequence[float]) -> list[np.ndarray]:
    """Return `sum_k n_k w_k / sum_k n_k`, in float64.

    Example:

    >>> mean = weighted_mean([[np.array([0.0])], [np.array([4.0])]], shares=[3, 1])
    >>> mean[0].tolist()
    [1.0]
    """
    weights = np.asarray(shares, "float64") / np.asarray(shares, "float64").sum()
    columns = zip(*members, strict=True)
    return [sum(n * np.asarray(w, "float64") for n, w in zip(weights, column, strict=True)) for column in columns]


@AGGREGATIONS.register("median")
def median(members: Sequence[Arrays], shares: Sequence[float] = ()) -> list[np.ndarray]:
    """Return the median of each coordinate.

    Reference:
        Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", 2018 (arXiv
        1803.01498), definition 1.
    """
    return [np.median(column, axis=0) for column in _columns(members)]


@AGGREGATIONS.register("trimmed")
def trimmed_mean(members: Sequence[Arrays], shares: Sequence[float] = (), trim: float = 0.2) -> list[np.ndarray]:
    """Return the mean of each coordinate without the fraction `trim`, rounded up, of smallest and of largest values.

    Reference:
        Yin et al., 2018, as for `median`, definition 2.
    """
    n = len(members)
    k = min(math.ceil(trim * n), (n - 1) // 2)
    return [np.sort(column, axis=0)[k : n - k].mean(axis=0) for column in _columns(members)]


@AGGREGATIONS.register("krum")
def multi_krum(members: Sequence[Arrays], shares: Sequence[float] = (), hostile: int | None = None) -> list[np.ndarray]:
    """Return the mean of the `m` members with the smallest sums of squared distances to their `m` nearest.

    `m = n - f - 2`, where `f` is the number `hostile`, by default the largest with `n >= 2 f + 3`.

    Reference:
        Blanchard et al., "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent", 2017 (arXiv
        1703.02757), sections 4 and 5; El Mhamdi et al., 2018 (arXiv 1802.07927), for the size of `m`.
    """
    n = len(members)
    f = max((n - 3) // 2, 0) if hostile is None else hostile
    m, columns = max(n - f - 2, 1), _columns(members)
    distances = np.zeros((n, n))
    for column in columns:
        distances += [np.square(column - w).reshape(n, -1).sum(axis=1) for w in column]
    nearest = np.sort(distances, axis=1)[:, 1 : 1 + m]  # without the distance to itself
    kept = np.argsort(nearest.sum(axis=1), kind="stable")[:m]
    return [column[kept].mean(axis=0) for column in columns]


def _columns(members: Sequence[Arrays]) -> list[np.ndarray]:
    """Return each array of all members, stacked, in float64."""
    return [np.stack(column).astype("float64") for column in zip(*members, strict=True)]
