"""The contract of an executor, and this process as the simplest one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kerasnas import checks

Function = Callable[[Any, Any], Any]
"""`(shared, item) -> result`."""
_THREADS = (
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
_SHOWN = 200  # characters of an item in a message


class WorkerLostError(RuntimeError):
    """An item that ended each worker that was given it: killed, or out of memory.

    Attributes:
        number: of the item; None of a worker that ended before it was given one.
    """

    number: int | None = None


class Broadcast:
    """The `shared` of several calls of an executor: a worker receives it once, and keeps it until it is given another.

    So do networks remain that a worker has built, and steps that it has traced. The function takes `shared.value`.
    Changes here do not reach a worker that has it: what changes from call to call belongs in the items.

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
    """`send(function, shared)`, or what that returned before of the same function and the same `Broadcast`."""
    if not isinstance(shared, Broadcast):
        return send(function, shared)
    if (executor, function) not in shared.sent:
        shared.sent[executor, function] = send(function, shared)
    return shared.sent[executor, function]


class Executor:
    """Independent evaluations, wherever they run: base of all executors, and a context that closes them.

    An item is taken when there is room for it and not before, so that a generator of items may decide by the results
    so far. What function, `shared` and items are made of must be picklable, unless `here`.

    Attributes:
        workers: how many items run at a time.
        here: True if they run in this process, one after the other, as the caller's own code would.
    """

    workers: int = 1
    here: bool = False

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        """Yield `(number of the item, result)` as items are completed; numbers count the items as they are taken.

        Args:
            function: `(shared, item) -> result`. An exception that it raises is raised here, and ends all.
            items: whatever it is called with.
            shared: first argument of all calls, which a worker receives once; a `Broadcast` once for all calls that are
                given the same. Defaults to None.

        Raises:
            WorkerLostError: if an item is lost with its worker again and again.
        """
        raise NotImplementedError

    def map(self, function: Function, items: Iterable[Any], shared: Any = None) -> list[Any]:
        """The results of all items, in the order of the items; arguments as for `completed`."""
        results = dict(self.completed(function, items, shared))
        return [results[number] for number in range(len(results))]

    def close(self) -> None:
        """End the workers."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


class Local(Executor):
    """Evaluations one after the other, in this process.

    Example:

    >>> import operator
    >>> Local().map(operator.mul, [1, 2, 3], shared=10)
    [10, 20, 30]
    """

    here = True

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        """As the contract says."""
        checks.function("function", function)
        for number, item in enumerate(items):
            yield number, function(shared, item)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_limits(workers: int) -> dict[str, str]:
    """Environment variables by which so many workers share the cores; those that are set already are left as they are.

    Example:

    >>> set(thread_limits(10_000).values()) <= {"1"}
    True
    """
    each = str(max(1, cores() // checks.size("workers", workers)))
    return {name: each for name in _THREADS if name not in os.environ}


def lost(number: int, item: Any, times: int, how: str) -> WorkerLostError:
    """The error of an item that has ended `times` workers, the last one as `how` says."""
    text = repr(item)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    error = WorkerLostError(
        f"Item {number} was lost with its worker {times} times, the last one {how}: {shown}. What ends every worker is "
        "most often memory: try fewer workers, or a smaller item."
    )
    error.number = number
    return error
