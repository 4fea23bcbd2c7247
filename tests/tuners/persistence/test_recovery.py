"""Searches resumed from a damaged project, and from another's."""

import contextlib
import json
import os
from pathlib import Path

import keras_tuner
import pytest

from kerasnas.testing.strategies import GridSpace
from tests.tuners.persistence.damages import DAMAGES
from tests.tuners.small import GRID as SPACE
from tests.tuners.small import OBJECTIVE
from tuners import EvolutionOracle, HyperbandOracle, PredictorOracle
from tuners.persistence import json_files


def make(max_trials=20, seed=0, **options):
    return PredictorOracle(SPACE, OBJECTIVE, max_trials, seed=seed, **options)


@pytest.fixture
def expected(run, tmp_path_factory):
    return run(make(), tmp_path_factory.mktemp("whole")).asked


DAMAGES = {**DAMAGES, "an older object": lambda path: path.write_text("{}")}


@pytest.mark.parametrize(
    ("files", "damage", "warning"),
    [
        *(("oracle.json", damage, "oracle.json cannot be used .*from the last good version") for damage in DAMAGES),
        ("oracle*.json", "half", "rebuilt from its 14 trials"),
        *(
            (f"trial_{trial}/{files}", "half", f"trial_{trial}.*cannot be used")
            for trial in ("04", "12", "13")  # finished, the last finished, running
            for files in ("trial.json", "trial*.json")
        ),
    ],
)
def test_a_damaged_project_is_recovered(files, damage, warning, run, tmp_path, expected):
    """A kill while stock KerasTuner writes a file leaves a part of it, which no later start can read."""
    run(make(), tmp_path, stop_after=13)
    for path in list((tmp_path / "project").glob(files)):
        DAMAGES[damage](path)
    with pytest.warns(UserWarning, match=warning):
        tuner = run(make(), tmp_path)
    assert tuner.asked == expected[13:]
    trials = sorted(tuner.oracle.trials.items())
    scores = [trial.score for _, trial in trials]
    assert scores == [value for _, value in tuner.oracle.strategy.observations] and len(scores) == 20
    assert scores == [trial.metrics.get_best_value("val_accuracy") for _, trial in trials]
    assert tuner.oracle.leases.runs == dict.fromkeys(tuner.oracle.trials, 1)


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
    DAMAGES["half"](tmp_path / "part" / "project" / "oracle.json")
    with pytest.warns(UserWarning, match="Resuming from"):
        assert run(oracle(), tmp_path / "part").asked == whole[11:]


def test_results_of_before_a_restart_are_still_known_after_the_next(run, tmp_path, expected):
    run(make(), tmp_path, stop_after=13)
    run(make(), tmp_path, stop_after=3)
    for path in (tmp_path / "project" / "trial_04").glob("trial*.json"):
        DAMAGES["half"](path)
    with pytest.warns(UserWarning, match="Trial 04 is recovered"):
        tuner = run(make(), tmp_path)
    assert tuner.asked == expected[16:]
    assert [trial.score for trial in tuner.oracle.trials.values()] == [
        reward for _, reward in tuner.oracle.strategy.observations
    ]


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
        (lambda: PredictorOracle(GridSpace((4, 4, 3)), OBJECTIVE, 20), "choices 'choice/3': .* there, missing here"),
        (lambda: PredictorOracle(GridSpace((4, 4, 3, 2)), OBJECTIVE, 20), "choices 'choice/3': .*option_2.* there, "),
        (lambda: EvolutionOracle(SPACE, OBJECTIVE, 20), "strategy: 'PredictorSearch' there, 'RegularizedEvolution'"),
        (lambda: PredictorOracle(SPACE, keras_tuner.Objective("val_accuracy", "min"), 20), "'val_accuracy': max there"),
        (lambda: PredictorOracle(SPACE, OBJECTIVE, 20, seed=1), "seed: 0 there, 1 here"),
        (lambda: HyperbandOracle(SPACE, OBJECTIVE), "search: None there, 'Hyperband' here"),
    ],
)
def test_a_project_of_another_search_is_refused(other, message, run, tmp_path):
    run(make(), tmp_path, stop_after=2)
    before = (tmp_path / "project" / "oracle.json").read_text()
    with pytest.raises(ValueError, match=f"of another search.*{message}.*overwrite=True"):
        run(other(), tmp_path)
    assert (tmp_path / "project" / "oracle.json").read_text() == before


