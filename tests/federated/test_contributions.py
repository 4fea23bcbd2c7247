"""Hostile clients: no lie ends a round or spoils the model; bounds and robust aggregations in closed form."""

import functools
import json

import numpy as np
import pytest

from kerasnas.federated import federate
from kerasnas.federated.aggregations import AGGREGATIONS, median, multi_krum, trimmed_mean
from kerasnas.federated.averaging import Update, Values, outer_step
from kerasnas.federated.contributions import bounded, receive
from kerasnas.federated.remote import QUERY, RemoteChannel, at_once, pack_info, pack_update, unpack

START = Values([np.zeros((2, 2), "float32")], [np.zeros(3, "float32")], [np.zeros(2, "float32"), np.ones(2, "float32")])
HONEST = {"a": 1.0, "b": 2.0, "c": 3.0}


def array(index, value):
    return lambda arrays, about: ([*arrays[:index], np.asarray(value), *arrays[index + 1 :]], about)


def facts(**changes):
    return lambda arrays, about: (arrays, json.dumps({**json.loads(about), **changes}))


def text(about):
    return lambda arrays, _: (arrays, about)


LIES = {  # what a reply becomes, and a part of the reason why it is left out; None: it counts, within bounds
    "too large for float32": (array(0, np.full((2, 2), 1e300)), "its weights are not finite (array 0)"),
    "nan": (array(0, np.full((2, 2), np.nan, "float32")), "its weights are not finite"),
    "infinite alphas": (array(1, np.full(3, -np.inf)), "its alphas are not finite"),
    "nan statistics": (array(3, [1.0, np.nan]), "its statistics are not finite (array 1)"),
    "as large as float32": (array(0, np.full((2, 2), 3.4e38, "float32")), None),
    "huge variance": (array(3, np.full(2, 3e38, "float32")), None),
    "variance -5": (array(3, [1.0, -5.0]), "negative variance (array 1)"),
    "complex": (array(0, np.full((2, 2), 1j)), "Expected a tensor of numbers"),
    "strings": (array(0, np.full((2, 2), "9")), "Expected a tensor of numbers"),
    "booleans": (array(0, np.ones((2, 2), bool)), "Expected a tensor of numbers"),
    "dates": (array(0, np.zeros((2, 2), "datetime64[s]")), "Expected a tensor of numbers"),
    "records": (array(0, np.zeros((2, 2), [("float", "f4"), ("x", "f4")])), "cast"),
    "objects": (array(0, np.full((2, 2), None)), "Expected a tensor of numbers"),
    "flattened": (array(0, np.zeros(4)), "expected shape (2, 2) for array 0, received (4,)"),
    "scalar": (array(0, 7.0), "expected shape (2, 2) for array 0, received ()"),
    "empty": (array(1, np.zeros((0, 3))), "its alphas are of another network"),
    "one array fewer": (lambda arrays, about: facts(counts=[1, 1, 1])(arrays[:3], about), "expected 2 arrays"),
    "one array more": (lambda arrays, about: facts(counts=[2, 1, 2])([*arrays, arrays[0]], about), "expected 1 arrays"),
    "other kinds": (facts(counts=[2, 0, 2]), "its weights are of another network"),
    "10**18 samples": (facts(samples=10**18), None),
    "10**30 samples": (facts(samples=10**30), "`samples`"),
    "no samples": (facts(samples=0), "`samples`. Expected a positive integer. Received: 0"),
    "negative samples": (facts(samples=-3), "`samples`"),
    "half a sample": (facts(samples=0.5), "`samples`"),
    "nan samples": (facts(samples=float("nan")), "`samples`"),
    "samples in words": (facts(samples="7"), "`samples`"),
    "true samples": (facts(samples=True), "`samples`"),
    "null samples": (facts(samples=None), "`samples`"),
    "result in words": (facts(results={"loss": "good"}), "`results`. Expected a number"),
    "infinite result": (facts(results={"loss": float("inf")}), "`results`. Expected a number"),
    "nan result": (facts(results={"loss": float("nan")}), "`results`. Expected a number"),
    "huge result": (facts(results={"loss": 1e300}), "`results`. Expected a number"),
    "list of results": (facts(results=[1]), "`results`"),
    "result with escapes": (facts(results={"\x1b[2J\n" * 999: 1.0, "loss": "\x1b[2J\n" * 999}), "`results`"),
    "no counts": (text("{}"), "its message cannot be read"),
    "counts in words": (facts(counts="abc"), "its message cannot be read"),
    "negative counts": (facts(counts=[5, -1, 0]), "its message cannot be read"),
    "no JSON": (text("\x1b[2J" * 99), "its message cannot be read"),
    "deep JSON": (text("[" * 100_000), "its message cannot be read"),
    "no text": (text(None), "its message cannot be read"),
}
DESCRIPTIONS = {  # the facts a liar changes, or its whole message; and whether it takes part
    "empty": ("", False),
    "no text": (None, False),
    "a list": ("[1, 2]", False),
    "no name": ({"name": ""}, False),
    "a number as its name": ({"name": 3}, False),
    "copied name": ({"name": "a"}, True),
    "copied long name": ({"name": "a" * 10_000}, True),
    "escapes": ({"name": "\x1b[2J\n"}, True),
    "10**18 samples": ({"samples": 10**18}, True),
    "10**400 samples": ({"samples": 10**400}, False),
    "negative samples": ({"samples": -1}, False),
    "half a sample": ({"samples": 1.5}, False),
    "another shape": ({"sample_shape": [8, 8]}, False),
    "shape in words": ({"sample_shape": "ab"}, False),
    "shape of a number": ({"sample_shape": 3}, False),
    "negative shape": ({"sample_shape": [-1]}, False),
}


