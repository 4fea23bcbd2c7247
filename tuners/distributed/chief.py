"""The chief of a distributed search: serves its oracle until the search is over, or until that raises an error."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalRuntimeError

from tuners import keras_tuner_internals as internals
from tuners.distributed.environment import address
from tuners.oracles.project_oracle import ProjectOracle
from tuners.persistence import json_files

# Names of metadata; the service's messages stay as they are.
TUNER, PROJECT, BESIDE = "kerasnas-tuner", "kerasnas-project-bin", "kerasnas-beside-bin"
RUNNING, OVER, FAILED = "running", "over", "failed"
_THREADS = 16
_LOOK = 0.5  # seconds between two looks at whether the search is over
_ALONE = 60.0  # seconds without a worker before that is said
_GRACE = 2.0  # seconds for answers that are under way when the chief leaves


def write_status(folder: str | os.PathLike, status: str, max_trials: int, message: str = "") -> None:
    """Write whether the search is over, for those who find no chief: it says whether one will come back."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    json_files.write(Path(folder, "search.json"), {"status": status, "max_trials": max_trials, "message": message})


def read_status(folder: str | os.PathLike, max_trials: int) -> tuple[str, str]:
    """Read the status of a search of `max_trials` trials, and the message that goes with it.

    A status that cannot be read, or is of another number of trials, counts as running: who asks waits for a chief.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_status(folder, OVER, max_trials=10)
    >>> read_status(folder, 10)[0], read_status(folder, 20)[0]
    ('over', 'running')
    """
    path = Path(folder, "search.json")
    found = (json_files.read(path, ("status", "max_trials", "message")) if path.exists() else None) or {}
    if found.get("max_trials") != max_trials:
        return RUNNING, ""
    return found["status"], found["message"]


class Servicer(internals.OracleServicer):
    """KerasTuner's service, with heartbeats and errors, which our workers send beside its messages."""

    def CreateTrial(self, request: Any, context: Any) -> Any:
        answer = super().CreateTrial(request, context)
        self._heartbeat(answer.trial.trial_id, context)
        return answer

    def GetTrial(self, request: Any, context: Any) -> Any:
        self._require(request.trial_id, context)
        self._heartbeat(request.trial_id, context)
        return super().GetTrial(request, context)

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        self._require(request.trial_id, context)
        return super().UpdateTrial(request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:
        self._require(request.trial.trial_id, context)
        trial = Trial.from_proto(request.trial)
        beside = _beside(context)
        trial.message = beside.get("message")
        self.oracle.end_trial(trial)
        if beside.get("fatal"):
            raise FatalRuntimeError(f"Trial {trial.trial_id} ended the search:\n{trial.message}")
        return internals.service_messages().EndTrialResponse()

    def _require(self, trial_id: str, context: Any) -> None:
        if trial_id not in self.oracle.trials:
            context.abort(grpc.StatusCode.NOT_FOUND, f"There is no trial {trial_id!r}.")

    def _heartbeat(self, trial_id: str, context: Any) -> None:
        tuner_id = dict(context.invocation_metadata()).get(TUNER)
        if tuner_id is not None:
            self.oracle.heartbeat(tuner_id, trial_id)


def _beside(context: Any) -> dict[str, Any]:
    found = dict(context.invocation_metadata()).get(BESIDE)
    return {} if found is None else json.loads(found)


def project_of(folder: str | os.PathLike) -> bytes:
    """The name of a project, by which its chief and its workers know one another."""
    return Path(folder).name.encode()


class Errors(grpc.ServerInterceptor):
    """An interceptor that keeps the first error of the oracle, which ends the search, and reports it to all who ask.

    Workers that are at the program's next search already have to wait for its chief.

    Args:
        project: see `project_of`.
    """

    def __init__(self, project: bytes) -> None:
        self.project = project
        self.error: Exception | None = None
        self.happened = threading.Event()

    def intercept_service(self, continuation: Callable, details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None

        other = dict(details.invocation_metadata).get(PROJECT, self.project) != self.project

        def behavior(request: Any, context: Any) -> Any:
            if other:
                context.abort(grpc.StatusCode.UNAVAILABLE, "This is the chief of another project.")
            if self.error is None:
                try:
                    return handler.unary_unary(request, context)
                except Exception as error:
                    if context.code() is not None:  # the service's own refusal
                        raise
                    self.error = error
                    self.happened.set()
            context.abort(grpc.StatusCode.ABORTED, in_words(self.error))

        return grpc.unary_unary_rpc_method_handler(behavior, handler.request_deserializer, handler.response_serializer)


def in_words(error: Exception | None) -> str:
    """The traceback of an error, short enough for gRPC."""
    return "".join(traceback.format_exception(error))[-3000:]


def serve(oracle: ProjectOracle, folder: str | os.PathLike) -> None:
    """Serve `oracle` to the workers until all trials have ended and all workers know.

    Args:
        oracle: the search.
        folder: the project's.

    Raises:
        Exception: whatever a method of the oracle raised. It is reported to all workers as well.
        RuntimeError: if the address cannot be listened at.
    """
    if oracle.is_over() or (not oracle.has_unfinished() and read_status(folder, oracle.max_trials)[0] == OVER):
        write_status(folder, OVER, oracle.max_trials)
        return
    write_status(folder, RUNNING, oracle.max_trials)
    errors = Errors(project_of(folder))
    # Two chiefs at one port would each get a part of the calls.
    server = grpc.server(
        futures.ThreadPoolExecutor(_THREADS), interceptors=[errors], options=[("grpc.so_reuseport", 0)]
    )
    internals.add_service(Servicer(oracle), server)
    try:
        server.add_insecure_port(address())
    except RuntimeError as error:
        raise RuntimeError(f"The chief cannot listen at {address()}: is another one running there?") from error
    with internals.silent_conditions():
        server.start()
        try:
            _wait(oracle, errors)
            if errors.error is not None:
                write_status(folder, FAILED, oracle.max_trials, in_words(errors.error))
                raise errors.error
            write_status(folder, OVER, oracle.max_trials)
        finally:
            server.stop(_GRACE).wait()


def _wait(oracle: ProjectOracle, errors: Errors) -> None:
    last = time.monotonic()
    while not errors.happened.wait(_LOOK):
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
