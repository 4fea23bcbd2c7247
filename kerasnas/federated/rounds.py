"""Rounds of federated averaging: participants, contributions that count, communication cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasnas import checks
from kerasnas.executors import Executor
from kerasnas.federated.aggregations import AGGREGATIONS, Aggregation
from kerasnas.federated.averaging import Update, Values, outer_step
from kerasnas.federated.channels import Channel, Client, ClientInfo, InProcess, check_clients
from kerasnas.federated.contributions import LOG, bounded, read_by, receive


class NoUpdateError(RuntimeError):
    """Raised in a round without a valid update; the message has each client's reason."""


class Round(NamedTuple):
    """The record of a round.

    Args:
        number: index of the round, from 0.
        asked: names of the participants.
        left_out: name -> reason, for participants without a valid update.
        bytes_down: bytes sent to the clients: arrays of numbers, without the framing of messages.
        bytes_up: bytes received from them, invalid updates included.
        results: name -> mean over the valid updates, weighted by samples.
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
        values: the server's values after the last round.
        rounds: the record of each round.
    """

    values: Values
    rounds: tuple[Round, ...]

    @property
    def bytes_down(self) -> int:
        """Bytes sent to all clients in all rounds."""
        return sum(record.bytes_down for record in self.rounds)

    @property
    def bytes_up(self) -> int:
        """Bytes received from all clients in all rounds."""
        return sum(record.bytes_up for record in self.rounds)


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
    aggregation: str | Aggregation = "mean",
    clip: float = 5.0,
) -> Federation:
    """Run federated averaging, which is Reptile over clients: data stay with the clients, the server receives only
    values.

    In every round, some clients start at the server's values and learn from their own data; the server takes a step
    towards the mean of their values. A client that fails, or whose reply is malformed or not finite, is left out of the
    round, as the record and the log state; `kerasnas/federated/contributions.py` has the rules.

    Args:
        clients: `FederatedClient`s of this process, others as `Client` describes them, or a `Channel` to clients
            elsewhere.
        values: initial values, such as `shared_values(search)`.
        rounds: number of rounds.
        participation: fraction of the clients in a round, above 0 and at most 1, rounded to whole clients, at least
            one. Defaults to 1.
        step: the server's step for the weights; see `outer_step`. Defaults to 1.
        architecture_step: its step for the alphas. Defaults to None: `step`.
        seed: seed of the draw of clients, which depends on the seed and the round's number only. Defaults to 0.
        initial_round: index of the first round, to resume. Defaults to 0.
        on_round: called with the record of each round and the values after it. Defaults to None.
        executor: where clients of this process train; see `InProcess`. Defaults to None: here, one after the other.
        aggregation: `"mean"`, weighted by samples; against a minority of hostile clients `"median"`, `"trimmed"` (a
            mean) or `"krum"`; or a function `(members, shares) -> arrays`. Defaults to `"mean"`.
        clip: the largest norm of a client's step, as a multiple of the round's median norm. Defaults to 5.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: without clients, if their samples differ in shape, or a number is out of range.
        NoUpdateError: if no client of a round has a valid update.

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
    >>> federation = federate([Mean("a", [1.0, 2.0, 3.0]), Mean("b", [10.0])], Values([np.array(0.0)]), rounds=1)
    >>> float(federation.values.weights[0]), federation.bytes_up
    (4.0, 16)

    Reference:
        McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017
        (arXiv 1602.05629), algorithm 1.

    Differences from the paper:
        - Alphas and the moving statistics of batch norm are averaged like the weights.
        - The server has a step, which is 1 in the paper.
        - Steps are clipped, and from three clients on, none counts for more than half of a round.
        - Rounds continue without clients that fail.
    """
    checks.instance("values", values, Values)
    rounds, first = checks.size("rounds", rounds), checks.integer("initial_round", initial_round, 0, rounds)
    checks.number("participation", participation, above=0, most=1)
    checks.number("step", step, above=0)
    checks.optional(checks.number, "architecture_step", architecture_step, above=0)
    checks.seed(seed)
    checks.optional(checks.function, "on_round", on_round)
    clip = checks.number("clip", clip, above=0)
    aggregate = aggregation if callable(aggregation) else AGGREGATIONS[aggregation]
    channel = _channel(clients, executor)
    infos = channel.describe()
    check_clients(infos)
    described = {info.name: info.samples for info in infos}
    records = []
    for number in range(first, rounds):
        asked = participants(infos, participation, seed, number)
        replies = channel.train(asked, values, number, rounds)
        received = {name: receive(replies.get(name), values, described[name]) for name in asked}
        left_out = {name: reason for name, reason in received.items() if isinstance(reason, str)}
        updates = [update for update in received.values() if isinstance(update, Update)]
        for name, reason in left_out.items():
            LOG.warning("Round %d leaves out client '%s': %s", number, name, reason)
        if not updates:
            reasons = "; ".join(f"'{name}': {reason}" for name, reason in left_out.items())
            raise NoUpdateError(f"Round {number} has no update that counts. {reasons}")
        down = values.nbytes * len(asked)
        sent = [read_by(lambda reply: reply.values.nbytes, reply) for reply in replies.values()]
        up = sum(size for size in sent if isinstance(size, int))
        updates = bounded(updates, values, clip)
        values = outer_step(values, updates, step, architecture_step, aggregate)
        records.append(Round(number, asked, left_out, down, up, _mean_results(updates)))
        if on_round is not None:
            on_round(records[-1], values)
    return Federation(values, tuple(records))


def participants(infos: Sequence[ClientInfo], participation: float, seed: int, number: int) -> tuple[str, ...]:
    """Return the clients of round `number`, in the order of `infos`: drawn uniformly without replacement."""
    count = max(round(participation * len(infos)), 1)
    drawn = np.random.default_rng([seed, number]).choice(len(infos), count, replace=False)
    return tuple(infos[index].name for index in sorted(drawn))


def _channel(clients: Any, executor: Executor | None) -> Channel:
    """Return `clients`, or the channel to a sequence of them."""
    asked = hasattr(clients, "describe") and hasattr(clients, "train")
    if not asked or isinstance(clients, Sequence):
        return InProcess(clients, executor)
    if executor is not None:
        expected = "None with a channel, whose clients train where they are"
        raise ValueError(checks.invalid("executor", expected, executor))
    return clients


def _mean_results(updates: Sequence[Update]) -> dict[str, float]:
    """Return the mean, weighted by samples, of every result that all updates have."""
    names = [name for name in updates[0].results if all(name in update.results for update in updates)]
    samples = [update.samples for update in updates]
    return {name: float(np.average([update.results[name] for update in updates], weights=samples)) for name in names}
