"""Roofline of a step: time, arithmetic and memory traffic of its operations, compared with what one core can do.

Reference:
    Williams et al., "Roofline: An Insightful Visual Performance Model for Multicore Architectures", 2009
    (doi:10.1145/1498765.1498785).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from kerasnas.diagnostics.operation_work import flops, plain, traffic
from kerasnas.diagnostics.step_timing import matmul_peak

COLUMNS = {
    "runs": "{:,.0f}",
    "ms": "{:.1f}",
    "time %": "{:.1f}",
    "GFLOP": "{:.2f}",
    "MB": "{:,.0f}",
    "GFLOP/s": "{:.1f}",
    "GB/s": "{:.1f}",
    "compute %": "{:.1f}",
    "memory %": "{:.1f}",
    "roof %": "{:.1f}",
}
"""Columns of a table after the operation, and how their numbers are written."""


class Peaks(NamedTuple):
    """Floating-point operations and bytes a second that one core reaches."""

    flops: float
    bytes: float


class Kind(NamedTuple):
    """The operations of one kind in a step; `limit` is the least seconds that the peaks allow for them."""

    name: str
    runs: float
    seconds: float
    flops: float = 0.0
    bytes: float = 0.0
    limit: float = 0.0


class Roofline(NamedTuple):
    """A step.

    Args:
        wall: median seconds of wall clock.
        cpu: median seconds of CPU.
        recorded: mean seconds of wall clock while it is recorded, as those of its operations.
        kinds: its operations by kind, those first that take longest.
    """

    wall: float
    cpu: float
    recorded: float
    kinds: list[Kind]

    @property
    def operations(self) -> Kind:
        """All kinds together."""
        return _together("whole step", self.kinds)


def memory_peak(megabytes: int = 256, repeats: int = 5) -> float:
    """Bytes a second that one core reads and writes: the best of copies and sums of arrays of this size."""
    first, second, out = (np.full(megabytes * 2**18, value, "float32") for value in (1, 2, 3))
    best = 0.0
    for arrays, work in ((2, lambda: np.copyto(out, first)), (3, lambda: np.add(first, second, out=out))):
        for _ in range(repeats):
            begin = time.perf_counter()
            work()
            best = max(best, arrays * out.nbytes / (time.perf_counter() - begin))
    return best


def measure_peaks() -> Peaks:
    """Measure what one core can do."""
    return Peaks(matmul_peak(), memory_peak())


def pooled(operations: Iterable[Any], steps: int, peaks: Peaks) -> list[Kind]:
    """Sum operations by their kind, as in one of the `steps` that they were recorded in."""
    kinds: dict[str, list[Kind]] = {}
    for one in operations:
        name = plain(one.kind)
        work, moved = flops(name, one.operands, one.results, one.equation), traffic(name, one.operands, one.results)
        limit = max(work / peaks.flops, moved / peaks.bytes)
        runs = one.runs / steps
        kind = Kind(name, runs, one.seconds / steps, runs * work, runs * moved, runs * limit)
        kinds.setdefault(name, []).append(kind)
    return sorted((_together(name, each) for name, each in kinds.items()), key=lambda kind: -kind.seconds)


def _together(name: str, kinds: Iterable[Kind]) -> Kind:
    return Kind(name, *map(sum, zip(*(kind[1:] for kind in kinds), strict=True)))


def rows(step: Roofline, peaks: Peaks, most: int = 24) -> list[dict[str, Any]]:
    """Return the rows of a table: `most` kinds, the others together, what no operation accounts for, the step."""
    shown, rest = step.kinds[:most], step.kinds[most:]
    if rest:
        shown = [*shown, _together(f"{len(rest)} other kinds", rest)]
    every = step.operations
    lost = Kind("no operation", 0, max(step.recorded - every.seconds, 0.0))
    return [_row(kind, step, peaks) for kind in (*shown, lost, every._replace(seconds=step.recorded))]


def _row(kind: Kind, step: Roofline, peaks: Peaks) -> dict[str, Any]:
    seconds = max(kind.seconds, 1e-12)
    speed, bandwidth = kind.flops / seconds, kind.bytes / seconds
    values = (
        *(round(kind.runs), 1e3 * kind.seconds, 100 * kind.seconds / step.recorded, kind.flops / 1e9, kind.bytes / 1e6),
        *(speed / 1e9, bandwidth / 1e9, 100 * speed / peaks.flops, 100 * bandwidth / peaks.bytes),
        100 * kind.limit / seconds,
    )
    return {"operation": kind.name, **dict(zip(COLUMNS, values, strict=True))}


def table(step: Roofline, peaks: Peaks) -> list[str]:
    """Return the lines of a table for a terminal of 120 columns; zeros stay empty."""
    cells = [["operation", *COLUMNS]]
    for row in rows(step, peaks):
        cells.append(
            [row["operation"], *(form.format(row[name]) if row[name] else "" for name, form in COLUMNS.items())]
        )
    first, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    return ["  ".join([name.ljust(first), *map(str.rjust, numbers, widths)]).rstrip() for name, *numbers in cells]
