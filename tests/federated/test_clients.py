"""Clients that train Keras models: one client is a plain search, Reptile over clients, what is shared."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, MixedOp
from kerasnas.callbacks.state import snapshot
from kerasnas.datasets.tasks import Episode
from kerasnas.federated import FederatedClient, assign_values, federate, shared_values
from kerasnas.federated.averaging import outer_step
from kerasnas.meta import Reptile
from kerasnas.spaces import DARTSSpace

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "avg_pool_3x3"])


def images(samples, seed=0, shape=(6, 6, 1)):
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    return (0.3 * rng.standard_normal((samples, *shape)) + y.reshape(-1, *[1] * len(shape))).astype("float32"), y


def make_search():
    search = BilevelTrainer(SPACE.build_supernet((6, 6, 1), num_classes=2, seed=3), curvature_ratio=None)
    search.compile()
    return search


def make_network(optimizer=None, normalized=True):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(1))(inputs)
    x = keras.layers.BatchNormalization()(x) if normalized else keras.layers.Activation("tanh")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(2))(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.9), loss, run_eagerly=True)
    return model


def assert_alike(values, others, tolerance=0.0):
    for group, other in zip(values, others, strict=True):
        for array, expected in zip(group, other, strict=True):
            np.testing.assert_allclose(array, expected, rtol=0, atol=tolerance)


def distance(values, others):
    return max(np.abs(a - b).max() for g, h in zip(values, others, strict=True) for a, b in zip(g, h, strict=True))


@pytest.fixture(scope="module")
def search():
    """A search that tests share, and its state before any of them."""
    own = make_search()
    return own, snapshot(own)


def fresh(search):
    own, first = search
    for variable, value in zip([*own.variables, *own.optimizer.variables], first.values(), strict=True):
        variable.assign(value)
    return own


def test_one_client_is_the_plain_search():
    """Over two rounds of one epoch: warm-up, both optimizers, all schedules, and every variable."""
    x, y = images(24)
    inputs = keras.Input((6, 6, 1))
    choice = MixedOp(["none", "skip_connect", "avg_pool_3x3"], filters=2)(keras.layers.Conv2D(2, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(choice)))
    plain = BilevelTrainer(model, architecture_warmup_epochs=1)
    plain.compile(run_eagerly=True)
    search = plain, snapshot(plain)
    plain.fit(x, y, batch_size=12, epochs=2, seed=5, verbose=0)
    expected, every = shared_values(plain), snapshot(plain)
    own = fresh(search)
    client = FederatedClient("alone", own, x, y, batch_size=12, seed=5)
    found = federate([client], shared_values(own), rounds=2)
    assert_alike(found.values, expected, tolerance=1e-6)
    assert distance(found.values, shared_values(fresh(search))) > 1e-3
    assign_values(own, found.values)
    for name, value in client.get_state().items():
        np.testing.assert_allclose(value, every[name], rtol=0, atol=1e-6, err_msg=name)
    own = fresh(search)
    reset = FederatedClient("alone", own, x, y, batch_size=12, seed=5, optimizer_state="reset")
    assert distance(federate([reset], shared_values(own), rounds=2).values, expected) > 1e-4


@pytest.mark.slow
def test_clients_of_one_search_do_not_disturb_each_other(search):
    """Two that take turns on one search end as each does with the search to itself; and each chooses for itself."""
    own = fresh(search)
    data = [images(12, seed=1), images(16, seed=2)]
    clients = [FederatedClient(str(i), own, *part, batch_size=4, seed=i) for i, part in enumerate(data)]
    start, seen = shared_values(own), []
    together = federate(clients, start, rounds=2, on_round=lambda one, values: seen.append(values))
    assert [info.samples for info in (client.describe() for client in clients)] == [12, 16]
    updates = []
    for i, part in enumerate(data):
        alone = FederatedClient(str(i), fresh(search), *part, batch_size=4, seed=i)
        alone.train(start, 0, 2)
        updates.append(alone.train(seen[0], 1, 2))
    assert_alike(together.values, outer_step(seen[0], updates), tolerance=1e-6)

    personal = [client.personalize(together.values, epochs=2) for client in clients]
    for one in personal:
        SPACE.validate(one.genotype)
    assert distance(personal[0].values, personal[1].values) > 1e-3
    assert_alike(clients[0].personalize(together.values, epochs=2).values, personal[0].values)  # it left no trace
    assert 0 <= clients[0].evaluate(personal[0].values, *data[0])["accuracy"] <= 1


def test_reptile_over_clients_is_federated_averaging():
    """A meta-step of Reptile on three tasks, and a round of three clients with their data, at the same rates."""
    rate, step, steps = 0.3, 0.7, 2
    data = [images(8, seed, shape=(4,)) for seed in range(3)]
    model = make_network(keras.optimizers.SGD(rate), normalized=False)
    start = shared_values(model)
    clients = [FederatedClient(str(i), model, *part, batch_size=8, local_epochs=steps) for i, part in enumerate(data)]
    found = federate(clients, start, rounds=1, step=step)

    assign_values(model, start)
    learner = Reptile(model, steps, rate, inner_optimizer="sgd", inner_batch_size=None)
    learner.compile(keras.optimizers.SGD(step), run_eagerly=True)
    support = tuple(np.stack(arrays) for arrays in zip(*data, strict=True))
    learner.meta_step(Episode((support[0], support[1].astype("int32")), (support[0][:, :0], support[1][:, :0])))
    assert_alike(shared_values(model), found.values, tolerance=1e-6)
    assert distance(found.values, start) > 1e-2


def test_any_keras_model_is_a_client():
    x, y = images(10, shape=(4,))
    model = make_network()
    clients = [FederatedClient("a", model, x, y, batch_size=4), FederatedClient("b", model, x[:6], y[:6], batch_size=4)]
    first = snapshot(model)
    found = federate(clients, shared_values(model), rounds=2)
    assert not found.values.alphas and found.rounds[-1].results["loss"] < found.rounds[0].results["loss"]
    assert clients[0].personalize(found.values, epochs=1).genotype is None
    # A client that is made anew for every round, as in a process that Flower starts, continues from its state.
    kept = {}

    class Anew:
        def __init__(self, client):
            self.describe, self.client = client.describe, client

        def train(self, values, number, rounds):
            name = self.client.name
            self.client.set_state(kept.get(name, first))
            update = self.client.train(values, number, rounds)
            kept[name] = self.client.get_state()
            self.client.set_state(first)
            return update

    again = make_network()
    parts = [FederatedClient("a", again, x, y, batch_size=4), FederatedClient("b", again, x[:6], y[:6], batch_size=4)]
    assert_alike(federate([Anew(part) for part in parts], shared_values(again), rounds=2).values, found.values)


def test_batch_norm_is_averaged_or_stays():
    model = make_network()
    for name, counts in {"averaged": [6, 0, 2], "local_statistics": [6, 0, 0], "local": [4, 0, 0]}.items():
        assert [len(group) for group in shared_values(model, name)] == counts
    x, y = images(8, shape=(4,))
    model.layers[2].moving_mean.assign([1.0, 2.0, 3.0])
    clients = [
        FederatedClient(name, model, x + shift, y, batch_size=8, batch_norm="local")
        for name, shift in (("near", 0.0), ("far", 50.0))
    ]
    found = federate(clients, shared_values(model, "local"), rounds=2)
    means = []
    for client in clients:
        client.evaluate(found.values, x, y)
        means.append(np.array(model.layers[2].moving_mean))
        assert np.abs(np.array(model.layers[2].gamma) - 1).max() > 1e-4  # its own one
    assert np.abs(means[0] - means[1]).max() > 0.5


def test_a_failed_round_leaves_the_client_as_it_was(monkeypatch):
    x, y = images(8, shape=(4,))
    model = make_network()
    client = FederatedClient("a", model, x, y, batch_size=4)
    start = shared_values(model)
    client.train(start, 0, 3)
    before = client.get_state()

    def fails(*args, **kwargs):
        raise MemoryError("full")

    monkeypatch.setattr(model, "fit", fails)
    with pytest.raises(MemoryError):
        client.train(start, 1, 3)
    for name, value in client.get_state().items():
        np.testing.assert_array_equal(value, before[name])


def test_bad_inputs_are_named():
    x, y = images(8, shape=(4,))
    model = make_network()
    for name, value, error in (
        *(("batch_size", 0, ValueError), ("local_epochs", -1, ValueError), ("optimizer_state", "keep", ValueError)),
        *(("batch_norm", "locall", ValueError), ("validation_split", 1.0, ValueError), ("seed", -1, ValueError)),
        *(("augment", 3, TypeError), ("callbacks", 3, TypeError), ("name", 3, TypeError), ("search", "m", TypeError)),
        ("search", keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), ValueError),
    ):
        with pytest.raises(error, match=f"`{name}`"):
            FederatedClient(**{"name": "a", "search": model, "x": x, "y": y, name: value})
    with pytest.raises(ValueError, match=r"of client 'a'. Received: shapes \(8, 4\) and \(7,\)"):
        FederatedClient("a", model, x, y[:7])
    with pytest.raises(ValueError, match="at least one, of client 'a'"):
        FederatedClient("a", model, x[:0], y[:0])
    other, before = shared_values(make_network(normalized=False)), shared_values(model)
    with pytest.raises(ValueError, match=r"`values`. Expected weights of this network: expected 6 arrays"):
        assign_values(model, other)
    assert_alike(shared_values(model), before)
