"""Gate of the chief: rejects malformed messages, and keeps the oracle's first error."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from tuners.distributed import messages

LIMITS = {
    "max_receive_message_length": messages.LARGEST_CALL,
    "max_send_message_length": messages.LARGEST_ANSWER,
    "max_metadata_size": messages.LARGEST_METADATA,
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
    """An interceptor before the chief's service, which has authenticated workers only.

    Malformed messages are rejected. The oracle's first `error` ends the search, is answered to all further calls, and
    sets `happened`.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.happened = threading.Event()

    def intercept_service(self, continuation: Callable, details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None

        def behavior(message: bytes, context: Any) -> bytes:
            try:
                return self._answer(handler, message, context)
            except RefusedError as refused:
                return context.abort(refused.code, refused.words)  # raises

        # It takes bytes, as gRPC's own parsing answers INTERNAL to malformed ones.
        return grpc.unary_unary_rpc_method_handler(behavior)

    def _answer(self, handler: Any, message: bytes, context: Any) -> bytes:
        if self.error is not None:
            raise RefusedError(grpc.StatusCode.ABORTED, in_words(self.error))
        metadata = dict(context.invocation_metadata())
        try:
            call = handler.request_deserializer(message)
            messages.check_call(call)
            messages.read_beside(metadata.get(messages.BESIDE))
            messages.worker_name(metadata.get(messages.TUNER))
        except (ValueError, DecodeError) as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, messages.shortened(str(error))) from None
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
    return messages.shortened("".join(traceback.format_exception(error)))
