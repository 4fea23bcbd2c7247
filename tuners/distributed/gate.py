"""Gate of the chief: admits signed calls, rejects malformed ones, and keeps the oracle's first error."""

from __future__ import annotations

import secrets
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from tuners.distributed import signatures
from tuners.distributed.messages import (
    BESIDE,
    LARGEST_ANSWER,
    LARGEST_CALL,
    LARGEST_METADATA,
    TUNER,
    check_call,
    read_beside,
    shortened,
    worker_name,
)
from tuners.distributed.secret import Secret
from tuners.distributed.signatures import DIGEST, NUMBER, PROJECT, SESSION, SIGNATURE

LIMITS = {
    "max_receive_message_length": LARGEST_CALL,
    "max_send_message_length": LARGEST_ANSWER,
    "max_metadata_size": LARGEST_METADATA,
    "max_concurrent_streams": 100,  # of one connection: a worker has two
    "server_handshake_timeout_ms": 10_000,
    "max_connection_idle_ms": 600_000,  # without a call; workers connect again
    "keepalive_time_ms": 60_000,  # a connection whose machine is gone is closed
    "keepalive_timeout_ms": 20_000,
}
CALLS = 1000  # at once; further ones are to be repeated


class RefusedError(Exception):
    """A call that is answered with a `grpc.StatusCode` and a reason, and ends nothing."""

    def __init__(self, code: grpc.StatusCode, words: str):
        super().__init__(words)
        self.code, self.words = code, words


class Gate(grpc.ServerInterceptor):
    """An interceptor before the chief's service.

    A call is answered if its signature is of the project's secret, for this session, and its number is new. This is
    checked before any of its message is read, so that a stranger keeps no thread. Answers are signed in turn.

    Malformed messages are rejected. The oracle's first `error` ends the search, is answered to all further calls, and
    sets `happened`.
    """

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._seen = signatures.Seen()
        self.session = secrets.token_hex(16)  # of this run of the chief: signatures for another one are invalid
        self.error: Exception | None = None
        self.happened = threading.Event()

    def intercept_service(self, continuation: Callable, details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        method = details.method

        def behavior(messages: Iterator[bytes], context: Any) -> bytes:
            metadata = dict(context.invocation_metadata())
            stranger = self._stranger(method, metadata, context)
            if stranger is not None:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, stranger)
            code, words, answer = grpc.StatusCode.OK, "", b""
            try:
                self._require_new(metadata)
                message = next(messages, b"")
                answer = self._answer(handler, message, metadata, context)
            except RefusedError as refused:
                code, words = refused.code, refused.words
            signature = signatures.sign_answer(
                self._secret.key, method, metadata[NUMBER], self.session, code.name, words, answer
            )
            context.set_trailing_metadata(((SESSION, self.session), (SIGNATURE, signature)))
            if code is not grpc.StatusCode.OK:
                context.abort(code, words)
            return answer

        # As a stream of one message, which is the same on the wire: gRPC reads a message before it calls the handler.
        return grpc.stream_unary_rpc_method_handler(behavior)

    def _stranger(self, method: str, metadata: dict[str, Any], context: Any) -> str | None:
        """Return the reason why a call does not belong to this project, or None."""
        if metadata.get(PROJECT) != self._secret.project:
            return "This is the chief of another project."
        right = signatures.sign_call(self._secret.key, method, context.invocation_metadata())
        if NUMBER not in metadata or not signatures.is_same(metadata.get(SIGNATURE, ""), right):
            return "The call is not signed with the secret in the project's folder."
        return None

    def _require_new(self, metadata: dict[str, Any]) -> None:
        if metadata.get(SESSION) != self.session:
            raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, "The call is for another session of the chief.")
        if not self._seen.is_first(metadata[NUMBER]):
            raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, "The call was made before.")
        if self.error is not None:
            raise RefusedError(grpc.StatusCode.ABORTED, in_words(self.error))

    def _answer(self, handler: Any, message: bytes, metadata: dict[str, Any], context: Any) -> bytes:
        if not signatures.is_same(metadata.get(DIGEST, ""), signatures.digest(message)):
            raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, "The message is not the one that was signed.")
        try:
            call = handler.request_deserializer(message)
            check_call(call)
            read_beside(metadata.get(BESIDE))
            worker_name(metadata.get(TUNER))
        except (ValueError, DecodeError) as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, shortened(str(error))) from None
        try:
            return handler.response_serializer(handler.unary_unary(call, context))
        except RefusedError:
            raise
        except Exception as error:
            self.error = error
            self.happened.set()
            raise RefusedError(grpc.StatusCode.ABORTED, in_words(error)) from error


def in_words(error: Exception) -> str:
    """Format the traceback of an error, short enough for gRPC."""
    return shortened("".join(traceback.format_exception(error)))
