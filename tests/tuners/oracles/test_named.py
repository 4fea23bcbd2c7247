"""Oracles by name: each is the bare search of its name, made from a space and a seed."""

import keras_tuner
import pytest

import tuners
from kerasnas.search import STRATEGIES
from kerasnas.testing.strategies import GridSpace
from tuners import PredictorOracle
from tuners.oracles.named import make_strategy

SPACE = GridSpace((4, 4, 3, 3))
OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


@pytest.mark.parametrize(
    ("oracle", "name"),
    [
        (tuners.PredictorOracle, "predictor"),
        (tuners.ControllerOracle, "controller"),
        (tuners.EvolutionOracle, "evolution"),
        (tuners.LocalSearchOracle, "local_search"),
    ],
)
def test_oracles_by_name(oracle, name, bare, run, tmp_path):
    assert run(oracle(SPACE, OBJECTIVE, 15, seed=0), tmp_path).asked == bare(name, SPACE, 0, 15)


def test_seed_zero_is_a_seed(run, tmp_path):
    """Stock oracles take the seed 0 for none, and draw one."""
    asked = [run(PredictorOracle(SPACE, OBJECTIVE, 12, seed=0), tmp_path / name).asked for name in ("a", "b")]
    assert asked[0] == asked[1]
    assert run(PredictorOracle(SPACE, OBJECTIVE, 12, seed=1), tmp_path / "c").asked != asked[0]
    assert PredictorOracle(SPACE, OBJECTIVE, 12).seed == 0
    assert tuners.DefaultOracle is PredictorOracle


def test_arguments_reach_the_strategy_and_the_oracle():
    oracle = tuners.EvolutionOracle(SPACE, OBJECTIVE, 5, population_size=4, max_retries_per_trial=2)
    assert oracle.strategy.population_size == 4
    assert oracle.max_retries_per_trial == 2
    with pytest.raises(TypeError, match="populaton_size"):
        tuners.EvolutionOracle(SPACE, OBJECTIVE, 5, populaton_size=4)


def test_a_strategy_that_is_made_takes_no_further_arguments():
    made = STRATEGIES["random"](SPACE, seed=3)
    assert make_strategy(made, SPACE, 0, {"lease": 5}) == (made, {"lease": 5})
    with pytest.raises(TypeError, match="'population_size'"):
        make_strategy(made, SPACE, 0, {"population_size": 5})


def test_a_space_is_required():
    with pytest.raises(
        TypeError, match=r"argument `space`. Expected a `kerasnas.SearchSpace`. Received: 'nasbench201'"
    ):
        PredictorOracle("nasbench201", OBJECTIVE)


def test_no_chain_is_longer_than_three():
    """Collaborators are held, not inherited: an oracle's own classes are its name, a strategy and a project."""
    oracles = [getattr(tuners, name) for name in tuners.__all__ if name.endswith("Oracle")]
    assert len(oracles) == 12
    for oracle in oracles:
        own = [cls.__name__ for cls in oracle.__mro__ if cls.__module__.startswith("tuners.")]
        assert len(own) <= 3 and own[-1] == "ProjectOracle", own
