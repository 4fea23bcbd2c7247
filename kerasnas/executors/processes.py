"""Processes of this machine as an executor, replaced when they die."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from typing import Any

from kerasnas import checks
from kerasnas.executors.base import Executor, Function, WorkerLostError, lost, sent_once, thread_limits
from kerasnas.executors.worker import Job, Order, Worker


class Processes(Executor):
    """Evaluations in processes of this machine, each with its share of the cores.

    Processes start with the first items, which takes as long as their imports, and live until `close`. One that dies
    costs only its current item, which another one runs again. They end with the process that started them, even if that
    is killed.

    A script that uses it needs `if __name__ == "__main__":`, as for all of Python's processes.

    Args:
        workers: number of processes.
        retries: number of times an item lost with its process is run again. Defaults to 3.
        setup: called once in each process, before it receives anything else. Defaults to None.

    Example:

        with Processes(2) as executor:
            accuracies = executor.map(train, genotypes, shared=data)  # train(data, genotype) -> accuracy
    """

    def __init__(self, workers: int, retries: int = 3, setup: Callable[[], Any] | None = None):
        self.workers = checks.size("workers", workers)
        self.retries = checks.integer("retries", retries, 0)
        self.setup = checks.optional(checks.function, "setup", setup)
        self._alive: list[Worker] = []
        self._at_work = False
        self._unready = 0  # consecutive processes that died before they were ready

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        checks.function("function", function)
        if self._at_work:
            raise RuntimeError("This executor is busy. Take all results of one call before the next.")
        job = sent_once(self, function, shared, Job)
        orders: Iterator[Order] = map(Order, itertools.count(), items)
        number = min(self.workers, len(items)) if hasattr(items, "__len__") else self.workers  # type: ignore[arg-type]
        again: list[Order] = []
        more = self._at_work = number > 0
        try:
            while True:
                while len(self._alive) < number:
                    self._alive.append(Worker(self.setup, thread_limits(self.workers)))
                for worker in self._alive:
                    if worker.ready and worker.order is None and (again or more):
                        order = again.pop() if again else next(orders, None)
                        more = more and order is not None
                        if order is not None:
                            worker.give(job, order)
                busy = [worker for worker in self._alive if worker.order is not None]
                if not (busy or again or more):
                    return
                for worker in _answering(self._alive if again or more else busy):
                    order, answer = worker.order, worker.answer()
                    if answer is None:
                        again.extend(self._lost(worker))
                    elif order is not None:
                        yield order.number, _result(order, *answer)
        finally:
            self._at_work = False
            for worker in list(self._alive):
                if worker.order is not None:  # its result would not be taken
                    self._alive.remove(worker)
                    worker.end(at_once=True)

    def _lost(self, worker: Worker) -> list[Order]:
        """Remove a dead process; return its item if it is to be run again."""
        self._alive.remove(worker)
        code, order = worker.bury(), worker.order
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        self._unready = 0 if worker.ready else self._unready + 1
        if self._unready and (code >= 0 or self._unready > self.retries):
            raise WorkerLostError(
                f"A process ended before it was ready, {how}; its own message says why. A script that starts "
                'processes needs `if __name__ == "__main__":` around what it does.'
            )
        if order is None:
            return []
        order.lost += 1
        if order.lost > self.retries:
            raise lost(order.number, order.item, order.lost, how)
        return [order]

    def close(self) -> None:
        while self._alive:
            worker = self._alive.pop()
            worker.end(at_once=not worker.ready)


def _answering(workers: list[Worker]) -> list[Worker]:
    """Wait for a worker; return those that have answered or died."""
    answering = wait([worker.connection for worker in workers])
    return [worker for worker in workers if worker.connection in answering]


def _result(order: Order, done: bool, result: Any, trace: str) -> Any:
    if done:
        return result
    result.add_note(f"Raised by item {order.number} in a worker:\n{trace}")
    raise result
