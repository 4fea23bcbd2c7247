"""Time and memory of the search step: build, first step (tracing included), then later steps.

    python benchmarks/search_step.py                                  # 8 filters, 4 cells, batch 32, 32x32x3
    python benchmarks/search_step.py --case second_order --filters 16 --cells 8 --batch 64 --threads 1

Prints one JSON line, with the keys of `pytorch_darts.py`. Run it in a process of its own for each case; peak memory is
the process's. `kerasnas time` measures the same for a user's own settings, by the same function.
"""

import json
import math
import os
import resource
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import skeleton
import tracked

QUIET_CORES = 0.2
"""The machine counts as idle while at most this many cores work for others."""

STEP_CODE = ("kerasnas/trainers", "kerasnas/networks", "kerasnas/primitives", "kerasnas/backend")
"""What the time of a step depends on."""

CASES: dict[str, dict[str, Any]] = {
    "first_order": {},
    "second_order": {"hypergradient": "unrolled"},
    "finite_difference": {"hypergradient": "finite_difference"},
    "partial_channels": {"space": {"partial_channels": 4, "edge_normalization": True}},
    "sampled": {"relaxation": "gumbel"},
}


def main() -> None:
    arguments = skeleton.arguments(__doc__, **case_options(CASES))
    skeleton.prepare(arguments.threads)
    _, timing = timed(arguments)
    found = {
        "framework": "kerasnas",
        **tracked.settings(arguments),
        "build_s": round(timing.build_s, 2),
        "first_step_s": round(timing.first_step_s, 2),
        "step_wall_ms": round(1e3 * statistics.median(timing.wall_s), 1),
        "step_cpu_ms": round(1e3 * statistics.median(timing.cpu_s), 1),
        "peak_memory_gib": timing.peak_memory_gib and round(timing.peak_memory_gib, 2),
    }
    print(json.dumps(found))
    tracked.record(arguments, [found], code=STEP_CODE)


def trainer(arguments: Any, input_shape: tuple[int, ...], num_classes: int, **options: Any) -> Any:
    """Return a compiled search of a case, without a warm-up."""
    import kerasnas

    case = CASES[arguments.case]
    space = kerasnas.DARTSSpace(arguments.filters, arguments.cells, arguments.nodes, **case.get("space", {}))
    supernet = space.build_supernet(input_shape, num_classes, relaxation=case.get("relaxation", "softmax"))
    hypergradient = case.get("hypergradient", "first_order")
    search = kerasnas.BilevelTrainer(supernet, hypergradient, architecture_warmup_epochs=0, **options)
    search.compile()
    return search


def timed(arguments: Any) -> tuple[Any, Any]:
    """Return a search of a case, and the timing of its step on random images."""
    import numpy as np

    from kerasnas.diagnostics.step_timing import measure_step

    made = []

    def build() -> Any:
        made.append(trainer(arguments, (32, 32, 3), 10, auxiliary_skip=0.0))  # without it, as the peer's
        return made[0]

    samples = max(8 * arguments.batch, 40)  # a few batches, and a few images of each class for either half
    x = np.random.default_rng(0).random((samples, 32, 32, 3), "float32")
    timing = measure_step(build, x, np.arange(samples) % 10, arguments.batch, arguments.steps)
    return made[0], timing


def case_options(cases: Iterable[str], **options: Any) -> dict[str, Any]:
    """Return the arguments of a script that measures one case, whatever the framework."""
    sizes = {"filters": 8, "cells": 4, "nodes": 4, "batch": 32, "steps": 15}
    threads = (0, "0: the framework's own choice")
    return {"case": skeleton.one_of(*cases), **sizes, "threads": threads, **options}


def in_own_process(script: str, **flags: Any) -> dict[str, Any] | None:
    """Run a script of this folder that prints one JSON line; return its content and `other_cores`.

    `other_cores` is how many cores everything else on the machine kept busy meanwhile, None if unknown. A failure is
    printed and returns None, so that a long comparison continues with its other cases.

    Args:
        script: file name.
        flags: of the script; True stands for a flag without a value, False for its absence.
    """
    given = {name: value for name, value in flags.items() if value is not False}
    words = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
    before = _busy_seconds()
    found = skeleton.child(Path(__file__).with_name(script), *words)
    wall, all_cores, own = (after - earlier for after, earlier in zip(_busy_seconds(), before, strict=True))
    if found is None:
        return None
    record = {**found, "other_cores": None if math.isnan(all_cores) else round((all_cores - own) / wall, 2)}
    skeleton.log(json.dumps(record))
    return record


def _busy_seconds() -> tuple[float, float, float]:
    """Return seconds so far: wall-clock, of all busy cores (NaN off Linux), of the processes we started."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        ticks = [int(value) for value in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:
        busy = math.nan
    else:
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")  # less idle and waiting for a disk
    return time.perf_counter(), busy, children.ru_utime + children.ru_stime


def quietness(records: list[dict[str, Any]]) -> str:
    """Describe what else the machine did while `records` were measured, and whether they may be used."""
    others = [record["other_cores"] for record in records if record["other_cores"] is not None]
    if not others:
        return "What else the machine did meanwhile is not known."
    text = f"Other work kept {statistics.median(others):.2f} cores busy meanwhile (median), {max(others):.2f} at most."
    if max(others) > QUIET_CORES:
        text += (
            " **Do not use these times:** the machine was not idle. Threads that wait for each other suffer most; the "
            "same step took eight times its CPU time so."
        )
    return text


if __name__ == "__main__":
    main()
