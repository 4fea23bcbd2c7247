"""The requests that a client answers, and the server's channel to its clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from kerasnas import checks
from kerasnas.executors import Executor
from kerasnas.executors.base import Broadcast, Local, WorkerLostError
from kerasnas.federated.averaging import Update, Values


@checks.fields(name=checks.name, samples=checks.size, sample_shape=checks.each(checks.size))
class ClientInfo(NamedTuple):
    """Facts about a client's data that the server knows.

    Args:
        name: unique among the clients.
        samples: number of samples.
        sample_shape: shape of a sample.
    """

    name: str
    samples: int
    sample_shape: tuple[int, ...]


@runtime_checkable
class Client(Protocol):
    """An owner of data: a `FederatedClient`, or any object with these two methods."""

    def describe(self) -> ClientInfo:
        """Return the client's name and facts about its data."""

    def train(self, values: Values, number: int, rounds: int) -> Update:
        """Learn from the client's own data, starting at `values`.

        Args:
            values: the server's values.
            number: index of this round, from 0.
            rounds: total number of rounds, for schedules.
        """


@runtime_checkable
class Stateful(Protocol):
    """A client that can train in another process, as its state between rounds can be saved and restored."""

    def get_state(self) -> Mapping[str, Any]:
        """Return the state that stays with the client between rounds."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a `get_state`."""


class Channel(Protocol):
    """The server's connection to its clients: `InProcess`, or one of `kerasnas.federated.flower`."""

    def describe(self) -> list[ClientInfo]:
        """Return the facts about all clients."""

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Train these clients, see `Client.train`. For a client that fails, the reason replaces its update."""


class InProcess:
    """The channel to clients that are objects of this process, the reference for all others.

    They train one after the other, or in the workers of an executor, which receive them once; after that only values
    and the clients' states are sent.

    Args:
        clients: objects as `Client` describes them; for workers also with `get_state` and `set_state`, like
            `FederatedClient`.
        executor: where the clients of a round train. Defaults to None: this process.

    Raises:
        TypeError: if one of them is not a client, or cannot be sent.
        ValueError: without clients.
    """

    def __init__(self, clients: Sequence[Client], executor: Executor | None = None):
        self._executor = Local() if executor is None else checks.instance("executor", executor, Executor)
        if isinstance(clients, (str, bytes)) or not isinstance(clients, Sequence) or not clients:
            raise ValueError(checks.invalid("clients", "a sequence of at least one client", clients))
        for client in clients:
            checks.instance("clients", client, Client, "an object with `describe` and `train`, as `FederatedClient`")
            if not self._executor.here:
                checks.instance("clients", client, Stateful, "with an executor also `get_state` and `set_state`")
        self._infos = [client.describe() for client in clients]
        self._clients = dict(zip((info.name for info in self._infos), clients, strict=True))
        self._sent = Broadcast(self._clients)

    def describe(self) -> list[ClientInfo]:
        """Return the facts about all clients, in the given order."""
        return list(self._infos)

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Train these clients; an exception, or the loss of each worker, becomes the reason of a failure."""
        replies: dict[str, Update | str] = {}
        while missing := [name for name in names if name not in replies]:
            orders = [_Order(name, values, number, rounds, self._state(name)) for name in missing]
            try:
                for index, (reply, state) in self._executor.completed(_train, orders, self._sent):
                    replies[missing[index]] = reply
                    if state is not None:
                        self._clients[missing[index]].set_state(state)  # type: ignore[attr-defined]
            except WorkerLostError as error:
                if error.number is None:
                    raise
                replies[missing[error.number]] = f"{type(error).__name__}: {error}"
        return {name: replies[name] for name in names}

    def _state(self, name: str) -> Any:
        """Return a client's state for a worker, or None in this process, where the client has it."""
        return None if self._executor.here else self._clients[name].get_state()  # type: ignore[attr-defined]


@dataclasses.dataclass(frozen=True)
class _Order:
    """A client's part in a round; its repr is short, as messages contain it."""

    name: str
    values: Values = dataclasses.field(repr=False)
    number: int
    rounds: int
    state: Any = dataclasses.field(repr=False)


def _train(shared: Broadcast, order: _Order) -> tuple[Update | str, Any]:
    """Return a client's reply, and its state afterwards if it was sent one."""
    client = shared.value[order.name]
    try:
        if order.state is not None:
            client.set_state(order.state)
        reply = client.train(order.values, order.number, order.rounds)
    except Exception as error:  # noqa: BLE001 - no failure of one client may end the others' round
        return f"{type(error).__name__}: {error}", None
    return reply, None if order.state is None else client.get_state()


def check_clients(infos: Sequence[ClientInfo]) -> None:
    """Raise ValueError without clients, if two share a name, or their samples differ in shape; names the clients."""
    if not infos:
        raise ValueError(checks.invalid("clients", "at least one client", list(infos)))
    names = [info.name for info in infos]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(checks.invalid("clients", "clients of different names", twice))
    shape = infos[0].sample_shape
    others = [f"{tuple(info.sample_shape)} of '{info.name}'" for info in infos if tuple(info.sample_shape) != shape]
    if others:
        raise ValueError(
            f"Invalid value received for argument `clients`. Expected samples of one shape, as {shape} of client "
            f"'{names[0]}'. Received: {', '.join(others)}"
        )
