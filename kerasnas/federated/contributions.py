"""Checks of what clients answer: a contribution enters a round here, within bounds, or is left out with its reason."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.constraints import Interval
from kerasnas.federated.aggregations import Arrays
from kerasnas.federated.averaging import Update, Values, difference, towards
from kerasnas.federated.channels import ClientInfo
from kerasnas.wording import printable

LOG = logging.getLogger(__name__)
_LONGEST = 300  # characters of a client's name or reason
_RESULTS = checks.entries(Interval(least=-1e38, most=1e38))  # so that no mean of them overflows


def receive(reply: Any, values: Values, most: int) -> Update | str:
    """Return a client's contribution in the server's dtypes, or the reason to leave it out of the round.

    Args:
        reply: the client's update, or the reason of its failure. Nothing about it is trusted.
        values: those that the round started with.
        most: number of samples that the client described.
    """
    if not isinstance(reply, Update):
        return brief(reply) if reply and isinstance(reply, str) else "no reply"
    try:
        samples = min(checks.size("samples", reply.samples), most)
        results = _RESULTS("results", reply.results)
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
    """
    samples = [update.samples for update in updates]
    most = sum(samples) - max(samples) if len(samples) > 2 else max(samples)
    kinds = [_clipped([update.values[k] for update in updates], start, clip) for k, start in enumerate(values)]
    ends = [Values(*kind) for kind in zip(*kinds, strict=True)]
    return [Update(end, min(u.samples, most), u.results) for end, u in zip(ends, updates, strict=True)]


def admit(described: Mapping[Any, ClientInfo | str]) -> dict[Any, ClientInfo]:
    """Return the clients that can take part, by node; logs those left out.

    Samples have the most frequent shape. A name of several clients is completed by the node: who copies a name removes
    nobody. A text in `described` is the reason why a description cannot be read.
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


def read_by(unpack: Callable[..., Any], reply: Any) -> Any:
    """Return what a function makes of a reply, or the reason of a failure; a text is one already."""
    try:
        return reply if isinstance(reply, str) else unpack(reply)
    except Exception as error:  # noqa: BLE001 - no message of one client may end the others' round
        return f"its message cannot be read ({type(error).__name__}: {error})"


def brief(text: str) -> str:
    """Return a client's text without control characters, on one short line."""
    return printable(text[:_LONGEST])[:_LONGEST]


def _converted(kind: str, start: Arrays, end: Arrays) -> list[np.ndarray]:
    """Return arrays in the dtypes of `start`; raise ValueError if they do not fit it, or the step is not finite."""
    if wrong := difference(start, end):
        raise ValueError(f"its {kind} are of another network: {wrong}")
    with np.errstate(all="ignore"):
        arrays = [np.asarray(checks.tensor(kind, e)).astype(w.dtype) for w, e in zip(start, end, strict=True)]
        bad = [i for i, (w, e) in enumerate(zip(start, arrays, strict=True)) if not np.isfinite(e - w).all()]
    if bad:
        raise ValueError(f"its {kind} are not finite (array {bad[0]})")
    return arrays


def _clipped(ends: Sequence[Arrays], start: Arrays, clip: float) -> list[Arrays]:
    steps = [[np.subtract(e, w, dtype="float64") for e, w in zip(end, start, strict=True)] for end in ends]
    norms = [np.sqrt(sum(np.square(array).sum() for array in step)) for step in steps]
    most = clip * np.median(norms)
    return [end if n <= most else towards(start, end, most / n) for end, n in zip(ends, norms, strict=True)]
