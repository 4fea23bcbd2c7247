"""Oracles by name: each is the bare search of its name, made from a space and a seed."""

import pytest

import tuners
from kerasnas.search import STRATEGIES
from tests.tuners.small import GRID as SPACE
from tests.tuners.small import OBJECTIVE
from tuners import PredictorOracle
from tuners.oracles.named import make_strategy


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


def test_arguments_reach_the_strategy_and_the_oracle():
    oracle = tuners.EvolutionOracle(SPACE, OBJECTIVE, 5, population_size=4, max_retries_per_trial=2)
    assert oracle.strategy.population_size == 4
    assert oracle.max_retries_per_trial == 2
    with pytest.raises(TypeError, match="populaton_size"):
        tuners.EvolutionOracle(SPACE, OBJECTIVE, 5, populaton_size=4)


def test_a_strategy_that_is_made_takes_no_further_arguments():
    made = STRATEGIES["random"](SPACE, seed=3)
    assert make_strategy(made, SPACE, 0, {}) is made
    with pytest.raises(TypeError, match="'population_size'"):
        make_strategy(made, SPACE, 0, {"population_size": 5})


def test_a_space_is_one():
    with pytest.raises(TypeError, match=r"argument `space`. Expected a `kerasnas.SearchSpace`"):
        PredictorOracle("nasbench201", OBJECTIVE)
