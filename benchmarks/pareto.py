"""Searches of two objectives on NAS-Bench-201, compared by the hypervolume of what they found, as Markdown.

    python benchmarks/pareto.py --data=/path/to/data              # 50 seeds
    python benchmarks/pareto.py --data=/path/to/data --seeds=10 --costs=params

The folder holds `nb201.npz` and `nb201_latency_ms.npz`, in it or below it. The objectives are the validation accuracy
on CIFAR-10 after 12 epochs, and a cost that is minimized. The hypervolume is the area between the evaluated cells and
the corner of 10 % (guessing) and the highest cost, in percent of that of the whole table. Means over the seeds are
given with their 95 % intervals; `z` is the lead of `ehvi` in standard errors (Welch). Random search is given the
accuracy alone, of which it makes no use.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import tracked

from kerasnas.pareto import hypervolume
from kerasnas.search import STRATEGIES
from kerasnas.tabular import NASBench201

CHECKPOINTS = (25, 50, 100)
COSTS = ("params", "latency_pixel3", "latency_raspi4")
STRATEGY_NAMES = ("ehvi", "nsga2", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--costs", default=",".join(COSTS), help="comma-separated columns of the table")
    parser.add_argument("--strategies", default=",".join(STRATEGY_NAMES), help="comma-separated")
    arguments = tracked.parse(parser)
    names = arguments.strategies.split(",")
    if "ehvi" not in names or arguments.seeds < 2:
        parser.error("expected ehvi among the strategies, and at least 2 seeds")
    found = sorted(arguments.data.rglob("nb201.npz"))
    if not found:
        parser.error(f"there is no nb201.npz in or below --data={arguments.data}")
    table = NASBench201.open(found[0])
    header = ["cost", "strategy", *(f"{count} evaluations (z)" for count in CHECKPOINTS), "CPU s a search"]
    shown = tracked.Table(header)
    for cost in arguments.costs.split(","):
        rewards = np.stack([table.column("valid_12"), -table.column(cost)], axis=1).astype(float)
        own = None
        for name in sorted(names, key="ehvi".__ne__):
            start = time.process_time()
            shares = np.array([search(table, rewards, name, seed) for seed in range(arguments.seeds)])
            seconds = (time.process_time() - start) / arguments.seeds
            own = shares if own is None else own
            cells = []
            for column in range(len(CHECKPOINTS)):
                values = shares[:, column]
                interval = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
                lead = "" if name == "ehvi" else f" ({welch(own[:, column], values):+.1f})"
                cells.append(f"{values.mean():.2f} ± {interval:.2f}{lead}")
            shown.add([cost, name, *cells, f"{seconds:.2f}"])
    intervals = "Hypervolume in percent of that of all cells; mean ± 95 % interval over the seeds, in brackets the lead"
    code = ["kerasnas/strategies", "kerasnas/pareto.py", "kerasnas/tabular"]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals + " of `ehvi` in standard errors")


def search(table: NASBench201, rewards: np.ndarray, name: str, seed: int) -> list[float]:
    """The share of the table's hypervolume that a search reaches, in percent, at each checkpoint."""
    corner = (10.0, rewards[:, 1].min())
    strategy, rows = STRATEGIES[name](table.space, seed=seed), []
    for _ in range(max(CHECKPOINTS)):
        genotype = strategy.ask()
        rows.append(table.row(genotype))
        pair = tuple(rewards[rows[-1]].tolist())
        strategy.tell(genotype, pair if strategy.objectives == 2 else pair[0])
    whole = hypervolume(rewards, corner)
    return [100 * hypervolume(rewards[rows[:count]], corner) / whole for count in CHECKPOINTS]


def welch(first: np.ndarray, second: np.ndarray) -> float:
    """The difference of the means in standard errors."""
    error = math.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return float(first.mean() - second.mean()) / max(error, 1e-12)


if __name__ == "__main__":
    main()
