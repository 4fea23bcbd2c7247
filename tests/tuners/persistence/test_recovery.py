"""Oracles whose project was damaged, whose trials fail, whose disk is full, or that are another's."""

import json
import os
import threading
import warnings
from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from kerasnas.search import STRATEGIES
from kerasnas.testing.strategies import GridSpace
from tuners import EvolutionOracle, HyperbandOracle, PredictorOracle
from tuners.persistence import json_files

SPACE = GridSpace((4, 4, 3, 3))
OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


def make(max_trials=20, seed=0, **options):
    return PredictorOracle(SPACE, OBJECTIVE, max_trials, seed=seed, **options)


@pytest.fixture
def expected(run, tmp_path_factory):
    return run(make(), tmp_path_factory.mktemp("whole")).asked


def truncate(path):
    text = path.read_text()
    path.write_text(text[: len(text) // 2])


@pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "an older object"])
def test_a_damaged_state_is_recovered(damage, run, tmp_path, expected):
    """A kill while stock KerasTuner writes `oracle.json` leaves a part of it, which no later start can read."""
    run(make(), tmp_path, stop_after=13)
    path = tmp_path / "project" / "oracle.json"
    if damage == "truncated":
        truncate(path)
    elif damage == "empty":
        path.write_text("")
    elif damage == "missing":
        path.unlink()
    else:
        path.write_text("{}")
    with pytest.warns(UserWarning, match=r"oracle.json cannot be used .*Going on from the last good version"):
        tuner = run(make(), tmp_path)
    assert tuner.asked == expected[13:]
    assert len(tuner.oracle.get_best_trials(50)) == 20


def test_a_state_without_a_good_version_is_rebuilt_from_the_trials(run, tmp_path, expected):
    run(make(), tmp_path, stop_after=13)
    for path in (tmp_path / "project").glob("oracle*.json"):
        truncate(path)
    with pytest.warns(UserWarning, match="rebuilt from its 14 trials"):
        tuner = run(make(), tmp_path)
    assert tuner.asked == expected[13:]


@pytest.mark.parametrize("trial", ["04", "12", "13"], ids=["finished", "last finished", "running"])
@pytest.mark.parametrize("both", [False, True], ids=["file", "file and version before"])
def test_a_damaged_trial_is_recovered(trial, both, run, tmp_path, expected):
    run(make(), tmp_path, stop_after=13)
    folder = tmp_path / "project" / f"trial_{trial}"
    paths = sorted(folder.glob("trial*.json"))
    assert folder / "trial.json" in paths
    for path in paths if both else [folder / "trial.json"]:
        truncate(path)
    with pytest.warns(UserWarning, match=f"trial_{trial}.*cannot be used"):
        tuner = run(make(), tmp_path)
    assert tuner.asked == expected[13:]
    scores = [tuner.oracle.trials[name].score for name in sorted(tuner.oracle.trials)]
    rewards = [value for _, value in tuner.oracle.strategy.observations]
    assert scores == rewards and len(scores) == 20
    assert tuner.oracle.trials[trial].metrics.get_best_value("val_accuracy") == scores[int(trial)]


def test_a_result_that_the_state_does_not_know_is_not_run_again(run, tmp_path, expected):
    """A kill between the two files that the end of a trial writes."""
    run(make(), tmp_path, stop_after=13)
    project = tmp_path / "project"
    (project / "oracle.json").write_text(json_files.previous(project / "oracle.json").read_text())
    tuner = run(make(), tmp_path)
    assert tuner.asked == expected[13:]


def test_hyperband_is_recovered(run, tmp_path):
    def oracle():
        return HyperbandOracle(SPACE, OBJECTIVE, budgets=(1, 3, 9))

    whole = run(oracle(), tmp_path / "whole").asked
    assert len(whole) == 22
    run(oracle(), tmp_path / "part", stop_after=11)
    truncate(tmp_path / "part" / "project" / "oracle.json")
    with pytest.warns(UserWarning, match="Going on from"):
        assert run(oracle(), tmp_path / "part").asked == whole[11:]


