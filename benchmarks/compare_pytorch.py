"""The search step of KerasNAS beside the same step in PyTorch, as a Markdown table.

    python benchmarks/compare_pytorch.py --raw=runs/compare.jsonl               # all cases, 1 and 2 threads, 3 rounds
    python benchmarks/compare_pytorch.py --cases=first_order --threads=2 --rounds=5

Every measurement is a process of its own (`search_step.py`, and `pytorch_darts.py` in either memory layout). The
measurements of a round are interleaved, so that a machine that slows down affects all alike; the table holds the
medians over the rounds. Other work does not affect all alike (OpenMP's threads spin where TensorFlow's sleep): the
lines below the table say how much of it there was, and if the times are valid. PyTorch's second order is the finite
difference of the paper, and is compared with both of ours.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import tracked
from search_step import CASES, STEP_CODE, in_own_process, quietness

PYTORCH_CASES = {"finite_difference": "second_order"}  # the others have the same name

COLUMNS = ("ours", "published", "channels_last")
BOTH = ("wall, ms", "CPU, ms", "memory, GiB", "first step, s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated")
    parser.add_argument("--threads", default="1,2", help="comma-separated")
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--raw", type=Path, help="file to which each measurement is added as a JSON line")
    arguments = tracked.parse(parser)
    cases = arguments.cases.split(",")
    if unknown := set(cases) - set(CASES):
        parser.error(f"unknown cases {sorted(unknown)}; known: {', '.join(CASES)}")
    points = [(case, int(threads)) for case in cases for threads in arguments.threads.split(",")]
    if arguments.raw:
        arguments.raw.parent.mkdir(parents=True, exist_ok=True)

    sizes = {name: getattr(arguments, name) for name in ("filters", "cells", "nodes", "batch", "steps")}
    measured: dict[tuple, dict[str, list[dict[str, Any]]]] = {point: {c: [] for c in COLUMNS} for point in points}
    for round_number in range(arguments.rounds):
        for point in points:
            for column in COLUMNS:
                record = _measure(column, *point, sizes)
                if record is not None:
                    measured[point][column].append(record)
                    if arguments.raw:
                        with arguments.raw.open("a") as file:
                            file.write(json.dumps({"round": round_number, **record}) + "\n")

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
