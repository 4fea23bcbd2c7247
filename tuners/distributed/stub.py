"""PatientStub: a worker's calls of the chief's service, which wait for a chief that was killed."""

from __future__ import annotations

import functools
import json
import time
import warnings
from pathlib import Path
from typing import Any

import grpc
from keras_tuner.errors import FatalRuntimeError

from tuners import keras_tuner_internals as internals
from tuners.distributed.certificate import HOST, NAME, Certificate, read_certificate
from tuners.distributed.chief import FAILED, OVER, read_status
from tuners.distributed.environment import address
from tuners.distributed.messages import BESIDE, LARGEST_ANSWER, LARGEST_CALL, LARGEST_METADATA, TUNER, check_answer

_ANSWER = 120.0  # seconds that an answer may take
_AGAIN = 0.3  # seconds before a chief that is not there is asked again
_SILENCE = 10.0  # seconds without a chief before a warning
_OPTIONS = {
    "max_send_message_length": LARGEST_CALL,
    "max_receive_message_length": LARGEST_ANSWER,
    "max_metadata_size": LARGEST_METADATA,
    "ssl_target_name_override": HOST,
    "initial_reconnect_backoff_ms": 300,
    "min_reconnect_backoff_ms": 300,
    "max_reconnect_backoff_ms": 2000,  # gRPC logs each handshake with another project's chief
}


class SearchOverError(Exception):
    """Raised when the chief has left, as the search is over."""


class NoChiefError(Exception):
    """No answer of this project's chief; the message says why."""


class PatientStub:
    """Calls of the service, which wait for a chief that was killed, and do not wait for one that has left.

    They are made over TLS with the certificate in the project's folder, which is read with the first call, and again
    after one that failed: the chief makes it, and may replace it.

    With `overwrite`, the folder's files are an earlier search's until a chief has answered; `patience` is in seconds.
    """

    def __init__(self, tuner_id: str, folder: str, max_trials: int, overwrite: bool, patience: float):
        self.folder, self.max_trials, self.patience = folder, max_trials, patience
        self.tuner_id = tuner_id
        self.beside: dict[str, Any] = {}  # for the next call
        self._certificate: Certificate | None = None
        self._calls: Any = None  # over a channel with this certificate
        self._connected = False
        self._overwrite, self._reached = overwrite, False

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self._call, name)

    def metadata(self, **beside: Any) -> list[tuple[str, Any]]:
        """Return the metadata of a call."""
        pairs = [(TUNER, self.tuner_id)]
        return [*pairs, (BESIDE, json.dumps(beside, ensure_ascii=False).encode())] if beside else pairs

    def call_once(self, name: str, request: Any, timeout: float, metadata: list[tuple[str, Any]]) -> Any:
        """Make a call, and return its answer.

        Raises:
            NoChiefError: if no chief of this project answers.
            FatalRuntimeError: for an error that has ended the search, and KeyError and ValueError for calls that the
                chief rejects.
        """
        if request.ByteSize() > LARGEST_CALL:
            raise ValueError(f"{name}: a message to the chief has at most {LARGEST_CALL} bytes: {request.ByteSize()}.")
        if not self._connected:
            self._connect()
        try:
            return getattr(self._calls, name)(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            self._connected = False
            raise self._meaning(error) from None

    def _connect(self) -> None:
        certificate = read_certificate(self.folder)
        if certificate is None:
            raise NoChiefError(f"there is no {Path(self.folder, NAME)} yet, which a chief makes")
        if certificate != self._certificate:
            options = [(f"grpc.{name}", value) for name, value in _OPTIONS.items()]
            self._calls = internals.service_calls(grpc.secure_channel(address(), certificate.of_worker(), options))
            self._certificate = certificate
        self._connected = True

    def _call(self, name: str, request: Any, **_: Any) -> Any:
        metadata, start, warned = self.metadata(**self.beside), time.monotonic(), False
        self.beside = {}
        while True:
            try:
                answer = self.call_once(name, request, _ANSWER, metadata)
                self._reached = True
                check_answer(answer)
                return answer
            except NoChiefError as error:
                waited = time.monotonic() - start
                self._require_patience(waited, str(error))
                if waited > _SILENCE and not warned:
                    warned = True
                    warnings.warn(
                        f"Worker {self.tuner_id!r} has waited {waited:.0f} s for the chief at {address()}: {error}. It "
                        f"continues for {self.patience - waited:.0f} s.",
                        stacklevel=3,
                    )
            time.sleep(_AGAIN)

    def _require_patience(self, waited: float, reason: str) -> None:
        """Raise unless a chief may still come."""
        status, message = read_status(self.folder, self.max_trials)
        if status == OVER and (self._reached or not self._overwrite):
            raise SearchOverError
        if status == FAILED and self._reached:  # a worker that comes later waits for the next chief
            raise FatalRuntimeError(f"The search has ended with an error of its chief:\n{message}")
        if waited > self.patience:
            raise FatalRuntimeError(
                f"There was no chief at {address()} for {self.patience:.0f} s ({reason}), and {self.folder} does not "
                "say that the search is over. Start it again, and then this worker: what is finished is kept."
            )

    def _meaning(self, error: grpc.RpcError) -> Exception:
        """Translate a failed call: the chief's gate uses three codes, any other one is of the connection."""
        code, words = error.code(), error.details() or ""
        if code is grpc.StatusCode.NOT_FOUND:
            return KeyError(words)
        if code is grpc.StatusCode.ABORTED:
            return FatalRuntimeError(f"The search has ended with an error of its chief:\n{words}")
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return ValueError(f"The chief rejects this worker's message. {words}")
        path = Path(self.folder, NAME)
        return NoChiefError(f"no chief with the certificate in {path} answers there: {code.name}, {words}")
