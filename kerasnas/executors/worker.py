"""A process that runs one item after another, as both its ends: the one that gives, and the one that works."""

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

_SPAWN = multiprocessing.get_context("spawn")  # not forked: TensorFlow's threads do not survive it
_END_SECONDS = 10.0  # until a process that was asked to end is killed
_GONE = (EOFError, OSError)  # of a connection whose other end is
_NUMBERS = itertools.count()


class Order:
    """An item under way, and how often it was lost."""

    def __init__(self, number: int, item: Any):
        self.number, self.item, self.lost = number, item, 0


class Job:
    """A function and what its calls share, as they are sent."""

    def __init__(self, function: Callable[[Any, Any], Any], shared: Any):
        self.sent, self.number = bytes(ForkingPickler.dumps((function, shared))), next(_NUMBERS)


class Worker:
    """A process as the one that made it sees it.

    Args:
        setup: called once in the process, or None.
        variables: of its environment, beside those of this process.

    Attributes:
        ready: whether it has said so.
        order: what it is at, or None.
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
        """Send an item, and the job if it is another one than the last."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # dead: so says its next answer
            self.connection.send((None if self._job == job.number else job.sent, order.item))
        self.order, self._job = order, job.number

    def answer(self) -> tuple[bool, Any, str] | None:
        """True or False for done or not, the result or the exception, and where it was raised; None of a dead process.

        The first answer says that the process is ready.
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
        """The exit code of a dead process."""
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
    """A context with further environment variables, for a process that starts in it."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


# In the process -------------------------------------------------------------------------------------------
def _work(connection: Connection, setup: Callable[[], Any] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the process that made this one ends it
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
            except Exception as error:  # noqa: BLE001 - it is raised where the result is taken
                answer = _failure(error)
            connection.send_bytes(answer)


def _failure(error: Exception) -> bytes:
    """The answer of an exception; as a `RuntimeError` of its words if it cannot be sent."""
    trace = traceback.format_exc()
    try:
        answer = bytes(ForkingPickler.dumps((False, error, trace)))
        ForkingPickler.loads(answer)
    except Exception:  # noqa: BLE001 - an exception may hold anything
        answer = bytes(ForkingPickler.dumps((False, RuntimeError(f"{type(error).__name__}: {error}"), trace)))
    return answer


def _end_with_parent() -> None:
    """End this process as soon as the one that made it is dead: nobody takes its results, another may do its work."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
