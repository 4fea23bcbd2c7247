"""StrategyOracle: the trajectory of the bare search, also after a reload."""

import keras_tuner
import pytest

from kerasnas.search import STRATEGIES, Hyperband, PredictorSearch
from kerasnas.testing.strategies import GridSpace
from tests.tuners.small import GRID as SPACE
from tests.tuners.small import OBJECTIVE, reward
from tuners import HyperbandOracle, PredictorOracle, StrategyOracle

CONSTRAINED = GridSpace((4, 4, 3, 3), constrained=True)


def costs(strategy, space):
    return {"first": lambda genotype: space.encode(genotype)[0]} if strategy.objectives == 2 else None


def wrapped(name, space, seed, max_trials):
    strategy = STRATEGIES[name](space, seed=seed)
    return StrategyOracle(strategy, OBJECTIVE, max_trials, costs=costs(strategy, space))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_trajectory_continues_after_a_kill_and_reload(name, bare, run, tmp_path):
    """That of the bare strategy: a trial that was interrupted is run again, and what follows would have followed."""
    expected = bare(name, CONSTRAINED, 3, 24)
    first = run(wrapped(name, CONSTRAINED, 3, 24), tmp_path, stop_after=13)
    assert first.asked == expected[:13]
    second = run(wrapped(name, CONSTRAINED, 3, 24), tmp_path)
    assert second.asked == expected[13:]
    assert len(second.oracle.trials) == 24
    assert second.oracle.get_best_trials(1)[0].score == max(reward(genotype, CONSTRAINED) for genotype in expected)


def test_minimized_objective(bare, run, tmp_path):
    oracle = PredictorOracle(SPACE, keras_tuner.Objective("val_loss", "min"), 40)
    tuner = run(oracle, tmp_path, answer=lambda genotype, trial: {"val_loss": -reward(genotype)})
    assert tuner.asked == bare("predictor", SPACE, 0, 40)
    assert oracle.get_best_trials(1)[0].score == -oracle.strategy.best[1]
    assert oracle.get_best_genotypes(1) == [oracle.strategy.best[0]]


def test_cost_limit(run, tmp_path):
    strategy = PredictorSearch(SPACE, seed=0, cost_limit=4)
    oracle = StrategyOracle(strategy, OBJECTIVE, 30, costs={"sum": lambda genotype: 1 + sum(SPACE.encode(genotype))})
    run(oracle, tmp_path)
    assert strategy.costs == [1 + sum(indices) for indices, _ in strategy.observations]
    assert oracle.get_best_trials(1)[0].metrics.exists("sum")


def test_the_space_is_used_up(run, tmp_path):
    tuner = run(PredictorOracle(GridSpace((2, 2)), OBJECTIVE, 10), tmp_path)
    assert len(set(tuner.asked)) == len(tuner.asked) == 4


def test_values_are_plain_python_and_survive_the_wire(run, tmp_path):
    """NumPy scalars abort a search, and lists do not cross the wire: neither occurs."""
    tuner = run(HyperbandOracle(SPACE, OBJECTIVE, 5), tmp_path)
    for trial in tuner.oracle.trials.values():
        assert {type(value) for value in trial.hyperparameters.values.values()} <= {str, int}
        again = type(trial).from_proto(trial.to_proto())
        assert again.hyperparameters.values == trial.hyperparameters.values
        assert tuner.oracle.genotype(again) == tuner.oracle.genotype(trial)


def test_order_of_the_hyperparameters_does_not_matter():
    """Over the wire KerasTuner regroups hyperparameters by their type."""
    oracle = PredictorOracle(SPACE, OBJECTIVE, 5)
    values = oracle.populate_space("0")["values"]
    hp = keras_tuner.HyperParameters()
    hp.values = dict(reversed(values.items()))
    trial = keras_tuner.engine.trial.Trial(hp, "0")
    assert oracle.genotype(trial) == SPACE.genotype(values)


@pytest.mark.parametrize("other", [GridSpace((4, 4, 3)), GridSpace((4, 4, 3, 2))])
def test_a_hypermodel_of_another_space_is_refused(other, run, tmp_path, choices):
    with pytest.raises(ValueError, match="choice/3"):
        run(PredictorOracle(SPACE, OBJECTIVE, 5), tmp_path, hypermodel=choices(other))


def test_several_objectives_are_not_summed():
    """KerasTuner adds up the objectives of a list; here they need a search that knows several."""
    with pytest.raises(ValueError, match=r"PredictorSearch has 1 objective.*ParetoOracle"):
        PredictorOracle(SPACE, ["val_accuracy", "val_loss"])


def test_objective_that_is_not_reported(run, tmp_path):
    """A dict from `run_trial` ends the search at once; three failed trials later would be too late."""
    with pytest.raises(ValueError, match=r"val_acc.*val_accuracy"):
        run(PredictorOracle(SPACE, keras_tuner.Objective("val_acc", "max"), 5), tmp_path)
    oracle = PredictorOracle(SPACE, keras_tuner.Objective("val_acc", "max"), 5)
    oracle._set_project_dir(str(tmp_path), "other")
    trial = oracle.create_trial("tuner0")
    with pytest.raises(ValueError, match="Did you mean 'val_accuracy'"):
        oracle.update_trial(trial.trial_id, {"loss": 1.0, "val_accuracy": 0.5})
    oracle.update_trial(trial.trial_id, {"val_acc": 0.5})  # no lock is held after the error


def test_a_search_with_budgets_is_a_strategy_too():
    oracle = StrategyOracle(Hyperband(STRATEGIES["random"](SPACE, seed=0), (1, 3)), OBJECTIVE, 8)
    assert oracle.populate_space("0")["values"]["tuner/epochs"] == 1 and oracle.strategy.seed == oracle.seed == 0


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"argument `strategy`. Expected a `kerasnas.search.SearchStrategy`"):
        StrategyOracle("predictor", OBJECTIVE)
    with pytest.raises(TypeError, match=r"argument `costs`"):
        StrategyOracle(STRATEGIES["nsga2"](SPACE), OBJECTIVE, costs={"size": 3})
    with pytest.raises(ValueError, match="NSGA2 has 2 objective"):
        StrategyOracle(STRATEGIES["nsga2"](SPACE), OBJECTIVE)
