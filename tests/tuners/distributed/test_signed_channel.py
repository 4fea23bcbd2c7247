"""Chiefs that are none, and a chief that is not there: what a worker believes."""

import re

import grpc
import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

from tests.tuners.distributed.peers import (
    BAD_IDS,
    SERVICE,
    Recorder,
    created,
)
from tuners.distributed import secret
from tuners.distributed.environment import address
from tuners.distributed.messages import TUNER
from tuners.distributed.signed_channel import NoChiefError, SignedChannel
from tuners.distributed.worker import WorkerOracle


@pytest.mark.parametrize("answer", ["a trial", "an old signature", "a fatal error", "the end of all", "no trial"])
def test_a_rogue_chief_is_not_believed(answer, rogue, worker, monkeypatch):
    def reply(method, context):
        if answer == "an old signature":
            context.set_trailing_metadata((("kerasnas-session", "0" * 32), ("kerasnas-signature", "0" * 64)))
        code = {"a fatal error": "ABORTED", "no trial": "NOT_FOUND"}.get(answer)
        if code is not None:
            context.abort(grpc.StatusCode[code], "Leave, all of you.")
        return created("7") if answer != "the end of all" else b""

    rogue(reply)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"There was no chief .*is not signed") as raised:
        worker().create_trial("worker")
    assert "Leave" not in str(raised.value)


def test_the_proof_of_an_answer_is_of_no_use_for_another(search, tmp_path):
    """Somebody on the way answers with what the chief has answered to the call before."""

    class Repeating(Recorder):
        answers = []

        def keep(self, call, method, message, timeout, metadata):
            self.answers.append(call.with_call(message, timeout=timeout, metadata=metadata))
            return self.answers[0]

    channel = SignedChannel(address(), tmp_path / "project")
    call = channel.unary_unary(SERVICE + "GetSpace", bytes, bytes)
    call(b"", timeout=10, metadata=[(TUNER, "worker")])
    channel._channel = Repeating(channel._channel)
    call = channel.unary_unary(SERVICE + "GetSpace", bytes, bytes)
    call(b"", timeout=10, metadata=[(TUNER, "worker")])
    with pytest.raises(NoChiefError, match="not signed"):
        call(b"", timeout=10, metadata=[(TUNER, "worker")])


def test_no_trial_of_a_chief_has_a_path_as_its_number(search, worker, monkeypatch):
    """Not even of one that knows the secret: a worker's folders are named by it."""
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
def test_a_worker_without_a_chief_says_so_once(oracle_of, tmp_path, monkeypatch):
    monkeypatch.setattr("tuners.distributed.worker._SILENCE", 0.1)
    own = oracle_of()
    own._set_project_dir(str(tmp_path), "project")
    for reason in ("there is no .*secret.json yet, which a chief makes", r"nobody answers there \(UNAVAILABLE\)"):
        client = WorkerOracle(own, "worker", tmp_path / "project", patience=1.2)
        with pytest.warns(UserWarning, match="has waited") as caught, pytest.raises(Exception, match="no chief at"):
            client.create_trial("worker")
        (said,) = [str(one.message) for one in caught]
        assert re.fullmatch(
            rf"Worker 'worker' has waited 0 s for the chief at 127.0.0.1:\d+: {reason}. It continues for 1 s.",
            said,
        )
        secret.require_secret(tmp_path / "project")
