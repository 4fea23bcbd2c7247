"""The requests that a client answers, and the channel that the server asks its clients through."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from kerasnas import checks
from kerasnas.executors import Broadcast, Executor, Local, WorkerLostError
from kerasnas.federated.averaging import Update, Values


@checks.fields(name=checks.name, samples=checks.size, sample_shape=checks.each(checks.size))
class ClientInfo(NamedTuple):
    """The server's knowledge of a client: facts about its data, none of the data.

    Args:
        name: unique among the clients.
        samples: number of samples.
        sample_shape: shape of one.
    """

    name: str
    samples: int
    sample_shape: tuple[int, ...]


@runtime_checkable
class Client(Protocol):
    """A client, an owner of data: `FederatedClient`, or any object with these two methods."""

    def describe(self) -> ClientInfo:
        """Its name and facts about its data."""

    def train(self, values: Values, number: int, rounds: int) -> Update:
        """Learn from its own data, starting at `values`.

        Args:
            values: those of the server.
            number: of this round, from 0.
            rounds: how many there will be, for schedules.
        """


@runtime_checkable
class Stateful(Protocol):
    """A client that can train elsewhere: what stays with it between rounds can be taken and put back."""

    def get_state(self) -> Mapping[str, Any]:
        """The state that stays with the client between rounds."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a `get_state`."""


class Channel(Protocol):
    """The way to the clients: `InProcess`, or one of `kerasnas.federated.flower`."""

    def describe(self) -> list[ClientInfo]:
        """All clients."""

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Have these clients train; see `Client.train`. A client that fails has the reason in place of its update."""


class InProcess:
    """The channel to clients that are objects of this process: the reference of all others.

    They train one after the other, or in the workers of an executor, to which they are sent once; from round to round
    only values and the clients' states go there and back.

    Args:
        clients: objects as `Client` describes them; for workers also with `get_state` and `set_state`, as
            `FederatedClient` has them.
        executor: what the clients of a round train on. Defaults to None: this process.

    Raises:
        TypeError: if one of them is no client, or cannot be sent.
        ValueError: if there is none, or two have one name.
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
        check_clients(self._infos)
        self._clients = dict(zip((info.name for info in self._infos), clients, strict=True))
        self._sent = Broadcast(self._clients)

    def describe(self) -> list[ClientInfo]:
        """All clients, in the order in which they were given."""
        return list(self._infos)

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Have these clients train; an exception, or the loss of each worker, becomes the reason of a failure."""
        replies: dict[str, Update | str] = {}
        while left := [name for name in names if name not in replies]:
            orders = [_Order(name, values, number, rounds, self._state(name)) for name in left]
            try:
                for index, (reply, state) in self._executor.completed(_train, orders, self._sent):
                    replies[left[index]] = reply
                    if state is not None:
                        self._clients[left[index]].set_state(state)  # type: ignore[attr-defined]
            except WorkerLostError as error:
                if error.number is None:
                    raise
                replies[left[error.number]] = f"{type(error).__name__}: {error}"
        return {name: replies[name] for name in names}

    def _state(self, name: str) -> Any:
        """The state of a client, for a worker; None for this process, in which the client has it."""
        return None if self._executor.here else self._clients[name].get_state()  # type: ignore[attr-defined]


@dataclasses.dataclass(frozen=True)
class _Order:
    """The part of a client in a round; its repr is short, as it stands in messages."""

    name: str
    values: Values = dataclasses.field(repr=False)
    number: int
    rounds: int
    state: Any = dataclasses.field(repr=False)


def _train(shared: Broadcast, order: _Order) -> tuple[Update | str, Any]:
    """The reply of a client, and the state in which that leaves it, where it was sent one."""
    client = shared.value[order.name]
    try:
        if order.state is not None:
            client.set_state(order.state)
        reply = client.train(order.values, order.number, order.rounds)
    except Exception as error:  # noqa: BLE001 - whatever kills a client must not end the round of the others
        return f"{type(error).__name__}: {error}", None
    return reply, None if order.state is None else client.get_state()


def check_clients(infos: Sequence[ClientInfo]) -> None:
    """Raise if these clients cannot learn together.

    Raises:
        ValueError: if there is none, two have one name, or their samples differ in shape; names the clients.

    Example:

    >>> check_clients([ClientInfo("a", 9, (28, 28, 1)), ClientInfo("b", 9, (28, 28, 1)), ClientInfo("c", 9, (8, 8, 1))])
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `clients`. Expected samples of one shape, as (28, 28, 1) of \
client 'a'. Received: (8, 8, 1) of 'c'
    """
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
