"""Messages of peers of a chief, sent as they are, and what a peer could change."""

import json

import grpc
import keras_tuner
from keras_tuner.engine.trial import Trial

from tuners import keras_tuner_internals as internals
from tuners.distributed.certificate import HOST
from tuners.distributed.environment import address

MESSAGES = internals.service_messages()
SERVICE = "/keras_tuner.Oracle/"
BAD_IDS = ["x/../../elsewhere", "..", "0/..", "0\\1", "", "0" * 21, "\u0663"]


def hyperparameters(**values):
    hp = keras_tuner.HyperParameters()
    for name, value in values.items():
        hp.Fixed(name, value)
    return hp


def ended(trial_id="0", status="COMPLETED", **values):
    return MESSAGES.EndTrialRequest(trial=Trial(hyperparameters(**values), trial_id, status).to_proto())


CALLS = {
    "GetSpace": MESSAGES.GetSpaceRequest(),
    "UpdateSpace": MESSAGES.UpdateSpaceRequest(hyperparameters=hyperparameters(injected=1).to_proto()),
    "CreateTrial": MESSAGES.CreateTrialRequest(tuner_id="stranger"),
    "UpdateTrial": MESSAGES.UpdateTrialRequest(trial_id="0", metrics={"val_accuracy": 1e9}),
    "EndTrial": ended(status="FAILED"),
    "GetTrial": MESSAGES.GetTrialRequest(trial_id="0"),
    "GetBestTrials": MESSAGES.GetBestTrialsRequest(num_trials=5),
}


def channel(credentials=None):
    """A channel to the chief's address, insecure without credentials."""
    if credentials is None:
        return grpc.insecure_channel(address())
    return grpc.secure_channel(address(), credentials, [("grpc.ssl_target_name_override", HOST)])


def everything(oracle):
    """All that a peer could change."""
    trials = {name: trial.get_state() for name, trial in oracle.trials.items()}
    held = {worker: trial.trial_id for worker, trial in oracle.ongoing_trials.items()}
    return json.dumps([trials, held, sorted(oracle.tuner_ids), oracle.hyperparameters.get_config()])


def created(trial_id):
    trial = Trial(keras_tuner.HyperParameters(), trial_id, "RUNNING")
    return MESSAGES.CreateTrialResponse(trial=trial.to_proto()).SerializeToString()
