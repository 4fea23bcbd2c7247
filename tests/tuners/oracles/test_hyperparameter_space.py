"""HyperParameterSpace: oracles over any `build(hp)`, with conditional scopes and hyperparameters that appear later."""

import math
from functools import partial

import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial

import tuners
from kerasnas.search import STRATEGIES, RandomSearch
from kerasnas.spaces import NASBench201Space
from tests.tuners.small import OBJECTIVE
from tuners import GenotypeTuner, PredictorOracle, StrategyOracle
from tuners.oracles.hyperparameter_space import HyperParameterSpace


def build(hp):
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Int("units", 8, 256, step=8)
    hp.Float("dropout", 0.0, 0.6)
    hp.Choice("activation", ["relu", "tanh", "gelu"])
    hp.Boolean("normalize")
    hp.Fixed("epochs", 5)
    hp.Choice("only", [7])
    hp.Choice("kind", ["flat", "deep"])
    with hp.conditional_scope("kind", ["deep"]):
        hp.Int("layers", 1, 5)


def value(hp):
    """The best is near 1.5, for a rate of 0.006, 150 units, a dropout of 0.2 and 3 layers."""
    values = hp.values
    distances = (math.log10(values["rate"]) + 2.2) / 1.5, (values["units"] - 150) / 120, (values["dropout"] - 0.2) / 0.3
    kinds = {"relu": 0.0, "tanh": -0.3, "gelu": 0.1}[values["activation"]] + 0.1 * values["normalize"]
    layers = 0.3 - 0.2 * abs(values["layers"] - 3) if values["kind"] == "deep" else 0.0
    return 1 - sum(distance**2 for distance in distances) + kinds + layers


@pytest.fixture
def formula(run, tmp_path):
    """Search by a formula of the values of each trial, until it is killed after `stop_after` of them."""

    def search(oracle, folder="", hypermodel=build, answer=value, stop_after=None):
        def result(genotype, trial):
            return {"val_accuracy": answer(trial.hyperparameters)}

        return run(oracle, tmp_path / folder, result, stop_after, hypermodel)

    return search


def parameters(declare=build):
    hp = keras_tuner.HyperParameters()
    declare(hp)
    return hp


def options(declare):
    (only,) = HyperParameterSpace(parameters(declare)).choices.values()
    return only


# The space ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        (lambda hp: hp.Choice("x", [32, 16, 64]), (32, 16, 64)),
        (lambda hp: hp.Choice("x", ["one"]), ("one",)),
        (lambda hp: hp.Boolean("x"), (True, False)),
        (lambda hp: hp.Fixed("x", 0.5), (0.5,)),
        (lambda hp: hp.Int("x", 2, 5), (2, 3, 4, 5)),
        (lambda hp: hp.Int("x", 3, 3), (3,)),
        (lambda hp: hp.Int("x", 6, 13, step=3), (6, 9, 12)),
        (lambda hp: hp.Int("x", 2, 32, step=2, sampling="log"), (2, 4, 8, 16, 32)),
        (lambda hp: hp.Float("x", 0.0, 1.0, step=0.25), (0.0, 0.25, 0.5, 0.75, 1.0)),
        (lambda hp: None, ("",)),
    ],
)
def test_options_are_the_values(declare, expected):
    assert options(declare) == expected


def test_numbers_have_sixteen_options_with_both_ends_and_their_default():
    rates = options(lambda hp: hp.Float("x", 1e-4, 1e-1, sampling="log", default=0.0123))
    assert len(rates) == 17 and 0.0123 in rates and (rates[0], rates[-1]) == (1e-4, 1e-1)
    steps = np.diff(np.log([rate for rate in rates if rate != 0.0123]))
    assert np.allclose(steps, steps[0])
    units = options(lambda hp: hp.Int("x", 1, 1000))
    assert len(units) == 16 and (units[0], units[-1]) == (1, 1000) and {type(one) for one in units} == {int}
    assert max(np.diff(units)) - min(np.diff(units)) <= 1


def test_genotypes_and_values_are_the_same_things():
    space, rng = HyperParameterSpace(parameters()), np.random.default_rng(0)
    kinds = set()
    for _ in range(50):
        indices = space.sample_indices(rng)
        genotype = space.decode(indices)
        values = space.assignment(genotype)
        assert space.encode(genotype) == indices and space.genotype(values) == genotype
        assert ("layers" in values) == (values["kind"] == "deep") and values["epochs"] == 5 and values["only"] == 7
        kinds.add(values["kind"])
        wire = {name: float(np.float32(one)) if type(one) is float else one for name, one in values.items()}
        assert space.genotype(wire) == genotype
    assert kinds == {"flat", "deep"}
    assert space.assignment(space.genotype({})) == parameters().values


