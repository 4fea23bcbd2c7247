"""Rounds: the closed form of clients with quadratic losses, who takes part, who is left out, and what was sent."""

from pathlib import Path

import numpy as np
import pytest

from kerasnas.executors.processes import Processes
from kerasnas.federated import federate
from kerasnas.federated.channels import InProcess
from kerasnas.federated.rounds import NoUpdateError, participants


def test_quadratic_clients_have_a_closed_form(quadratic):
    """Clients end at `c + q (w - c)`: with weights n, the server's w obeys `w <- w + e (1 - q) (mean c - w)`."""
    clients = [quadratic.Towards("a", 1.0, samples=10, steps=2), quadratic.Towards("b", 5.0, samples=30, steps=2)]
    found = federate(clients, quadratic.start(), rounds=3, step=0.8, architecture_step=0.4)
    center, moved = (10 * 1.0 + 30 * 5.0) / 40, 1 - 0.25
    for kind, step in (("weights", 0.8), ("alphas", 0.4), ("statistics", 1.0)):
        expected = center * (1 - (1 - step * moved) ** 3)
        np.testing.assert_allclose(getattr(found.values, kind)[0], [expected], rtol=1e-6)


def test_a_client_that_dies_is_left_out_and_named(quadratic):
    clients = [quadratic.Towards("a", 1.0), quadratic.Towards("b", 5.0, dies_at=1)]
    found = federate(clients, quadratic.start(), rounds=3)
    assert [dict(one.left_out) for one in found.rounds] == [{}, {"b": "ConnectionError: the line is dead"}, {}]
    w = 1.5  # after the round of both
    w = w + 0.5 * (1.0 - w)  # a alone
    np.testing.assert_allclose(found.values.weights[0], [w + 0.5 * (3.0 - w)], rtol=1e-6)
    assert [one.bytes_down for one in found.rounds] == [24, 24, 24]
    assert [one.bytes_up for one in found.rounds] == [24, 12, 24]
    assert (found.bytes_down, found.bytes_up) == (72, 60)


def test_a_round_without_any_update_raises_with_all_reasons(quadratic):
    clients = [quadratic.Towards("a", 1.0, dies_at=1), quadratic.Towards("b", 5.0, dies_at=1)]
    seen = []
    with pytest.raises(NoUpdateError, match=r"Round 1 has no update.*'a': ConnectionError: the line.*'b': Connection"):
        federate(clients, quadratic.start(), rounds=3, on_round=lambda one, values: seen.append(values))
    assert len(seen) == 1  # the values after the last whole round are not lost
    np.testing.assert_allclose(seen[0].weights[0], [1.5])


def test_some_clients_take_part_and_rounds_can_be_resumed(quadratic):
    def run(values, **options):
        clients = [quadratic.Towards(name, center) for center, name in enumerate("abcde")]
        return federate(clients, values, 8, participation=0.4, seed=3, **options)

    seen = []
    whole = run(quadratic.start(), on_round=lambda one, values: seen.append(values))
    asked = [one.asked for one in whole.rounds]
    assert all(len(names) == 2 and list(names) == sorted(names) for names in asked)
    assert len(set(asked)) > 2 and set(sum(asked, ())) == set("abcde")
    rest = run(seen[4], initial_round=5)
    assert [one.asked for one in rest.rounds] == asked[5:]
    np.testing.assert_array_equal(rest.values.weights[0], whole.values.weights[0])
    assert whole.bytes_down == 8 * 2 * 12


def test_clients_are_drawn_equally_often(quadratic):
    infos = [quadratic.Towards(name, 0.0, samples=10**index).describe() for index, name in enumerate("abcd")]
    drawn = [name for number in range(4000) for name in participants(infos, 0.5, 0, number)]
    counts = [drawn.count(name) for name in "abcd"]
    assert all(abs(count - 2000) < 5 * np.sqrt(4000 * 0.25) for count in counts), counts
    assert participants(infos, 0.01, 0, 0) and len(participants(infos, 0.01, 0, 0)) == 1


