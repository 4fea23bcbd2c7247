"""Messages, and the channel over a transport: round trips, replies that are late, broken or not to be read."""

import numpy as np
import pytest

from kerasnas.federated import federate
from kerasnas.federated.averaging import Update, Values
from kerasnas.federated.contributions import read_by
from kerasnas.federated.remote import (
    QUERY,
    TRAIN,
    RemoteChannel,
    at_once,
    pack,
    pack_info,
    pack_update,
    unpack,
    unpack_info,
    unpack_update,
)


def test_messages_come_back_as_they_were():
    values = Values([np.zeros((2, 3)), np.ones(1)], [], [np.full(2, 7.0)])
    back, facts = unpack(*pack(values, round=[3, 9]))
    assert [len(group) for group in back] == [2, 0, 1] and facts == {"round": [3, 9]}
    np.testing.assert_array_equal(back.statistics[0], [7.0, 7.0])
    update = unpack_update(*pack_update(Update(values, np.int64(5), {"loss": np.float32(0.5)})))
    assert update.samples == 5 and update.results == {"loss": 0.5}


def test_messages_that_are_none_are_named():
    for about in ("", "{}", '{"counts": [1, 1]}', '{"counts": [1, 1, "x"]}', '{"counts": [9, 9, 9]}', '{"counts": 3}'):
        with pytest.raises(ValueError, match="Expected a message"):
            unpack([np.zeros(1)], about)
    with pytest.raises(ValueError, match="name, samples, sample_shape"):
        unpack_info('{"name": "a"}')
    for about in ("", '{"counts": [1, 0, 0]}', '{"counts": [1, 0, 0], "samples": 1, "results": 3}'):
        reason = read_by(lambda message: unpack_update(*message), ([np.zeros(1)], about))
        assert reason.startswith("its message cannot be read (")


def transport(clients, lost=(), silent=()):
    """An `ask` that talks to clients of this process as a network would."""

    def one(node, kind, message):
        if node in lost:
            raise ConnectionResetError("lost")
        if kind == QUERY:
            return [], pack_info(clients[node].describe())
        values, facts = unpack(*message)
        return pack_update(clients[node].train(values, *facts["round"]))

    ask = at_once(one)

    def without_silent(nodes, kind, message):
        replies = ask(nodes, kind, message)
        return {node: reply for node, reply in replies.items() if kind != TRAIN or node not in silent}

    return without_silent


def test_the_channel_equals_clients_in_process(quadratic):
    def clients():
        return {f"node-{c}": quadratic.Towards(name, c, samples=c + 1) for c, name in enumerate("cab")}

    start = quadratic.start()
    reached = clients()
    channel = RemoteChannel(lambda: list(reached), transport(reached), clients=3, timeout=5)
    assert [info.name for info in channel.describe()] == ["a", "b", "c"]
    there, here = federate(channel, start, 3), federate(sorted(clients().values(), key=lambda c: c.name), start, 3)
    assert there.rounds == here.rounds
    np.testing.assert_array_equal(there.values.weights[0], here.values.weights[0])


def test_lost_and_silent_clients_are_named(quadratic):
    clients = {name: quadratic.Towards(name, 1.0) for name in "abc"}
    lost: list[str] = []
    channel = RemoteChannel(lambda: list(clients), transport(clients, lost, silent=["b"]), clients=3, timeout=5)
    found = federate(channel, quadratic.start(), 1, on_round=lambda one, values: lost.append("c"))
    assert found.rounds[0].left_out == {"b": "no reply within 5 s"}
    replies = channel.train(["a", "b", "c"], quadratic.start(), 1, 2)
    assert replies["c"] == "the connection failed (ConnectionResetError: lost)" and isinstance(replies["a"], Update)


def test_clients_that_do_not_come(quadratic):
    clients = {"a": quadratic.Towards("a", 1.0)}
    with pytest.raises(TimeoutError, match=r"Expected 2 clients within 0.2 s. Received: 1"):
        RemoteChannel(lambda: list(clients), transport(clients), clients=2, timeout=0.2).describe()
    with pytest.raises(ConnectionError, match=r"No client answers. 'a': the connection failed"):
        RemoteChannel(lambda: list(clients), transport(clients, lost=["a"]), clients=1, timeout=0.2).describe()
    for wrong in ({"clients": 0}, {"timeout": -1}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`"):
            RemoteChannel(list, transport({}), **{"clients": 1, "timeout": 1, **wrong})
