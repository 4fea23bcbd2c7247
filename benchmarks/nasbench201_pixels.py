"""Search the NAS-Bench-201 space on real CIFAR-10 pixels and look the derived cell up in the published table.

    python benchmarks/nasbench201_pixels.py DATA                            # every relaxation, seeds 0, 1, 2
    python benchmarks/nasbench201_pixels.py DATA --runs=softmax --seeds=0
    python benchmarks/nasbench201_pixels.py DATA --runs=collapsing          # what collapses without guards, with them
    python benchmarks/nasbench201_pixels.py DATA --runs=collapsing --guards=off
    python benchmarks/nasbench201_pixels.py DATA --runs=none                # the random cells' statistics alone
    python benchmarks/nasbench201_pixels.py DATA --runs=unsearched          # the shortlist around a random cell

DATA is a folder with the images (`cifar10_16/*.npz` with x_train, y_train; or --images=PATH) and the compact table of
NAS-Bench-201 (`nasbench201/`; or --table=PATH). Three cells per stage and 4 filters, deep and thin: with one cell a
stage the skip connection that makes the best cells shows nothing. The training images are halved between weights and
alphas, in epochs of 100 steps of 64 images of either half. Printed: the test accuracy, after the official 200 epochs,
of the cell that the shortlist of --shortlist=6 takes and of the derived cell, compared with random cells, with random
cells trained and selected within the search's own budget, with the cell of the most parameters and with the best cell.
Random cells are those that the search can return: without `none` (unless --allow_none) and, with guards, of one skip
connection at most. The percentile is the percentage of them that the cell beats, ties counted as halves. CPU minutes
are those of the search, and of the search with the shortlist.
"""

import dataclasses
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import skeleton
import tracked

from kerasnas.tasks.splits import stratified_split

STEPS = 100  # of an epoch


@dataclasses.dataclass(frozen=True)
class Run:
    """Settings of the search with a relaxation; all others are the package's defaults, the same for all.

    `epochs` have 100 steps; in those of the `warmup` the alphas are frozen (None for the package's default, a quarter,
    and none without guards). `rate` is the learning rate of the alphas (Adam) after it; with `anneal` a cosine takes it
    to 0, so that noise averages out. `temperature` is that of the first and last epoch. `partial_channels` is 4 for
    PC-DARTS, with edge normalization, `zero_one_weight` the factor of FairDARTS' loss.
    """

    relaxation: str
    epochs: int = 20
    warmup: int | None = None
    rate: float = 2e-3
    anneal: bool = True
    temperature: tuple[float, float] | None = None
    partial_channels: int = 1
    zero_one_weight: float | None = None


