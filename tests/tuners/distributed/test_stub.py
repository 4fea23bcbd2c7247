"""PatientStub: calls whose answers are lost, trials that are none, and a chief that is not there."""

import re

import grpc
import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

from tests.tuners.distributed.peers import BAD_IDS
from tuners.distributed.certificate import require_certificate


class LostError(grpc.RpcError):
    """The connection broke before the answer came."""

    def code(self):
        return grpc.StatusCode.UNAVAILABLE

    def details(self):
        return "Socket closed"


def test_a_call_whose_answer_is_lost_counts_once(served, oracle_of, finish, monkeypatch):
    """The chief has done what it was asked for; the worker asks again."""
    monkeypatch.setattr("tuners.distributed.stub._AGAIN", 0.01)
    oracle = oracle_of(2)
    client = served(oracle)()
    client.get_space()
    calls, lost = client.stub._calls, []

    class Losing:
        def __getattr__(self, name):
            def call(request, **options):
                answer = getattr(calls, name)(request, **options)
                if lost.count(name) < 2:
                    lost.append(name)
                    raise LostError
                return answer

            return call

    client.stub._calls = Losing()
    trials = [client.create_trial("worker")]
    client._stop_beating.set()
    finish(client, trials[0])
    assert list(oracle.trials) == oracle.leases.ended == ["0"] and oracle.leases.runs == {"0": 1}
    assert oracle.trials["0"].score == 0.5
    lost.clear()
    trials.append(client.create_trial("worker"))
    finish(client, trials[1])
    assert oracle.leases.ended == ["0", "1"] and oracle.leases.runs == {"0": 1, "1": 1}
    assert set(lost) >= {"CreateTrial", "UpdateTrial", "EndTrial"}
    assert client.create_trial("worker").status == "STOPPED"


def test_no_trial_of_a_chief_has_a_path_as_its_number(search, worker, monkeypatch):
    """Not even of one with the certificate: a worker's folders are named by it."""
    own = worker()
    for trial_id in BAD_IDS:
        trial = Trial(keras_tuner.HyperParameters(), trial_id, "RUNNING")
        trial.trial_id = trial_id
        with monkeypatch.context() as patched:
            patched.setattr(search, "create_trial", lambda _, trial=trial: trial)
            patched.setattr(search, "heartbeat", lambda *_: None)
            patched.setattr(search, "get_best_trials", lambda _, trial=trial: [trial])
            for ask in (lambda: own.create_trial("worker"), lambda: own.get_best_trials()):
                with pytest.raises(ValueError, match=r"`trial_id`\. Expected a number of up to 20 digits"):
                    ask()


@pytest.mark.usefixtures("environment")
def test_a_worker_without_a_chief_says_so_once(worker_of, tmp_path, monkeypatch):
    monkeypatch.setattr("tuners.distributed.stub._SILENCE", 0.1)
    for reason in (
        "there is no .*certificate.json yet, which a chief makes",
        "no chief with the certificate in .*certificate.json answers there: UNAVAILABLE, .*Connection refused",
    ):
        error = pytest.raises(
            keras_tuner.errors.FatalRuntimeError, match=r"There was no chief at 127.0.0.1:\d+ for 0 s"
        )
        with pytest.warns(UserWarning, match="has waited") as caught, error:
            worker_of(patience=0.5).create_trial("worker")
        (said,) = [str(one.message) for one in caught]
        assert re.fullmatch(
            rf"Worker 'worker' has waited 0 s for the chief at 127.0.0.1:\d+: {reason}. It continues for 0 s.", said
        )
        require_certificate(tmp_path / "project")
