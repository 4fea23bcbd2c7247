"""SignedChannel: a worker's calls, signed with the project's secret; answers without a valid signature are ignored."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from tuners.distributed import secret as secrets
from tuners.distributed import signatures
from tuners.distributed.messages import LARGEST_ANSWER, LARGEST_CALL, LARGEST_METADATA
from tuners.distributed.signatures import DIGEST, NUMBER, PROJECT, SESSION, SIGNATURE

_OPTIONS = {
    "max_send_message_length": LARGEST_CALL,
    "max_receive_message_length": LARGEST_ANSWER,
    "max_metadata_size": LARGEST_METADATA,
    **{f"{name}_reconnect_backoff_ms": 300 for name in ("initial", "min", "max")},
}
_ABSENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class ChiefError(Exception):
    """An error that the chief has answered and signed: a `grpc.StatusCode` and words."""

    def __init__(self, code: grpc.StatusCode, words: str):
        super().__init__(f"{code.name}: {words}")
        self.code, self.words = code, words


class NoChiefError(Exception):
    """No authenticated answer; the message says why."""


class SignedChannel:
    """A gRPC channel as far as KerasTuner's stub needs one, with signatures.

    The secret is read from the project's folder with the first call, and again after an answer that is not of it.
    """

    def __init__(self, address: str, folder: str | os.PathLike):
        self.folder = folder
        options = [(f"grpc.{name}", value) for name, value in _OPTIONS.items()]
        self._channel = grpc.insecure_channel(address, options=options)
        self._numbers = signatures.Numbers()
        self._secret: secrets.Secret | None = None
        self._session = ""

    def unary_unary(
        self, method: str, request_serializer: Callable, response_deserializer: Callable, **_: Any
    ) -> Callable[..., Any]:
        """Return a method of the service: `(request, timeout, metadata) -> answer`.

        It raises `ChiefError` for an error of the chief, `NoChiefError` without one, and ValueError for a message that
        is too long.
        """
        send = self._channel.unary_unary(method)
        return functools.partial(self._call, method, send, request_serializer, response_deserializer)

    def _call(
        self,
        method: str,
        send: Any,
        write: Callable,
        read: Callable,
        request: Any,
        timeout: float,
        metadata: signatures.Metadata,
    ) -> Any:
        message = write(request)
        if len(message) > LARGEST_CALL:
            raise ValueError(f"{method}: a message to the chief has at most {LARGEST_CALL} bytes, not {len(message)}.")
        session = self._session
        code, words, answer = self._exchange(method, send, message, timeout, metadata)
        if code is grpc.StatusCode.FAILED_PRECONDITION and self._session != session:  # the chief is another run
            code, words, answer = self._exchange(method, send, message, timeout, metadata)
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.FAILED_PRECONDITION):
            raise NoChiefError(f"calls are changed or repeated on their way to it ({words})")
        if code is not grpc.StatusCode.OK:
            raise ChiefError(code, words)
        return read(answer)

    def _exchange(
        self, method: str, send: Any, message: bytes, timeout: float, metadata: signatures.Metadata
    ) -> tuple[grpc.StatusCode, str, bytes]:
        """Make a call; return status, its words and the answer of an authenticated chief."""
        secret = self._secret = self._secret or secrets.read_secret(self.folder)
        if secret is None:
            raise NoChiefError(f"there is no {Path(self.folder, secrets.NAME)} yet, which a chief makes")
        fields = {PROJECT: secret.project, SESSION: self._session, NUMBER: self._numbers.next()}
        signed = [*metadata, *fields.items(), (DIGEST, signatures.digest(message))]
        signed.append((SIGNATURE, signatures.sign_call(secret.key, method, signed)))
        code, words, answer = grpc.StatusCode.OK, "", b""
        try:
            answer, call = send.with_call(message, timeout=timeout, metadata=signed)
        except grpc.RpcError as error:
            call = error
            code, words = call.code(), call.details() or ""
        proof = dict(call.trailing_metadata() or ())
        session = str(proof.get(SESSION, ""))
        right = signatures.sign_answer(secret.key, method, fields[NUMBER], session, code.name, words, answer)
        if not signatures.is_same(proof.get(SIGNATURE, ""), right):
            self._secret = None
            if code in _ABSENT:
                raise NoChiefError(f"nobody answers there ({code.name})")
            path = Path(self.folder, secrets.NAME)
            raise NoChiefError(
                f"the answer there ({code.name}) is not signed with the secret in {path}: it is another project's "
                "chief, or a stranger"
            )
        self._session = session
        return code, words, answer
