"""The mathematics of a round, in NumPy: the mean of the clients' values, and the server's step towards it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasnas import checks

Arrays = Sequence[np.ndarray]


def _arrays(argument: str, value: Any) -> Any:
    return checks.each(checks.tensor)(argument, value)


@checks.fields(weights=_arrays, alphas=_arrays, statistics=_arrays)
class Values(NamedTuple):
    """A message between server and clients: values of variables, and no data.

    Args:
        weights: those of the network, in the order of the model.
        alphas: architecture parameters. Defaults to none.
        statistics: moving means and variances of batch norm. Defaults to none.
    """

    weights: Arrays
    alphas: Arrays = ()
    statistics: Arrays = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays: the payload of a message, without its framing."""
        return sum(array.nbytes for arrays in self for array in arrays)


@checks.fields(values=Values, samples=checks.count, results=checks.mapping)
class Update(NamedTuple):
    """A client's reply in a round.

    Args:
        values: its values after the local search; not differences, which float32 would round.
        samples: number of samples that it learned from, its weight in the mean.
        results: name -> number, such as the loss of its last epoch. Defaults to none.
    """

    values: Values
    samples: int
    results: Mapping[str, float] = {}


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
        _check_alike("members", members[0], arrays)
    weights = checks.array("shares", shares, rank=1).astype("float64")
    if len(weights) != len(members) or not (weights > 0).all():
        expected = f"a positive weight for each of {len(members)} members"
        raise ValueError(checks.invalid("shares", expected, list(weights)))
    weights /= weights.sum()
    columns = zip(*members, strict=True)
    return [sum(n * np.asarray(w, "float64") for n, w in zip(weights, column, strict=True)) for column in columns]


def outer_step(
    values: Values, updates: Sequence[Update], step: float = 1.0, architecture_step: float | None = None
) -> Values:
    """Take the server's step, the outer step of Reptile: `w + e (mean w' - w)`, `a + e_a (mean a' - a)`.

    The means are weighted by samples. Statistics are measurements, and become their mean without a step. With steps 1
    this is federated averaging; with a single client, the values become exactly that client's.

    Args:
        values: those that the round started with.
        updates: at least one client's update.
        step: `e`, for the weights. Defaults to 1.
        architecture_step: `e_a`, for the alphas. Defaults to None: `step`.

    Raises:
        TypeError: if `values` or an update is of another type.
        ValueError: without updates, if a step is not positive, or an update does not fit `values`.

    Example:

    >>> start = Values(weights=[np.array([1.0])], alphas=[np.array([0.0])])
    >>> small = Update(Values([np.array([1.0])], [np.array([0.0])]), samples=10)
    >>> large = Update(Values([np.array([5.0])], [np.array([4.0])]), samples=30)
    >>> after = outer_step(start, [small, large], step=1.0, architecture_step=0.5)
    >>> after.weights[0].tolist(), after.alphas[0].tolist()
    ([4.0], [1.5])

    Reference:
        McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017
        (arXiv 1602.05629), algorithm 1; Nichol et al., "On First-Order Meta-Learning Algorithms", 2018
        (arXiv 1803.02999), algorithm 2.

    Differences from the paper:
        - Reptile weights tasks equally; here clients are weighted by samples, as in federated averaging.
        - Federated averaging has no server step, which equals a step of 1.
    """
    e = checks.number("step", step, above=0)
    e_a = e if architecture_step is None else checks.number("architecture_step", architecture_step, above=0)
    checks.instance("values", values, Values)
    if not isinstance(updates, (list, tuple)) or not updates:
        raise ValueError(checks.invalid("updates", "a list of at least one update", updates))
    for update in updates:
        checks.instance("updates", update, Update)
        for start, end in zip(values, update.values, strict=True):
            _check_alike("updates", start, end)
    samples = [update.samples for update in updates]
    w, a, s = (weighted_mean([update.values[kind] for update in updates], samples) for kind in range(3))
    return Values(_towards(values.weights, w, e), _towards(values.alphas, a, e_a), _towards(values.statistics, s, 1.0))


def obstacle_to(reply: Update | str | None, values: Values) -> str | None:
    """Return the reason why a client's reply cannot enter the mean, or None.

    Args:
        reply: the client's update, the reason why there is none, or None.
        values: those that the round started with.
    """
    if not isinstance(reply, Update):
        return reply or "no reply"
    samples = reply.samples
    if not isinstance(samples, (int, np.integer)) or isinstance(samples, bool) or samples < 1:
        return f"expected a positive number of samples, received {samples!r}"
    for kind, start, end in zip(Values._fields, values, reply.values, strict=True):
        shapes, received = [np.shape(array) for array in start], [np.shape(array) for array in end]
        if shapes != received:
            return f"its {kind} are of another network: {difference(shapes, received)}"
        bad = [index for index, array in enumerate(end) if not np.isfinite(np.asarray(array, "float64")).all()]
        if bad:
            return f"its {kind} are not finite (array {bad[0]})"
    return None


def _towards(start: Arrays, end: Sequence[np.ndarray], step: float) -> list[np.ndarray]:
    """Return `w + e (m - w)`, in the dtype of `w`."""
    return [np.asarray(w + step * (m - w), w.dtype) for w, m in zip(start, end, strict=True)]


def difference(expected: list[tuple[int, ...]], received: list[tuple[int, ...]]) -> str:
    """Return the first difference of two lists of shapes in words."""
    if len(expected) != len(received):
        return f"expected {len(expected)} arrays, received {len(received)}"
    first = next(i for i, pair in enumerate(zip(expected, received, strict=True)) if pair[0] != pair[1])
    return f"expected shape {expected[first]} for array {first}, received {received[first]}"


def _check_alike(argument: str, first: Arrays, other: Arrays) -> None:
    expected, received = ([np.shape(array) for array in arrays] for arrays in (first, other))
    if expected != received:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected arrays of the same shapes: "
            f"{difference(expected, received)}"
        )