def test_inactive_hyperparameters_make_no_difference():
    def declare(hp):
        hp.Choice("kind", ["flat", "deep"])
        with hp.conditional_scope("kind", ["deep"]):
            hp.Int("layers", 1, 3, default=2)

    space, rng = HyperParameterSpace(parameters(declare)), np.random.default_rng(0)
    assert len({space.decode(indices) for indices in space}) == len({space.key(indices) for indices in space}) == 4
    assert space.key((0, 2)) == (0, 1) and space.key((1, 2)) == (1, 2)
    assert space.neighbors((0, 1)) == [(1, 1)]
    assert space.neighbors((1, 2)) == [(0, 1), (1, 0), (1, 1)]
    drawn = {draw() for draw in (lambda: space.sample_indices(rng), lambda: space.mutate_indices((1, 2), rng)) * 40}
    assert drawn == {(0, 1), (1, 0), (1, 1), (1, 2)}


def test_scopes_may_have_hyperparameters_of_one_name():
    def declare(hp):
        hp.Choice("kind", ["flat", "deep"])
        with hp.conditional_scope("kind", ["flat"]):
            hp.Choice("size", ["small", "large"])
        with hp.conditional_scope("kind", ["deep"]):
            hp.Int("size", 1, 3)

    space = HyperParameterSpace(parameters(declare))
    assert space.cardinalities == (2, 2, 3)
    networks = [{"kind": "flat", "size": "large"}, {"kind": "deep", "size": 3}]
    assert [space.assignment(space.genotype(values)) for values in networks] == networks


def test_genotypes_of_other_spaces():
    space = HyperParameterSpace(parameters())
    with pytest.raises(ValueError, match="belongs to space 'nasbench201', not to 'hyperparameters'"):
        space.encode(NASBench201Space().decode((0,) * 6))
    for declare in (lambda hp: hp.Float("rate", 0.0, 3.0, step=1.0), lambda hp: build(hp) or hp.Boolean("last", True)):
        other = HyperParameterSpace(parameters(declare))
        with pytest.raises(ValueError, match=r"Space 'hyperparameters' has no '(rate=0.0|last=True)' at position"):
            space.encode(other.genotype({}))
    with pytest.raises(ValueError, match="has no supernet"):
        space.build_supernet((8, 8, 1), 2)
    with pytest.raises(ValueError, match="does not build its networks"):
        space.build_network(space.genotype({}), (8, 8, 1), 2)


# Oracles over it ------------------------------------------------------------------------------------------
def over(name, trials):
    costs = {"units": lambda genotype: 0.0} if STRATEGIES[name].objectives == 2 else None
    return StrategyOracle(lambda space: STRATEGIES[name](space, seed=3), OBJECTIVE, trials, costs=costs)


@pytest.mark.parametrize("name", ["evolution", "nsga2"])  # all: test_strategy_oracle.py
def test_strategies_search_it_and_continue_after_a_kill(name, formula):
    whole = formula(over(name, 24), "whole").values
    assert len(whole) == 24 and {type(one) for values in whole for one in values.values()} == {int, float, str, bool}
    formula(over(name, 24), stop_after=17)
    assert formula(over(name, 24)).values == whole[17:]


@pytest.mark.parametrize(
    "oracle", [tuners.HyperbandOracle, tuners.SuccessiveHalvingOracle, tuners.ASHAOracle, tuners.BOHBOracle]
)
def test_searches_with_budgets(oracle, formula):
    tuner = formula(oracle(objective=OBJECTIVE, budgets=(1, 3), seed=0))
    assert len(tuner.values) == tuner.oracle.max_trials == len(tuner.oracle.trials) > 3
    assert {values["tuner/epochs"] for values in tuner.values} == {1, 3}
    assert tuner.oracle.get_best_trials()[0].hyperparameters["tuner/epochs"] == 3


def test_the_front_of_several_objectives(formula):
    cost = {"layers": lambda genotype: len(genotype["values"])}
    oracle = formula(tuners.ParetoOracle(objective=OBJECTIVE, max_trials=12, costs=cost)).oracle
    assert {one.values["layers"] for one in oracle.front()} <= {8, 9}


def test_a_tuner_without_an_oracle_searches_any_build(tmp_path):
    oracle = GenotypeTuner(build, OBJECTIVE, 5, directory=tmp_path).oracle
    assert type(oracle) is PredictorOracle and set(oracle.space.choices) == {hp.name for hp in parameters().space}


# New hyperparameters --------------------------------------------------------------------------------------
def first(hp):
    return hp.Int("a", 1, 4) / 10


