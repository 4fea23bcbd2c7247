"""Chief of a distributed search: serves its oracle until the search is over or raises an error."""

from __future__ import annotations

import os
import time
import warnings
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalRuntimeError

from tuners import keras_tuner_internals as internals
from tuners.distributed.certificate import require_certificate
from tuners.distributed.environment import address
from tuners.distributed.gate import CALLS, LIMITS, Gate, RefusedError, in_words
from tuners.distributed.messages import BESIDE, TUNER, read_beside
from tuners.oracles.project_oracle import ProjectOracle
from tuners.persistence import json_files

RUNNING, OVER, FAILED = "running", "over", "failed"
_THREADS = 16
_LOOK = 0.5  # seconds between two checks whether the search is over
_ALONE = 60.0  # seconds without a worker before a warning
_GRACE = 2.0  # seconds for pending answers when the chief leaves


def write_status(folder: str | os.PathLike, status: str, max_trials: int, message: str = "") -> None:
    """Write whether the search is over, for workers that find no chief."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    json_files.write(Path(folder, "search.json"), {"status": status, "max_trials": max_trials, "message": message})


def read_status(folder: str | os.PathLike, max_trials: int) -> tuple[str, str]:
    """Read the status of a search of `max_trials` trials, and its message.

    A status that is unreadable, or of another number of trials, counts as running: workers wait for a chief.
    """
    path = Path(folder, "search.json")
    status = (json_files.read(path, ("status", "max_trials", "message")) if path.exists() else None) or {}
    if status.get("max_trials") != max_trials:
        return RUNNING, ""
    return status["status"], status["message"]


class Servicer(internals.OracleServicer):
    """KerasTuner's service, with heartbeats and errors, which our workers add to its messages.

    TLS and a `Gate` precede it: callers are workers of this project, and their messages well-formed.
    """

    def CreateTrial(self, request: Any, context: Any) -> Any:
        answer = super().CreateTrial(request, context)
        self._heartbeat(answer.trial.trial_id, context)
        return answer

    def GetTrial(self, request: Any, context: Any) -> Any:
        self._require(request.trial_id)
        self._heartbeat(request.trial_id, context)
        return super().GetTrial(request, context)

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        self._require(request.trial_id)
        return super().UpdateTrial(request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:
        self._require(request.trial.trial_id)
        trial = Trial.from_proto(request.trial)
        beside = read_beside(dict(context.invocation_metadata()).get(BESIDE))
        trial.message = beside.get("message")
        self.oracle.end_trial(trial)
        if beside.get("fatal"):
            raise FatalRuntimeError(f"Trial {trial.trial_id} ended the search:\n{trial.message}")
        return internals.service_messages().EndTrialResponse()

    def _require(self, trial_id: str) -> None:
        if trial_id not in self.oracle.trials:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"There is no trial {trial_id!r}.")

    def _heartbeat(self, trial_id: str, context: Any) -> None:
        self.oracle.heartbeat(dict(context.invocation_metadata())[TUNER], trial_id)


def serve(oracle: ProjectOracle, folder: str | os.PathLike) -> None:
    """Serve `oracle` to workers with the folder's certificate, until all trials have ended and all workers know.

    Raises:
        Exception: any error of the oracle's methods, also reported to all workers.
        ModuleNotFoundError: if the extra `kerasnas[distributed]` is needed to make a certificate.
        RuntimeError: if the address is not free.
    """
    if oracle.is_over() or (not oracle.leases.has_unfinished() and read_status(folder, oracle.max_trials)[0] == OVER):
        write_status(folder, OVER, oracle.max_trials)
        return
    credentials = require_certificate(folder).of_chief()
    write_status(folder, RUNNING, oracle.max_trials)
    gate = Gate()
    # Two chiefs at one port would each get a part of the calls.
    options = [(f"grpc.{name}", value) for name, value in {"so_reuseport": 0, **LIMITS}.items()]
    server = grpc.server(
        futures.ThreadPoolExecutor(_THREADS), interceptors=[gate], options=options, maximum_concurrent_rpcs=CALLS
    )
    internals.add_service(Servicer(oracle), server)
    try:
        server.add_secure_port(address(), credentials)
    except RuntimeError as error:
        raise RuntimeError(f"The chief cannot listen at {address()}: is another one running there?") from error
    with internals.silent_conditions():
        server.start()
        try:
            _wait(oracle, gate)
            if gate.error is not None:
                write_status(folder, FAILED, oracle.max_trials, in_words(gate.error))
                raise gate.error
            write_status(folder, OVER, oracle.max_trials)
        finally:
            server.stop(_GRACE).wait()


def _wait(oracle: ProjectOracle, gate: Gate) -> None:
    last = time.monotonic()
    while not gate.happened.wait(_LOOK):
        oracle.take_back()
        if oracle.tuner_ids:
            last = time.monotonic()
        elif oracle.is_over():
            return
        elif time.monotonic() - last > _ALONE:
            last = time.monotonic()
            warnings.warn(
                f"The chief at {address()} waits for workers: none was heard of for {_ALONE:.0f} s, and "
                f"{oracle.remaining_trials()} trials remain.",
                stacklevel=4,
            )
