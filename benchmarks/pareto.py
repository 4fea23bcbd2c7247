"""Searches of two objectives on NAS-Bench-201, compared by the hypervolume of what they found, as Markdown.

    python benchmarks/pareto.py --data=/path/to/data              # 50 seeds
    python benchmarks/pareto.py --data=/path/to/data --seeds=10 --costs=params

The folder holds `nb201.npz` and `nb201_latency_ms.npz`. The objectives are the validation accuracy on CIFAR-10 after 12
epochs, and a cost that is minimized. The hypervolume is the area between the evaluated cells and the corner of 10 %
(guessing) and the highest cost, in percent of that of the whole table. Means over the seeds with their 95 % intervals;
`z` is the lead of `ehvi` in standard errors (Welch). Random search receives the accuracy alone, which it does not use.
"""

import time

import numpy as np
import skeleton
import tracked

from kerasnas.pareto import hypervolume
from kerasnas.search import STRATEGIES
from kerasnas.tabular import NASBench201

CHECKPOINTS = (25, 50, 100)
COSTS = ("params", "latency_pixel3", "latency_raspi4")
STRATEGY_NAMES = ("ehvi", "nsga2", "random")


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        data=skeleton.DATA,
        seeds=50,
        costs=skeleton.listed(COSTS, "comma-separated columns of the table"),
        strategies=skeleton.listed(STRATEGY_NAMES),
    )
    names = skeleton.names(arguments.strategies, STRATEGIES)
    if "ehvi" not in names or arguments.seeds < 2:
        raise SystemExit("Expected ehvi among the strategies, and at least 2 seeds.")
    table = NASBench201.open(skeleton.find(arguments.data, "nb201.npz"))
    header = ["cost", "strategy", *(f"{count} evaluations (z)" for count in CHECKPOINTS), "CPU s a search"]
    shown, runs = tracked.Table(header), []
    for cost in arguments.costs.split(","):
        rewards = np.stack([table.column("valid_12"), -table.column(cost)], axis=1).astype(float)
        own = None
        for name in sorted(names, key="ehvi".__ne__):
            start = time.process_time()
            shares = np.array([search(table, rewards, name, seed) for seed in range(arguments.seeds)])
            seconds = (time.process_time() - start) / arguments.seeds
            own = shares if own is None else own
            runs.append({"cost": cost, "strategy": name, "hypervolumes": shares.round(3).tolist()})
            cells = []
            for column in range(len(CHECKPOINTS)):
                values = shares[:, column]
                lead = "" if name == "ehvi" else f" ({skeleton.welch(own[:, column], values):+.1f})"
                cells.append(skeleton.spread(values, 2) + lead)
            shown.add([cost, name, *cells, f"{seconds:.2f}"])
    intervals = "Hypervolume in percent of that of all cells; mean ± 95 % interval over the seeds, in brackets the lead"
    code = ["kerasnas/strategies", "kerasnas/pareto.py", "kerasnas/tabular"]
    intervals += " of `ehvi` in standard errors"
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=runs)


def search(table: NASBench201, rewards: np.ndarray, name: str, seed: int) -> list[float]:
    """Return the percentage of the table's hypervolume that a search reaches, at each checkpoint."""
    corner = (10.0, rewards[:, 1].min())
    strategy, rows = STRATEGIES[name](table.space, seed=seed), []
    for _ in range(max(CHECKPOINTS)):
        genotype = strategy.ask()
        rows.append(table.row(genotype))
        pair = tuple(rewards[rows[-1]].tolist())
        strategy.tell(genotype, pair if strategy.objectives == 2 else pair[0])
    whole = hypervolume(rewards, corner)
    return [100 * hypervolume(rewards[rows[:count]], corner) / whole for count in CHECKPOINTS]


if __name__ == "__main__":
    main()
