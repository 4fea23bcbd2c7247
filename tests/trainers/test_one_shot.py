"""ENASTrainer: its two phases, rewards, derivation, resuming, and what it refuses."""

import json
import math
import shutil

import keras
import numpy as np
import pytest

from kerasnas import DARTSSpace
from kerasnas.callbacks.state import snapshot
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.search import Controller, ENASCheckpoint, ENASTrainer, RandomSearch
from kerasnas.spaces import ENASMacroSpace, ENASMicroSpace
from kerasnas.tasks.splits import stratified_split
from tests.trainers.kit import same_state

SHAPE, CLASSES = (8, 8, 1), 3
SPACE = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["max_pool_3x3", "nor_conv_3x3"])
POOLS = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["max_pool_3x3", "avg_pool_3x3"])
SETTINGS = {"batch_size": 8, "epochs": 2, "controller_steps": 3, "verbose": 0}


def make(space=SPACE, controller=None, compile=None, seed=0):
    search = ENASTrainer(space.build_supernet(SHAPE, CLASSES, seed=seed), space, controller, seed=seed)
    search.compile(**{"run_eagerly": True, **(compile or {})})
    return search


@pytest.fixture(scope="module")
def searched(data):
    """A compiled search of two epochs, its history, and how often the supernet was traced."""
    traces, call = [], WeightSharingSupernet.call

    def counted(*args, **kwargs):
        traces.append(1)
        return call(*args, **kwargs)

    WeightSharingSupernet.call = counted
    try:
        search = make(compile={"run_eagerly": False})
        history = search.fit(*data, **SETTINGS).history
    finally:
        WeightSharingSupernet.call = call
    return search, history, len(traces)


def test_history(searched):
    _, history, _ = searched
    assert sorted(history) == ["accuracy", "controller_entropy", "loss", "reward"]
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())
    assert min(history["reward"]) >= 0 and max(history["reward"]) <= 1
    uniform = 4 * math.log(2)  # of one node: two inputs and two operations, in order
    assert abs(history["controller_entropy"][0] - uniform) < 0.05  # it has hardly learned yet


def test_one_graph_for_all_children(searched):
    """Traced for the training step and for the rewards, whatever children there are."""
    assert searched[2] == 2


def test_the_controller_receives_each_reward_and_waits_for_none(searched):
    search, history, _ = searched
    received = [reward for _, reward in search.controller.observations]
    assert search.controller.pending == ()
    np.testing.assert_allclose([np.mean(received[:3]), np.mean(received[3:])], history["reward"])


def test_rewards_are_accuracies_under_shared_weights(searched, data):
    search, _, _ = searched
    x, y = data
    genotype = SPACE.sample(np.random.default_rng(0))
    logits = search.supernet(x, architecture=np.array(SPACE.encode(genotype)))
    expected = np.mean(np.argmax(keras.ops.convert_to_numpy(logits), -1) == y)
    assert search.reward(genotype, x, y) == expected
    np.testing.assert_allclose(search.evaluate_children([genotype] * 2, x, y, batch_size=len(y)), expected)
    halves = [search.reward(genotype, x[part], y[part]) for part in (slice(0, 15), slice(15, 30))]
    parts = search.evaluate_children([genotype], x[:30], y[:30], batch_size=16)  # in parts of equal size
    np.testing.assert_allclose(parts, np.mean(halves))


def test_the_best_sampled_child_is_derived(searched, data):
    search, _, _ = searched
    ranking = search.rank(12, *data)
    rewards = [reward for _, reward in ranking]
    assert rewards == sorted(rewards, reverse=True)
    assert len({genotype for genotype, _ in ranking}) == len(ranking) > 1
    np.testing.assert_allclose(search.evaluate_children([ranking[-1][0]], *data), rewards[-1])
    SPACE.validate(search.derive(3))  # on the held-out half


@pytest.mark.parametrize(
    "given", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["halves", "validation data"]
)
def test_rewards_and_derivation_read_the_held_out_images_alone(few, few_held_out, monkeypatch, given):
    """Images of one pixel value a part: 1 the training half, 2 the other one, 3 the validation data."""
    x, y = np.empty_like(few[0]), few[1]
    first, second = stratified_split(y, 0.5, seed=0)
    x[first], x[second] = 1, 2
    x_val = np.full_like(few_held_out[0], 3)
    search, read = make(POOLS, RandomSearch(POOLS, unique=False)), {"weights": set(), "rewards": set()}
    step, reward = search.train_step, search.reward

    def train_step(batch):
        read["weights"].update(np.unique(batch[0][0]))
        return step(batch)

    def rewarded(genotype, images, labels):
        read["rewards"].update(np.unique(images))
        return reward(genotype, images, labels)

    monkeypatch.setattr(search, "train_step", train_step)
    monkeypatch.setattr(search, "reward", rewarded)
    options = {"validation_data": (x_val, few_held_out[1])} if given else {}
    search.fit(x, y, **options, **{**SETTINGS, "epochs": 1})
    training, held_out = ({1, 2}, {3}) if given else ({1}, {2})
    assert read == {"weights": training, "rewards": held_out}
    read["rewards"].clear()
    search.derive(2)
    assert read == {"weights": training, "rewards": held_out}


