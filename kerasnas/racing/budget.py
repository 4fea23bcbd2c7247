"""A budget of wall-clock or CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable

from kerasnas import checks
from kerasnas.files.stages import Stages


class Budget:
    """Time that a run may take, and how much of it is spent.

    Args:
        minutes: the whole of it, above 0.
        cpu: count the processor's time, of all threads of this process, in place of the clock's. Defaults to False.
        spent: seconds of it spent before now, by an interrupted run. Defaults to 0.
        clock: function that returns seconds. Defaults to None: `time.process_time` or `time.perf_counter`.

    Attributes:
        seconds: the whole of it.
        cpu: whether it counts the processor's time.

    Example:

    >>> now = iter([10.0, 25.0, 70.0])
    >>> budget = Budget(minutes=1, clock=lambda: next(now))
    >>> budget.spent(), budget.left()
    (15.0, 0.0)
    """

    @checks.arguments(cpu=checks.boolean, clock=checks.function)
    def __init__(self, minutes: float, cpu: bool = False, spent: float = 0.0, clock: Callable[[], float] | None = None):
        self.seconds = 60 * checks.number("minutes", minutes, above=0)
        self.cpu = cpu
        self.clock = clock or (time.process_time if cpu else time.perf_counter)
        self._start = self.clock() - checks.number("spent", spent, least=0)

    def spent(self) -> float:
        """Seconds spent so far."""
        return self.clock() - self._start

    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.seconds - self.spent())


def spent_before(stages: Stages, name: str) -> float:
    """Seconds of its budget that an interrupted stage has spent, as it noted them."""
    return checks.number("spent", stages.progress(name).get("spent", 0.0), least=0)
