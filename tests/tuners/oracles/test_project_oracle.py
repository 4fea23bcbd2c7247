"""ProjectOracle: the life of a trial, from its creation to its end, whatever trials, workers and the disk do."""

import json
import os
import threading
import warnings

import keras_tuner
import numpy as np
import pytest

import tuners
from kerasnas.search import STRATEGIES
from kerasnas.testing.strategies import GridSpace
from tests.tuners.small import GRID as SPACE
from tests.tuners.small import OBJECTIVE
from tuners import HyperbandOracle, PredictorOracle


def make(max_trials=4, clock=None, **options):
    oracle = PredictorOracle(SPACE, OBJECTIVE, max_trials, lease=10, **options)
    oracle.verbose = 0
    if clock is not None:
        oracle.leases.clock = lambda: clock[0]
    return oracle


@pytest.fixture
def clock():
    """Seconds that pass when the test says so."""
    return [1000.0]


# Trials --------------------------------------------------------------------------------------------------
def test_hyperparameters_that_nobody_chose_have_their_defaults_if_they_are_active():
    hp = keras_tuner.HyperParameters()
    for name, options in SPACE.choices.items():
        hp.Choice(name, list(options), ordered=False)
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=0.02)
    for option in SPACE.choices["choice/0"]:
        with hp.conditional_scope("choice/0", [option]):
            hp.Float(f"rate of {option}", 0.0, 1.0, default=0.25)
    oracle = make(hyperparameters=hp)
    trial = oracle.create_trial("a")
    assert oracle.genotype(trial) == STRATEGIES["predictor"](SPACE, seed=0).ask()
    chosen = trial.hyperparameters.values["choice/0"]
    assert trial.hyperparameters.values["learning_rate"] == 0.02
    assert trial.hyperparameters.values[f"rate of {chosen}"] == 0.25
    assert [name for name in trial.hyperparameters.values if name.startswith("rate")] == [f"rate of {chosen}"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_objectives_that_are_not_finite_fail_and_do_not_stop(value, run, tmp_path):
    """Stock KerasTuner ends the search at the third."""
    strategy, expected = STRATEGIES["predictor"](SPACE, seed=0), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(12):
            expected.append(strategy.ask())
            strategy.tell(expected[-1], np.nan if step < 6 else float(step))
    steps = iter(range(12))

    def answer(genotype, trial):
        step = next(steps)
        return {"val_accuracy": value if step < 6 else float(step)}

    with pytest.warns(UserWarning, match="not finite"):
        tuner = run(make(12), tmp_path, answer=answer)
    assert tuner.asked == expected
    failed = [trial for trial in tuner.oracle.trials.values() if trial.status == "FAILED"]
    assert len(failed) == 6 and "Not finite: val_accuracy" in failed[0].message


def test_the_best_trials_are_completed_ones(run, tmp_path):
    """Stock KerasTuner fills up with failed trials, which no model can be loaded of."""
    with pytest.warns(UserWarning, match="not finite"):
        tuner = run(make(4), tmp_path, answer=lambda g, trial: {"val_accuracy": [np.nan, 0.5][int(trial.trial_id) % 2]})
    assert [trial.score for trial in tuner.oracle.get_best_trials(4)] == [0.5, 0.5]


def test_trials_that_raise_end_the_search_with_all_saved_and_no_lock_held(run, tmp_path):
    """Stock KerasTuner raises with its lock held: every other thread then waits for ever."""

    def answer(genotype, trial):
        if int(trial.trial_id) in (2, 3, 4):
            raise ArithmeticError("out of numbers")
        return {"val_accuracy": 0.5}

    oracle = make(10)
    with pytest.raises(RuntimeError, match=r"last 3 trials failed(.|\n)*out of numbers"), pytest.warns(UserWarning):
        run(oracle, tmp_path, answer=answer)
    received = []
    thread = threading.Thread(target=lambda: received.append(oracle.create_trial("other")))
    thread.start()
    thread.join(10)
    assert received and received[0].trial_id == "05"
    saved = json.loads((tmp_path / "project" / "oracle.json").read_text())
    assert saved["end_order"] == ["00", "01", "02", "03", "04"] and not saved["ongoing_trials"]


def test_the_second_result_of_a_trial_counts(run, tmp_path):
    """Stock KerasTuner takes the metrics of the failed first run for those of the second."""
    values = iter([np.nan, 0.75])
    tuner = run(make(1, max_retries_per_trial=1), tmp_path, answer=lambda g, trial: {"val_accuracy": next(values)})
    assert [trial.score for trial in tuner.oracle.get_best_trials(2)] == [0.75]


def test_a_trial_is_shown_when_it_begins_and_when_it_ends(capsys, finish):
    oracle = make()
    oracle.verbose = 1
    finish(oracle, oracle.create_trial("a"), 0.625)
    said = capsys.readouterr().out
    assert "Running Trial #1" in said and "choice/0" in said and "val_accuracy: 0.625" in said


def test_without_a_tuner_nothing_is_written(finish, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    oracle = make()
    finish(oracle, oracle.create_trial("a"))
    oracle.save()
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="no project to reload"):
        oracle.reload()


# Workers -------------------------------------------------------------------------------------------------
def test_a_trial_without_heartbeats_goes_to_another_worker(clock, finish):
    """In stock KerasTuner it stays with the dead worker for ever."""
    oracle = make(clock=clock)
    first, second = oracle.create_trial("dead"), oracle.create_trial("alive")
    oracle.heartbeat("dead", first.trial_id)
    for _ in range(9):
        clock[0] += 1
        oracle.heartbeat("alive", second.trial_id)
    assert oracle.tuner_ids == {"dead", "alive"}
    finish(oracle, second)
    assert oracle.create_trial("alive").trial_id == "2"
    clock[0] += 1.5
    oracle.heartbeat("alive", "2")
    with pytest.warns(UserWarning, match=r"'dead' .* in trial 0"):
        oracle.take_back()
    assert oracle.tuner_ids == {"alive"}
    again = oracle.create_trial("late")
    assert again.trial_id == first.trial_id and again.status == "RUNNING"
    assert again.hyperparameters.values == first.hyperparameters.values


def test_a_worker_that_was_only_slow_is_heard_once(clock, finish):
    """Its result counts if it comes first; the second one of the same trial does not."""
    oracle = make(clock=clock)
    trial = oracle.create_trial("slow")
    oracle.heartbeat("slow", trial.trial_id)
    clock[0] += 11
    with pytest.warns(UserWarning, match="run again"):
        oracle.take_back()
    told = keras_tuner.engine.trial.Trial(trial.hyperparameters, trial.trial_id, "RUNNING")
    assert oracle.create_trial("other") is trial
    finish(oracle, told, 0.75)
    late = keras_tuner.engine.trial.Trial(trial.hyperparameters, trial.trial_id, "RUNNING")
    finish(oracle, late, 0.25)
    assert trial.score == 0.75 and oracle.end_order == ["0"]
    assert [reward for _, reward in oracle.strategy.observations] == [0.75]
    assert not oracle.ongoing_trials and oracle.create_trial("other").trial_id == "1"


def test_nobody_is_sent_away_while_trials_may_come_back(clock, finish, monkeypatch):
    monkeypatch.setattr("tuners.oracles.project_oracle.time.sleep", lambda seconds: None)
    oracle = make(2, clock)
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    oracle.heartbeat("a", first.trial_id)
    finish(oracle, second)
    assert oracle.create_trial("b").status == "IDLE"
    clock[0] += 11
    with pytest.warns(UserWarning):
        assert oracle.create_trial("b") is first
    finish(oracle, first)
    assert oracle.create_trial("b").status == "STOPPED"
    assert oracle.is_over() and not oracle.tuner_ids


def test_nobody_waits_for_a_trial_whose_end_raised_an_error(clock, finish, monkeypatch):
    """Stock KerasTuner raises with its lock held, and with the trial still at work."""
    oracle = make(2, clock)
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(oracle, "trial_finished", lambda trial: 1 / 0)
        finish(oracle, first)
    finish(oracle, second)
    assert oracle.create_trial("b").status == "STOPPED"
    clock[0] += 11
    assert not oracle.tuner_ids  # a stock chief leaves now


def test_a_promotion_is_waited_for_without_asking_thousands_of_times(finish, monkeypatch):
    """The loop of KerasTuner asks an idle oracle again at once: 19,000 times a second."""
    slept = []
    monkeypatch.setattr("tuners.oracles.project_oracle.time.sleep", slept.append)
    oracle = HyperbandOracle(GridSpace((2,)), OBJECTIVE, budgets=(1, 3))
    oracle.verbose = 0
    trials = [oracle.create_trial(name) for name in "ab"]
    assert not slept and oracle.create_trial("c").status == "IDLE" and slept[0] > 0.01
    for trial in trials:
        finish(oracle, trial, int(trial.trial_id) / 2)
    assert oracle.create_trial("c").hyperparameters.values["tuner/epochs"] == 3


def test_workers_that_ask_at_once(finish, project):
    oracle = project(make(40))
    same = oracle.create_trial("a")
    assert oracle.create_trial("a") is same  # a worker that asks again gets what it has
    finish(oracle, same, 0.1)

    def work(name):
        while (trial := oracle.create_trial(name)).status != "STOPPED":
            if trial.status != "IDLE":  # the last trials are with others
                finish(oracle, trial)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(oracle.trials) == len({oracle.genotype(trial) for trial in oracle.trials.values()}) == 40
    assert not oracle.ongoing_trials and not oracle.tuner_ids


# The disk ------------------------------------------------------------------------------------------------
def test_what_is_written_of_a_trial_does_not_grow(run, tmp_path, monkeypatch):
    """Stock oracles write their whole state twice a trial."""
    written = []
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    for name in ("write", "append"):
        real = getattr(tuners.persistence.json_files, name)

        def count(path, value, durable=True, real=real):
            written.append(len(json.dumps(value)))
            real(path, value, False)

        monkeypatch.setattr(tuners.persistence.json_files, name, count)
    sizes = []

    def answer(genotype, trial):
        sizes.append(sum(written))
        return {"val_accuracy": 0.5}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(tuners.EvolutionOracle(GridSpace((4, 4, 4, 4)), OBJECTIVE, 160), tmp_path, answer=answer)
    assert sizes[-1] - sizes[-60] < 1.5 * (sizes[80] - sizes[21])