def remote(quadratic, lie=lambda arrays, about: (arrays, about), description=None):
    """The channel to three honest clients and a liar that counts as two of them."""
    clients = {f"node-{name}": quadratic.Towards(name, center, samples=5) for name, center in HONEST.items()}
    clients["node-liar"] = quadratic.Towards("liar", 2.0, samples=10)

    def one(node, kind, message):
        hostile, client = node == "node-liar", clients[node]
        if kind == QUERY:
            about = pack_info(client.describe())
            if hostile and isinstance(description, dict):
                return [], json.dumps({**json.loads(about), **description})
            return [], description if hostile and description != {} else about
        values, told = unpack(*message)
        reply = pack_update(client.train(values, *told["round"]))
        return lie(*reply) if hostile else reply

    return RemoteChannel(lambda: list(clients), at_once(one), clients=4, timeout=5)


@pytest.fixture(scope="module")
def honest(quadratic):
    return federate([quadratic.Towards(*client, samples=5) for client in HONEST.items()], START, 2).values


def check_unspoiled(values, expected=None):
    for arrays, others in zip(values, expected or values, strict=True):
        for one, other in zip(arrays, others, strict=True):
            assert one.dtype == np.float32 and np.isfinite(one).all() and np.abs(one).max() < 20
            np.testing.assert_array_equal(one, other)
    assert (values.statistics[1] >= 0).all()


def check_log(caplog, count):
    assert len(caplog.messages) == count
    assert all(message.isprintable() and len(message) < 400 for message in caplog.messages)


