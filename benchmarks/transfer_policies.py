"""Searches with and without a warm start from earlier ones, leaving one task out, as Markdown.

    export OPENBLAS_NUM_THREADS=1  # these matrices are small: threads that wait for each other take ten times as long
    python benchmarks/transfer_policies.py --data=/path/to/data                        # NAS-Bench-Graph, 20 seeds
    python benchmarks/transfer_policies.py --data=/path/to/data --table=nasbench201
    python benchmarks/transfer_policies.py --data=/path/to/data --targets=cora,cs --searches=scratch_predictor

The folder holds `nasbench_graph5.npz` and `nb201.npz`. Each dataset of the table is the target once, with the others as
its sources. All methods receive the same of every source: the 200 evaluations of one `PredictorSearch` on its signal
(the first 100 at random), a new one for every seed. The signal is the validation accuracy, NAS-Bench-201's after 12
epochs.

Each entry is the regret on the signal after some evaluations (the highest signal of the table less the best so far,
mean over the seeds) divided by that of random search: 0 is the optimum, 1 random search. For NAS-Bench-201 it is the
regret itself, in points, since the quotient of a solved task is undefined. Below are z-scores: the lead of the
warm-started over the same search from scratch in standard errors (Welch), and the last line counts those below -2.6.

- `random`: `RandomSearch`, the divisor. `replay`: the sources' architectures, the best of each first, and so on.
- `scratch_predictor`, `warm_predictor`: `PredictorSearch`, and `TransferPredictor` with the sources.
- `scratch_controller`: `Reinforce`; `pretrained_controller`, `reptile_controller`: the same with initial parameters of
  `pretrain_policy` and `reptile_policy`, which see the sources through Gaussian processes fitted to those evaluations.

All run with their defaults on every target. The weight of the sources in the warm predictor is learned without the
target (`SourcePrior`). The other constants (`trust`; steps and rates of the two ways to train a controller) were fixed
by means over all five targets of NAS-Bench-Graph in earlier runs, so that those means are a little optimistic, for
plain pretraining as much as for Reptile.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import skeleton
import tracked

from kerasnas.meta.experience import SearchExperience
from kerasnas.meta.warm_controller import pretrain_policy, reptile_policy
from kerasnas.meta.warm_predictor import TransferPredictor
from kerasnas.search import PredictorSearch, RandomSearch, Reinforce, SearchStrategy
from kerasnas.tabular import NASBench201, NASBenchGraph
from kerasnas.tabular.table import Table

CHECKPOINTS = (5, 10, 25, 50, 100)
SOURCE_EVALUATIONS, SOURCE_RANDOM, SOURCE_BATCH = 200, 100, 5
SIGNIFICANT = 2.6
TABLES = {
    "nasbench_graph": ("nasbench_graph5.npz", NASBenchGraph, ("cora", "citeseer", "pubmed", "cs", "physics")),
    "nasbench201": ("nb201.npz", NASBench201, ("cifar10", "cifar100", "imagenet16")),
}
SIGNALS = {"nasbench_graph": "valid_1", "nasbench201": "valid_12"}
PAIRS = {  # a warm start, and the same search from scratch
    "warm_predictor": "scratch_predictor",
    "pretrained_controller": "scratch_controller",
    "reptile_controller": "scratch_controller",
}


class Task:
    """A dataset of a table, and the signal that a search sees."""

    def __init__(self, table: Table, signal: str):
        self.table, self.space, self.signal = table, table.space, table.column(signal)


Rows = Callable[[Task, list[SearchExperience], int], list[int]]


def _searching(make: Callable[[Task, list[SearchExperience], int], SearchStrategy]) -> Rows:
    return lambda task, sources, seed: ask_tell(make(task, sources, seed), task, max(CHECKPOINTS))


def _warm(learn: Callable) -> Callable[[Task, list[SearchExperience], int], SearchStrategy]:
    def make(task: Task, sources: list[SearchExperience], seed: int) -> SearchStrategy:
        strategy = Reinforce(task.space, seed=seed)
        strategy.set_parameters(learn(Reinforce, task.space, sources, seed=seed))
        return strategy

    return make


def replay(task: Task, sources: list[SearchExperience], seed: int) -> list[int]:
    """Return the sources' architectures in rank order, one of each in turn, each once."""
    ranked = [source.ranked for source in sources]
    longest = max(map(len, ranked))
    turns = (order[rank] for rank in range(longest) for order in ranked if rank < len(order))
    return [task.table.row(task.space.decode(indices)) for indices in dict.fromkeys(turns)][: max(CHECKPOINTS)]


