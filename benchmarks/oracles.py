"""Searches through KerasTuner on NAS-Bench-201, ours and the stock ones, as a Markdown table.

    python benchmarks/oracles.py --data=/path/to/data                            # 50 seeds
    python benchmarks/oracles.py --data=/path/to/data --seeds=5 --searches=predictor,stock_random

The folder holds `nb201.npz`. Every search is a `tuner.search(...)` of 100 trials with a hypermodel that declares the
six choices and answers from the table. It sees the validation accuracy after 12 epochs; reported is the test accuracy
after 200 epochs of the best by that accuracy, mean ± standard deviation over the seeds. The stock Hyperband is not
among them, as the table has nothing shorter than 12 epochs. The stock BayesianOptimization needs scikit-learn.

The overhead is the time of `search` over its trials, less the table's: KerasTuner, the search, and writing the project
to `--folder`. `wall` includes waiting for the disk and for other processes. NumPy has one thread: the matrices are
small, and waiting threads would count. The searches are interleaved, so that other work slows all alike.
"""

import contextlib
import io
import os
import shutil
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import skeleton
import tracked

SEARCHES = ("predictor", "controller", "evolution", "stock_random", "stock_bayesian")
SLOW = "stock_bayesian"


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        data=skeleton.DATA,
        seeds=50,
        slow_seeds=(int, f"of {SLOW}; default all"),
        trials=100,
        dataset=skeleton.one_of("cifar10", "cifar100", "imagenet16"),
        searches=skeleton.listed(SEARCHES),
        folder=(Path, "for the projects, each removed after its search"),
    )
    names = skeleton.names(arguments.searches, SEARCHES)
    path = skeleton.find(arguments.data, "nb201.npz")
    skeleton.prepare(quiet=3)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from kerasnas.tabular import NASBench201

    # `Thread.currentThread`, once a call of a stock oracle
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras_tuner")
    table = NASBench201.open(path, arguments.dataset)
    print(f"NAS-Bench-201 {arguments.dataset}, {arguments.trials} trials\n")
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for seed in range(arguments.seeds):
        for name in names:
            if name == SLOW and arguments.slow_seeds is not None and seed >= arguments.slow_seeds:
                continue
            accuracy, wall, cpu = search(table, name, seed, arguments)
            results[name].append((accuracy, wall, cpu))
            skeleton.log(f"{name} seed {seed}: {accuracy:.2f}, {1000 * wall:.1f}, {1000 * cpu:.1f} ms")
    shown = tracked.Table(["search", "seeds", "test accuracy after 200 epochs", "ms a trial, wall", "ms a trial, CPU"])
    for name in filter(results.get, names):
        accuracies, walls, cpus = zip(*results[name], strict=True)
        deviation = f" ± {statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
        wall, cpu = (1000 * statistics.median(seconds) for seconds in (walls, cpus))
        mean = f"{statistics.mean(accuracies):.2f}{deviation}"
        shown.add([name, len(accuracies), mean, f"{wall:.1f}", f"{cpu:.1f}"])
    intervals = "Mean ± standard deviation over the seeds; times are medians of the seeds"
    code, keys = ["tuners/oracles", "kerasnas/strategies"], ("accuracy", "wall_s", "cpu_s")
    runs = [
        {"search": name, "seed": seed, **dict(zip(keys, (round(value, 5) for value in one), strict=True))}
        for name, found in results.items()
        for seed, one in enumerate(found)
    ]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=runs)


def search(table: Any, name: str, seed: int, arguments: Any) -> tuple[float, float, float]:
    """Return the test accuracy of the best network, and seconds of overhead a trial: wall-clock, and of the CPU."""
    import keras_tuner

    space = table.space
    folder = tempfile.mkdtemp(prefix="keras_tuner-", dir=arguments.folder)
    spent = [0.0, 0.0]  # in the table

    class FromTable(keras_tuner.HyperModel):
        """Declares the choices of the space, and is trained by a look into the table."""

        def declare_hyperparameters(self, hp: Any) -> None:
            for choice, options in space.choices.items():
                hp.Choice(choice, list(options), ordered=False)

        def build(self, hp: Any) -> None:
            self.declare_hyperparameters(hp)

    class Tuner(keras_tuner.engine.base_tuner.BaseTuner):
        """A trial is a look into the table."""

        def run_trial(self, trial: Any, **kwargs: Any) -> dict[str, float]:
            wall, cpu = time.perf_counter(), time.process_time()
            genotype = space.genotype({choice: trial.hyperparameters[choice] for choice in space.choices})
            result = {"val_accuracy": table.query(genotype, 12).valid / 100}
            spent[0] += time.perf_counter() - wall
            spent[1] += time.process_time() - cpu
            return result

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            tuner = Tuner(make_oracle(space, name, seed, arguments.trials), FromTable(), folder, name)
            wall, cpu = time.perf_counter(), time.process_time()
            tuner.search(verbose=0)
            wall, cpu = time.perf_counter() - wall - spent[0], time.process_time() - cpu - spent[1]
    finally:
        shutil.rmtree(folder)
    trials = tuner.oracle.trials
    best = tuner.oracle.get_best_trials(1)[0].hyperparameters
    genotype = space.genotype({choice: best[choice] for choice in space.choices})
    return table.lookup(genotype, "test_200"), wall / len(trials), cpu / len(trials)


def make_oracle(space: Any, name: str, seed: int, trials: int) -> Any:
    import keras_tuner

    import tuners

    ours = {"predictor": "PredictorOracle", "controller": "ControllerOracle", "evolution": "EvolutionOracle"}
    if name in ours:
        return getattr(tuners, ours[name])(space, "val_accuracy", trials, seed=seed)
    objective, seed = keras_tuner.Objective("val_accuracy", "max"), seed + 1  # 0 would stand for a random one there
    if name == "stock_random":
        return keras_tuner.oracles.RandomSearchOracle(objective, trials, seed=seed)
    return keras_tuner.oracles.BayesianOptimizationOracle(objective, trials, seed=seed)


if __name__ == "__main__":
    main()
