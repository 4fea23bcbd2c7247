"""Spaces in Optuna's studies, our strategies as its samplers: with the real package."""

import math

import optuna
import pytest

from kerasnas.platforms.optuna_study import StrategySampler
from kerasnas.search import NSGA2, RandomSearch, RegularizedEvolution
from kerasnas.spaces import DARTSSpace, NASBench101Space, NASBench201Space
from kerasnas.spaces.base import InfeasibleError

SPACE = NASBench201Space()
optuna.logging.set_verbosity(optuna.logging.ERROR)


def convolutions(genotype):
    return genotype.count("nor_conv_3x3") - 0.1 * genotype.count("none")


def objective(trial):
    return convolutions(SPACE.suggest(trial))


def evolution(seed=0):
    return RegularizedEvolution(SPACE, seed=seed, population_size=5, sample_size=3)


def genotypes(study):
    return [SPACE.genotype(trial.params) for trial in study.get_trials()]


@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler(0), optuna.samplers.TPESampler(seed=0)])
def test_any_study_searches_a_space(sampler):
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.optimize(objective, n_trials=15)
    assert study.best_value == max(map(convolutions, genotypes(study)))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_trials_are_what_the_bare_strategy_asks(direction):
    sign = 1 if direction == "maximize" else -1
    study = optuna.create_study(sampler=StrategySampler(evolution()), direction=direction)
    study.optimize(lambda trial: sign * objective(trial), n_trials=25)
    bare, asked = evolution(), []
    for _ in range(25):
        asked.append(bare.ask())
        bare.tell(asked[-1], convolutions(asked[-1]))
    assert genotypes(study) == asked


@pytest.mark.slow
def test_a_study_in_a_database_goes_on(tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="one", sampler=StrategySampler(evolution()))
    study.optimize(objective, n_trials=8)
    sampler = StrategySampler(evolution())
    again = optuna.load_study(storage=storage, study_name="one", sampler=sampler)
    again.optimize(objective, n_trials=4)
    assert len(set(genotypes(again))) == 12  # nothing is asked for again
    assert len(sampler.strategy.observations) == 11  # all but the last
    assert sampler.strategy.observations[0][1] == -again.get_trials()[0].value


def test_what_failed_counts_as_failed():
    def fails(trial):
        genotype = SPACE.suggest(trial)
        if trial.number == 1:
            raise RuntimeError("out of memory")
        return convolutions(genotype)

    sampler = StrategySampler(RandomSearch(SPACE))
    study = optuna.create_study(sampler=sampler, direction="maximize")
    with pytest.warns(UserWarning, match="count as failed"):
        study.optimize(fails, n_trials=4, catch=RuntimeError)
    assert [math.isnan(reward) for _, reward in sampler.strategy.observations] == [False, True, False]


def test_several_objectives():
    sampler = StrategySampler(NSGA2(SPACE, seed=0, population_size=4))
    study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
    study.optimize(lambda trial: (objective(trial), SPACE.suggest(trial).count("none")), n_trials=6)
    first = study.get_trials()[0]
    assert sampler.strategy.observations[0][1] == (first.values[0], -first.values[1])
    with pytest.raises(ValueError, match="a study of 2 objectives, as NSGA2 has"):
        optuna.create_study(sampler=sampler).optimize(objective, n_trials=1)


def test_parameters_beside_the_choices():
    study = optuna.create_study(sampler=StrategySampler(evolution()))
    study.optimize(lambda trial: objective(trial) + trial.suggest_float("rate", 0.1, 1.0), n_trials=3)
    assert len({trial.params["rate"] for trial in study.get_trials()}) == 3


def test_a_study_of_another_space_is_named():
    study = optuna.create_study(sampler=StrategySampler(evolution()))
    study.optimize(objective, n_trials=1)
    with pytest.raises(ValueError, match=r"a study of space 'darts'"):
        study.sampler = StrategySampler(RandomSearch(DARTSSpace()))
        study.optimize(lambda trial: float(bool(DARTSSpace().suggest(trial))), n_trials=1)
    with pytest.raises(ValueError, match=r"`trial`\. Expected one of a study of space 'nasbench201'"):
        smaller = NASBench201Space(primitives=["none", "skip_connect"])
        study.sampler = optuna.samplers.RandomSampler(0)
        study.optimize(lambda trial: float(len(smaller.suggest(trial)["cell"])), n_trials=1)
    with pytest.raises(TypeError, match="`trial`"):
        SPACE.suggest({"choice": 1})
    with pytest.raises(TypeError, match="`strategy`"):
        StrategySampler(SPACE)


def test_options_that_are_no_architecture():
    space = NASBench101Space()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    study.optimize(lambda trial: float(bool(space.suggest(trial))), n_trials=10, catch=InfeasibleError)
    states = {trial.state.name for trial in study.get_trials()}
    assert states == {"COMPLETE", "FAIL"}
