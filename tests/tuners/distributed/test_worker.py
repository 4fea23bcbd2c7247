"""WorkerOracle: a client of the chief's, which waits, beats, and knows the search when the chief has left."""

import time

import pytest

from tuners.distributed.chief import OVER, read_status


def test_a_client_waits_without_asking_all_the_time_and_keeps_what_it_knows(served, oracle_of, tmp_path, capsys):
    """KerasTuner's client: scores of four bytes, 19,000 questions a second, four attributes, conditions printed."""
    oracle = oracle_of(2)
    hp = oracle.hyperparameters
    for name, options in oracle.space.choices.items():
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


def test_a_worker_sends_heartbeats_while_its_trial_runs_and_none_after(served, oracle_of, finish):
    oracle = oracle_of(1)
    oracle.leases.lease = 0.25
    client = served(oracle)()
    client.local.leases.lease = 0.25  # of which a fifth is between two heartbeats
    trial = client.create_trial("worker")
    beats = []
    beat = oracle.leases.heartbeat
    oracle.leases.heartbeat = lambda worker, name: beats.append(worker) or beat(worker, name)
    time.sleep(0.5)
    assert len(beats) >= 4 and set(beats) == {"worker"}
    assert oracle.ongoing_trials["worker"].trial_id == trial.trial_id  # twice its lease later
    finish(client, trial)
    beats.clear()
    time.sleep(0.15)
    assert not beats
    assert client.create_trial("worker").status == "STOPPED"


def test_a_result_of_another_search_is_dropped(served, oracle_of, finish):
    """The chief was started again with `overwrite` while a trial was at work: its number is another trial now."""
    oracle = oracle_of(1)
    client = served(oracle)()
    trial = client.create_trial("worker")
    assert trial.hyperparameters["choice/0"] != "option_0"
    oracle.trials["0"].hyperparameters.values["choice/0"] = "option_0"
    with pytest.warns(UserWarning, match="another search, without trial 0"):
        client.update_trial("0", {"val_accuracy": 0.5})
    assert not oracle.trials["0"].metrics.exists("val_accuracy")
    finish(oracle, oracle.trials["0"])
    assert trial.trial_id == "0" and client.create_trial("worker").status == "STOPPED"
