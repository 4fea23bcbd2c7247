"""Contract of an executor, and this process as the simplest one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kerasnas import checks
from kerasnas.wording import shortened

Function = Callable[[Any, Any], Any]
"""`(shared, item) -> result`."""
_THREADS = (
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
_SHOWN = 200  # characters of an item in a message


class WorkerLostError(RuntimeError):
    """Raised for an item that ended every worker it was given to: killed, or out of memory.

    Attributes:
        number: the item's number; None if a worker ended before it received one.
    """

    number: int | None = None


class Broadcast:
    """A value shared by several calls of an executor, sent to each worker once.

    Workers keep it until they receive another one, and with it networks they built and steps they traced. The function
    reads `shared.value`. Later changes do not reach a worker: what changes from call to call belongs in the items.

    Args:
        value: whatever the calls share.

    Example:

    >>> data = Broadcast([2, 3])
    >>> add = lambda shared, item: sum(shared.value) + item
    >>> [Local().map(add, items, shared=data) for items in ([1, 2], [3])]
    [[6, 7], [8]]
    """

    def __init__(self, value: Any):
        self.value = value
        self.sent: dict[Any, Any] = {}  # (executor, function) -> what the executor sent

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "sent": {}}


def sent_once(executor: Executor, function: Function, shared: Any, send: Callable[[Function, Any], Any]) -> Any:
    """Return `send(function, shared)`, or its earlier result for the same function and the same `Broadcast`."""
    if not isinstance(shared, Broadcast):
        return send(function, shared)
    if (executor, function) not in shared.sent:
        shared.sent[executor, function] = send(function, shared)
    return shared.sent[executor, function]


class Executor:
    """Base of all executors of independent evaluations, and a context that closes them.

    An item is taken only when a worker is free, so a generator of items may depend on earlier results. The function,
    `shared` and the items must be picklable, unless `here`.

    Attributes:
        workers: number of items that run at a time.
        here: True if they run in this process, one after the other, as the caller's own code would.
    """

    workers: int = 1
    here: bool = False

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        """Yield `(number of the item, result)` as items are completed; numbers count the items in the order taken.

        Args:
            function: `(shared, item) -> result`. An exception that it raises is raised here and ends all.
            items: the second arguments of the calls.
            shared: first argument of all calls, sent to each worker once; a `Broadcast` once for all calls given it.
                Defaults to None.

        Raises:
            WorkerLostError: if an item is repeatedly lost with its worker.
        """
        raise NotImplementedError

    def map(self, function: Function, items: Iterable[Any], shared: Any = None) -> list[Any]:
        """Return all results in the order of the items; arguments as for `completed`."""
        results = dict(self.completed(function, items, shared))
        return [results[number] for number in range(len(results))]

    def close(self) -> None:
        """End the workers."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


class Local(Executor):
    """Evaluations in this process, one after the other."""

    here = True

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        checks.function("function", function)
        for number, item in enumerate(items):
            yield number, function(shared, item)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_limits(workers: int) -> dict[str, str]:
    """Return environment variables by which `workers` processes share the cores, without those that are already set.

    Example:

    >>> set(thread_limits(10_000).values()) <= {"1"}
    True
    """
    each = str(max(1, cores() // checks.size("workers", workers)))
    return {name: each for name in _THREADS if name not in os.environ}


def lost(number: int, item: Any, times: int, how: str) -> WorkerLostError:
    """Return the error of an item that ended `times` workers, the last one as `how` says."""
    shown = shortened(repr(item), _SHOWN)
    error = WorkerLostError(
        f"Item {number} was lost with its worker {times} times, the last one {how}: {shown}. The usual cause is "
        "memory: try fewer workers, or smaller items."
    )
    error.number = number
    return error