def test_a_workers_seed_chooses_nothing(run, project, become, tmp_path):
    """It learns from the folder what the chief has found."""
    run(make(), tmp_path, stop_after=2)
    for name in ("worker", "chief"):
        become(name)
        oracle = project(make(seed=1))
        with contextlib.nullcontext() if name == "worker" else pytest.raises(ValueError, match="seed: 0 there, 1 here"):
            oracle.reload()
        assert len(oracle.trials) == (3 if name == "worker" else 0)


def test_a_project_of_a_stock_oracle_is_refused(run, tmp_path):
    (tmp_path / "project").mkdir()
    for name in ("oracle.json", "tuner0.json"):
        (tmp_path / "project" / name).write_text(json.dumps(keras_tuner.oracles.RandomSearchOracle().get_state()))
    with pytest.raises(ValueError, match="written by another kind of oracle"):
        run(make(), tmp_path)


def test_a_file_system_without_hard_links(run, tmp_path, monkeypatch, expected):
    def link(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    run(make(), tmp_path, stop_after=13)
    DAMAGES["half"](tmp_path / "project" / "oracle.json")
    with pytest.warns(UserWarning, match="Resuming from the last good version"):
        assert run(make(), tmp_path).asked == expected[13:]


def test_several_workers_resume_as_if_nothing_had_happened(finish, project, become, monkeypatch):
    """Proposals and reports since the state was written are done again in the same order."""
    become("chief")
    monkeypatch.setattr(os, "fsync", lambda handle: None)

    def work(oracle, steps, running):
        for step in steps:
            name = "abc"[step % 3]
            if name in running:
                finish(oracle, running.pop(name), step / 100)
            running[name] = oracle.create_trial(name)
        return {name: trial.trial_id for name, trial in running.items()}

    whole, running = project(make(60), "whole"), {}
    work(whole, range(25), running)
    holders = work(whole, range(25, 40), running)

    killed = project(make(60), "killed")
    work(killed, range(25), {})
    assert killed.store.journal.length > 0  # the state on the disk is older than the search
    again = project(make(60), "killed")
    again.reload()
    assert again.get_state()["search"] == killed.get_state()["search"]
    assert again.end_order == killed.end_order and again.start_order == killed.start_order
    assert again.leases.runs == killed.leases.runs
    # Each worker still has its trial, and ends it.
    held = [{name: trial.trial_id for name, trial in one.ongoing_trials.items()} for one in (again, killed)]
    assert held[0] == held[1]
    assert work(again, range(25, 40), dict(again.ongoing_trials)) == holders
    values = [[trial.hyperparameters.values for trial in one.trials.values()] for one in (whole, again)]
    assert values[0] == values[1]


def test_a_distributed_search_resumed_alone_runs_all_that_was_at_work(project, become, monkeypatch):
    """The workers of before are gone: their trials wait, in their order."""
    become("chief")
    oracle = project(make())
    for name in "abc":
        oracle.create_trial(name)
    oracle.save(whole=True)
    monkeypatch.delenv("KERASTUNER_ORACLE_IP")
    alone = project(make())
    alone.reload()
    assert alone.leases.waiting == ["00", "01", "02"] and not alone.ongoing_trials


def test_lost_workers_are_counted_across_restarts(project, become):
    """A trial that needs too much memory may end the chief on the same machine as well."""
    become("chief")
    now = [1000.0]
    for number in range(3):
        oracle = project(make(lease=10))
        oracle.leases.clock = lambda: now[0]
        if number:
            oracle.reload()
        trial = oracle.create_trial("worker")
        assert trial.trial_id == "00"
        oracle.save()
        oracle.heartbeat("worker", "00")
        now[0] += 11
        with pytest.warns(UserWarning, match="run again" if number < 2 else "has failed: it lost 3 workers"):
            oracle.take_back()
    assert oracle.trials["00"].status == "FAILED" and "lost 3 workers" in oracle.trials["00"].message
    assert oracle.create_trial("another").trial_id == "01" and len(oracle.strategy.observations) == 1
