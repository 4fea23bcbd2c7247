"""Malformed messages: refused, and nothing ends."""

import keras_tuner
import pytest

from tests.tuners.distributed.peers import BAD_IDS, CALLS, MESSAGES, ended, everything, hyperparameters
from tuners.distributed.messages import BESIDE, TUNER, shortened


def space_of(**numbers):
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", **{"min_value": 0.1, "max_value": 1.0, **numbers})
    return MESSAGES.UpdateSpaceRequest(hyperparameters=hp.to_proto())


def unset_value():
    call = ended(rate=0.5)
    call.trial.hyperparameters.values.values["rate"].Clear()
    return call


def with_beside(text, call=None):
    return "EndTrial", (call or ended()).SerializeToString(), [(TUNER, "worker"), (BESIDE, text)]


def plain(method, call):
    return method, call if isinstance(call, bytes) else call.SerializeToString(), [(TUNER, "worker")]


MALFORMED = {
    "no message": plain("UpdateTrial", b"\xff\xff\xff"),
    "no text": plain("GetTrial", b"\n\x02\xc3\x28"),
    "half a message": plain("EndTrial", ended(rate=0.5).SerializeToString()[:-3]),
    **{f"trial {name!r}": plain("GetTrial", MESSAGES.GetTrialRequest(trial_id=name)) for name in BAD_IDS},
    **{f"end of {name!r}": plain("EndTrial", ended(name)) for name in BAD_IDS if name},
    "metrics of a path": plain("UpdateTrial", MESSAGES.UpdateTrialRequest(trial_id="../0", metrics={"a": 1})),
    "a long metric": plain("UpdateTrial", MESSAGES.UpdateTrialRequest(trial_id="0", metrics={"a" * 501: 1})),
    "a worker of a path": plain("CreateTrial", MESSAGES.CreateTrialRequest(tuner_id="../worker")),
    "a worker of a path in metadata": ("GetTrial", CALLS["GetTrial"].SerializeToString(), [(TUNER, "../worker")]),
    "no worker": ("GetTrial", CALLS["GetTrial"].SerializeToString(), []),
    "metadata that are no JSON": with_beside(b"{"),
    "metadata that are no text": with_beside(b"\xff"),
    "metadata that are a list": with_beside(b"[1]"),
    "metadata of another kind": with_beside(b'{"message": 1}'),
    "metadata of another name": with_beside(b'{"fatally": true}'),
    "deep metadata": with_beside(b"[" * 5000),
    "an end that is none": plain("EndTrial", ended(status="RUNNING")),
    "an unknown status": plain("EndTrial", ended(status=None)),
    "a hyperparameter without a value": plain("EndTrial", unset_value()),
    "a hyperparameter that is not finite": plain("EndTrial", ended(rate=float("nan"))),
    "a space that is not finite": plain("UpdateSpace", space_of(max_value=float("inf"))),
    "a space that is not finite by default": plain("UpdateSpace", space_of(default=float("nan"))),
    "a long hyperparameter": plain("EndTrial", ended(**{"a" * 501: 1})),
    "less than no trials": plain("GetBestTrials", MESSAGES.GetBestTrialsRequest(num_trials=-1)),
}


def test_malformed_messages_are_refused_and_end_nothing(search, peer, gates):
    """Even those of workers with the project's certificate."""
    before = everything(search)
    answers = {name: peer(*malformed)[1] for name, malformed in MALFORMED.items()}
    assert answers == dict.fromkeys(MALFORMED, "INVALID_ARGUMENT")
    assert everything(search) == before and gates[0].error is None
    assert peer("GetTrial", MESSAGES.GetTrialRequest(trial_id="7").SerializeToString())[1] == "NOT_FOUND"
    assert peer("EndTrial", ended("7").SerializeToString())[1] == "NOT_FOUND"
    assert peer("GetTrial", CALLS["GetTrial"].SerializeToString())[1] == "OK"


def test_a_refused_message_is_the_workers_error_alone(search, worker):
    with pytest.raises(ValueError, match=r"The chief rejects .*.*`metrics`. Expected names"):
        worker().update_trial("0", {"a" * 501: 0.5})
    with pytest.raises(KeyError, match="There is no trial '7'"):
        worker().get_trial("7")


def test_messages_have_a_largest_size(search, peer, worker):
    with pytest.raises(ValueError, match=r"UpdateSpace: a message to the chief has at most 4194304 bytes: 41943"):
        worker().update_space(hyperparameters(rate="a" * (2 << 20)))
    assert peer("UpdateSpace", bytes((4 << 20) + 1))[1] == "RESOURCE_EXHAUSTED"


def test_a_long_traceback_of_any_characters_reaches_the_chief(search, worker):
    """The metadata of gRPC have 8 kB unless that is changed, and JSON writes six characters for some."""
    own = worker()
    for character in ("\U0001f525", "\x1b"):
        metadata = own.stub.metadata(message=shortened(character * 5000))
        assert own.stub.call_once("GetTrial", CALLS["GetTrial"], 10, metadata).trial.trial_id == "0"
