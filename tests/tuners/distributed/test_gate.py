"""Strangers at the chief's port: they change nothing, and hold nothing up."""

import threading
import time

import grpc
import pytest

from tests.tuners.distributed.peers import CALLS, SERVICE, Recorder, everything, raw, refusal
from tuners.distributed import secret
from tuners.distributed.environment import address
from tuners.distributed.messages import BESIDE, TUNER
from tuners.distributed.signed_channel import NoChiefError, SignedChannel


def test_a_stranger_changes_nothing(search, tmp_path):
    before = everything(search)
    project = secret.read_secret(tmp_path / "project").project
    known = [(TUNER, "worker"), ("kerasnas-project", project)]
    for method, call in CALLS.items():
        for metadata, words in (
            ((), "another project"),
            (known, "not signed"),
            ([*known, ("kerasnas-number", "0" * 48), ("kerasnas-signature", "0" * 64)], "not signed"),
        ):
            code, details = refusal(method, call.SerializeToString(), metadata)
            assert code is grpc.StatusCode.UNAUTHENTICATED and words in details, method
        assert everything(search) == before, method


def test_a_wrong_secret_changes_nothing(search, tmp_path):
    """Also one that knows the id of the project, which is sent as it is."""
    right, other = secret.read_secret(tmp_path / "project"), secret.require_secret(tmp_path / "other")
    before = everything(search)
    channel = SignedChannel(address(), tmp_path / "other")
    for guess in (other, other._replace(project=right.project)):
        channel._secret = guess
        with pytest.raises(NoChiefError, match=r"the answer there \(UNAUTHENTICATED\) is not signed with the secret"):
            channel.unary_unary(SERVICE + "CreateTrial", bytes, bytes)(b"", timeout=10, metadata=[])
    assert everything(search) == before


def test_a_call_is_not_taken_twice_nor_changed(recorded, search):
    before = everything(search)
    ((method, message, metadata),) = recorded.sent
    assert refusal(method, message, metadata) == (grpc.StatusCode.UNAUTHENTICATED, "The call was made before.")
    assert refusal("EndTrial", message, metadata)[0] is grpc.StatusCode.UNAUTHENTICATED
    for name in ("kerasnas-number", "kerasnas-session", "kerasnas-digest", TUNER):
        changed = [
            (key, value[:-1] + ("0" if value[-1] != "0" else "1")) if key == name else (key, value)
            for key, value in metadata
        ]
        assert changed != metadata
        assert refusal(method, message, changed)[0] is grpc.StatusCode.UNAUTHENTICATED, name
    assert refusal(method, message, [*metadata, (BESIDE, b'{"fatal": true}')])[0] is grpc.StatusCode.UNAUTHENTICATED
    assert everything(search) == before


def test_a_message_is_the_one_that_was_signed(search, tmp_path):
    """Somebody on the way sends another one with the same metadata, and the worker never learns of it."""
    channel, before = SignedChannel(address(), tmp_path / "project"), everything(search)
    evil = CALLS["UpdateTrial"].SerializeToString()

    class OnTheWay(Recorder):
        def keep(self, call, method, message, timeout, metadata):
            return super().keep(call, method, evil, timeout, metadata)

    channel._channel = OnTheWay(channel._channel)
    with pytest.raises(NoChiefError, match="calls are changed or repeated on their way"):
        channel.unary_unary(SERVICE + "UpdateTrial", bytes, bytes)(b"", timeout=10, metadata=[(TUNER, "worker")])
    assert everything(search) == before


def test_calls_to_a_chief_of_before_are_not_taken_by_the_next(recorded, search, gates, signed):
    ((method, message, metadata),) = recorded.sent
    (gate,) = gates
    assert signed("GetSpace", b"")[1] == "OK"
    gate._seen = type(gate._seen)()  # the next one has seen nothing,
    session, gate.session = gate.session, "0" * 32  # and has another session
    before = everything(search)
    assert refusal(method, message, metadata)[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert everything(search) == before
    assert signed("GetSpace", b"")[1] == "OK"  # who knows the secret learns of the session
    gate.session = session
    assert raw(method, message, metadata)  # the session alone has kept it out


def test_strangers_that_send_no_message_keep_no_thread(search, signed):
    """gRPC gives a call a thread before its message has come."""
    stop = threading.Event()

    def silent():
        stop.wait(20)
        yield b""

    with grpc.insecure_channel(address()) as channel:
        calls = [channel.stream_unary(f"{SERVICE}GetSpace").future(silent(), timeout=20) for _ in range(64)]
        start = time.monotonic()
        assert signed("GetSpace", b"")[1] == "OK" and time.monotonic() - start < 5
        assert {call.exception(timeout=5).code() for call in calls} == {grpc.StatusCode.UNAUTHENTICATED}
        stop.set()
