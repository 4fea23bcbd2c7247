"""Messages between server and clients: arrays, and a line of JSON that describes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas.federated.averaging import Update, Values
from kerasnas.federated.channels import ClientInfo
from kerasnas.files import untrusted

Message = tuple[list[np.ndarray], str]


def pack(values: Values, **facts: Any) -> Message:
    """Return the message with `values` and JSON-serializable facts."""
    return [array for arrays in values for array in arrays], json.dumps({"counts": list(map(len, values)), **facts})


def unpack(arrays: Sequence[np.ndarray], about: str) -> tuple[Values, dict[str, Any]]:
    """Return the values and facts of `pack`; raises ValueError for another message."""
    facts = _facts(about, "counts")
    counts = facts.pop("counts")
    whole = isinstance(counts, list) and len(counts) == 3 and all(isinstance(n, int) and n >= 0 for n in counts)
    if not whole or sum(counts) != len(arrays):
        raise ValueError(f"Expected a message with the number of arrays of three kinds. Received: {about[:100]}")
    first, second = counts[0], counts[0] + counts[1]
    return Values(list(arrays[:first]), list(arrays[first:second]), list(arrays[second:])), facts


def pack_update(update: Update) -> Message:
    """Return the message with an update."""
    results = {name: float(value) for name, value in update.results.items()}
    return pack(update.values, samples=int(update.samples), results=results)


def unpack_update(arrays: Sequence[np.ndarray], about: str) -> Update | str:
    """Return the update of a message, or the reason why it cannot be read."""
    try:
        values, facts = unpack(arrays, about)
        return Update(values, facts["samples"], {name: float(value) for name, value in facts["results"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"its message cannot be read ({type(error).__name__}: {error})"


def pack_info(info: ClientInfo) -> str:
    """Return the message with the facts about a client."""
    shape = [int(length) for length in info.sample_shape]
    return json.dumps({"name": info.name, "samples": int(info.samples), "sample_shape": shape})


def unpack_info(about: str) -> ClientInfo:
    """Return the facts of `pack_info`; raises ValueError for another message."""
    facts = _facts(about, *ClientInfo._fields)
    return ClientInfo(facts["name"], facts["samples"], tuple(facts["sample_shape"]))


def _facts(about: str, *needed: str) -> dict[str, Any]:
    try:
        facts = untrusted.parse_json(about)
    except (TypeError, ValueError):
        facts = None
    if not isinstance(facts, dict) or any(name not in facts for name in needed):
        raise ValueError(f"Expected a message in JSON with {', '.join(needed)}. Received: {str(about)[:100]}")
    return facts