TUNED = {
    "softmax": Run("softmax", rate=1e-3),
    "gumbel": Run("gumbel", epochs=48, warmup=24),
    "partial_channels": Run("softmax", partial_channels=4),
    "binary_gates": Run("binary_gates", epochs=48, warmup=24),
    "dirichlet": Run("dirichlet"),
    "sigmoid": Run("sigmoid", zero_one_weight=1.0),
}
VARIED = {  # the default search, with other steps and rates
    "softmax_half_rate": Run("softmax", rate=5e-4),
    "softmax_twice_rate": Run("softmax", rate=2e-3),
    "softmax_twice_steps": Run("softmax", rate=1e-3, epochs=40),
    "softmax_four_times_steps": Run("softmax", rate=1e-3, epochs=80),
}
COLLAPSING = {
    "softmax_warmup_of_300_steps": Run("softmax", warmup=3, rate=6e-3, anneal=False),
    "dirichlet_untuned": Run("dirichlet", rate=6e-3, anneal=False),
    "softmax_four_times_as_long": Run("softmax", rate=6e-3, anneal=False, epochs=80),
    "gumbel_untuned": Run("gumbel", rate=6e-3, anneal=False, temperature=(10, 0.1)),
}
UNGUARDED = {"auxiliary_skip": 0.0, "max_skips": None, "curvature_ratio": None}


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data",
        images=Path,
        table=Path,
        runs=("tuned", "tuned, varied, collapsing, unsearched, none, or names of runs, comma-separated"),
        seeds=("0,1,2", "comma-separated"),
        guards=skeleton.one_of("on", "off"),
        auxiliary_skip=(float, "weight of it, instead of the default"),
        allow_none=(False, "let derived cells have `none`, as published ones do"),
        filters=4,
        num_cells=(3, "of each stage"),
        shortlist=(6, "networks of the shortlist; 0 for the derived cell"),
        learning_rate=0.05,
        random=(4, "random cells that the control trains; 0 for none"),
        threads=0,
    )
    skeleton.prepare(arguments.threads)
    import numpy as np

    import kerasnas

    table = kerasnas.tabular.NASBench201.open(arguments.table or arguments.data / "nasbench201")
    (images,) = [arguments.images] if arguments.images else sorted((arguments.data / "cifar10_16").glob("*.npz"))
    with np.load(images) as file:
        x, y = file["x_train"].astype("float32") / 255, file["y_train"].reshape(-1)
    x = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))

    test = table.column("test_200")
    reachable = table.space.reachable(
        "auto" if arguments.guards == "on" else UNGUARDED["max_skips"], allow_none=arguments.allow_none
    )
    controls = np.sort([table.lookup(genotype, "test_200") for genotype in reachable])
    largest = int(np.argmax(table.column("params")))
    note = (
        f"{len(x):,} images of {x.shape[1:]}. The best cell there is: {test.max():.2f}; the cell with the most "
        f"parameters: {test[largest]:.2f} (percentile {_percentile(test[largest], controls):.0f}), "
        f"`{table.space.to_string(table.genotype(largest))}`."
    )
    print(f"{note}\n", flush=True)
    drawn = tracked.Table(["random cells", "number", "mean", "median", "best of three, mean", "best"])
    drawn.add([f"of those that a search can return ({reachable})", *_described(controls)])
    drawn.add(["of all", *_described(np.sort(test))])

    unsearched = {"unsearched": None}
    sets = {"tuned": TUNED, "varied": VARIED, "collapsing": COLLAPSING, "none": {}, "unsearched": unsearched}
    every = {**TUNED, **VARIED, **COLLAPSING, **unsearched}
    if arguments.runs in sets:
        runs = sets[arguments.runs]
    else:
        runs = {name: every[name] for name in arguments.runs.split(",")}
    code = ["kerasnas/trainers", "kerasnas/relaxations", "kerasnas/racing/shortlist", "kerasnas/proxies"]
    if not runs:
        return
    seeds = skeleton.numbers(arguments.seeds)
    print(f"\nGuards {arguments.guards}.\n")
    by_seed = ["percentile by seed", "CPU minutes of each", "derived, by seed"]
    shown = tracked.Table(["search", "test accuracy by seed", "mean", "worst", *by_seed])
    for name, run in runs.items():
        found = []
        for seed in seeds:
            before = time.process_time()
            if run is None:
                found.append(_unsearched(seed, x, y, table, reachable, arguments, before))
            else:
                found.append(_search(name, run, seed, x, y, table, arguments, before))
        shown.add(_row(name, found, controls))
    if arguments.random:
        title = f"control: of {arguments.random} random cells the best after training each with as many steps"
        found = [_random(seed, x, y, table, reachable, arguments) for seed in seeds]
        shown.add(_row(title, found, controls))
    tracked.record(arguments, shown.rows, code=code, note=note, runs=shown.rows)


def _described(accuracies: Any) -> list[str]:
    """Format number, mean, median, mean of the best of three different ones, and best, of sorted accuracies."""
    count = len(accuracies)
    # Of the cells in order, number i (from 0) is the best of i (i - 1) / 2 of all threes.
    threes = sum(math.comb(i, 2) * float(value) for i, value in enumerate(accuracies)) / math.comb(count, 3)
    values = (accuracies.mean(), statistics.median(accuracies), threes, accuracies[-1])
    return [f"{count:,}", *(f"{value:.2f}" for value in values)]


def _percentile(accuracy: float, controls: Any) -> float:
    """Return the percentage of sorted `controls` that are worse; equal ones count as halves."""
    below = float(controls.searchsorted(accuracy, "left") + controls.searchsorted(accuracy, "right"))
    return 50 * below / len(controls)


def _row(name: str, records: list[dict[str, Any]], controls: Any) -> list[str]:
    accuracies = [record["test_200"] for record in records]
    minutes = ", ".join(f"{record['cpu_minutes']:.1f}" for record in records)
    percentiles = ", ".join(f"{_percentile(value, controls):.0f}" for value in accuracies)
    each = ", ".join(f"{value:.2f}" for value in accuracies)
    derived = ", ".join(str(record.get("derived", "-")) for record in records)
    return [name, each, f"{statistics.mean(accuracies):.2f}", f"{min(accuracies):.2f}", percentiles, minutes, derived]