SEARCHES: dict[str, Rows] = {
    "random": _searching(lambda task, sources, seed: RandomSearch(task.space, seed=seed)),
    "replay": replay,
    "scratch_predictor": _searching(lambda task, sources, seed: PredictorSearch(task.space, seed=seed)),
    "warm_predictor": _searching(lambda task, sources, seed: TransferPredictor(task.space, sources, seed=seed)),
    "scratch_controller": _searching(lambda task, sources, seed: Reinforce(task.space, seed=seed)),
    "pretrained_controller": _searching(_warm(pretrain_policy)),
    "reptile_controller": _searching(_warm(reptile_policy)),
}


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        data=skeleton.DATA,
        table=skeleton.one_of(*TABLES),
        seeds=20,
        targets=("", "comma-separated; all by default"),
        searches=("", "comma-separated, in addition to random; all by default"),
    )
    names = ["random", *(name for name in SEARCHES if name != "random" and _chosen(name, arguments.searches))]
    tasks = dict(read_tasks(arguments.data, arguments.table))
    targets = [name for name in tasks if _chosen(name, arguments.targets)]
    if arguments.seeds < 2 or not targets:
        raise SystemExit(f"Expected at least 2 seeds, and targets of {sorted(tasks)}.")

    regrets = {(target, name): np.zeros((arguments.seeds, len(CHECKPOINTS))) for target in targets for name in names}
    seconds = dict.fromkeys(names, 0.0)
    for seed in range(arguments.seeds):
        experiences = {name: experience(task, name, place, seed) for place, (name, task) in enumerate(tasks.items())}
        for target in targets:
            sources = [source for name, source in experiences.items() if name != target]
            for name in names:
                start = time.process_time()
                rows = SEARCHES[name](tasks[target], sources, seed)
                seconds[name] += time.process_time() - start
                regrets[target, name][seed] = evaluate(tasks[target], rows)
        if seed % 10 == 9:
            skeleton.log(f"{seed + 1} seeds", *so_far(regrets, targets, names, seed + 1))
    relative = arguments.table == "nasbench_graph"
    rows, note = report_regret(regrets, targets, names, relative)
    code = ["kerasnas/meta/warm_predictor.py", "kerasnas/meta/warm_controller.py", "kerasnas/strategies"]
    intervals = f"Regret on the signal {'relative to random search' if relative else 'in points'}; z in standard errors"
    runs = [{"target": key[0], "search": key[1], "regrets": found.round(3).tolist()} for key, found in regrets.items()]
    tracked.record(arguments, rows, code=code, intervals=intervals, note=note, runs=runs)
    searches = arguments.seeds * len(targets)
    print("\nSeconds a search, with its learning: " + ", ".join(f"{n} {seconds[n] / searches:.2f}" for n in names))


def _chosen(name: str, listed: str) -> bool:
    return not listed or name in listed.split(",")


def read_tasks(data: Path, table: str) -> Iterator[tuple[str, Task]]:
    """Yield all datasets of a table. They share one space, whose neighborhoods are then computed once."""
    file, reader, datasets = TABLES[table]
    path = skeleton.find(data, file)
    space = None
    for dataset in datasets:
        task = Task(reader.open(path, dataset), SIGNALS[table])
        space = task.space if space is None else space
        task.space = space
        yield dataset, task


def ask_tell(strategy: SearchStrategy, task: Task, evaluations: int) -> list[int]:
    rows = []
    for _ in range(evaluations):
        genotype = strategy.ask()
        rows.append(task.table.row(genotype))
        strategy.tell(genotype, float(task.signal[rows[-1]]))
    return rows


def experience(task: Task, name: str, place: int, seed: int) -> SearchExperience:
    """Return the known evaluations of a source task."""
    strategy = PredictorSearch(task.space, 10_000 + 10 * seed + place, initial=SOURCE_RANDOM, batch_size=SOURCE_BATCH)
    ask_tell(strategy, task, SOURCE_EVALUATIONS)
    return SearchExperience.of(strategy, name)


def evaluate(task: Task, rows: list[int]) -> list[float]:
    """Return the regret on the signal, at the checkpoints."""
    signals = task.signal[rows]
    return [float(task.signal.max() - signals[:count].max()) for count in CHECKPOINTS]


def so_far(regrets: dict, targets: list[str], names: list[str], seeds: int) -> Iterator[str]:
    """Yield a line for every search: its mean relative regret over the targets after the first seeds."""
    for name in names:
        means = [[regrets[target, which][:seeds].mean(axis=0) for target in targets] for which in (name, "random")]
        yield f"\n  {name} " + " ".join(f"{value:.3f}" for value in (np.array(means[0]) / means[1]).mean(axis=0))


def report_regret(regrets: dict, targets: list[str], names: list[str], relative: bool) -> tuple[list[dict], str]:
    """Print the table; return its rows, and a note on what is worse than from scratch."""
    print("\n" + ("Regret relative to random search's" if relative else "Regret in points") + "\n")
    table = tracked.Table(["target", "search", *map(str, CHECKPOINTS)])
    means: dict[str, list[np.ndarray]] = {name: [] for name in names}
    worse = []
    for target in targets:
        for name in names:
            shown = regrets[target, name].mean(axis=0)
            shown = shown / regrets[target, "random"].mean(axis=0) if relative else shown
            means[name].append(shown)
            table.add([target, name, *(f"{value:.2f}" for value in shown)])
        for name, scratch in PAIRS.items():
            if name in names and scratch in names:
                z = skeleton.welch(regrets[target, scratch], regrets[target, name])
                below = [count for count, value in zip(CHECKPOINTS, z, strict=True) if value < -SIGNIFICANT]
                worse += [f"{name} on {target} at {count}" for count in below]
                table.add([target, f"z: {name} before {scratch}", *(f"{value:+.1f}" for value in z)])
    for name in names:
        table.add(["mean", name, *(f"{value:.3f}" for value in np.mean(means[name], axis=0))])
    note = f"Significantly worse than from scratch: {'; '.join(worse) or 'nowhere'}."
    print(f"\n{note}")
    return table.rows, note


if __name__ == "__main__":
    main()
