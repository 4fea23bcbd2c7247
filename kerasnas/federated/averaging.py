"""The mathematics of a round, in NumPy: the messages, and the server's step towards what the clients found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasnas import checks
from kerasnas.federated.aggregations import Aggregation, Arrays, weighted_mean


def _arrays(argument: str, value: Any) -> Any:
    return checks.each(checks.tensor)(argument, value)


@checks.fields(weights=_arrays, alphas=_arrays, statistics=_arrays)
class Values(NamedTuple):
    """A message between server and clients: values of variables, and no data.

    Args:
        weights: those of the network, in the order of the model.
        alphas: architecture parameters. Defaults to none.
        statistics: moving means and variances of batch norm, in turn. Defaults to none.
    """

    weights: Arrays
    alphas: Arrays = ()
    statistics: Arrays = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays: the payload of a message, without its framing."""
        return sum(np.asarray(array).nbytes for arrays in self for array in arrays)


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


def outer_step(
    values: Values,
    updates: Sequence[Update],
    step: float = 1.0,
    architecture_step: float | None = None,
    aggregate: Aggregation = weighted_mean,
) -> Values:
    """Take the server's step, the outer step of Reptile: `w + e (mean w' - w)`, `a + e_a (mean a' - a)`.

    The means are weighted by samples. Statistics are measurements, and become their mean without a step. With steps 1
    this is federated averaging; with a single client, the values become exactly that client's.

    Args:
        values: those that the round started with.
        updates: at least one client's update.
        step: `e`, for the weights. Defaults to 1.
        architecture_step: `e_a`, for the alphas. Defaults to None: `step`.
        aggregate: what takes the place of the mean; see `AGGREGATIONS`. Defaults to the mean.

    Raises:
        TypeError: if `values` or an update is of another type.
        ValueError: without updates, if a step is not positive, or an update does not fit `values`.

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
            if wrong := difference(start, end):
                raise ValueError(checks.invalid("updates", f"values of this network: {wrong}", update))
    members = [[array for arrays in update.values for array in arrays] for update in updates]
    ends = iter(checks.function("aggregate", aggregate)(members, [update.samples for update in updates]))
    w, a, s = ([next(ends) for _ in starts] for starts in values)
    return Values(towards(values.weights, w, e), towards(values.alphas, a, e_a), towards(values.statistics, s, 1.0))


def towards(start: Arrays, end: Arrays, step: float) -> list[np.ndarray]:
    """Return `w + e (m - w)`, in the dtype of `w`."""
    return [np.asarray(w + step * (m - w), w.dtype) for w, m in zip(start, end, strict=True)]


def difference(expected: Sequence[Any], received: Sequence[Any]) -> str:
    """Return the first difference in the shapes of two lists of arrays in words, or an empty string."""
    if len(expected) != len(received):
        return f"expected {len(expected)} arrays, received {len(received)}"
    shapes = [(tuple(np.shape(w)), tuple(np.shape(e))) for w, e in zip(expected, received, strict=True)]
    differences = (f"expected shape {w} for array {i}, received {e}" for i, (w, e) in enumerate(shapes) if w != e)
    return next(differences, "")