def test_results_are_weighted_by_samples(quadratic):
    class Reporting(quadratic.Towards):
        def train(self, values, number, rounds):
            return super().train(values, number, rounds)._replace(results={"loss": float(self.center), self.name: 1.0})

    clients = [Reporting("a", 1.0, samples=3), Reporting("b", 5.0, samples=1)]
    found = federate(clients, quadratic.start(), rounds=1)
    assert found.rounds[0].results == {"loss": 2.0}  # what only one of them reports has no mean


# Workers --------------------------------------------------------------------------------------------------
@pytest.fixture
def importable(monkeypatch):
    """The clients' module, for the workers of a test."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_clients_train_in_workers_as_here_and_a_kill_loses_nothing(quadratic, importable, tmp_path):
    def clients(flag):
        killed = quadratic.KilledOnce("b", 5.0, flag, samples=2)
        return [quadratic.Towards("a", 1.0, dies_at=1), killed, quadratic.Towards("c", 2.0, samples=3)]

    (tmp_path / "never").touch()
    here, there = clients(tmp_path / "never"), clients(tmp_path / "once")
    options = {"rounds": 4, "participation": 0.7, "seed": 1}
    expected = federate(here, quadratic.start(), **options)
    with Processes(2) as executor:
        found = federate(there, quadratic.start(), **options, executor=executor)
    assert (tmp_path / "once").exists()
    assert found.rounds == expected.rounds  # a client reports how often it has trained: its state went there and back
    for own, other in zip(found.values, expected.values, strict=True):
        np.testing.assert_array_equal(own, other)
    assert [client.trained for client in there] == [client.trained for client in here]


def test_a_client_that_ends_each_worker_is_left_out_and_named(quadratic, importable):
    clients = [quadratic.Towards("a", 1.0), quadratic.Towards("b", 5.0, kills_itself_at=0), quadratic.Towards("c", 1.0)]
    with Processes(1, retries=1) as executor:
        found = federate(clients, quadratic.start(), rounds=2, executor=executor)
    (name, reason), *others = found.rounds[0].left_out.items()
    assert name == "b" and "lost with its worker 2 times, the last one by signal 9: _Order(name='b'" in reason
    assert not others and not found.rounds[1].left_out and [client.trained for client in clients] == [2, 1, 2]


def test_what_cannot_train_elsewhere_is_named(quadratic):
    class Stateless:
        describe, train = quadratic.Towards.describe, quadratic.Towards.train

    values = quadratic.start()
    with Processes(1) as executor:
        with pytest.raises(TypeError, match=r"`clients`\. Expected with an executor also `get_state` and `set_state`"):
            federate([Stateless()], values, 1, executor=executor)
        with pytest.raises(ValueError, match=r"`executor`\. Expected None with a channel"):
            federate(InProcess([quadratic.Towards("a", 1.0)]), values, 1, executor=executor)


def test_bad_inputs_are_named(quadratic):
    good, again, values = quadratic.Towards("a", 1.0), quadratic.Towards("a", 1.0), quadratic.start()
    odd = [quadratic.Towards(name, 1.0, shape=shape) for name, shape in (("odd", (8, 8)), ("b", (1,)), ("c", ()))]
    for clients, message in (
        *((clients, "`clients`. Expected a sequence of at least one client") for clients in ([], None, "ab")),
        ([good, again], r"`clients`. Expected clients of different names. Received: \['a'\]"),
        ([good, *odd], r"as \(1,\) of client 'a'. Received: \(8, 8\) of 'odd', \(\) of 'c'"),
    ):
        with pytest.raises(ValueError, match=message):
            federate(clients, values, 1)
    for argument, value in (
        *(("rounds", 0), ("rounds", 1.5), ("step", 0), ("step", np.nan), ("architecture_step", -0.5), ("seed", -1)),
        *(("participation", 0), ("participation", 1.5), ("initial_round", 2)),
    ):
        with pytest.raises(ValueError, match=f"`{argument}`"):
            federate([good], values, **{"rounds": 1, argument: value})
    for arguments, name in ((([good, 3], values), "clients"), (([good], [np.zeros(1)]), "values")):
        with pytest.raises(TypeError, match=f"`{name}`"):
            federate(*arguments, 1)


def test_a_channel_takes_the_place_of_clients(quadratic):
    channel = InProcess([quadratic.Towards("a", 1.0)])
    np.testing.assert_allclose(federate(channel, quadratic.start(), 1).values.weights[0], [0.5])
