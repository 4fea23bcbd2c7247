"""ENAS' controller as published: attention over earlier nodes, shared operations, ordered inputs, the skip penalty."""

import numpy as np
import pytest

from kerasnas.search import Controller, ENASTrainer
from kerasnas.spaces import ENASMicroSpace, NASBench201Space
from kerasnas.strategies.attention import LSTMPolicy, walk_of
from tests.strategies.kit import ENAS_SPACES as SPACES
from tests.strategies.kit import everything, policy_of, scattered

each = pytest.mark.parametrize("name", SPACES)


def lstm(parameters, x, h, c):
    i, f, o, g = np.split(np.concatenate([x, h]) @ parameters["lstm"], 4)
    i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def log_softmax(policy, scores):
    logits = policy.tanh_constant * np.tanh(np.array(scores) / policy.temperature)
    return logits - np.log(np.exp(logits).sum())


def attention(p, keys, h):
    return [p["attention/vector"] @ np.tanh(p["attention/keys"].T @ key + p["attention/query"].T @ h) for key in keys]


def micro_by_hand(policy, decisions):
    """The log-probability of the nodes of one cell, written out from the paper's and the code's description."""
    p, total = policy.parameters, 0.0
    h = c = np.zeros(policy.units)
    read, keys = [np.zeros(policy.units)] * 2, []
    for _ in range(2):
        h, c = lstm(p, p["start"], h, c)
        keys.append(h)
    for first, second, one, other in np.reshape(decisions, (-1, 4)):
        x = p["start"]
        for source in (first, second):
            h, c = lstm(p, x, h, c)
            total += log_softmax(policy, attention(p, keys, h))[source]
            x = read[source]
        for primitive in (one, other):
            h, c = lstm(p, x, h, c)
            total += log_softmax(policy, h @ p["softmax"])[primitive]
            x = p["embedding"][primitive]
        h, c = lstm(p, x, h, c)
        keys.append(h)
        read.append(h)
    return total


def macro_by_hand(policy, decisions):
    """(log-probability, penalty of skips)."""
    p, total, penalties = policy.parameters, 0.0, []
    h = c = np.zeros(policy.units)
    x, layers, decisions = p["start"], [], list(decisions)
    for layer in range(3):
        h, c = lstm(p, x, h, c)
        primitive = decisions.pop(0)
        total += log_softmax(policy, h @ p["softmax"])[primitive]
        h, c = lstm(p, p["embedding"][primitive], h, c)
        x, reads, penalty = p["start"], [], 0.0
        for score in attention(p, layers, h):
            reads.append(decisions.pop(0))
            logarithms = log_softmax(policy, [-score, score])
            total += logarithms[reads[-1]]
            penalty += (np.exp(logarithms) * (logarithms - np.log([0.6, 0.4]))).sum()
        if layer:
            x = sum(skip * earlier for skip, earlier in zip(reads, layers, strict=True)) / (1 + sum(reads))
            penalties.append(penalty)
        layers.append(h)
    return total, np.mean(penalties)


def test_micro_log_probability_is_the_hand_written_one():
    policy, rows = policy_of("micro"), everything("micro")[::7]
    np.testing.assert_allclose(policy.log_prob(rows), [micro_by_hand(policy, row) for row in rows], rtol=1e-12)


