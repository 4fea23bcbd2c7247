"""Searches with several budgets on NAS-Bench-101, compared at equal training time, as Markdown.

    python benchmarks/multi_fidelity.py --data=/path/to/data              # 50 seeds
    python benchmarks/multi_fidelity.py --data=/path/to/data --seeds=10 --workers=25

The folder holds a file `nb101_20k*.npz` (a sample with the accuracies after 4, 12, 36 and 108 epochs), in it or below
it. A trial of n epochs costs n epochs: nothing is resumed. A search is reported by the validation accuracy after 108
epochs of its best so far (of the most epochs): once it has spent as many epochs as 20, 50 and 100 whole trainings.
With several workers a trial ends when its epochs are over, and a free worker asks for the next one at once; time is
then that of all workers together. Single-budget searches train for 108 epochs throughout. Means over the seeds are
given with their 95 % intervals.
"""

import argparse
import heapq
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tracked

from kerasnas.search import ASHA, BOHB, Hyperband, RandomSearch, RegularizedEvolution, SuccessiveHalving
from kerasnas.tabular import NASBench101

BUDGETS = (4, 12, 36, 108)
CHECKPOINTS = (20, 50, 100)
SEARCHES: dict[str, Callable[[Any, int], Any]] = {
    "random, 108 epochs": lambda space, seed: Hyperband(RandomSearch(space, seed), (108,)),
    "evolution, 108 epochs": lambda space, seed: Hyperband(RegularizedEvolution(space, seed), (108,)),
    "successive halving": lambda space, seed: SuccessiveHalving(RandomSearch(space, seed), BUDGETS),
    "Hyperband": lambda space, seed: Hyperband(RandomSearch(space, seed), BUDGETS),
    "ASHA": lambda space, seed: ASHA(RandomSearch(space, seed), BUDGETS),
    "BOHB": lambda space, seed: BOHB(space, BUDGETS, seed=seed),
    "ASHA of evolution": lambda space, seed: ASHA(RegularizedEvolution(space, seed), BUDGETS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    arguments = tracked.parse(parser)
    found = sorted(arguments.data.rglob("nb101_20k*.npz"))
    if not found or arguments.seeds < 2:
        parser.error(f"expected nb101_20k*.npz in or below --data={arguments.data}, and at least 2 seeds")
    table = NASBench101.open(found[0])
    rows: dict[Any, int] = {}
    header = ["search", *(f"{count} trainings" for count in CHECKPOINTS), "trials", "CPU s a search"]
    shown = tracked.Table(header)
    for name, make in SEARCHES.items():
        start, reached, trials = time.process_time(), [], []
        for seed in range(arguments.seeds):
            values, count = run(table, rows, make(table.space, seed), arguments.workers)
            reached.append(values)
            trials.append(count)
        seconds = (time.process_time() - start) / arguments.seeds
        means, deviations = np.mean(reached, axis=0), np.std(reached, axis=0, ddof=1)
        intervals = 1.96 * deviations / math.sqrt(arguments.seeds)
        cells = [f"{mean:.2f} ± {interval:.2f}" for mean, interval in zip(means, intervals, strict=True)]
        shown.add([name, *cells, f"{np.mean(trials):.0f}", f"{seconds:.2f}"])
    intervals = "Validation accuracy after 108 epochs of the best so far; mean ± 95 % interval over the seeds"
    tracked.record(arguments, shown.rows, code=["kerasnas/strategies", "kerasnas/tabular"], intervals=intervals)


def run(table: NASBench101, rows: dict[Any, int], search: Any, workers: int) -> tuple[list[float], int]:
    """The accuracy after 108 epochs of the best so far at each checkpoint, and the number of trials."""
    limits = [108 * count for count in CHECKPOINTS]
    running: list[tuple[float, int, Any]] = []
    reached: list[float] = []
    now, number = 0.0, 0
    while True:
        while len(running) < workers:
            trial = search.ask()
            heapq.heappush(running, (now + trial.budget, number, trial))
            number += 1
        now, _, trial = heapq.heappop(running)
        while len(reached) < len(limits) and now * workers > limits[len(reached)]:
            reached.append(math.nan if search.best is None else value(table, rows, search.best[0], 108))
        if len(reached) == len(limits):
            return reached, number
        search.tell(trial.genotype, value(table, rows, trial.genotype, trial.budget), trial.budget)


def value(table: NASBench101, rows: dict[Any, int], genotype: Any, epochs: int) -> float:
    """The validation accuracy in the table; rows are remembered, as finding them costs more than the searches."""
    if genotype not in rows:
        rows[genotype] = table.row(genotype)
    return float(table.columns[f"valid_{epochs}"][rows[genotype]])


if __name__ == "__main__":
    main()
