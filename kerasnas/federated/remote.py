"""Remote clients: messages of arrays and a line of JSON, and the channel over any transport that carries them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.federated.averaging import Update, Values
from kerasnas.federated.channels import ClientInfo
from kerasnas.federated.contributions import admit, read_by
from kerasnas.files import untrusted

Message = tuple[list[np.ndarray], str]
QUERY, TRAIN = "query", "train"

Ask = Callable[[Sequence[Any], str, Message], Mapping[Any, Message | str]]
"""`(nodes, QUERY or TRAIN, message) -> {node: its reply, or the reason of a failure}`, without late nodes."""


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


def unpack_update(arrays: Sequence[np.ndarray], about: str) -> Update:
    """Return the update of `pack_update`; raises KeyError, TypeError or ValueError for another message."""
    values, facts = unpack(arrays, about)
    return Update(values, facts["samples"], facts["results"])


def pack_info(info: ClientInfo) -> str:
    """Return the message with the facts about a client."""
    shape = [int(length) for length in info.sample_shape]
    return json.dumps({"name": info.name, "samples": int(info.samples), "sample_shape": shape})


def unpack_info(about: str) -> ClientInfo:
    """Return the facts of `pack_info`; raises TypeError or ValueError for another message."""
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


class RemoteChannel:
    """A channel to the nodes of a transport; see `Channel`. All clients of a round train at the same time.

    Args:
        nodes: returns the nodes that are connected.
        ask: sends a message to nodes and waits for their replies.
        clients: number of clients to wait for.
        timeout: seconds to wait for them; also the timeout of `ask`, for the reasons of failures.

    Raises:
        TypeError: if `nodes` or `ask` is not callable.
        ValueError: if a number is not positive.
    """

    def __init__(self, nodes: Callable[[], Iterable[Any]], ask: Ask, clients: int, timeout: float):
        self._find, self._ask = checks.function("nodes", nodes), checks.function("ask", ask)
        self._clients = checks.size("clients", clients)
        self._timeout = checks.number("timeout", timeout, above=0)
        self._nodes: dict[str, Any] = {}

    def describe(self) -> list[ClientInfo]:
        """Return the clients that `admit` accepts, sorted by name, once the expected number is connected.

        Raises:
            TimeoutError: if they do not connect in time.
            ConnectionError: if none replies; states the reasons.
        """
        end = time.monotonic() + self._timeout
        while len(nodes := list(self._find())) < self._clients:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"Expected {self._clients} clients within {self._timeout:g} s. Received: {len(nodes)}"
                )
            time.sleep(0.1)
        replies = self._ask(nodes, QUERY, ([], ""))
        read = {node: read_by(lambda message: unpack_info(message[1]), reply) for node, reply in replies.items()}
        infos = admit(read)
        if not infos:
            raise ConnectionError(f"No client answers. {'; '.join(f'{n!r}: {why}' for n, why in read.items())}")
        self._nodes = {info.name: node for node, info in infos.items()}
        return sorted(infos.values())

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Train these clients; one without a reply in time has failed."""
        nodes = [self._nodes[name] for name in names]
        replies = self._ask(nodes, TRAIN, pack(values, round=[number, rounds]))
        late = f"no reply within {self._timeout:g} s"
        received = {name: replies.get(node, late) for name, node in zip(names, nodes, strict=True)}
        return {name: read_by(lambda message: unpack_update(*message), reply) for name, reply in received.items()}


def at_once(one: Callable[[Any, str, Message], Message]) -> Ask:
    """Return the `Ask` of a transport that talks to one node at a time, with a thread per node; exceptions are
    failures.

    Args:
        one: `(node, QUERY or TRAIN, message) -> reply`.
    """

    def attempt(node: Any, kind: str, message: Message) -> Message | str:
        try:
            return one(node, kind, message)
        except Exception as error:  # noqa: BLE001 - no failure of one connection may end the others' round
            return f"the connection failed ({type(error).__name__}: {error})"

    def ask(nodes: Sequence[Any], kind: str, message: Message) -> dict[Any, Message | str]:
        with ThreadPoolExecutor(max(len(nodes), 1)) as pool:
            replies = pool.map(lambda node: attempt(node, kind, message), nodes)
            return dict(zip(nodes, replies, strict=True))

    return ask
