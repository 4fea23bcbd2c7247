"""Search the NAS-Bench-201 space on real CIFAR-10 pixels and look the derived cell up in the published table.

    python benchmarks/nasbench201_pixels.py DATA                            # every relaxation, seeds 0, 1, 2
    python benchmarks/nasbench201_pixels.py DATA --runs=softmax --seeds=0
    python benchmarks/nasbench201_pixels.py DATA --runs=collapsing          # what collapses without guards, with them
    python benchmarks/nasbench201_pixels.py DATA --runs=collapsing --guards=off
    python benchmarks/nasbench201_pixels.py DATA --runs=unsearched,random   # the controls
    python benchmarks/nasbench201_pixels.py DATA --runs=staged              # the stages of P-DARTS and DrNAS
    python benchmarks/nasbench201_pixels.py DATA --runs=                    # the random cells' statistics alone

DATA is a folder with the images (`cifar10_16/*.npz` with x_train, y_train; or --images=PATH) and the compact table of
NAS-Bench-201 (`nasbench201/`; or --table=PATH). Three cells per stage and 4 filters, deep and thin: with one cell a
stage the skip connection that makes the best cells shows nothing. The training images are halved between weights and
alphas, in epochs of 100 steps of 64 images of either half. Printed: the test accuracy, after the official 200 epochs,
of the derived cell, and of the cell that a shortlist of --shortlist=6 takes. Controls: `unsearched`, the shortlist
around a random cell; `random`, the best of --random cells that are trained and compared; the cell of the most
parameters, and the best cell. Random cells are those that the search can return: without `none` (unless --allow_none)
and, with guards, of one skip connection at most. The percentile is the percentage of them that the cell beats, ties
counted as halves: chance has 50 on average. Single runs are kept in --raw, and not repeated, whatever the settings
beside --guards: take another file for others.
"""

import dataclasses
import functools
import itertools
import math
import statistics
import time
from pathlib import Path
from typing import Any

import skeleton
import tracked

from kerasnas.tasks.splits import stratified_split

STEPS = 100  # of an epoch
CELLS = ("derived", "of the shortlist")


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
STAGED = {"p_darts": Run("softmax", epochs=21, rate=1e-3), "drnas": Run("dirichlet")}  # by `ProgressiveSearch`
UNGUARDED = {"auxiliary_skip": 0.0, "max_skips": None, "curvature_ratio": None}


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data",
        images=Path,
        table=Path,
        runs=("tuned", "tuned, varied, collapsing, staged, unsearched, random, or names of runs, comma-separated"),
        raw=("runs/nasbench201_pixels.jsonl", "file of the single runs"),
        seeds=("0,1,2", "comma-separated"),
        guards=skeleton.one_of("on", "off"),
        auxiliary_skip=(float, "weight of it, instead of the default"),
        allow_none=(False, "let derived cells have `none`, as published ones do"),
        filters=4,
        num_cells=(3, "of each stage"),
        shortlist=(6, "networks of the shortlist; 0 for the derived cell"),
        learning_rate=0.05,
        random=(4, "random cells that the control of this name trains"),
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

    sets = {"tuned": TUNED, "varied": VARIED, "collapsing": COLLAPSING, "staged": STAGED}
    every = {**TUNED, **VARIED, **COLLAPSING}
    known = [*every, *STAGED, "unsearched", "random"]
    names = list(sets.get(arguments.runs, ())) or skeleton.names(arguments.runs, known)
    seeds = skeleton.numbers(arguments.seeds)
    runs = skeleton.Runs(arguments.raw, "search", "seed", "guards")
    for seed, name in itertools.product(seeds, names):
        if runs.has(name, seed, arguments.guards):
            continue
        before = time.process_time()
        if name in every:
            record = _search(every[name], seed, x, y, table, arguments)
        elif name in STAGED:
            record = _staged(name, seed, x, y, table, arguments)
        else:
            control = _unsearched if name == "unsearched" else _random
            record = control(seed, x, y, table, reachable, arguments)
        record["percentiles"] = {key: round(_percentile(record[key], controls), 1) for key in CELLS if key in record}
        minutes = round((time.process_time() - before) / 60, 2)
        runs.add({"search": name, "seed": seed, "guards": arguments.guards, **record, "cpu_minutes": minutes})
    print(f"\nGuards {arguments.guards}.\n")
    kept = [run for run in runs.records if run["guards"] == arguments.guards and run["seed"] in seeds]
    columns = [f"{key}, {what}" for key in CELLS for what in ("by seed", "mean percentile")]
    shown = tracked.Table(["search", *columns, "CPU minutes of each"])
    for name in names:
        found = [run for run in kept if run["search"] == name]
        minutes = ", ".join(f"{run['cpu_minutes']:.1f}" for run in found)
        shown.add([name, *(cell for key in CELLS for cell in _cells(key, found)), minutes])
    code = ["kerasnas/trainers", "kerasnas/relaxations", "kerasnas/racing/shortlist", "kerasnas/proxies"]
    tracked.record(arguments, shown.rows, code=code, note=note, runs=kept)


