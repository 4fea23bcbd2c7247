"""LeasedOracle with a clock of its own, and a chief in a thread: what workers may do to one another."""

import json
import os
import socket
import threading
import time
import types
import warnings

import keras_tuner
import pytest

import tuners.distributed.leases
from kerasnas.testing.strategies import GridSpace
from tuners import DistributedTuner, HyperbandOracle, OneShotTuner, PredictorOracle
from tuners.distributed.chief import OVER, RUNNING, read_status, serve
from tuners.distributed.worker import WorkerOracle

SPACE = GridSpace((4, 4, 3, 3))
OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


def make(max_trials=4, **options):
    oracle = PredictorOracle(SPACE, OBJECTIVE, max_trials, lease=10, **options)
    oracle.verbose = 0
    return oracle


def finish(oracle, trial, value=0.5, status="COMPLETED"):
    if status == "COMPLETED":
        oracle.update_trial(trial.trial_id, {"val_accuracy": value})
    trial.status = status
    oracle.end_trial(trial)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [1000.0]
    monkeypatch.setattr(tuners.distributed.leases, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    return now


def beat(oracle, clock, seconds, tuner, trial):
    for _ in range(int(seconds)):
        clock[0] += 1
        oracle.heartbeat(tuner, trial.trial_id)


def test_a_trial_without_heartbeats_goes_to_another_worker(clock):
    """In stock KerasTuner it stays with the dead worker for ever."""
    oracle = make()
    first, second = oracle.create_trial("dead"), oracle.create_trial("alive")
    oracle.heartbeat("dead", first.trial_id)
    beat(oracle, clock, 9, "alive", second)
    assert oracle.tuner_ids == {"dead", "alive"}
    finish(oracle, second)
    assert oracle.create_trial("alive").trial_id == "2"
    clock[0] += 1.5
    oracle.heartbeat("alive", "2")
    with pytest.warns(UserWarning, match=r"Worker 'dead' was not heard of for .* in trial 0. The trial is run again"):
        oracle.take_back()
    assert oracle.tuner_ids == {"alive"}
    again = oracle.create_trial("late")
    assert again.trial_id == first.trial_id and again.status == "RUNNING"
    assert again.hyperparameters.values == first.hyperparameters.values


def test_a_worker_that_was_only_slow_is_heard_once(clock):
    """Its result counts if it comes first; the second one of the same trial does not."""
    oracle = make()
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


def test_workers_without_heartbeats_have_three_times_the_longest_trial(clock):
    oracle = make()
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    clock[0] += 100  # nobody knows how long a trial takes
    oracle.take_back()
    finish(oracle, first)
    clock[0] += 199
    oracle.take_back()
    assert oracle.ongoing_trials == {"b": second}
    clock[0] += 2
    with pytest.warns(UserWarning, match="Worker 'b' was not heard of for 301 s"):
        oracle.take_back()


def test_nobody_is_sent_away_while_trials_may_come_back(clock, monkeypatch):
    monkeypatch.setattr("tuners.oracles.trial_oracle.time.sleep", lambda seconds: None)
    oracle = make(max_trials=2)
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


def test_a_trial_that_ends_its_workers_fails(clock):
    oracle = make(max_trials=2)
    for number in range(3):
        trial = oracle.create_trial(f"w{number}")
        assert trial.trial_id == "0"
        oracle.heartbeat(f"w{number}", "0")
        clock[0] += 11
        with pytest.warns(UserWarning, match="run again" if number < 2 else "has failed: it lost 3 workers"):
            oracle.take_back()
    assert oracle.trials["0"].status == "FAILED" and "lost 3 workers" in oracle.trials["0"].message
    assert oracle.create_trial("w4").trial_id == "1"
    assert len(oracle.strategy.observations) == 1


def test_nobody_waits_for_a_trial_whose_end_raised_an_error(clock, monkeypatch):
    """Stock KerasTuner raises with its lock held, and with the trial still at work."""
    oracle = make(max_trials=2)
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(oracle, "trial_finished", lambda trial: 1 / 0)
        finish(oracle, first)
    finish(oracle, second)
    assert oracle.create_trial("b").status == "STOPPED"
    clock[0] += 11
    assert not oracle.tuner_ids  # a stock chief leaves now


@pytest.mark.parametrize("lease", [0, -1, float("inf"), float("nan"), "60", True])
def test_lease(lease):
    with pytest.raises(ValueError, match=r"argument `lease`. Expected a positive number of seconds"):
        PredictorOracle(SPACE, OBJECTIVE, 5, lease=lease)


def test_several_workers_go_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    """What was asked and told in turns since the state was written is done again in the same turns."""
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setattr(os, "fsync", lambda handle: None)

    def work(oracle, steps, running):
        for step in steps:
            name = "abc"[step % 3]
            if name in running:
                finish(oracle, running.pop(name), step / 100)
            running[name] = oracle.create_trial(name)
        return {name: trial.trial_id for name, trial in running.items()}

    def begin(folder):
        oracle = make(60)
        oracle._set_project_dir(str(tmp_path / folder), "project")
        return oracle

    whole, running = begin("whole"), {}
    work(whole, range(25), running)
    holders = work(whole, range(25, 40), running)

    killed = begin("killed")
    work(killed, range(25), {})
    assert killed._journal.length > 0  # the state on the disk is older than the search
    again = begin("killed")
    again.reload()
    assert again.get_state()["search"] == killed.get_state()["search"]
    assert again.end_order == killed.end_order and again.start_order == killed.start_order
    # Each worker still has its trial, and ends it.
    assert {n: t.trial_id for n, t in again.ongoing_trials.items()} == {
        n: t.trial_id for n, t in killed.ongoing_trials.items()
    }
    assert work(again, range(25, 40), dict(again.ongoing_trials)) == holders
    values = [[trial.hyperparameters.values for trial in one.trials.values()] for one in (whole, again)]
    assert values[0] == values[1]


# A chief in a thread, with clients -----------------------------------------------------------------------
@pytest.fixture
def served(tmp_path, monkeypatch):
    """Starts a chief in a thread; gives its oracle, and a function that makes clients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")
    monkeypatch.setattr("tuners.distributed.worker._IDLE", 0.25)
    threads = []

    def own(oracle):
        oracle._set_project_dir(str(tmp_path), "project")
        return oracle

    def start(oracle):
        own(oracle)
        thread = threading.Thread(target=serve, args=(oracle, tmp_path / "project"), daemon=True)
        thread.start()
        threads.append(thread)
        return lambda name="worker": WorkerOracle(own(make(oracle.max_trials)), name, tmp_path / "project", patience=20)

    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_client_waits_without_asking_all_the_time_and_keeps_what_it_knows(served, tmp_path, capsys):
    """KerasTuner's client: scores of four bytes, 19,000 questions a second, four attributes, conditions printed."""
    oracle = make(2)
    hp = oracle.hyperparameters
    for name, options in SPACE.choices.items():
        hp.Choice(name, list(options), ordered=False)
    with hp.conditional_scope("choice/0", ["option_0", "option_1", "option_2", "option_3"]):
        hp.Int("units", 1, 5)
    asked = []
    create = oracle.create_trial
    oracle.create_trial = lambda tuner_id: asked.append(tuner_id) or create(tuner_id)
    client_of = served(oracle)
    client, other = client_of(), client_of("other")
    trial, second = client.create_trial("worker"), other.create_trial("other")
    assert client.genotype(trial) == oracle.genotype(oracle.trials["0"])
    client.update_trial("0", {"val_accuracy": 1 / 3})
    trial.status = "COMPLETED"
    client.end_trial(trial)
    assert oracle.trials["0"].score == 1 / 3 != client.get_best_trials()[0].score
    assert client.remaining_trials() == 0
    with pytest.raises(AttributeError, match="a worker cannot read 'trials' before the search is over"):
        _ = client.trials

    start = time.monotonic()
    while time.monotonic() - start < 0.5:
        assert client.create_trial("worker").status == "IDLE"
    assert asked.count("worker") <= 4
    second.status, second.message = "INVALID", "Traceback of the worker"
    other.end_trial(second)
    assert oracle.trials["1"].message == "Traceback of the worker"  # a stock client drops it
    assert {one.create_trial(name).status for one, name in ((client, "worker"), (other, "other"))} == {"STOPPED"}
    for _ in range(100):
        if read_status(tmp_path / "project", 2)[0] == OVER:
            break
        time.sleep(0.1)
    # The chief has gone; the folder answers.
    assert [one.trial_id for one in client.get_best_trials(5)] == ["0"]
    assert client.get_best_trials(5)[0].score == 1 / 3 and list(client.trials) == ["0", "1"]
    assert client.create_trial("worker").status == "STOPPED"
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback of the worker" in captured.err


@pytest.mark.usefixtures("served")
def test_a_client_without_a_chief_says_so(tmp_path):
    client = WorkerOracle(make(), "worker", tmp_path, patience=0.5)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"There was no chief at 127.0.0.1:\d+ for 0 s"):
        client.create_trial("worker")