def _search(name: str, run: Run, seed: int, x: Any, y: Any, table: Any, arguments: Any, before: float) -> dict:
    import keras

    import kerasnas

    partial = {"partial_channels": run.partial_channels, "edge_normalization": True} if run.partial_channels > 1 else {}
    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=arguments.num_cells)
    relaxation: Any = run.relaxation
    if run.zero_one_weight is not None:
        relaxation = kerasnas.relaxations.Sigmoid(run.zero_one_weight)
    supernet = space.build_supernet(x.shape[1:], 10, relaxation, seed=seed, **partial)
    guards = {} if arguments.guards == "on" else dict(UNGUARDED)
    warmup = run.warmup if run.warmup is not None or arguments.guards == "on" else 0
    if arguments.auxiliary_skip is not None:
        guards["auxiliary_skip"] = arguments.auxiliary_skip
    search = kerasnas.BilevelTrainer(supernet, architecture_warmup_epochs=warmup, **guards)
    learning = run.epochs - search.architecture_warmup.length(run.epochs)  # their optimizer counts no other epochs
    rate = keras.optimizers.schedules.CosineDecay(run.rate, learning * STEPS) if run.anneal else run.rate
    search.compile(
        learning_rate=arguments.learning_rate,
        architecture_optimizer=keras.optimizers.Adam(rate, beta_1=0.5),
        metrics=["accuracy"],
    )
    by_epoch: list[float] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            by_epoch.append(round(table.lookup(search.derive(arguments.allow_none), "test_200"), 2))

    callbacks = [kerasnas.callbacks.TemperatureSchedule(*run.temperature)] if run.temperature else []
    options = {"batch_size": 64, "epochs": run.epochs, "steps_per_epoch": STEPS, "seed": seed, "verbose": 0}
    search.fit(x, y, validation_split=0.5, callbacks=[*callbacks, Watch()], **options)
    derived = search.derive(arguments.allow_none)
    searched = round((time.process_time() - before) / 60, 2)
    chosen = derived
    if arguments.shortlist:
        settings = kerasnas.racing.Shortlist(arguments.shortlist)
        chosen = kerasnas.racing.rerank(search, x, y, settings, seed=seed, log=skeleton.log)
    history = search.history.history
    more = {"derived": round(table.lookup(derived, "test_200"), 2), "derived_cell": table.space.to_string(derived)}
    more |= {"search_cpu_minutes": searched, "by_epoch": by_epoch, "accuracy": history["val_accuracy"][-1]}
    more["curvature"] = [round(value, 3) for value in history.get("curvature", [])]
    return _record(name, seed, chosen, table, before, **more)


def _unsearched(seed: int, x: Any, y: Any, table: Any, reachable: Any, arguments: Any, before: float) -> dict:
    """Control: the shortlist around a random cell in place of a searched one."""
    import numpy as np

    import kerasnas

    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=arguments.num_cells)
    start = reachable.sample(np.random.default_rng(seed))
    shortlist = kerasnas.racing.Shortlist(arguments.shortlist)
    options = {"within": reachable, "seed": seed, "log": skeleton.log}
    chosen = kerasnas.racing.rerank_genotypes(space, [start], x, y, 10, shortlist, **options)
    return _record("unsearched", seed, chosen, table, before, derived=round(table.lookup(start, "test_200"), 2))


def _random(seed: int, x: Any, y: Any, table: Any, reachable: Any, arguments: Any) -> dict[str, Any]:
    """Train random cells that a search can return on one half of the images; choose among them on the other."""
    import keras
    import numpy as np

    import kerasnas

    before, steps = time.process_time(), TUNED["softmax"].epochs * STEPS
    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=arguments.num_cells)
    rng = np.random.default_rng(seed)
    first, second = stratified_split(y, 0.5, seed)
    best = (-1.0, None)
    for genotype in reachable.sample_distinct(rng, arguments.random):
        model = space.build_network(genotype, x.shape[1:], 10, seed=seed)
        # A step of the search takes two batches through five primitives an edge, one of these a batch through one.
        decay = keras.optimizers.schedules.CosineDecay(arguments.learning_rate, steps)
        model.compile(
            keras.optimizers.SGD(decay, momentum=0.9, global_clipnorm=5.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
        batches = kerasnas.datasets.batches.ArrayBatches(x[first], y[first], 64, seed=seed)
        model.fit(batches, epochs=-(-steps // len(batches)), shuffle=False, verbose=0)
        accuracy = model.evaluate(x[second], y[second], batch_size=500, verbose=0)[1]
        best = max(best, (accuracy, genotype), key=lambda pair: pair[0])
    return _record("random", seed, best[1], table, before, accuracy=best[0])


def _record(name: str, seed: int, genotype: Any, table: Any, before: float, **more: Any) -> dict[str, Any]:
    record = {
        "search": name,
        "seed": seed,
        "test_200": table.lookup(genotype, "test_200"),
        "cell": table.space.to_string(genotype),
        "cpu_minutes": round((time.process_time() - before) / 60, 2),
        **more,
    }
    skeleton.log(json.dumps(record))
    return record


if __name__ == "__main__":
    main()
