"""Reptile and plain pre-training of controllers: closed forms on one choice, what they change, bad arguments."""

import functools

import numpy as np
import pytest

from kerasnas.meta.warm_controller import pretrain_policy, reptile_policy
from kerasnas.search import Controller, Reinforce
from tests.meta.kit import experience
from tests.strategies.kit import SPACE

LEARNERS = [functools.partial(reptile_policy, outer_steps=12), functools.partial(pretrain_policy, steps=60)]
SHORT = [functools.partial(reptile_policy, outer_steps=2, inner_steps=5), functools.partial(pretrain_policy, steps=3)]


def probabilities(parameters):
    strategy = Reinforce(SPACE)
    strategy.set_parameters(parameters)
    return np.exp(strategy.policy._logarithms())


@pytest.fixture(scope="module")
def sources():
    """All want option 3 in the first choice; in the second, each wants another one."""

    def reward(wanted):
        return lambda cell: 3 * (cell[0] == 3) + 3 * (cell[1] == wanted)

    return [experience(reward(wanted), 120, wanted) for wanted in (1, 2, 4)]


def test_one_outer_step_of_rate_1_is_the_mean_of_the_searches(sources):
    """phi + 1 (mean phi_t - phi), with the searches that were made on the way."""
    arguments = {"outer_steps": 1, "outer_rate": 1.0, "inner_steps": 12, "batch_size": 2}
    seen = []

    class Recorded(Reinforce):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            seen.append(self)

    found = reptile_policy(Recorded, SPACE, sources, **arguments)
    ends = [strategy.policy.parameters["logits"] for strategy in seen[1:]]  # the first gives the initial parameters
    assert len(ends) == 3 and all(strategy.optimizer.iterations == 12 for strategy in seen[1:])
    assert np.abs(ends[0]).max() > 0.1
    assert found["logits"] == pytest.approx(np.mean(ends, axis=0))


def test_the_rate_falls_linearly_to_0(sources):
    """A learning rate that moves nothing but by one step of Adam: every search goes as far as every other."""
    make = functools.partial(Reinforce, learning_rate=1e-9)
    found = reptile_policy(make, SPACE, sources[:1], outer_steps=4, outer_rate=0.4, inner_steps=2, batch_size=1)[
        "logits"
    ]
    # Adam's first step is 0: the baseline starts at the first reward. The second moves by about 1e-9 (0.74 of it).
    assert 0 < np.abs(found).max() <= 0.4 * (1 + 0.75 + 0.5 + 0.25) * 1e-9


def test_the_tasks_are_the_sources_or_mixtures_of_them(monkeypatch, sources):
    mixtures = []
    monkeypatch.setattr(
        "kerasnas.meta.warm_controller._search", lambda strategy, predictions, mixture, n: mixtures.append(mixture)
    )
    reptile_policy(Reinforce, SPACE, sources, outer_steps=2, interpolate=False)
    assert np.array_equal(mixtures, np.tile(np.eye(3), (2, 1)))
    mixtures.clear()
    reptile_policy(Reinforce, SPACE, sources, outer_steps=100)
    assert np.sum(mixtures, axis=1) == pytest.approx(1.0)
    assert np.mean(mixtures, axis=0) == pytest.approx(1 / 3, abs=0.05)
    assert np.var(mixtures, axis=0) == pytest.approx(1 / 18, abs=0.015)  # of Dirichlet(1, 1, 1)


@pytest.mark.parametrize("learn", LEARNERS, ids=["reptile", "pretraining"])
def test_what_sources_share_is_learned_and_what_they_differ_in_is_left_open(learn, sources):
    first, second, *_ = probabilities(learn(Reinforce, SPACE, sources))
    assert first.argmax() == 3 and first[3] > 0.45
    assert second.max() < first.max()
    assert second[[1, 2, 4]].sum() > second[[0, 3]].sum()


@pytest.mark.parametrize("learn", SHORT, ids=["reptile", "pretraining"])
def test_the_seed_decides_all_of_it(learn, sources):
    one, again, other = (learn(Reinforce, SPACE, sources, seed=seed)["logits"] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("learn", SHORT, ids=["reptile", "pretraining"])
def test_it_initializes_the_lstm_controller_too(learn, sources):
    make = functools.partial(Controller, units=8, learning_rate=0.05)
    found, strategy = learn(make, SPACE, sources), make(SPACE)
    before = strategy.get_parameters()
    assert {name: array.shape for name, array in found.items()} == {name: a.shape for name, a in before.items()}
    assert any(not np.array_equal(found[name], before[name]) for name in found)
    strategy.set_parameters(found)
    assert all(np.array_equal(array, found[name]) for name, array in strategy.get_parameters().items())


def test_parameters_are_copies():
    strategy = Reinforce(SPACE)
    given = {"logits": np.full((6, 5), 0.5)}
    strategy.set_parameters(given)
    given["logits"][:] = 7
    strategy.get_parameters()["logits"][:] = 9
    assert (strategy.policy.parameters["logits"] == 0.5).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"logits": np.zeros((6, 4))}, r"'logits' of shape \(6, 5\). Received: \(6, 4\)"),
        ({}, r"'logits' of shape \(6, 5\). Received: None"),
        ({"logits": np.zeros((6, 5)), "more": np.zeros(1)}, r"'more' of shape none. Received: \(1,\)"),
        ({"logits": np.full((6, 5), np.nan)}, "NaN or infinity in logits"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, message):
    strategy = Reinforce(SPACE)
    with pytest.raises(ValueError, match=message):
        strategy.set_parameters(parameters)
    assert (strategy.policy.parameters["logits"] == 0).all()


@pytest.mark.parametrize(
    ("learn", "name", "value"),
    [
        *((reptile_policy, name, 0) for name in ("outer_steps", "inner_steps", "batch_size")),
        *((reptile_policy, "outer_rate", 1.5), (reptile_policy, "interpolate", None), (reptile_policy, "seed", -1)),
        *((pretrain_policy, "steps", 0), (pretrain_policy, "batch_size", 2.5), (pretrain_policy, "learning_rate", 0)),
    ],
)
def test_numbers_out_of_range_are_refused(sources, learn, name, value):
    with pytest.raises(ValueError, match=f"`{name}`"):
        learn(Reinforce, SPACE, sources, **{name: value})


@pytest.mark.parametrize("learn", [reptile_policy, pretrain_policy])
def test_empty_sources_and_other_types_are_refused(learn, sources):
    for given in ([], [experience(lambda cell: 1.0)]):
        with pytest.raises(ValueError, match=r"`sources`\. Expected at least one with two different rewards"):
            learn(Reinforce, SPACE, given)
    for arguments, name in [(("reinforce", SPACE, sources), "make"), ((Reinforce, "nasbench201", sources), "space")]:
        with pytest.raises(TypeError, match=f"`{name}`"):
            learn(*arguments)
