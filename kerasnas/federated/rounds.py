"""The rounds of federated averaging: who takes part, whose update counts, what it cost to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasnas import checks
from kerasnas.executors import Executor
from kerasnas.federated.averaging import Update, Values, obstacle_to, outer_step
from kerasnas.federated.channels import Channel, Client, ClientInfo, InProcess, check_clients


class NoUpdateError(RuntimeError):
    """A round without a single update that counts; the message has each client's reason."""


class Round(NamedTuple):
    """The record of a round.

    Args:
        number: from 0.
        asked: names of the clients that took part.
        left_out: name -> reason, of those among them whose update does not count.
        bytes_down: sent to the clients: arrays of numbers, without the framing of messages.
        bytes_up: received from them, updates that do not count included.
        results: name -> mean over the clients that count, weighted by samples, of what they reported.
    """

    number: int
    asked: tuple[str, ...]
    left_out: Mapping[str, str]
    bytes_down: int
    bytes_up: int
    results: Mapping[str, float]


class Federation(NamedTuple):
    """The outcome of `federate`.

    Args:
        values: of the server after the last round.
        rounds: the record of each.
    """

    values: Values
    rounds: tuple[Round, ...]

    @property
    def bytes_down(self) -> int:
        """Sent to all clients in all rounds."""
        return sum(one.bytes_down for one in self.rounds)

    @property
    def bytes_up(self) -> int:
        """Received from all clients in all rounds."""
        return sum(one.bytes_up for one in self.rounds)


def federate(
    clients: Sequence[Client] | Channel,
    values: Values,
    rounds: int,
    participation: float = 1.0,
    step: float = 1.0,
    architecture_step: float | None = None,
    seed: int = 0,
    initial_round: int = 0,
    on_round: Callable[[Round, Values], None] | None = None,
    executor: Executor | None = None,
) -> Federation:
    """Federated averaging, which is Reptile over clients: data stay with the clients, the server sees values alone.

    In every round some clients start at the server's values and learn from their own data; the server takes a step
    towards the mean of where they end. A client that fails, or whose values are not finite, is left out of the round,
    and the record says so.

    Args:
        clients: `FederatedClient`s of this process, others as `Client` describes them, or a `Channel` to clients
            elsewhere.
        values: those to start with, such as `shared_values(search)`.
        rounds: how many.
        participation: share of the clients that take part in a round, above 0 and at most 1, rounded to whole clients,
            at least one. Defaults to 1.
        step: that of the server for the weights; see `outer_step`. Defaults to 1.
        architecture_step: that for the alphas. Defaults to None: `step`.
        seed: of the draw of clients; who takes part in a round is a function of the seed and its number. Defaults to 0.
        initial_round: number of the round to start with, to resume after. Defaults to 0.
        on_round: called with the record of each round and the values after it. Defaults to None.
        executor: what the clients of a round train on, if they are of this process; see `InProcess`. Defaults to None:
            here, one after the other.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if there are no clients, their samples differ in shape (says which), or a number is out of its
            range.
        NoUpdateError: if no client of a round has an update that counts; has the reasons.

    Example:

    >>> class Mean:  # a client that learns the mean of its numbers
    ...     def __init__(self, name, numbers):
    ...         self.name, self.numbers = name, np.array(numbers)
    ...
    ...     def describe(self):
    ...         return ClientInfo(self.name, len(self.numbers), ())
    ...
    ...     def train(self, values, number, rounds):
    ...         return Update(Values([self.numbers.mean()]), len(self.numbers))
    >>> found = federate([Mean("a", [1.0, 2.0, 3.0]), Mean("b", [10.0])], Values([np.array(0.0)]), rounds=1)
    >>> float(found.values.weights[0]), found.bytes_up
    (4.0, 16)

    Reference:
        McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017
        (arXiv 1602.05629), algorithm 1.

    Differences from the paper:
        - Alphas and the moving statistics of batch norm are averaged beside the weights.
        - A step of the server, which is 1 in the paper.
        - Rounds go on without clients that fail.
    """
    checks.instance("values", values, Values)
    rounds, first = checks.size("rounds", rounds), checks.integer("initial_round", initial_round, 0, rounds)
    checks.number("participation", participation, above=0, most=1)
    checks.number("step", step, above=0)
    checks.optional(checks.number, "architecture_step", architecture_step, above=0)
    checks.seed(seed)
    checks.optional(checks.function, "on_round", on_round)
    channel = _channel(clients, executor)
    infos = channel.describe()
    check_clients(infos)
    records = []
    for number in range(first, rounds):
        asked = participants(infos, participation, seed, number)
        replies = channel.train(asked, values, number, rounds)
        left_out = {name: reason for name in asked if (reason := _obstacle(replies.get(name), values))}
        updates = [reply for name in asked if isinstance(reply := replies.get(name), Update) and name not in left_out]
        if not updates:
            reasons = "; ".join(f"'{name}': {reason}" for name, reason in left_out.items())
            raise NoUpdateError(f"Round {number} has no update that counts. {reasons}")
        down = values.nbytes * len(asked)
        up = sum(reply.values.nbytes for reply in replies.values() if isinstance(reply, Update))
        values = outer_step(values, updates, step, architecture_step)
        records.append(Round(number, asked, left_out, down, up, _mean_results(updates)))
        if on_round is not None:
            on_round(records[-1], values)
    return Federation(values, tuple(records))


def participants(infos: Sequence[ClientInfo], participation: float, seed: int, number: int) -> tuple[str, ...]:
    """The clients of round `number`, in the order of `infos`: drawn without replacement, each as likely as another.

    Example:

    >>> infos = [ClientInfo(name, 1, ()) for name in "abcd"]
    >>> len(participants(infos, 0.5, seed=0, number=3))
    2
    """
    count = max(round(participation * len(infos)), 1)
    drawn = np.random.default_rng([seed, number]).choice(len(infos), count, replace=False)
    return tuple(infos[index].name for index in sorted(drawn))


def _channel(clients: Any, executor: Executor | None) -> Channel:
    """`clients`, or the channel to them where they are a sequence, or nothing that can be asked."""
    asked = hasattr(clients, "describe") and hasattr(clients, "train")
    if not asked or isinstance(clients, Sequence):
        return InProcess(clients, executor)
    if executor is not None:
        expected = "None with a channel, whose clients train where they are"
        raise ValueError(checks.invalid("executor", expected, executor))
    return clients


def _obstacle(reply: Update | str | None, values: Values) -> str | None:
    if reply is None:
        return "no reply"
    return reply if isinstance(reply, str) else obstacle_to(reply, values)


def _mean_results(updates: Sequence[Update]) -> dict[str, float]:
    """The mean of every result that all of them reported, weighted by samples."""
    names = [name for name in updates[0].results if all(name in update.results for update in updates)]
    samples = [update.samples for update in updates]
    return {name: float(np.average([update.results[name] for update in updates], weights=samples)) for name in names}
