"""The channel to clients of other processes, over any transport that carries messages."""

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
"""`(nodes, QUERY or TRAIN, message) -> {node: its reply, or the reason of a failure}`, without those that are late."""


class RemoteChannel:
    """A channel to the nodes of a transport; see `Channel`. All clients of a round work at the same time.

    Args:
        nodes: returns the nodes that are connected.
        ask: sends a message to nodes and waits for their replies.
        clients: how many to wait for.
        timeout: seconds to wait for them; those after which `ask` gives up are named in the reasons of failures.

    Raises:
        TypeError: if `nodes` or `ask` cannot be called.
        ValueError: if a number is not positive.
    """

    def __init__(self, nodes: Callable[[], Iterable[Any]], ask: Ask, clients: int, timeout: float):
        self._find, self._ask = checks.function("nodes", nodes), checks.function("ask", ask)
        self._clients = checks.size("clients", clients)
        self._timeout = checks.number("timeout", timeout, above=0)
        self._nodes: dict[str, Any] = {}

    def describe(self) -> list[ClientInfo]:
        """All clients that answer, by name, once as many as expected are connected.

        Raises:
            TimeoutError: if they are not in time.
            ConnectionError: if none of them answers; has the reasons.
        """
        end = time.monotonic() + self._timeout
        while len(nodes := list(self._find())) < self._clients:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"Expected {self._clients} clients within {self._timeout:g} s. Received: {len(nodes)}"
                )
            time.sleep(0.1)
        replies = self._ask(nodes, QUERY, ([], ""))
        found = {node: unpack_info(reply[1]) for node, reply in replies.items() if not isinstance(reply, str)}
        if not found:
            raise ConnectionError(f"No client answers. {'; '.join(f'{n!r}: {why}' for n, why in replies.items())}")
        self._nodes = {info.name: node for node, info in found.items()}
        return sorted(found.values())

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Have these clients train; one without a reply in time has failed."""
        nodes = [self._nodes[name] for name in names]
        replies = self._ask(nodes, TRAIN, pack(values, round=[number, rounds]))
        late = f"no reply within {self._timeout:g} s"
        found = {name: replies.get(node, late) for name, node in zip(names, nodes, strict=True)}
        return {name: reply if isinstance(reply, str) else unpack_update(*reply) for name, reply in found.items()}


def at_once(one: Callable[[Any, str, Message], Message]) -> Ask:
    """The `Ask` of a transport that talks to one node at a time, in a thread for each; an exception is a failure.

    Args:
        one: `(node, QUERY or TRAIN, message) -> reply`.

    Example:

    >>> ask = at_once(lambda node, kind, message: {"a": ([], "hello")}[node])
    >>> ask(["a", "b"], QUERY, ([], ""))
    {'a': ([], 'hello'), 'b': "the connection failed (KeyError: 'b')"}
    """

    def attempt(node: Any, kind: str, message: Message) -> Message | str:
        try:
            return one(node, kind, message)
        except Exception as error:  # noqa: BLE001 - however a connection ends, the round of the others goes on
            return f"the connection failed ({type(error).__name__}: {error})"

    def ask(nodes: Sequence[Any], kind: str, message: Message) -> dict[Any, Message | str]:
        with ThreadPoolExecutor(max(len(nodes), 1)) as pool:
            replies = pool.map(lambda node: attempt(node, kind, message), nodes)
            return dict(zip(nodes, replies, strict=True))

    return ask
