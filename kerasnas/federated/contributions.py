"""Checks of what clients answer: a contribution enters a round here, within bounds, or is left out with its reason."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.federated.aggregations import Arrays, difference
from kerasnas.federated.averaging import Update, Values, towards
from kerasnas.federated.channels import ClientInfo
from kerasnas.wording import printable

LOG = logging.getLogger(__name__)
_LONGEST = 300  # characters of a client's name or reason
_LARGEST = float(np.finfo("float32").max)  # of a result, so that no mean of them overflows


def receive(reply: Any, values: Values, most: int) -> Update | str:
    """Return a client's contribution in the server's dtypes, or the reason to leave it out of the round.

    Args:
        reply: the client's update, or the reason of its failure. Nothing about it is trusted.
        values: those that the round started with.
        most: number of samples that the client described; no more count.
    """
    if not isinstance(reply, Update):
        return brief(reply) if reply and isinstance(reply, str) else "no reply"
    try:
        samples = min(checks.size("samples", reply.samples), most)
        results = checks.entries(_result)("results", reply.results)
        kinds = zip(Values._fields, values, reply.values, strict=True)
        received = Values(*(_converted(kind, start, end) for kind, start, end in kinds))
        negative = [2 * i + 1 for i, variance in enumerate(received.statistics[1::2]) if (variance < 0).any()]
        if negative:
            raise ValueError(f"its statistics have a negative variance (array {negative[0]})")
        return Update(received, samples, {brief(name): float(value) for name, value in results.items()})
    except Exception as error:  # noqa: BLE001 - no reply of one client may end the others' round
        return brief(str(error) or type(error).__name__)


def bounded(updates: Sequence[Update], values: Values, clip: float) -> list[Update]:
    """Return updates none of which outweighs or outruns the others.

    From three updates on, none counts for more samples than all others together, which is half of the round. The steps
    of weights, alphas and statistics are clipped to `c` times the median norm `m` of the round:
    `w + min(1, c m / |w' - w|) (w' - w)`.

    Args:
        updates: at least one, each from `receive`.
        values: those that the round started with.
        clip: `c`.
    """
    samples = [update.samples for update in updates]
    most = sum(samples) - max(samples) if len(samples) > 2 else max(samples)
    kinds = [_clipped([update.values[k] for update in updates], start, clip) for k, start in enumerate(values)]
    ends = [Values(*kind) for kind in zip(*kinds, strict=True)]
    return [Update(end, min(u.samples, most), u.results) for end, u in zip(ends, updates, strict=True)]


def admit(described: Mapping[Any, ClientInfo | str]) -> dict[Any, ClientInfo]:
    """Return the clients that can take part, by node; logs those left out.

    Samples of the most frequent shape count. Clients that give the same name are told apart by their nodes: who copies
    a name removes nobody.

    Args:
        described: node -> what its client described, or why that cannot be read.
    """
    infos = [info for info in described.values() if isinstance(info, ClientInfo)]
    shapes, names = Counter(info.sample_shape for info in infos), Counter(brief(info.name) for info in infos)
    admitted = {}
    for node, info in described.items():
        if isinstance(info, str) or shapes[info.sample_shape] < max(shapes.values()):
            reason = info if isinstance(info, str) else f"its samples have shape {info.sample_shape}"
            LOG.warning("The client at node %s is left out: %s", node, brief(reason))
        else:
            name = brief(info.name)
            admitted[node] = info._replace(name=name if names[name] == 1 else f"{name} ({node})")
    return admitted


def bytes_of(reply: Any) -> int:
    """Return the bytes of a reply's arrays; 0 for a reply without."""
    try:
        return int(reply.values.nbytes)
    except Exception:  # noqa: BLE001 - as above
        return 0


def brief(text: str) -> str:
    """Return a client's text without control characters, on one short line."""
    return printable(text[:_LONGEST])


def _result(argument: str, value: Any) -> float:
    return checks.number(argument, value, -_LARGEST, _LARGEST)


def _converted(kind: str, start: Arrays, end: Arrays) -> list[np.ndarray]:
    """Return arrays in the dtypes of `start`; raise ValueError if they do not fit it, or the step is not finite."""
    shapes, received = [np.shape(array) for array in start], [np.shape(array) for array in end]
    if shapes != received:
        raise ValueError(f"its {kind} are of another network: {difference(shapes, received)}")
    with np.errstate(all="ignore"):
        arrays = [np.asarray(checks.tensor(kind, e)).astype(w.dtype) for w, e in zip(start, end, strict=True)]
        bad = [i for i, (w, e) in enumerate(zip(start, arrays, strict=True)) if not np.isfinite(e - w).all()]
    if bad:
        raise ValueError(f"its {kind} are not finite (array {bad[0]})")
    return arrays


def _clipped(ends: Sequence[Arrays], start: Arrays, clip: float) -> list[Arrays]:
    norms = [
        np.sqrt(sum(np.square(np.subtract(e, w, dtype="float64")).sum() for e, w in zip(end, start, strict=True)))
        for end in ends
    ]
    most = clip * np.median(norms)
    return [end if n <= most else towards(start, end, most / n) for end, n in zip(ends, norms, strict=True)]
