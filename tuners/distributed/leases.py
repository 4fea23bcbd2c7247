"""Leases: trials run by unreliable workers."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kerasnas import checks

LOSSES = 3  # workers that a trial may take with it
_PATIENCE = 3.0  # times the longest trial that a worker without heartbeats may take


@dataclasses.dataclass
class Lease:
    """A trial that a worker holds: since when, when it was last heard of, and whether it sends heartbeats."""

    worker: str
    since: float
    heard: float
    beating: bool = False


class Loss(NamedTuple):
    """A trial that was taken back from a silent worker; it `failed` if it has lost too many of them."""

    trial: str
    worker: str
    silent: float
    failed: bool


class Leases:
    """Bookkeeping of trials among workers that may die, come late, or report an end twice.

    A trial is held by a worker, waits for one, or has ended. A worker that sends heartbeats keeps its trial while no
    two of them are more than `lease` seconds apart. Workers of stock tuners send none: they lose a trial when it takes
    three times as long as the longest one so far, and longer than the lease. A trial that has lost three workers has
    failed: one that needs too much memory would end all of them.

    Trials and workers are only names here.

    Args:
        lease: seconds.
        clock: function that returns the seconds now. Defaults to `time.monotonic`.

    Attributes:
        waiting: trials to be run (again), in their order.
        ended: trials that have ended for good, in their order.
        runs: trial -> how many of its runs were reported.
    """

    def __init__(self, lease: float, clock: Callable[[], float] = time.monotonic):
        self.lease = checks.number("lease", lease, above=0)
        self.clock = clock
        self.waiting: list[str] = []
        self.ended: list[str] = []
        self.runs: Counter[str] = Counter()
        self._leases: dict[str, Lease] = {}  # by trial
        self._seen: dict[str, float] = {}  # worker -> when it was last heard of
        self._losses: Counter[str] = Counter()
        self._longest = 0.0  # of the trials so far, in seconds

    @property
    def workers(self) -> set[str]:
        """Workers that hold a trial, or were heard of within a lease."""
        alive = self.clock() - self.lease
        return {name for name, seen in self._seen.items() if seen > alive or self.trial_of(name) is not None}

    def greet(self, worker: str) -> None:
        """Record that a worker was heard of."""
        self._seen[worker] = self.clock()

    def leave(self, worker: str) -> None:
        """Record that a worker was sent away."""
        self._seen.pop(worker, None)

    @property
    def holders(self) -> dict[str, str]:
        """Worker -> the trial that it holds."""
        return {lease.worker: trial for trial, lease in self._leases.items()}

    def trial_of(self, worker: str) -> str | None:
        """Return the trial that a worker holds."""
        return next((trial for trial, lease in self._leases.items() if lease.worker == worker), None)

    def worker_of(self, trial: str) -> str | None:
        """Return the worker that holds a trial."""
        return self._leases[trial].worker if trial in self._leases else None

    def has_unfinished(self) -> bool:
        """Return True if trials are with workers, or wait for one."""
        return bool(self._leases or self.waiting)

    def next_waiting(self) -> str | None:
        """Remove and return the trial that has waited longest; None if none waits."""
        return self.waiting.pop(0) if self.waiting else None

    def lend(self, worker: str, trial: str) -> None:
        """Give a trial to a worker, or renew the lease of the one that has it. It holds no other one then."""
        held = self.trial_of(worker)
        if held is not None and held != trial:
            del self._leases[held]
        now = self.clock()
        self._leases[trial] = Lease(worker, now, now)
        if trial in self.waiting:
            self.waiting.remove(trial)

    def heartbeat(self, worker: str, trial: str) -> None:
        """Record that a worker is alive, and at work on a trial."""
        if trial in self._leases:
            lease = self._leases[trial]
            self._seen[worker] = lease.heard = self.clock()
            lease.beating = True

    def hear(self, trial: str) -> None:
        """Record that the worker of a trial has reported something."""
        if trial in self._leases:
            self._leases[trial].heard = self.clock()

    def accept(self, trial: str, succeeded: bool) -> bool:
        """End the lease of a trial whose end is reported; return whether the report counts.

        It does not if the trial has ended: it is reported twice, after a broken connection, or by a worker that was
        declared dead. Of a trial that was taken back and waits, only a success counts.
        """
        if trial in self.ended or (trial in self.waiting and not succeeded):
            return False
        if trial in self.waiting:
            self.waiting.remove(trial)
        lease = self._leases.pop(trial, None)
        if lease is not None:
            self._seen[lease.worker] = now = self.clock()
            self._longest = max(self._longest, now - lease.since)
        self.runs[trial] += 1
        return True

    def wait(self, trial: str) -> None:
        """Make a trial wait to be run again."""
        self._leases.pop(trial, None)
        self.waiting.append(trial)

    def end(self, trial: str) -> None:
        """Record that a trial has ended for good."""
        self._leases.pop(trial, None)
        if trial in self.waiting:
            self.waiting.remove(trial)
        self.ended.append(trial)

    def expire(self) -> list[Loss]:
        """Take back the trials of workers that are silent for too long. They wait, unless they have failed."""
        now, losses = self.clock(), []
        for trial, lease in list(self._leases.items()):
            silent = now - lease.heard
            if silent <= self._allowed(lease):
                continue
            self._losses[trial] += 1
            failed = self._losses[trial] >= LOSSES
            losses.append(Loss(trial, lease.worker, silent, failed))
            if failed:
                self.end(trial)
            else:
                self.wait(trial)
        return losses

    def _allowed(self, lease: Lease) -> float:
        """Return the allowed seconds of silence."""
        if lease.beating:
            return self.lease
        return max(self.lease, _PATIENCE * self._longest) if self._longest else math.inf

    def resume(self, unfinished: Iterable[str], held: bool) -> None:
        """Resume after a restart.

        Args:
            unfinished: the trials that have not ended, in their order.
            held: whether workers may still be at work on those that do not wait: these are theirs for a lease.
                Otherwise all wait.
        """
        unfinished, workers, waiting = list(unfinished), self._leases, self.waiting
        self._leases, self.waiting = {}, []
        now = self.clock()
        for trial in unfinished:
            if held and trial not in waiting:
                worker = workers[trial].worker if trial in workers else f"trial {trial}"
                self._leases[trial] = Lease(worker, now, now, beating=True)
            else:
                self.waiting.append(trial)

    def get_state(self) -> dict[str, Any]:
        """Return all that outlives a restart, JSON-serializable, under KerasTuner's names."""
        return {
            "ongoing_trials": self.holders,
            "retry_queue": list(self.waiting),
            "end_order": list(self.ended),
            "run_times": dict(self.runs),
            "losses": dict(self._losses),
            "longest": self._longest,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore `get_state`; leases start now."""
        now = self.clock()
        self._leases = {trial: Lease(worker, now, now) for worker, trial in state["ongoing_trials"].items()}
        self.waiting, self.ended = list(state["retry_queue"]), list(state["end_order"])
        self.runs, self._losses = Counter(state["run_times"]), Counter(state["losses"])
        self._longest = state["longest"]
