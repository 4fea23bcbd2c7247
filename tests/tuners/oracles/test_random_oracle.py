"""RandomOracle: each trial is a function of the seed and its number."""

import keras_tuner
import pytest

from tuners import RandomOracle


def space():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["b"]):
        hp.Int("units", 1, 100, default=7)
    return hp


def test_the_first_trial_has_the_defaults_and_each_further_one_depends_on_seed_and_number_alone():
    def draw(seed, numbers=range(12)):
        oracle = RandomOracle(hyperparameters=space(), seed=seed)
        return [oracle.populate_space(str(number))["values"] for number in numbers]

    values = draw(0)
    assert values[0] == draw(1)[0] == {"kind": "a"}
    assert values[1:] != draw(1)[1:]
    assert draw(0, reversed(range(12))) == values[::-1]
    for one in values:
        assert ("units" in one) == (one["kind"] == "b")


def test_values_repeat_only_when_no_others_are_found(finish):
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b", "c"])
    oracle = RandomOracle(max_trials=5, hyperparameters=hp)
    oracle.verbose = 0
    seen = []
    for _ in range(5):
        trial = oracle.create_trial("a")
        seen.append(trial.hyperparameters.values["kind"])
        finish(oracle, trial)
    assert sorted(seen[:3]) == ["a", "b", "c"]


def test_a_search_of_another_seed_is_refused(finish, project):
    def make(seed):
        return project(RandomOracle(max_trials=2, hyperparameters=space(), seed=seed))

    first = make(0)
    finish(first, first.create_trial("a"), 0.75)
    again = make(0)
    again.reload()
    assert [trial.score for trial in again.get_best_trials(2)] == [0.75] and again.remaining_trials() == 1
    with pytest.raises(ValueError, match="seed: 0 there, 1 here"):
        make(1).reload()


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"Expected one. Received: \['val_loss', 'val_accuracy'\].*ParetoOracle"):
        RandomOracle(["val_loss", "val_accuracy"])
    with pytest.raises(ValueError, match=r"argument `seed`. Expected an integer of at least 0. Received: -1"):
        RandomOracle(seed=-1)
