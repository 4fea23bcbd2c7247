"""How often does `readapt` adopt a model where nothing can be gained? As Markdown.

    OMP_NUM_THREADS=1 python benchmarks/readapting.py                     # 2,000 streams, 30 minutes of a core

The labels of a stream are drawn at random, so every adoption is one by chance; the stated rate is 5 %. A stream has 40,
100 or 400 samples of four numbers, in two or ten classes. A network of one hidden layer has up to 100 steps, with a
look at the held-out samples after each tenth. Brackets are 95 % intervals (Wilson).
"""

from pathlib import Path

import keras
import numpy as np
import skeleton
import tracked

from kerasnas import readapt
from kerasnas.intervals import wilson_interval

SIZES, CLASSES = (40, 100, 400), (2, 10)


def network(classes):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Dense(16, activation="relu")(inputs)))


def one_stream(seed, models):
    size, classes = SIZES[seed % len(SIZES)], CLASSES[seed % len(CLASSES)]
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(size, 4)), rng.integers(0, classes, size)
    found = readapt(models[classes], x, y, most_steps=100, batch_size=32, seed=seed)
    kept = {"adopted": found.adopted, "before": found.before, "after": found.after}
    return {"seed": seed, "samples": size, "classes": classes, **kept}


def report(arguments, records):
    table = tracked.Table(["classes", "samples", "streams", "adopted", "adopted, %"])
    for classes, size in [*((classes, size) for classes in CLASSES for size in SIZES), ("all", "all")]:
        chosen = [
            one["adopted"] for one in records if classes in (one["classes"], "all") and size in (one["samples"], "all")
        ]
        low, high = (round(max(0.0, 100 * end), 1) for end in wilson_interval(np.mean(chosen), len(chosen)))
        share = {"mean": round(100 * np.mean(chosen), 1), "low": low, "high": high}
        table.add([str(classes), str(size), len(chosen), sum(chosen), share])
    code, intervals = ["kerasnas/deployment/readapting.py"], "Brackets are 95 % intervals (Wilson)"
    seeds = [one["seed"] for one in records]
    adopted = [{"adopted_seeds": [one["seed"] for one in records if one["adopted"]]}]
    tracked.record(arguments, table.rows, code=code, intervals=intervals, seeds=seeds, runs=adopted)


def main():
    arguments = skeleton.arguments(
        __doc__, streams=(2000, "number of streams"), raw=(Path("runs/readapting.jsonl"), "a line for each; kept")
    )
    runs, models = skeleton.Runs(arguments.raw, "seed"), {classes: network(classes) for classes in CLASSES}
    for seed in range(arguments.streams):
        if not runs.has(seed):
            runs.add(one_stream(seed, models))
    report(arguments, runs.records)


if __name__ == "__main__":
    main()
