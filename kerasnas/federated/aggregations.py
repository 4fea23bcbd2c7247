"""Aggregations of the clients' values: their weighted mean, and three that withstand a minority of hostile clients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks

Arrays = Sequence[np.ndarray]
Aggregation = Callable[[Sequence[Arrays], Sequence[float]], list[np.ndarray]]
"""`(one list of arrays per client, the weight of each client) -> one list of arrays`."""


def weighted_mean(members: Sequence[Arrays], shares: Sequence[float]) -> list[np.ndarray]:
    """Return `sum_k n_k w_k / sum_k n_k` of lists of arrays, in float64.

    Args:
        members: one list of arrays per client, equal in number and shapes.
        shares: the weight of each client, in any unit, such as its number of samples.

    Raises:
        ValueError: without members, for a weight that is not positive, or if numbers or shapes differ.

    Example:

    >>> mean = weighted_mean([[np.array([0.0])], [np.array([4.0])]], shares=[3, 1])
    >>> mean[0].tolist()
    [1.0]
    """
    listed = isinstance(members, (list, tuple)) and all(isinstance(member, (list, tuple)) for member in members)
    if not listed or not members:
        raise ValueError(checks.invalid("members", "a list of lists of arrays, at least one", members))
    for member in members:
        arrays = [checks.array("members", array, finite=False) for array in member]
        check_alike("members", members[0], arrays)
    weights = checks.array("shares", shares, rank=1).astype("float64")
    if len(weights) != len(members) or not (weights > 0).all():
        expected = f"a positive weight for each of {len(members)} members"
        raise ValueError(checks.invalid("shares", expected, list(weights)))
    weights /= weights.sum()
    columns = zip(*members, strict=True)
    return [sum(n * np.asarray(w, "float64") for n, w in zip(weights, column, strict=True)) for column in columns]


def median(members: Sequence[Arrays], shares: Sequence[float] = ()) -> list[np.ndarray]:
    """Return the median of each coordinate; `shares` do not count.

    Example:

    >>> [middle] = median([[np.array([0.0, 1.0])], [np.array([2.0, 1e30])], [np.array([-1e30, 3.0])]])
    >>> middle.tolist()
    [0.0, 3.0]

    Reference:
        Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", 2018 (arXiv
        1803.01498), definition 1.

    Differences from the paper:
        - Its members are gradients; here they are the values after local training.
    """
    return [np.median(column, axis=0) for column in _columns(members)]


def trimmed_mean(members: Sequence[Arrays], shares: Sequence[float] = (), trim: float = 0.2) -> list[np.ndarray]:
    """Return the mean of each coordinate without its `k` smallest and `k` largest values; `shares` do not count.

    Args:
        members: one list of arrays per client, equal in number and shapes.
        shares: not used.
        trim: `k` as a fraction of the members, rounded up; at least one member remains. Defaults to 0.2.

    Reference:
        Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", 2018 (arXiv
        1803.01498), definition 2.

    Differences from the paper:
        - Its members are gradients; here they are the values after local training.
    """
    n = len(members)
    k = min(math.ceil(trim * n), (n - 1) // 2)
    return [np.sort(column, axis=0)[k : n - k].mean(axis=0) for column in _columns(members)]


def krum(members: Sequence[Arrays], shares: Sequence[float] = (), hostile: int | None = None) -> list[np.ndarray]:
    """Return the member with the smallest sum of squared distances to its `n - f - 2` nearest; `shares` do not count.

    Args:
        members: one list of arrays per client, equal in number and shapes.
        shares: not used.
        hostile: `f`, the number of hostile members. Defaults to None: the largest with `n >= 2 f + 3`.

    Reference:
        Blanchard et al., "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent", 2017 (arXiv
        1703.02757), section 4.

    Differences from the paper:
        - Its members are gradients; here they are the values after local training.
        - Of fewer than three members, which the paper excludes, the nearest one counts.
    """
    n = len(members)
    f = max((n - 3) // 2, 0) if hostile is None else hostile
    distances = np.zeros((n, n))
    for column in _columns(members):
        distances += [np.square(column - one).reshape(n, -1).sum(axis=1) for one in column]
    nearest = np.sort(distances, axis=1)[:, 1 : 1 + max(n - f - 2, 1)]  # without the distance to itself
    return [column[np.argmin(nearest.sum(axis=1))] for column in _columns(members)]


AGGREGATIONS: Mapping[str, Aggregation] = {
    "mean": weighted_mean,
    "median": median,
    "trimmed": trimmed_mean,
    "krum": krum,
}


def aggregation_of(argument: str, value: Any) -> Aggregation:
    """Return the aggregation of a name; a function is returned as it is."""
    return value if callable(value) else AGGREGATIONS[checks.one_of(argument, value, AGGREGATIONS)]


def _columns(members: Sequence[Arrays]) -> list[np.ndarray]:
    """Return each array of all members, stacked, in float64."""
    return [np.stack(column).astype("float64") for column in zip(*members, strict=True)]


def difference(expected: list[tuple[int, ...]], received: list[tuple[int, ...]]) -> str:
    """Return the first difference of two lists of shapes in words."""
    if len(expected) != len(received):
        return f"expected {len(expected)} arrays, received {len(received)}"
    first = next(i for i, pair in enumerate(zip(expected, received, strict=True)) if pair[0] != pair[1])
    return f"expected shape {expected[first]} for array {first}, received {received[first]}"


def check_alike(argument: str, first: Arrays, other: Arrays) -> None:
    """Raise ValueError if two lists of arrays differ in number or shapes."""
    expected, received = ([np.shape(array) for array in arrays] for arrays in (first, other))
    if expected != received:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected arrays of the same shapes: "
            f"{difference(expected, received)}"
        )
