"""Worker process that runs one item after another: the end that gives and the end that works."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")  # TensorFlow's threads do not survive a fork
_END_SECONDS = 10.0  # before a process that was asked to end is killed
_GONE = (EOFError, OSError)  # raised by a connection whose other end is closed
_NUMBERS = itertools.count()


class Order:
    """An item under way, and how often it was lost."""

    def __init__(self, number: int, item: Any):
        self.number, self.item, self.lost = number, item, 0


class Job:
    """A function and the value its calls share, serialized."""

    def __init__(self, function: Callable[[Any, Any], Any], shared: Any):
        self.sent, self.number = bytes(ForkingPickler.dumps((function, shared))), next(_NUMBERS)


class Worker:
    """A worker process, as seen by the process that started it.

    `setup` is called once in it; `variables` are added to this process's environment.

    Attributes:
        ready: True once the process has answered for the first time.
        order: its current item, or None.
    """

    def __init__(self, setup: Callable[[], Any] | None, variables: Mapping[str, str]):
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_work, args=(theirs, setup), daemon=True)
        with _environment(variables):
            self.process.start()
        theirs.close()
        self.ready = False
        self.order: Order | None = None
        self._job: int | None = None

    def give(self, job: Job, order: Order) -> None:
        """Send an item, and the job unless it is the last one sent."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # dead: its next answer is None
            self.connection.send((None if self._job == job.number else job.sent, order.item))
        self.order, self._job = order, job.number

    def answer(self) -> tuple[bool, Any, str] | None:
        """Return (True if done, the result or the exception, its traceback); None if the process is dead.

        The first answer only reports that the process is ready.
        """
        try:
            answer = self.connection.recv()
        except _GONE:
            return None
        if self.ready:
            self.order = None
        self.ready = True
        return answer

    def bury(self) -> int:
        """Return the exit code of a dead process."""
        self.connection.close()
        self.process.join()
        return int(self.process.exitcode or 0)

    def end(self, at_once: bool) -> None:
        """End the process; with `at_once` in the middle of an item."""
        self.connection.close()
        if at_once:
            self.process.terminate()
        self.process.join(_END_SECONDS)
        self.process.kill()
        self.process.join()


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """A context with additional environment variables, for a process that starts in it."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


def _work(connection: Connection, setup: Callable[[], Any] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if setup is not None:
        setup()
    received: Any = None
    with contextlib.suppress(*_GONE):
        connection.send((True, None, ""))
        while True:
            message = connection.recv_bytes()
            try:
                job, item = ForkingPickler.loads(message)
                received = received if job is None else ForkingPickler.loads(job)
                function, shared = received
                answer = bytes(ForkingPickler.dumps((True, function(shared, item), "")))
            except Exception as error:  # noqa: BLE001 - raised again where the result is taken
                answer = _failure(error)
            connection.send_bytes(answer)


def _failure(error: Exception) -> bytes:
    """Serialize an exception, as a `RuntimeError` with its text if it cannot be sent."""
    trace = traceback.format_exc()
    try:
        answer = bytes(ForkingPickler.dumps((False, error, trace)))
        ForkingPickler.loads(answer)
    except Exception:  # noqa: BLE001 - an exception may hold anything
        answer = bytes(ForkingPickler.dumps((False, RuntimeError(f"{type(error).__name__}: {error}"), trace)))
    return answer


def _end_with_parent() -> None:
    """End this process as soon as its parent is dead: nobody takes its results, and another run may repeat its work."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