def test_a_child_that_fails_is_last(searched, data, monkeypatch):
    search, _, _ = searched
    broken = SPACE.decode([0, 0, 0])
    monkeypatch.setattr(search, "reward", lambda genotype, x, y: math.nan if genotype == broken else 0.1)
    monkeypatch.setattr(search, "sample", lambda n: [broken, SPACE.decode([1, 0, 0])])
    assert [genotype == broken for genotype, _ in search.rank(2, *data)] == [False, True]


def test_logits_that_are_not_finite_are_no_reward(data):
    search = make(POOLS)
    search.supernet.classifier.bias.assign(np.full(CLASSES, np.nan))
    assert math.isnan(search.reward(POOLS.decode([0, 0, 0]), *data))


@pytest.mark.slow
def test_the_controller_learns(data, monkeypatch):
    """With a reward for the first primitive its samples come to have it."""
    search = make(compile={"controller_learning_rate": 0.05})
    monkeypatch.setattr(search, "reward", lambda genotype, x, y: genotype.count("nor_conv_3x3") / 2)
    history = search.fit(*data, **{**SETTINGS, "controller_steps": 40}).history
    share = np.mean([genotype.count("nor_conv_3x3") / 2 for genotype in search.sample(50)])
    assert share > 0.9
    assert history["controller_entropy"][-1] < 0.7 * sum(map(math.log, SPACE.cardinalities))


def test_searches_with_one_seed_are_alike_and_resume_alike(few, tmp_path):
    def run(search, **changed):
        return search.fit(*few, **{**SETTINGS, "seed": 4, "controller_steps": 1, **changed}).history

    whole = make(POOLS, seed=2)
    kill = keras.callbacks.LambdaCallback(  # what is on the disk when the second epoch begins
        on_epoch_begin=lambda epoch, logs: epoch == 1 and shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    )
    expected = run(whole, callbacks=[ENASCheckpoint(tmp_path / "whole"), kill])
    resumed = make(POOLS, seed=3)  # whatever was there is overwritten
    checkpoint = ENASCheckpoint(tmp_path / "killed")
    assert checkpoint.restore(resumed) == 1
    run(resumed, initial_epoch=1, callbacks=[checkpoint])
    assert checkpoint.history.keys() == expected.keys()
    for name, values in expected.items():
        assert checkpoint.history[name] == pytest.approx(values)
    for name, value in snapshot(whole).items():
        np.testing.assert_allclose(snapshot(resumed)[name], value, rtol=1e-5, atol=1e-6)
    states = [json.dumps(search.controller.get_state()) for search in (whole, resumed)]
    assert states[0] == states[1]


def test_a_loss_that_is_not_finite_stops_and_restores(data):
    search = make(POOLS, compile={"optimizer": keras.optimizers.SGD(1e30)})
    weights, state = snapshot(search), search.controller.get_state()
    with pytest.raises(NonFiniteError, match=r"training loss stopped being finite at epoch 1, step \d"):
        search.fit(*data, **{**SETTINGS, "epochs": 9})
    assert same_state(search, weights)
    assert search.controller.get_state() == state


@pytest.mark.slow
def test_macro_and_validation_data(data, validation):
    space = ENASMacroSpace(filters=2, num_layers=2, primitives=["nor_conv_3x3", "max_pool_3x3"])
    search = make(space, RandomSearch(space, unique=False))
    search.fit(*data, validation_data=validation, **{**SETTINGS, "epochs": 1, "controller_steps": None})
    assert len(search.controller.observations) == 3  # one for each batch of 8 of the 24 held out
    space.validate(search.derive(2))


# Refusals --------------------------------------------------------------------------------------------------
def test_what_does_not_belong_together_is_refused():
    supernet = POOLS.build_supernet(SHAPE, CLASSES)
    with pytest.raises(ValueError, match=r"share weights.*Received: <Supernet"):
        ENASTrainer(DARTSSpace(2, 1, 1).build_supernet(SHAPE, CLASSES), POOLS)
    with pytest.raises(ValueError, match="Expected the one that built the supernet, with 3 choices"):
        ENASTrainer(supernet, ENASMicroSpace())
    with pytest.raises(ValueError, match="unique=False"):
        ENASTrainer(supernet, POOLS, RandomSearch(POOLS))


def test_controller_learning_rates():
    with pytest.raises(ValueError, match=r"controller_learning_rate`\. Expected a number above 0"):
        make(POOLS, compile={"controller_learning_rate": "adam"})
    assert make(POOLS).controller.optimizer.learning_rate == 3.5e-4
    search = make(POOLS, compile={"controller_learning_rate": 0.02})
    assert search.controller.optimizer.learning_rate == pytest.approx(0.02)
    given = Controller(POOLS, learning_rate=0.3, unique=False)
    assert make(POOLS, given).controller.optimizer.learning_rate == 0.3
    with pytest.raises(ValueError, match=r"Expected None, as RandomSearch has no optimizer\. Received: 0\.1"):
        make(POOLS, RandomSearch(POOLS, unique=False), {"controller_learning_rate": 0.1})


def test_calls_out_of_order_are_reported(data):
    search = ENASTrainer(POOLS.build_supernet(SHAPE, CLASSES), POOLS)
    with pytest.raises(ValueError, match="compile"):
        search.fit(*data)
    search.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="held-out half"):
        search.derive()
    with pytest.raises(ValueError, match="controller_steps"):
        search.fit(*data, controller_steps=-1)
    with pytest.raises(ValueError, match="Expected labels"):
        search.fit(data[0], None)
    with pytest.raises(ValueError, match="not both"):
        search.fit(*data, validation_split=0.5, validation_data=data)