def _cells(key: str, runs: list[dict[str, Any]]) -> list[str]:
    """Format the accuracies of cells of the same kind, by seed, and the mean of their percentiles."""
    own = [run for run in runs if key in run]
    if not own:
        return ["", ""]
    return [", ".join(f"{run[key]:.2f}" for run in own), skeleton.spread([run["percentiles"][key] for run in own], 0)]


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


def _search(run: Run, seed: int, x: Any, y: Any, table: Any, arguments: Any) -> dict[str, Any]:
    import keras

    import kerasnas

    before = time.process_time()
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
    _compile(search, run, run.epochs, arguments.learning_rate)
    by_epoch: list[float] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            by_epoch.append(round(table.lookup(search.derive(arguments.allow_none), "test_200"), 2))

    callbacks = [kerasnas.callbacks.TemperatureSchedule(*run.temperature)] if run.temperature else []
    options = {"batch_size": 64, "epochs": run.epochs, "steps_per_epoch": STEPS, "seed": seed, "verbose": 0}
    search.fit(x, y, validation_split=0.5, callbacks=[*callbacks, Watch()], **options)
    derived = search.derive(arguments.allow_none)
    history = search.history.history
    found = {
        **_found("derived", derived, table),
        "search_cpu_minutes": round((time.process_time() - before) / 60, 2),
        "by_epoch": by_epoch,
        "accuracy": history["val_accuracy"][-1],
        "curvature": [round(value, 3) for value in history.get("curvature", [])],
    }
    if arguments.shortlist:
        settings = kerasnas.racing.Shortlist(arguments.shortlist)
        chosen = kerasnas.racing.rerank(search, x, y, settings, seed=seed, log=skeleton.log)
        found |= _found("of the shortlist", chosen, table)
    return found


def _compile(search: Any, run: Run, epochs: int, learning_rate: float) -> None:
    import keras

    learning = epochs - search.architecture_warmup.length(epochs)  # the optimizer of the alphas counts no other epochs
    rate = keras.optimizers.schedules.CosineDecay(run.rate, learning * STEPS) if run.anneal else run.rate
    alphas = keras.optimizers.Adam(rate, beta_1=0.5)
    search.compile(learning_rate=learning_rate, architecture_optimizer=alphas, metrics=["accuracy"])


def _staged(name: str, seed: int, x: Any, y: Any, table: Any, arguments: Any) -> dict[str, Any]:
    """The search in the stages of a paper, whose last supernet is as deep as the others here."""
    import kerasnas
    from kerasnas.trainers.progressive import SCHEMES

    before, run, scheme = time.process_time(), STAGED[name], SCHEMES[name]
    first = max(round(arguments.num_cells / scheme.stages[-1].depth), 1)
    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=first)
    staged = kerasnas.search.ProgressiveSearch(space, x.shape[1:], 10, name, seed=seed, max_skips="auto")
    epochs = run.epochs // len(scheme.stages)
    options = {"batch_size": 64, "epochs": epochs, "steps_per_epoch": STEPS, "seed": seed, "verbose": 0}
    compile_stage = functools.partial(_compile, run=run, epochs=epochs, learning_rate=arguments.learning_rate)
    histories = staged.fit(x, y, compile=compile_stage, validation_split=0.5, **options)
    return {
        **_found("derived", staged.derive(), table),
        "search_cpu_minutes": round((time.process_time() - before) / 60, 2),
        "accuracy": histories[-1].history["val_accuracy"][-1],
    }


def _unsearched(seed: int, x: Any, y: Any, table: Any, reachable: Any, arguments: Any) -> dict[str, Any]:
    """Control: the shortlist around a random cell in place of a searched one."""
    import numpy as np

    import kerasnas

    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=arguments.num_cells)
    start = reachable.sample(np.random.default_rng(seed))
    shortlist = kerasnas.racing.Shortlist(arguments.shortlist)
    options = {"within": reachable, "seed": seed, "log": skeleton.log}
    chosen = kerasnas.racing.rerank_genotypes(space, [start], x, y, 10, shortlist, **options)
    return {**_found("derived", start, table), **_found("of the shortlist", chosen, table)}


def _random(seed: int, x: Any, y: Any, table: Any, reachable: Any, arguments: Any) -> dict[str, Any]:
    """Train random cells that a search can return on one half of the images; choose among them on the other."""
    import keras
    import numpy as np

    import kerasnas

    steps = TUNED["softmax"].epochs * STEPS
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
    return {**_found("of the shortlist", best[1], table), "accuracy": best[0]}


def _found(kind: str, genotype: Any, table: Any) -> dict[str, Any]:
    """Return the test accuracy of a cell, in percent, and the cell."""
    return {kind: round(table.lookup(genotype, "test_200"), 2), f"{kind}, cell": table.space.to_string(genotype)}


if __name__ == "__main__":
    main()