def both(hp):
    return first(hp) + hp.Int("b", 1, 8, default=2) / 10


def growing(hp):
    """Returns more for a high `b`, which is not declared before a trial has `a=2`."""
    return both(hp) if first(hp) == 0.2 else first(hp)


def test_new_hyperparameters_are_searched_and_results_are_kept(formula):
    oracle = PredictorOracle(objective=OBJECTIVE, max_trials=30)
    asked = formula(oracle, "whole", first, growing).values
    early = [values for values in asked if "b" not in values]
    assert early and asked[: len(early) + 1] == [*early, {"a": 2, "b": 2}]
    assert {values["b"] for values in asked[len(early) :]} == {*range(1, 9)}
    assert oracle.get_best_trials()[0].score == pytest.approx(1.0)
    assert len(oracle.strategy.observations) == 30 and len({tuple(values.items()) for values in asked}) == 30
    formula(PredictorOracle(objective=OBJECTIVE, max_trials=30), "", first, growing, stop_after=14)
    again = formula(PredictorOracle(objective=OBJECTIVE, max_trials=30), "", first, growing)
    assert again.values == asked[14:]


def test_a_search_without_a_hypermodel_declares_in_its_first_trial(formula):
    asked = formula(PredictorOracle(objective=OBJECTIVE, max_trials=6), "", lambda hp: None, both).values
    assert asked[0] == {"a": 1, "b": 2} and len({tuple(values.items()) for values in asked}) == 6


def test_nothing_to_choose(formula):
    for number, declare in enumerate([lambda hp: None, lambda hp: hp.Fixed("a", 3) and None]):
        tuner = formula(PredictorOracle(objective=OBJECTIVE, max_trials=6), str(number), declare, lambda _: 1.0)
        assert tuner.values == [parameters(declare).values]


@pytest.mark.parametrize("given", [{"tune_new_entries": False}, {"allow_new_entries": False}])
def test_hyperparameters_that_are_given(given, formula):
    """KerasTuner's words: others are not tuned, or are an error."""
    oracle = PredictorOracle(objective=OBJECTIVE, max_trials=3, hyperparameters=parameters(first), **given)
    if "allow_new_entries" in given:
        with pytest.raises(RuntimeError, match="`allow_new_entries` is `False`, but found new entries"):
            formula(oracle, "", both, both)
    else:
        tuner = formula(oracle, "", both, both)
        assert [values["b"] for values in tuner.values] == [2, 2, 2] and list(oracle.space.choices) == ["a"]


def test_states_that_are_lost_are_rebuilt_from_the_trials(formula, tmp_path):
    def make():
        return PredictorOracle(objective=OBJECTIVE, max_trials=20)

    whole = formula(make(), "whole").values
    formula(make(), stop_after=13)
    for path in (tmp_path / "project").glob("oracle*.json"):
        path.write_text("")
    with pytest.warns(UserWarning, match="rebuilt from its 14 trials"):
        assert formula(make()).values == whole[13:]


def test_results_come_back_from_the_wire(finish):
    """KerasTuner's messages have numbers in single precision, and hyperparameters in another order."""
    oracle = PredictorOracle(objective=OBJECTIVE, max_trials=3, hyperparameters=parameters())
    oracle.verbose = 0
    for _ in range(3):
        trial = oracle.create_trial("worker")
        proposal = oracle.proposals.pending()
        trial = Trial.from_proto(trial.to_proto())
        finish(oracle, trial)
        assert [oracle.space.assignment(oracle.genotype(trial))] == proposal and not oracle.proposals.pending()
    assert oracle.space.cardinalities == HyperParameterSpace(parameters()).cardinalities


def test_a_function_that_makes_no_search():
    with pytest.raises(TypeError, match=r"argument `strategy`. Expected a function that makes a search of a space"):
        StrategyOracle(lambda space: space, OBJECTIVE)
    assert type(StrategyOracle(RandomSearch, OBJECTIVE).space) is HyperParameterSpace


@pytest.mark.slow
def test_better_than_random_search(formula):
    def best(oracle, folder):
        return formula(oracle, folder).oracle.get_best_trials()[0].score

    seeds = range(2)
    found = {
        name: np.mean([best(make(seed), f"{name}{seed}") for seed in seeds])
        for name, make in {
            "random": lambda seed: StrategyOracle(partial(RandomSearch, seed=seed), OBJECTIVE, 40),
            "predictor": lambda seed: PredictorOracle(objective=OBJECTIVE, max_trials=40, seed=seed),
        }.items()
    }
    assert found["predictor"] > found["random"] + 0.2, found
