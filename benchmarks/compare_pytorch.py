"""The search step of KerasNAS and the same step in PyTorch, as a Markdown table.

    python benchmarks/compare_pytorch.py --raw=runs/compare.jsonl               # all cases, 1 and 2 threads, 3 rounds
    python benchmarks/compare_pytorch.py --cases=first_order --threads=2 --rounds=5

Every measurement is a process of its own (`search_step.py`, and `pytorch_darts.py` in either memory layout). Those of a
round are interleaved, so that a machine that slows down affects all alike; the table holds the medians over the rounds.
Other work does not affect all alike (OpenMP's threads spin where TensorFlow's sleep): the lines below the table state
how much there was, and whether the times are valid. PyTorch's second order is the finite difference of the paper, and
is compared with both of ours.
"""

import statistics
from pathlib import Path
from typing import Any

import skeleton
import tracked
from search_step import CASES, STEP_CODE, in_own_process, quietness

PYTORCH_CASES = {"finite_difference": "second_order"}  # the others have the same name

COLUMNS = ("ours", "published", "channels_last")
BOTH = ("wall, ms", "CPU, ms", "memory, GiB", "first step, s")


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        cases=skeleton.listed(CASES),
        threads=("1,2", "comma-separated"),
        filters=8,
        cells=4,
        nodes=4,
        batch=32,
        steps=15,
        rounds=3,
        raw=(Path, "file to which each measurement is added as a JSON line"),
    )
    cases = skeleton.names(arguments.cases, CASES)
    points = [(case, threads) for case in cases for threads in skeleton.numbers(arguments.threads)]
    raw = skeleton.Runs(arguments.raw) if arguments.raw else None
    sizes = {name: getattr(arguments, name) for name in ("filters", "cells", "nodes", "batch", "steps")}
    measured: dict[tuple, dict[str, list[dict[str, Any]]]] = {point: {c: [] for c in COLUMNS} for point in points}
    for round_number in range(arguments.rounds):
        for point in points:
            for column in COLUMNS:
                record = _measure(column, *point, sizes)
                if record is not None:
                    measured[point][column].append(record)
                    if raw:
                        raw.add({"round": round_number, **record})

    header = [
        *("case", "threads"),
        *(f"{who}: {what}" for who in ("KerasNAS", "PyTorch, published layout") for what in BOTH),
        *("channels_last: wall, ms", "channels_last: CPU, ms"),
        *(f"KerasNAS / {layout}: {what}" for layout in ("published", "channels_last") for what in ("wall", "CPU")),
    ]
    table = tracked.Table(header)
    for point in points:
        table.add(_row(*point, measured[point]))
    records = [record for by_column in measured.values() for records in by_column.values() for record in records]
    print(f"\n{quietness(records)}")
    code = ["benchmarks/pytorch_darts.py", "benchmarks/search_step.py", *STEP_CODE]
    tracked.record(arguments, table.rows, code=code, note=quietness(records), runs=records)


def _measure(column: str, case: str, threads: int, sizes: dict[str, int]) -> dict[str, Any] | None:
    if column == "ours":
        return in_own_process("search_step.py", case=case, threads=threads, **sizes)
    case = PYTORCH_CASES.get(case, case)
    channels_last = column == "channels_last"
    return in_own_process("pytorch_darts.py", case=case, threads=threads, channels_last=channels_last, **sizes)


def _row(case: str, threads: int, records: dict[str, list[dict[str, Any]]]) -> list[str]:
    def median(column: str, key: str) -> float | None:
        return statistics.median(record[key] for record in records[column]) if records[column] else None

    def ratio(column: str, key: str) -> str:
        ours, theirs = median("ours", key), median(column, key)
        return "-" if ours is None or theirs is None else f"{ours / theirs:.2f}"

    times, both = ("step_wall_ms", "step_cpu_ms"), ("peak_memory_gib", "first_step_s")
    values = [median(column, key) for column in ("ours", "published") for key in (*times, *both)]
    values += [median("channels_last", key) for key in times]
    cells = ["-" if value is None else f"{value:.4g}" for value in values]
    return [case, str(threads), *cells, *(ratio(c, key) for c in ("published", "channels_last") for key in times)]


if __name__ == "__main__":
    main()
