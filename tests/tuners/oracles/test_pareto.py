"""ParetoOracle: a front, and not a sum."""

import keras_tuner
import pytest

from kerasnas.cost import COSTS
from kerasnas.search import NSGA2
from kerasnas.spaces import NASBench201Space
from tests.tuners.small import GRID as SPACE
from tests.tuners.small import OBJECTIVE
from tests.tuners.small import reward as accuracy
from tuners import ParetoOracle

COST = {
    "latency": lambda genotype: 1.0 + SPACE.encode(genotype)[0],
    "parameters": lambda genotype: 10.0 + SPACE.encode(genotype)[1],
}


def test_front_is_that_of_the_bare_search(run, tmp_path):
    strategy = NSGA2(SPACE, seed=0, objectives=3, population_size=8)
    asked = []
    for _ in range(60):
        asked.append(strategy.ask())
        costs = [-cost(asked[-1]) for cost in COST.values()]
        strategy.tell(asked[-1], (accuracy(asked[-1]), *costs))

    def make():
        return ParetoOracle(SPACE, OBJECTIVE, 60, costs=COST, population_size=8)

    first = run(make(), tmp_path, stop_after=33)
    tuner = run(make(), tmp_path)
    assert first.asked + tuner.asked == asked
    front = tuner.oracle.front()
    expected = {(genotype, rewards) for genotype, rewards in strategy.pareto_front()}
    found = {(one.genotype, (one.values["val_accuracy"], *(-one.values[name] for name in COST))) for one in front}
    assert found == expected
    assert [one.values["val_accuracy"] for one in front] == sorted(
        (one.values["val_accuracy"] for one in front), reverse=True
    )
    best = tuner.oracle.get_best_trials(1)[0]
    assert best.trial_id == front[0].trial_id and best.metrics.get_best_value("latency") == COST["latency"](
        front[0].genotype
    )


def test_ehvi_by_name(bare, run, tmp_path):
    cost = {"first": lambda genotype: SPACE.encode(genotype)[0]}
    oracle = ParetoOracle(SPACE, OBJECTIVE, 20, costs=cost, strategy="ehvi")
    assert run(oracle, tmp_path).asked == bare("ehvi", SPACE, 0, 20)
    with pytest.raises(ValueError, match=r"`objectives`\. Expected 2, .*Received: 3"):
        ParetoOracle(SPACE, OBJECTIVE, 20, costs=COST, strategy="ehvi")


def test_a_dict_with_all_objectives_is_a_result(run, tmp_path):
    """KerasTuner sums a list of objectives, and a dict of them is an error there."""

    def answer(genotype, trial):
        return {"val_accuracy": accuracy(genotype), "latency": COST["latency"](genotype), "other": 1.0}

    oracle = ParetoOracle(SPACE, [OBJECTIVE, keras_tuner.Objective("latency", "min")], 10)
    run(oracle, tmp_path, answer=answer)
    for one in oracle.front():
        assert one.values == {"val_accuracy": accuracy(one.genotype), "latency": COST["latency"](one.genotype)}
    missing = ParetoOracle(SPACE, [OBJECTIVE, keras_tuner.Objective("latency", "min")], 10)
    with pytest.raises(ValueError, match="does not report the objective 'latency'"):
        run(missing, tmp_path / "missing")


def test_cost_models_of_the_space_are_costs(finish):
    space = NASBench201Space(filters=2, num_cells=1)
    model = COSTS["parameters"](space, (8, 8, 3), 10)
    oracle = ParetoOracle(space, "val_accuracy", 3, costs={"parameters": model})
    for value in (0.5, 0.6, 0.7):
        trial = oracle.create_trial("tuner0")
        finish(oracle, trial, value)
        assert oracle.trials[trial.trial_id].metrics.get_best_value("parameters") == model.cost(oracle.genotype(trial))


def test_plot(run, tmp_path):
    oracle = ParetoOracle(SPACE, OBJECTIVE, 12, costs=COST)
    with pytest.raises(ValueError, match="No trial is completed"):
        oracle.plot_front(tmp_path / "front.png", "latency")
    assert oracle.front() == []
    run(oracle, tmp_path)
    oracle.plot_front(tmp_path / "front.png", "latency")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"no objective or cost 'latencies'. Did you mean 'latency'"):
        oracle.plot_front(tmp_path / "front.png", "latencies")


def test_a_cost_that_is_not_finite_fails_the_trial(run, tmp_path):
    oracle = ParetoOracle(SPACE, OBJECTIVE, 8, costs={"latency": lambda genotype: float("nan")})
    with pytest.warns(UserWarning, match="not finite"):
        run(oracle, tmp_path)
    assert {trial.status for trial in oracle.trials.values()} == {"FAILED"}


def test_one_objective_is_no_front():
    with pytest.raises(ValueError, match="at least two objectives and costs"):
        ParetoOracle(SPACE, OBJECTIVE)
