"""Searches with several budgets on NAS-Bench-101, compared at equal training time, as Markdown.

    python benchmarks/multi_fidelity.py --data=/path/to/data              # 50 seeds
    python benchmarks/multi_fidelity.py --data=/path/to/data --seeds=10 --workers=25

The folder holds `nb101_20k*.npz` (a sample with the accuracies after 4, 12, 36 and 108 epochs). A trial of n epochs
costs n epochs: nothing is resumed. Reported is the validation accuracy after 108 epochs of the best so far (of the most
epochs), once a search has spent as many epochs as 20, 50 and 100 whole trainings. With several workers a trial ends
when its epochs are over, and a free worker asks for the next one at once; time is then that of all workers together.
Single-budget searches train for 108 epochs throughout. Means over the seeds, with their 95 % intervals.
"""

import heapq
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import skeleton
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
    arguments = skeleton.arguments(__doc__, data=skeleton.DATA, seeds=50, workers=1)
    table = NASBench101.open(skeleton.find(arguments.data, "nb101_20k*.npz"))
    rows: dict[Any, int] = {}
    runs = []
    shown = tracked.Table(["search", *(f"{count} trainings" for count in CHECKPOINTS), "trials", "CPU s a search"])
    for name, make in SEARCHES.items():
        start, reached, trials = time.process_time(), [], []
        for seed in range(arguments.seeds):
            values, count = run(table, rows, make(table.space, seed), arguments.workers)
            reached.append(values)
            trials.append(count)
        seconds = (time.process_time() - start) / arguments.seeds
        runs.append({"search": name, "accuracies": np.round(reached, 3).tolist(), "trials": trials})
        cells = [skeleton.spread(values, 2) for values in zip(*reached, strict=True)]
        shown.add([name, *cells, f"{np.mean(trials):.0f}", f"{seconds:.2f}"])
    intervals = "Validation accuracy after 108 epochs of the best so far; mean ± 95 % interval over the seeds"
    code = ["kerasnas/strategies", "kerasnas/tabular"]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=runs)


def run(table: NASBench101, rows: dict[Any, int], search: Any, workers: int) -> tuple[list[float], int]:
    """Return the accuracy after 108 epochs of the best so far at each checkpoint, and the number of trials."""
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
    """Look up the validation accuracy; rows are cached, as finding them costs more than the searches."""
    if genotype not in rows:
        rows[genotype] = table.row(genotype)
    return float(table.columns[f"valid_{epochs}"][rows[genotype]])


if __name__ == "__main__":
    main()
