"""Policies in closed form, and how REINFORCE trains them."""

import math

import numpy as np
import pytest

from kerasnas.search import Controller, Reinforce
from kerasnas.strategies.attention import ChoiceWalk, LSTMPolicy
from kerasnas.strategies.numpy_networks import Adam, pack, unpack
from kerasnas.strategies.policies import CategoricalPolicy
from kerasnas.testing.strategies import GridSpace
from tests.strategies.kit import OPTIONS, SPACE, everything, policy_of, scattered

SIZES = OPTIONS["lstm"]


def test_policies_start_uniform_or_nearly_so():
    uniform = -sum(map(math.log, SIZES))
    indices, log_probs, told_entropies = CategoricalPolicy(SIZES).sample(np.random.default_rng(0), 50)
    assert np.allclose(log_probs, uniform) and np.allclose(told_entropies, -uniform)
    assert set(indices[:, 0].tolist()) == {0, 1, 2} and set(indices[:, 1].tolist()) == {0}
    assert np.allclose(LSTMPolicy(ChoiceWalk(SIZES)).sample(np.random.default_rng(0), 5)[1], uniform, atol=0.1)


def test_tanh_constant_and_temperature_bound_the_lstm():
    policy = policy_of("lstm")
    for value in policy.parameters.values():
        value *= 1000
    ratio = np.exp(2 * 2.5)  # logits between -2.5 and 2.5
    smallest = np.prod([1 / (1 + (size - 1) * ratio) for size in SIZES])
    rows = everything("lstm")
    assert np.exp(policy.log_prob(rows)).min() >= smallest * (1 - 1e-9)
    hot = scattered(LSTMPolicy(ChoiceWalk(SIZES), units=5, temperature=1e9))
    assert np.allclose(hot.log_prob(rows), -sum(map(math.log, SIZES)), atol=1e-6)


def test_the_lstm_depends_on_its_earlier_decisions():
    policy = policy_of("lstm")
    last = np.array([[first, 0, 0, 2] for first in range(3)])
    both = np.array([[first, 0, 0, other] for first in range(3) for other in range(4)])
    shares = np.exp(policy.log_prob(last)) / np.exp(policy.log_prob(both)).reshape(3, 4).sum(axis=1)
    assert np.ptp(shares) > 1e-3


def test_adam_climbs_and_its_first_step_is_the_learning_rate():
    parameters = {"x": np.array([1.0, -2.0, 3.0])}
    optimizer = Adam(0.1)
    optimizer.ascend(parameters, {"x": np.array([5.0, -1e-3, 0.0])})
    assert np.allclose(parameters["x"], [1.1, -2.1, 3.0], atol=1e-4)
    for _ in range(500):
        optimizer.ascend(parameters, {"x": -2 * parameters["x"]})
    assert np.allclose(parameters["x"], 0, atol=1e-2)


def test_packed_arrays_are_exact():
    arrays = {"a": np.random.default_rng(0).normal(size=(3, 4)), "b": np.array([-1e30, np.pi])}
    again = unpack(pack(arrays))
    assert all(np.array_equal(arrays[name], again[name]) and again[name].flags.writeable for name in arrays)


# REINFORCE ----------------------------------------------------------------------------------------
def test_the_baseline_is_a_moving_average_from_the_first_reward():
    strategy = Reinforce(SPACE, baseline_decay=0.75)
    assert strategy.baseline is None
    expected = 8.0
    for reward in (8.0, 4.0, 12.0):
        strategy.tell(strategy.ask(), reward)
        expected = 0.75 * expected + 0.25 * reward
        assert strategy.baseline == pytest.approx(expected)


def test_reinforce_first_steps_in_closed_form():
    space = GridSpace((2, 4))
    strategy = Reinforce(space, learning_rate=0.1)
    logits = strategy.policy.parameters["logits"]
    strategy.tell(space.decode((0, 1)), 5.0)  # equals the baseline: nothing is learned
    assert np.array_equal(logits, CategoricalPolicy((2, 4)).parameters["logits"])
    strategy.tell(space.decode((1, 2)), 7.0)  # advantage 2: Adam's moments have one zero in front
    gradient = 2 * (np.eye(4)[[1, 2]] - [[0.5, 0.5, 0, 0], [0.25] * 4])
    mean, square = 0.1 * gradient / (1 - 0.9**2), 0.001 * gradient**2 / (1 - 0.999**2)
    with np.errstate(invalid="ignore"):
        expected = np.where(gradient == 0, 0, 0.1 * mean / np.sqrt(square))
    assert np.allclose(logits[logits > -1e9], expected[logits > -1e9], atol=1e-6)


@pytest.mark.parametrize("arguments", [{}, {"batch_size": 4}])
def test_the_controller_learns_what_is_rewarded(arguments):
    space = GridSpace((3, 3, 3))
    strategy = Controller(space, units=12, learning_rate=0.03, unique=False, **arguments)
    before = strategy.policy.log_prob(np.array([[2, 2, 2]]))
    for _ in range(160):
        genotype = strategy.ask()
        strategy.tell(genotype, sum(space.encode(genotype)))
    assert strategy.policy.log_prob(np.array([[2, 2, 2]])) > before + 1


def test_entropy_bonus_alone_makes_the_policy_uniform():
    strategy = Controller(GridSpace((3, 3)), units=6, learning_rate=0.03, entropy_weight=1.0, unique=False)
    scattered(strategy.policy)
    start = strategy.policy.sample(np.random.default_rng(0), 200)[2].mean()
    for _ in range(150):
        strategy.tell(strategy.ask(), 1.0)  # a constant reward is no advantage
    assert strategy.policy.sample(np.random.default_rng(0), 200)[2].mean() > max(start, 2 * math.log(3) - 0.02)


def test_a_batch_is_one_step_and_half_of_one_is_remembered():
    strategy = Controller(SPACE, units=6, batch_size=4)
    for reward in range(6):
        strategy.tell(strategy.ask(), reward)
    assert strategy.optimizer.iterations == 1
    again = Controller(SPACE, units=6, batch_size=4, seed=9)
    again.set_state(strategy.get_state())
    for reward in range(2):
        genotypes = strategy.ask(), again.ask()
        assert genotypes[0] == genotypes[1]
        for one in (strategy, again):
            one.tell(genotypes[0], reward)
    assert strategy.optimizer.iterations == again.optimizer.iterations == 2
    assert strategy.get_state() == again.get_state()
