"""The requests that a client answers, and the channel that the server asks its clients through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from kerasnas import checks
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


class Channel(Protocol):
    """The way to the clients: `InProcess`, or one of `kerasnas.federated.flower`."""

    def describe(self) -> list[ClientInfo]:
        """All clients."""

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Have these clients train; see `Client.train`. A client that fails has the reason in place of its update."""


class InProcess:
    """The channel to clients of this process, one after the other: the reference of all others.

    Args:
        clients: objects as `Client` describes them.

    Raises:
        TypeError: if one of them is no client.
        ValueError: if there is none, or two have one name.
    """

    def __init__(self, clients: Sequence[Client]):
        if isinstance(clients, (str, bytes)) or not isinstance(clients, Sequence) or not clients:
            raise ValueError(checks.invalid("clients", "a sequence of at least one client", clients))
        for client in clients:
            checks.instance("clients", client, Client, "an object with `describe` and `train`, as `FederatedClient`")
        self._infos = [client.describe() for client in clients]
        check_clients(self._infos)
        self._clients = dict(zip((info.name for info in self._infos), clients, strict=True))

    def describe(self) -> list[ClientInfo]:
        """All clients, in the order in which they were given."""
        return list(self._infos)

    def train(self, names: Sequence[str], values: Values, number: int, rounds: int) -> dict[str, Update | str]:
        """Have these clients train, one after the other; an exception becomes the reason of a failure."""
        return {name: self._train(name, values, number, rounds) for name in names}

    def _train(self, name: str, values: Values, number: int, rounds: int) -> Update | str:
        try:
            return self._clients[name].train(values, number, rounds)
        except Exception as error:  # noqa: BLE001 - whatever kills a client must not end the round of the others
            return f"{type(error).__name__}: {error}"


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