@pytest.mark.parametrize("name", LIES)
def test_no_lie_ends_a_round_or_spoils_the_model(quadratic, honest, caplog, name):
    lie, reason = LIES[name]
    found = federate(remote(quadratic, lie, {}), START, 2)
    check_unspoiled(found.values, None if reason is None else honest)
    for record in found.rounds:
        assert list(record.left_out) == ([] if reason is None else ["liar"])
        assert (reason or "") in record.left_out.get("liar", "") and np.isfinite(record.results["loss"])
    check_log(caplog, 0 if reason is None else 2)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_no_description_ends_a_federation(quadratic, honest, caplog, name):
    description, admitted = DESCRIPTIONS[name]
    found = federate(remote(quadratic, description=description), START, 2)
    assert [len(record.asked) for record in found.rounds] == [3 + admitted] * 2
    assert all(asked.isprintable() and len(asked) < 400 for asked in found.rounds[0].asked)
    check_unspoiled(found.values, None if admitted else honest)
    check_log(caplog, 0 if admitted else 1)


def test_replies_that_are_no_update_have_a_reason():
    update = Update(START, 3)
    assert isinstance(receive(update, START, 9), Update)
    for reply in (
        *(None, "", 3, [], {}, object(), Update, START, tuple(update)),
        *(update._replace(values=values) for values in (None, 3, [], [[], [], []], START[:2], {"weights": 1})),
        *(update._replace(results=results) for results in (None, 3, {3: 1.0}, {"loss": None})),
        *(update._replace(values=START._replace(weights=[w])) for w in ([[1.0], [1.0, 2.0]], np.full((2, 2), "9"))),
    ):
        reason = receive(reply, START, 9)
        assert isinstance(reason, str) and reason, reply


def test_objects_of_this_process_that_are_no_updates_end_no_round(quadratic, honest):
    class Broken(quadratic.Towards):
        def train(self, values, number, rounds):
            return Update(START, 3)._replace(values=None)

    clients = [quadratic.Towards(*client, samples=5) for client in HONEST.items()]
    found = federate([*clients, quadratic.Towards("y", np.nan), Broken("z", 0.0)], START, 2)
    assert list(found.rounds[0].left_out) == ["y", "z"]
    assert found.rounds[0].bytes_up == 4 * START.nbytes  # what is not finite was sent
    check_unspoiled(found.values, honest)


def test_a_client_counts_for_what_it_described_and_for_half_of_a_round_at_most():
    assert receive(Update(START, 10**18), START, 7).samples == 7
    for samples, expected in (([1, 2, 97], [1, 2, 3]), ([3, 4, 5], [3, 4, 5]), ([1, 97], [1, 97]), ([9], [9])):
        assert [update.samples for update in bounded([Update(START, n) for n in samples], START, 5.0)] == expected


def test_steps_are_clipped_to_a_multiple_of_the_median_norm():
    """Norms 5, 5, 5, 500 have the median 5: at a clip of 4, the last step becomes one of norm 20, and no other does."""
    start = Values([np.ones(1), np.ones(1)], [np.zeros(1)])
    ends = [Values([1 + s * np.array([3.0]), 1 - s * np.array([4.0])], [np.zeros(1)]) for s in (1, -1, 1, 100)]
    updates = bounded([Update(end, 1) for end in ends], start, clip=4.0)
    assert all(update.values.weights is end.weights for update, end in zip(updates[:3], ends[:3], strict=True))
    np.testing.assert_allclose(updates[3].values.weights, [[1 + 12.0], [1 - 16.0]])
    hostile = ends[0]._replace(alphas=[np.ones(1)])  # where alphas rest, as in a warm-up, no one moves them
    assert bounded([Update(end, 1) for end in (*ends[:3], hostile)], start, 4.0)[3].values.alphas == [[0.0]]


def test_the_mean_of_honest_clients_is_untouched(quadratic):
    clients = [quadratic.Towards(name, center, samples=3) for name, center in HONEST.items()]
    expected = START
    for number in range(3):
        expected = outer_step(expected, [client.train(expected, number, 3) for client in clients], step=0.7)
    check_unspoiled(federate(clients, START, 3, step=0.7).values, expected)


