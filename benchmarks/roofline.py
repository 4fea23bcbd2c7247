"""Where does the time of a search step and of a training step go, and how near is each operation to its roofline?

    python benchmarks/roofline.py                      # 8 filters, 4 cells, batch 32, 32x32x3
    python benchmarks/roofline.py --filters=16 --cells=8 --batch=64

The operations of the step that `search_step.py` times, and of a training step of the network that is derived then, on
one core: time, arithmetic and memory traffic by kind. `kerasnas time --roofline` prints the same for a user's own
settings, by the same functions.
"""

import tempfile
from pathlib import Path
from typing import Any

import skeleton
import tracked
from search_step import STEP_CODE


def main() -> None:
    arguments = skeleton.arguments(
        __doc__, filters=8, cells=4, nodes=4, batch=32, steps=10, most=(12, "kinds of operations that are shown")
    )
    skeleton.prepare(1)
    import numpy as np

    from kerasnas import datasets
    from kerasnas.diagnostics import roofline, step_rooflines
    from kerasnas.diagnostics.step_timing import TimingConfig

    samples = 2 * arguments.batch * (2 * arguments.steps + 2)  # one epoch, and a few to test on
    x, y = np.random.default_rng(0).random((samples, 32, 32, 3), "float32"), np.arange(samples) % 10
    sizes = {"num_cells": arguments.cells, "num_nodes": arguments.nodes, "stem_strides": 1, "auxiliary_skip": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        file = skeleton.save(Path(folder, "noise.npz"), (x, y, x[:40], y[:40]))
        how = {"filters": arguments.filters, "batch_size": arguments.batch, "steps": arguments.steps, **sizes}
        config = TimingConfig(dataset=file, **how)
        data, peaks = datasets.load(file), roofline.measure_peaks()
        steps = list(step_rooflines.rooflines(config, data, peaks))
    table = tracked.Table(["step", "operation", *roofline.COLUMNS])
    for name, step in steps:
        for row in roofline.rows(step, peaks, arguments.most):
            numbers = (round(row[column], 2) or None for column in roofline.COLUMNS)
            table.add([name.split()[0].lower(), row["operation"], *numbers])
    tracked.record(
        arguments,
        table.rows,
        code=("kerasnas/diagnostics", "kerasnas/training", *STEP_CODE),
        note=_note(steps, peaks),
        seeds=[0],
    )


def _note(steps: list, peaks: Any) -> str:
    times = " ".join(f"{name}: {1e3 * step.wall:.1f} ms, {1e3 * step.cpu:.1f} ms of CPU." for name, step in steps)
    return (
        f"The core: {peaks.flops / 1e9:.0f} GFLOP/s (products of float32 matrices), {peaks.bytes / 1e9:.1f} GB/s "
        f"(copies and sums of arrays of 256 MB). {times} Recording takes what is above that in the table. MB: operands "
        "and results, each once; more than 100 % of the memory's peak means that they came from the cache. `roof %` is "
        "the least time that both peaks allow for an operation, as a share of its time. `kerasnas time --roofline` "
        "prints this for your own settings."
    )


if __name__ == "__main__":
    main()
