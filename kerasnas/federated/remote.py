"""The channel to clients in other processes, over any transport that carries messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kerasnas import checks
from kerasnas.federated.averaging import Update, Values
from kerasnas.federated.channels import ClientInfo
from kerasnas.federated.messages import Message, pack, unpack_info, unpack_update

QUERY, TRAIN = "query", "train"

Ask = Callable[[Sequence[Any], str, Message], Mapping[Any, Message | str]]
"""`(nodes, QUERY or TRAIN, message) -> {node: its reply, or the reason of a failure}`, without late nodes."""


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
        """Return the clients that reply, sorted by name, once the expected number is connected.

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
        infos = {node: unpack_info(reply[1]) for node, reply in replies.items() if not isinstance(reply, str)}
        if not infos:
            raise ConnectionError(f"No client answers. {'; '.join(f'{n!r}: {why}' for n, why in replies.items())}")
        self._nodes = {info.name: node for node, info in infos.items()}
        return sorted(infos.values())

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Train these clients; one without a reply in time has failed."""
        nodes = [self._nodes[name] for name in names]
        replies = self._ask(nodes, TRAIN, pack(values, round=[number, rounds]))
        late = f"no reply within {self._timeout:g} s"
        received = {name: replies.get(node, late) for name, node in zip(names, nodes, strict=True)}
        return {name: reply if isinstance(reply, str) else unpack_update(*reply) for name, reply in received.items()}


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
