"""KerasTuner 1.4.8's traps that can touch our users, by number, each with the tests that fail on stock behavior."""

import re
import tomllib
import warnings
from pathlib import Path

import keras_tuner
import pytest

from kerasnas.spaces import SPACES, DARTSSpace
from kerasnas.testing.strategies import GridSpace
from tuners import PredictorOracle, RandomOracle, SupernetHyperModel, SupernetTuner

HERE = Path(__file__).parent
TRAPS = """
1: the stock Tuner imports tensorboard, which nothing brings
    test_traps::test_tensorboard_is_required
2: models without build() search, but cannot be loaded as the best
    tuners/test_supernet_tuner::test_the_score_is_what_the_saved_network_gets_on_the_validation_data
    hypermodels/test_genotype_hypermodel::test_own_oracles_drive_the_stock_tuner
    hypermodels/test_genotype_hypermodel::test_stock_random_search
3: an exception leaves the oracle's lock held
    oracles/test_project_oracle::test_trials_that_raise_end_the_search_with_all_saved_and_no_lock_held
    distributed/test_distributed_tuner::test_an_error_of_the_oracle_ends_all_processes_with_its_traceback
4: remote tracebacks are dropped
    distributed/test_distributed_tuner::test_errors_of_trials
5: the wire regroups hyperparameters
    oracles/test_strategy_oracle::test_order_of_the_hyperparameters_does_not_matter
6: Choice turns booleans into numbers
    test_traps::test_no_choice_is_a_boolean
7: scores have four bytes on the wire
    distributed/test_worker::test_a_client_waits_without_asking_all_the_time_and_keeps_what_it_knows
8: a leftover print for conditional hyperparameters
    distributed/test_worker::test_a_client_waits_without_asking_all_the_time_and_keeps_what_it_knows
9: seed 0 is any seed, and random states are not saved
    oracles/test_named::test_seed_zero_is_a_seed
    oracles/test_strategy_oracle::test_trajectory_continues_after_a_kill_and_reload
    oracles/test_random_oracle::test_the_first_trial_has_the_defaults_and_each_further_one_depends_on_seed_and_number_alone
10: several objectives are summed
    oracles/test_strategy_oracle::test_several_objectives_are_not_summed
11: the best trials are filled up with failed ones
    oracles/test_project_oracle::test_the_best_trials_are_completed_ones
    tuners/test_supernet_tuner::test_losses_that_are_not_finite_fail_a_trial_and_do_not_stop_the_search
12: a truncated JSON file is fatal
    persistence/test_recovery::test_a_damaged_project_is_recovered
13: NumPy numbers abort a search, lists do not cross the wire
    oracles/test_strategy_oracle::test_values_are_plain_python_and_survive_the_wire
    test_traps::test_random_values_are_plain_python_and_survive_the_wire
14: three NaN stop the search
    oracles/test_project_oracle::test_objectives_that_are_not_finite_fail_and_do_not_stop
15: a worker that overwrites removes the project
    distributed/test_distributed_tuner::test_only_the_chief_overwrites
16: a dead worker's trial runs forever
    oracles/test_project_oracle::test_a_trial_without_heartbeats_goes_to_another_worker
    distributed/test_distributed_tuner::test_killed_workers_a_killed_chief_and_a_late_worker
17: callbacks that cannot be copied
    tuners/test_supernet_tuner::test_callbacks_that_cannot_be_copied_come_from_a_function
18: an interrupted trial begins with epoch 0
    tuners/test_as_stock::test_an_interrupted_search_resumes_where_it_was_and_ends_as_if_uninterrupted
    tuners/test_tuner_processes::test_a_search_killed_in_each_phase_resumes_inside_it_and_ends_as_if_uninterrupted
19: categories are taken for ordered
    ../strategies/test_predictor::test_the_kernel_counts_what_is_shared
20: a worker's oracle has four attributes
    distributed/test_worker::test_a_client_waits_without_asking_all_the_time_and_keeps_what_it_knows
21: the constructor builds many models
    test_traps::test_the_constructor_builds_no_supernet
22: deprecation warnings break -W error
    test_traps::test_no_deprecated_thread_names
"""
# 23, HyperEfficientNet downloads weights: nothing of ours builds it.
TESTS = [line.strip() for line in TRAPS.splitlines() if "::" in line]


def test_each_trap_has_its_tests():
    numbers = re.findall(r"^(\d+): .+\n    \S+::", TRAPS, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 23)]
    for file, test in (name.split("::") for name in TESTS):
        assert f"\ndef {test}(" in (HERE / f"{file}.py").read_text(encoding="utf-8"), test


def test_tensorboard_is_required():
    """That SupernetTuner does without: the search of test_supernet_tuner.py runs as if it were not installed."""
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(one.startswith("tensorboard") for one in project["dependencies"])
    assert '"tensorboard", None' in (HERE / "tuners" / "test_supernet_tuner.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(SPACES))
def test_no_choice_is_a_boolean(name):
    hp = keras_tuner.HyperParameters()
    for choice, options in SPACES[name]().choices.items():
        values = hp.Choice(choice, list(options), ordered=False), *hp.space[-1].values
        assert values[1:] == tuple(options) and {type(one) for one in values} <= {str, int}


def test_random_values_are_plain_python_and_survive_the_wire():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    hp.Boolean("flag")
    hp.Int("units", 1, 100)
    with hp.conditional_scope("kind", ["b"]):
        hp.Float("rate", 1e-4, 1e-1, sampling="log")
    oracle = RandomOracle(max_trials=10, hyperparameters=hp)
    trials = [oracle.create_trial(str(number)) for number in range(10)]
    for trial in trials:
        values = trial.hyperparameters.values
        assert {type(value) for value in values.values()} <= {str, int, float, bool} and type(values["flag"]) is bool
        assert ("rate" in values) == (values["kind"] == "b")
    assert len({trial.hyperparameters["units"] for trial in trials}) > 5


def test_the_constructor_builds_no_supernet(tmp_path):
    """A stock tuner builds a toy hypermodel 37 times to find its conditions."""

    class Own(SupernetHyperModel):
        def build(self, hp):
            raise AssertionError("built")

    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1)
    tuner = SupernetTuner(Own(space, (8, 8, 1), 2, filters=[2, 4]), directory=tmp_path)
    names = {hp.name for hp in tuner.oracle.get_space().space}
    assert names == {"filters", "learning_rate"}


def test_no_deprecated_thread_names(run, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="currentThread")
        tuner = run(PredictorOracle(GridSpace((3, 3)), keras_tuner.Objective("val_accuracy", "max"), 4), tmp_path)
        assert len(tuner.oracle.get_best_trials(4)) == 4