def test_aggregations_have_closed_forms():
    members = [[np.array([w, -w]), np.array(2 * w)] for w in (0.0, 1.5, 50.0, 1.0, 4.0)]
    for aggregate, expected in (
        (median, 1.5),
        (trimmed_mean, (1 + 1.5 + 4) / 3),
        (functools.partial(trimmed_mean, trim=0.3), 1.5),
        (functools.partial(trimmed_mean, trim=0.0), 56.5 / 5),
        (multi_krum, 1.25),  # f = 1: 1 and 1.5, with squared distances 1/4 + 1 and 1/4 + 9/4 (times 6) to two others
        (functools.partial(multi_krum, hostile=0), 2.5 / 3),  # 1.5, 1 and 0, with 35/4, 41/4 and 77/4 to three others
    ):
        first, second = aggregate(members, [1, 1, 10**9, 1, 1])
        np.testing.assert_allclose(first, [expected, -expected], rtol=1e-12)
        np.testing.assert_allclose(second, 2 * expected, rtol=1e-12)
    np.testing.assert_allclose(multi_krum(members[:4])[1], 2.5)  # f = 0: 1 and 1.5
    for aggregate in map(AGGREGATIONS.__getitem__, AGGREGATIONS):  # alone, a member is what counts
        np.testing.assert_array_equal(aggregate(members[1:2], [1])[0], members[1][0])


ATTACKS = {
    "turned": lambda values, end: values - 10 * (end - values),
    "far away": lambda values, end: np.full_like(end, 1e30),
    "near": lambda values, end: end + 1,
    "noise": lambda values, end: end + np.random.default_rng(0).normal(0, 100, end.shape).astype("float32"),
    "nothing": lambda values, end: values,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_one_hostile_client_of_ten_changes_little(quadratic, attack):
    """Robust aggregations end among the honest centers; the mean without clipping does not."""

    class Hostile(quadratic.Towards):
        def train(self, values, number, rounds):
            update = super().train(values, number, rounds)
            pairs = zip(values, update.values, strict=True)
            ends = [[ATTACKS[attack](w, e) for w, e in zip(*pair, strict=True)] for pair in pairs]
            return Update(Values(*ends), self.samples)

    start = Values([np.zeros(6, "float32")])
    centers = 1 + 0.1 * np.random.default_rng(1).standard_normal((10, 6))
    kinds = [Hostile] + [quadratic.Towards] * 9
    clients = [kind(f"c{k}", center, samples=4) for k, (kind, center) in enumerate(zip(kinds, centers, strict=True))]

    def distance(**options):
        found = federate(clients, start, 12, **options).values.weights[0]
        return np.abs(found - centers[1:].mean(axis=0)).max()

    spread = np.abs(centers[1:] - centers[1:].mean(axis=0)).max()
    for aggregation in ("median", "trimmed", "krum"):
        for options in ({}, {"clip": 1e9}):
            assert distance(aggregation=aggregation, **options) <= spread + 1e-3, aggregation
    if attack in ("turned", "far away", "noise"):
        assert distance(clip=1e9) > 2 * spread


def test_a_federation_takes_the_aggregation_it_is_given(quadratic):
    clients = [quadratic.Towards(name, center) for name, center in (("a", 1.0), ("b", 2.0), ("c", 9.0))]
    first = functools.partial(lambda k, members, shares: members[k], 2)
    for aggregation, expected in (("mean", 4.0), ("median", 2.0), ("trimmed", 2.0), ("krum", 1.0), (first, 9.0)):
        found = federate(clients, START, 1, aggregation=aggregation)
        np.testing.assert_allclose(found.values.weights[0], expected / 2)


def test_wrong_names_are_answered_with_the_nearest(quadratic):
    clients = [quadratic.Towards("a", 1.0)]
    with pytest.raises(ValueError, match=r"Unknown aggregation 'medain'. Did you mean 'median'\?"):
        federate(clients, START, 1, aggregation="medain")
    with pytest.raises(ValueError, match="`clip`"):
        federate(clients, START, 1, clip=0)