def test_nothing_but_whole_files_is_ever_seen(run, tmp_path, monkeypatch):
    """Stock KerasTuner opens the file itself for writing: a reader may see it empty."""
    replaced = []
    real = os.replace

    def replace(source, target):
        for line in Path(source).read_text().splitlines():
            json.loads(line)
        replaced.append(os.path.basename(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    run(make(3), tmp_path)
    assert {"oracle.json", "oracle.previous.json", "trial.json"} <= set(replaced)
    assert not list((tmp_path / "project").rglob(".*"))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: PredictorOracle(GridSpace((4, 4, 3)), OBJECTIVE, 20), "choice 'choice/3': .* there, missing here"),
        (lambda: PredictorOracle(GridSpace((4, 4, 3, 2)), OBJECTIVE, 20), "choice 'choice/3': .*option_2.* there, "),
        (
            lambda: EvolutionOracle(SPACE, OBJECTIVE, 20),
            "strategy 'PredictorSearch' there, 'RegularizedEvolution' here",
        ),
        (
            lambda: PredictorOracle(SPACE, keras_tuner.Objective("val_accuracy", "min"), 20),
            "objectives .*'max'.* there",
        ),
        (lambda: HyperbandOracle(SPACE, OBJECTIVE), "search None there, 'Hyperband' here"),
    ],
)
def test_a_project_of_another_search_is_refused(other, message, run, tmp_path):
    run(make(), tmp_path, stop_after=2)
    before = (tmp_path / "project" / "oracle.json").read_text()
    with pytest.raises(ValueError, match=f"of another search.*{message}.*overwrite=True"):
        run(other(), tmp_path)
    assert (tmp_path / "project" / "oracle.json").read_text() == before


def test_a_project_of_a_stock_oracle_is_refused(run, tmp_path):
    (tmp_path / "project").mkdir()
    for name in ("oracle.json", "tuner0.json"):
        (tmp_path / "project" / name).write_text(json.dumps(keras_tuner.oracles.RandomSearchOracle().get_state()))
    with pytest.raises(ValueError, match="written by another kind of oracle"):
        run(make(), tmp_path)


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


def test_a_diverged_epoch_does_not_hide_the_good_ones():
    """Nothing compares with NaN: from a history that begins with one KerasTuner takes the NaN."""
    objective = make().objective
    assert objective.better_than(0.5, np.nan) and not objective.better_than(np.nan, 0.5)
    assert objective.better_than(0.6, 0.5) and not objective.better_than(np.nan, np.nan)


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


def test_a_file_system_without_hard_links(run, tmp_path, monkeypatch, expected):
    def link(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    run(make(), tmp_path, stop_after=13)
    truncate(tmp_path / "project" / "oracle.json")
    with pytest.warns(UserWarning, match="Going on from the last good version"):
        assert run(make(), tmp_path).asked == expected[13:]


def test_a_full_disk_does_not_lose_finished_trials(run, tmp_path, monkeypatch):
    real, full = json_files.write, []

    def write(path, value, durable=True):
        if full:
            raise OSError(28, "No space left on device")
        real(path, value, durable)

    def answer(genotype, trial):
        number = int(trial.trial_id)
        full[:] = [True] * (3 <= number < 6)
        return {"val_accuracy": number / 10}

    monkeypatch.setattr(json_files, "write", write)
    with pytest.warns(UserWarning) as caught:
        oracle = run(make(8), tmp_path, answer=answer).oracle
    messages = [str(one.message) for one in caught]
    assert sum("could not be written ([Errno 28] No space left" in message for message in messages) == 1
    assert any("its 4 finished trials are in memory" in message for message in messages)
    assert sum("could be written again" in message for message in messages) == 1
    assert len(oracle.get_best_trials(20)) == 8
    again = make(8)
    again._set_project_dir(str(tmp_path), "project")
    again.reload()
    assert [trial.score for trial in again.get_best_trials(20)] == [trial.score for trial in oracle.get_best_trials(20)]
    for number in range(8):
        saved = json.loads((tmp_path / "project" / f"trial_{number}" / "trial.json").read_text())
        assert saved["score"] == number / 10


def test_workers_that_ask_at_once(tmp_path):
    oracle = make(40)
    oracle._set_project_dir(str(tmp_path), "project")
    same = oracle.create_trial("a")
    assert oracle.create_trial("a") is same  # a worker that asks again gets what it has
    oracle.update_trial(same.trial_id, {"val_accuracy": 0.1})
    same.status = "COMPLETED"
    oracle.end_trial(same)

    def work(name):
        while (trial := oracle.create_trial(name)).status != "STOPPED":
            if trial.status == "IDLE":  # the last trials are with others
                continue
            oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(oracle.trials) == len({oracle.genotype(trial) for trial in oracle.trials.values()}) == 40
    assert not oracle.ongoing_trials and not oracle.tuner_ids


def test_waiting_is_not_asked_thousands_of_times(monkeypatch, tmp_path):
    """The loop of KerasTuner asks an idle oracle again at once: 19,000 times a second."""
    slept = []
    monkeypatch.setattr("tuners.oracles.trial_oracle.time.sleep", slept.append)
    oracle = HyperbandOracle(GridSpace((2,)), OBJECTIVE, budgets=(1, 3))
    oracle._set_project_dir(str(tmp_path), "project")
    assert [oracle.create_trial(name).status for name in "abc"] == ["RUNNING", "RUNNING", "IDLE"]
    assert len(slept) == 1 and slept[0] > 0.01