def test_status_of_another_number_of_trials(tmp_path):
    """A search that is gone on with for more trials is not over."""
    assert read_status(tmp_path / "nothing", 5) == (RUNNING, "")


def test_only_oracles_with_leases(tmp_path, monkeypatch):
    for name, value in (("IP", "127.0.0.1"), ("PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_ORACLE_{name}", value)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    with pytest.raises(TypeError, match="With chief and workers expected one of this package"):
        DistributedTuner(keras_tuner.oracles.RandomSearchOracle(), None, str(tmp_path))
    with pytest.raises(RuntimeError, match="OneShotTuner runs in one process"):
        OneShotTuner(SPACE, (8, 8, 1), 2)


def test_a_promotion_is_waited_for(clock, monkeypatch):
    monkeypatch.setattr("tuners.oracles.trial_oracle.time.sleep", lambda seconds: None)
    oracle = HyperbandOracle(GridSpace((2,)), OBJECTIVE, budgets=(1, 3))
    oracle.verbose = 0
    trials = [oracle.create_trial(name) for name in "ab"]
    assert oracle.create_trial("c").status == "IDLE"
    for trial in trials:
        finish(oracle, trial, int(trial.trial_id) / 2)
    assert oracle.create_trial("c").hyperparameters.values["tuner/epochs"] == 3


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
