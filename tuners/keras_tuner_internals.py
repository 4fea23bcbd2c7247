"""Seam to KerasTuner's private names: each is used here, or overridden as `PRIVATE` says, and nowhere else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer as OracleServicer
from keras_tuner.src.distribute.oracle_client import OracleClient as OracleClient
from keras_tuner.src.engine import conditions, tuner_utils

# Dotted name -> why it is needed. Tests name those that a release of KerasTuner has removed.
PRIVATE = {
    "keras_tuner.src.protos.get_service": "the messages of the chief's service, which heartbeats are made of",
    "keras_tuner.src.protos.get_service_grpc": "the chief's service, behind our gate, and a worker's calls, over TLS",
    "keras_tuner.src.distribute.oracle_chief.OracleServicer": "the service's methods, which ours add heartbeats to",
    "keras_tuner.src.distribute.oracle_client.OracleClient": "a worker's oracle, which ours makes wait for the chief",
    "keras_tuner.src.engine.conditions.Parent.to_proto": "it prints; see `silent_conditions`",
    "keras_tuner.src.engine.oracle.Display.on_trial_begin": "the table of hyperparameters, with `verbose=1`",
    "keras_tuner.src.engine.oracle.Display.on_trial_end": "the score and the time, with `verbose=1`",
    "keras_tuner.src.engine.tuner_utils.convert_hyperparams_to_hparams": "hyperparameters for TensorBoard's page",
    "keras_tuner.Oracle._set_project_dir": "overridden: it receives the folder of the oracle's files",
    "keras_tuner.engine.base_tuner.BaseTuner._is_worker": "called: whether the oracle is a client of the chief's",
    "keras_tuner.engine.base_tuner.BaseTuner._get_tuner_fname": "overridden: one state for chief and single process",
    "keras_tuner.engine.base_tuner.BaseTuner._try_run_and_update_trial": "overridden: fatal errors reach the chief",
    "keras_tuner.engine.base_tuner.BaseTuner._populate_initial_space": "overridden: no networks for conditions",
}

_silence = threading.Lock()
_silent = 0  # how many contexts are open


def service_messages() -> Any:
    """Return the messages of the chief's service: a heartbeat is a `GetTrialRequest`."""
    return protos.get_service()


def service_calls(channel: Any) -> Any:
    """Return the calls of the chief's service over a channel, in place of KerasTuner's, which is insecure."""
    return protos.get_service_grpc().OracleStub(channel)


def add_service(servicer: OracleServicer, server: Any) -> None:
    """Add `servicer` to a gRPC server: KerasTuner's own chief has one thread and keeps errors to itself."""
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)


def oracle_behind(oracle: Any) -> Any:
    """Return the oracle that a worker's program has made, which KerasTuner hides behind its client."""
    return oracle._oracle if isinstance(oracle, OracleClient) else oracle


def show_begin(oracle: keras_tuner.Oracle, trial: Trial) -> None:
    """Print the hyperparameters of a trial that begins, as KerasTuner's own oracles do with `verbose=1`."""
    oracle._display.on_trial_begin(trial)


def show_end(oracle: keras_tuner.Oracle, trial: Trial) -> None:
    """Print the score of a trial that ended, if its begin was shown: KerasTuner fails on one that was recovered."""
    if trial.trial_id in oracle._display.trial_start:
        oracle._display.on_trial_end(trial)


def hparams_of(hyperparameters: keras_tuner.HyperParameters) -> dict[Any, Any]:
    """Convert hyperparameters for TensorBoard's HParams page; it needs the package tensorboard."""
    from tensorboard.plugins.hparams import api

    return tuner_utils.convert_hyperparams_to_hparams(hyperparameters, api)


@contextlib.contextmanager
def silent_conditions() -> Iterator[None]:
    """Silence the print that KerasTuner left in the serialization of conditional hyperparameters.

    Contexts may overlap in several threads; the last one restores KerasTuner.
    """
    global _silent
    with _silence:
        _silent += 1
        conditions.print = lambda *args: None
    try:
        yield
    finally:
        with _silence:
            _silent -= 1
            if not _silent:
                del conditions.print
