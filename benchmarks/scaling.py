"""Growth of the search step's time and memory with filters, cells, nodes and batch size, as Markdown tables.

    python benchmarks/scaling.py                                  # about 20 minutes on two cores
    python benchmarks/scaling.py --filters=8,16 --cells= --nodes= --batch= --steps=3

Each axis varies alone, around a base point; every point is a process of its own (`search_step.py`). The exponent p of
`value ~ size ** p` is fitted over an axis by least squares of the logarithms; the local exponents, each between a point
and the one before it, show departures from a power law. The work is that of the primitives
(`kerasnas.diagnostics.step_timing.step_flops`): where it grows faster than linearly, so may the time. Memory is the
process's, of which TensorFlow itself takes about 0.6 GiB at every point.
"""

import functools
import math

import numpy as np
import skeleton
import tracked
from search_step import STEP_CODE, in_own_process, quietness

AXES = {"filters": "4,8,16,32", "cells": "2,4,8,12", "nodes": "2,3,4,6", "batch": "8,16,32,64"}
BASE = {"filters": 8, "cells": 4, "nodes": 4, "batch": 32}


def main() -> None:
    axes = {axis: (values, "comma-separated; empty leaves the axis out") for axis, values in AXES.items()}
    bases = {f"base_{axis}": (size, "where the other axes vary") for axis, size in BASE.items()}
    threads = (0, "0: TensorFlow's own choice")
    given = skeleton.arguments(__doc__, **axes, **bases, steps=5, threads=threads)
    arguments = vars(given)
    base = {axis: arguments[f"base_{axis}"] for axis in AXES}

    @functools.cache  # all axes share the base point
    def measure(*point: int) -> dict | None:
        sizes = dict(zip(AXES, point, strict=True))
        return in_own_process("search_step.py", steps=arguments["steps"], threads=arguments["threads"], **sizes)

    for axis in AXES:
        sizes = skeleton.numbers(arguments[axis])
        points = [{**base, axis: size} for size in sizes]
        records = [(point, measure(*point.values())) for point in points]
        done = [(point, record) for point, record in records if record is not None]
        if done:
            others = ", ".join(f"{value} {name}" for name, value in base.items() if name != axis)
            print(f"\n**{axis}** ({others})\n")
            rows, note = _table(axis, done), quietness([record for _, record in done])
            print(f"\n{note}", flush=True)
            runs = [record for _, record in done]
            tracked.record(given, rows, code=STEP_CODE, note=note, runs=runs, part=axis)


def _table(axis: str, records: list[tuple[dict, dict]]) -> list[dict]:
    sizes = [point[axis] for point, _ in records]
    series = {
        "work, GFLOP": [_work(**point) / 1e9 for point, _ in records],
        "step, ms": [record["step_wall_ms"] for _, record in records],
        "CPU, ms": [record["step_cpu_ms"] for _, record in records],
        "memory, GiB": [record["peak_memory_gib"] for _, record in records],
        "first step, s": [record["first_step_s"] for _, record in records],
    }
    columns = []
    for values in series.values():
        local = ["", *(f" ({exponent(sizes[i : i + 2], values[i : i + 2]):.2f})" for i in range(len(sizes) - 1))]
        fitted = f"{exponent(sizes, values):.2f}" if len(set(sizes)) > 1 else "-"
        columns.append([*(f"{value:.4g}{text}" for value, text in zip(values, local, strict=True)), fitted])
    rows = [list(row) for row in zip([*map(str, sizes), "fitted exponent"], *columns, strict=True)]
    shown = tracked.Table([axis, *(f"{name} (local exponent)" for name in series)])
    for row in rows:
        shown.add(row)
    return shown.rows


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the p of `value ~ size ** p` by least squares of the logarithms.

    >>> round(exponent([1, 2, 4], [3.0, 12.0, 48.0]), 6)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0]) if min(values) > 0 else math.nan


def _work(filters: int, cells: int, nodes: int, batch: int) -> int:
    """Return the floating-point operations of the first-order step."""
    skeleton.prepare()
    import kerasnas
    from kerasnas.diagnostics.step_timing import step_flops

    supernet = kerasnas.DARTSSpace(filters, cells, nodes).build_supernet(input_shape=(32, 32, 3), num_classes=10)
    flops = step_flops(supernet, batch, "first_order")
    assert flops is not None
    return flops


if __name__ == "__main__":
    main()
