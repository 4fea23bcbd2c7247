"""Strangers at the chief's port, and chiefs that are strangers: they change nothing and learn nothing."""

import contextlib
import socket
import time

import grpc
import keras_tuner
import pytest

from tests.tuners.distributed.peers import CALLS, SERVICE, channel, created, everything
from tuners.distributed.certificate import read_certificate, require_certificate
from tuners.distributed.environment import address
from tuners.distributed.gate import LIMITS

STRANGERS = {
    "insecure": lambda right, own: None,
    "no certificate": lambda right, own: grpc.ssl_channel_credentials(right),
    "own certificate": lambda right, own: grpc.ssl_channel_credentials(
        right, own.key.encode(), own.certificate.encode()
    ),
    "own trust": lambda right, own: own.of_worker(),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_changes_nothing_and_learns_nothing(stranger, search, tmp_path):
    """Not even one with the certificate, which each handshake shows, but for its key."""
    right = read_certificate(tmp_path / "project").certificate.encode()
    credentials = STRANGERS[stranger](right, require_certificate(tmp_path / "stranger"))
    before = everything(search)
    with channel(credentials) as calls:
        for method, call in CALLS.items():
            with pytest.raises(grpc.RpcError) as raised:
                calls.unary_unary(SERVICE + method)(call.SerializeToString(), timeout=10)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE, method
            assert "trial" not in raised.value.details()
    assert everything(search) == before


@pytest.fixture
def short_handshakes(monkeypatch):
    monkeypatch.setitem(LIMITS, "server_handshake_timeout_ms", LIMITS["server_handshake_timeout_ms"] // 10)


def test_strangers_that_send_nothing_keep_no_thread(short_handshakes, search, peer):
    """Twice for each of the chief's threads, and more: their connections are closed."""
    host, port = address().split(":")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)), 5)) for _ in range(64)]
        start = time.monotonic()
        assert peer("GetSpace", b"")[1] == "OK" and time.monotonic() - start < 1
        assert {one.recv(1) for one in silent} == {b""} and time.monotonic() - start < 5


def leave(method, context):
    context.abort(grpc.StatusCode.ABORTED, "Leave, all of you.")


def unknown(method, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "Leave, all of you.")


@pytest.mark.parametrize("answer", [leave, unknown, lambda *_: created("7"), lambda *_: b""])
@pytest.mark.parametrize("secure", [True, False])
def test_a_rogue_chief_is_not_believed(secure, answer, rogue, worker, tmp_path):
    rogue(answer, require_certificate(tmp_path / "rogue").of_chief() if secure else None)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"There was no chief .*no chief with") as raised:
        worker().create_trial("worker")
    assert "Leave" not in str(raised.value)


def test_after_an_error_of_the_oracle_no_call_is_answered(search, worker, gates):
    gates[0].error = ArithmeticError("out of numbers")
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"its chief:\nArithmeticError: out of numbers"):
        worker().get_space()
    gates[0].error = None