def test_macro_log_probability_and_penalty_are_the_hand_written_ones():
    policy, rows = policy_of("macro"), everything("macro")
    expected = np.array([macro_by_hand(policy, row) for row in rows])
    np.testing.assert_allclose(policy.log_prob(rows), expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(policy.penalty(rows), expected[:, 1], rtol=1e-12)
    assert not policy_of("micro").penalty(everything("micro")[:3]).any()


def test_the_penalty_vanishes_where_skips_have_the_prior_probability():
    policy = policy_of("macro")
    policy.parameters["attention/vector"][:] = 0  # every coin is fair
    divergence = 0.5 * np.log(0.5 / 0.4) + 0.5 * np.log(0.5 / 0.6)
    np.testing.assert_allclose(policy.penalty(everything("macro")[:2]), (1 + 2) / 2 * divergence, rtol=1e-12)
    policy.skip_target = 0.5
    np.testing.assert_allclose(policy.penalty(everything("macro")[:2]), 0, atol=1e-15)


def test_parameters_do_not_grow_with_the_nodes():
    few, many = (LSTMPolicy(walk_of(ENASMicroSpace(num_nodes=nodes)), units=4) for nodes in (1, 6))
    shapes = [{name: array.shape for name, array in policy.parameters.items()} for policy in (few, many)]
    assert shapes[0] == shapes[1] and shapes[0]["softmax"] == (4, 5)


def test_defaults_are_those_of_the_space():
    micro, macro = Controller(SPACES["micro"], units=2).policy, Controller(SPACES["macro"], units=2).policy
    assert (micro.temperature, micro.tanh_constant) == (5, 2.5)
    assert (macro.temperature, macro.tanh_constant, macro.skip_target) == (1, 1.5, 0.4)
    assert Controller(SPACES["macro"], units=2, tanh_constant=3).policy.tanh_constant == 3
    assert not Controller(NASBench201Space(), units=2).attention
    assert not Controller(SPACES["micro"], units=2, attention=False).attention
    with pytest.raises(ValueError, match="`attention`"):
        Controller(NASBench201Space(), attention=True)


@each
def test_decisions_make_architectures_and_back(name):
    policy, space = policy_of(name), SPACES[name]
    found = set()
    for row in everything(name).tolist():
        indices = policy.architecture(row)
        assert space.feasible(indices) and policy.architecture(policy.decisions(indices)) == indices
        found.add(indices)
    assert len(found) == space.size  # and none is missing


def test_both_orders_of_a_nodes_inputs_are_one_architecture_with_probabilities_of_their_own():
    policy = policy_of("micro")
    one, other = (0, 1, 0, 1, 0, 0, 0, 0), (1, 0, 1, 0, 0, 0, 0, 0)
    assert policy.architecture(one) == policy.architecture(other)
    assert np.ptp(policy.log_prob(np.array([one, other]))) > 1e-3


def test_the_controller_learns_from_the_order_that_it_drew():
    """Adam's first mean is a tenth of the gradient of the log-probability of the decisions themselves."""
    strategy = Controller(SPACES["micro"], units=4, entropy_weight=0, unique=False)
    strategy.baseline, policy = 0.0, scattered(strategy.policy)
    while not strategy._drawn:  # until an order comes that is not the first one
        genotype = strategy.ask()
        if not strategy._drawn:
            strategy.tell(genotype, float("nan"))
    (indices, drawn), *_ = strategy._drawn.items()
    assert drawn != policy.decisions(indices) and policy.architecture(drawn) == indices
    again = Controller(SPACES["micro"], units=4, entropy_weight=0, unique=False)
    again.set_state(strategy.get_state())  # the order is part of the state
    expected = policy.gradients(np.array([drawn]), np.ones(1))
    canonical = policy.gradients(np.array([policy.decisions(indices)]), np.ones(1))
    assert any(not np.allclose(canonical[name], expected[name]) for name in expected)
    for one in (strategy, again):
        one.tell(genotype, 1.0)
        for name, mean in one.optimizer.means.items():
            np.testing.assert_allclose(mean, 0.1 * expected[name], rtol=1e-12)
    for _ in range(50):
        strategy.propose()  # as for children in training: nothing is told, and nothing piles up
    assert len(strategy._drawn) <= 1


@pytest.mark.parametrize(("weight", "low", "high"), [(0.8, 0.37, 0.43), (0.0, 0.58, 1.0)])
def test_the_skip_penalty_is_part_of_the_controllers_loss(weight, low, high):
    """With a constant reward nothing else moves the policy: the rate of skips goes to the prior."""
    settings = {"learning_rate": 0.03, "entropy_weight": 0, "unique": False}
    strategy = Controller(SPACES["macro"], units=8, skip_weight=weight, **settings)
    policy = strategy.policy
    policy.parameters["attention/vector"][:] = 1.0
    policy.parameters["lstm"] += 0.3  # with this, scores are positive
    for name in ("attention/keys", "attention/query"):
        policy.parameters[name] += 0.5
    for _ in range(60):
        strategy.tell(strategy.ask(), 1.0)
    rows = policy.sample(np.random.default_rng(0), 2_000)[0]
    assert low < rows[:, [2, 4, 5]].mean() < high


def test_the_trainers_default_is_the_published_controller():
    space = SPACES["macro"]
    trainer = ENASTrainer(space.build_supernet((8, 8, 1), num_classes=2), space)
    assert trainer.controller.attention and trainer.controller.skip_weight == 0.8
