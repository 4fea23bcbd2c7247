"""The predictor compared with local search and evolution on published tables, with significance, as Markdown.

    python benchmarks/strategies.py --data=/path/to/data                   # 50 seeds, all tables
    python benchmarks/strategies.py --data=/path/to/data --seeds=100 --tables=nasbench201/cifar10/valid_12
    python benchmarks/strategies.py --data=/path/to/data --latency         # NAS-Bench-201 with a limit on its latency

The folder holds `nb201.npz`, `nb201_latency_ms.npz`, `nasbench_graph5.npz` and `nb101_20k*.npz` (a sample without test
accuracy). Every search sees one column of a table (the signal) and is evaluated by another: the test accuracy of the
architecture with the best signal so far. Means over the seeds with their standard deviation. `z` is the predictor's
lead in standard errors (Welch); below -2.6, one case in a hundred, it counts as significantly worse, and the last line
says so. The first line of each table has the test accuracy of the highest signal, which need not be the highest.

With a limit, the predictor receives the latency; the others, which have no limits, receive the signal less 100 where
the limit is exceeded. Until an architecture within the limit is found, the accuracy counts as 10 %: that of guessing.
"""

import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import skeleton
import tracked

from kerasnas.search import STRATEGIES
from kerasnas.tabular import NASBench101, NASBench201, NASBenchGraph
from kerasnas.tabular.table import Table

CHECKPOINTS = (25, 50, 100, 150, 200)
STRATEGY_NAMES = ("predictor", "local_search", "evolution", "random")
JUDGED = {50, 100}
GRAPH_DATASETS = ("cora", "citeseer", "pubmed", "cs", "physics")
DEVICES = ("pixel3", "raspi4")
QUANTILES = (0.25, 0.30)
CLIFF, GUESSING, SIGNIFICANT = 100.0, 10.0, 2.6


class Case(NamedTuple):
    """A table, the column that a search sees, the column that is reported, and a limit on a third one."""

    name: str
    table: Table
    signal: np.ndarray
    report: np.ndarray
    cost: np.ndarray | None = None
    limit: float | None = None


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        data=skeleton.DATA,
        seeds=50,
        evaluations=max(CHECKPOINTS),
        strategies=skeleton.listed(STRATEGY_NAMES),
        tables=("", "only those whose name contains this"),
        latency=(False, "with a limit on the latency"),
    )
    names = skeleton.names(arguments.strategies, STRATEGIES)
    shown = [count for count in CHECKPOINTS if count <= arguments.evaluations]
    if not shown or arguments.seeds < 2 or "predictor" not in names:
        raise SystemExit(f"Expected {CHECKPOINTS[0]} evaluations, 2 seeds, and the predictor among the strategies.")

    header = ["table", "strategy", *(f"{count} evaluations (z)" for count in shown), "ms a search"]
    shown_table = tracked.Table(header)
    runs, worse, better = [], [], 0
    cases = (latency_cases if arguments.latency else accuracy_cases)(arguments.data)
    for case in (case for case in cases if arguments.tables in case.name):
        within = np.ones(len(case.table), bool) if case.cost is None else case.cost <= case.limit
        highest = case.report[within & (case.signal == case.signal[within].max())]
        values = f"{highest.min():.2f}" + (f" to {highest.max():.2f}" if len(highest) > 1 else "")
        shown_table.add([case.name, "(the highest signal)", *[values] * len(shown), ""])
        own = None
        for name in sorted(names, key="predictor".__ne__):
            start = time.process_time()
            reported = np.array([search(case, name, seed, max(shown)) for seed in range(arguments.seeds)])
            milliseconds = 1000 * (time.process_time() - start) / arguments.seeds
            reported = reported[:, [count - 1 for count in shown]]
            runs.append({"table": case.name, "strategy": name, "accuracies": reported.round(2).tolist()})
            own = reported if own is None else own
            cells = []
            for column, count in enumerate(shown):
                z = 0.0 if name == "predictor" else skeleton.welch(own[:, column], reported[:, column])
                lead = "" if name == "predictor" else f" ({z:+.1f})"
                if lead and count in JUDGED and z < -SIGNIFICANT:
                    worse.append(f"{case.name} at {count}, to {name}")
                better += bool(lead) and count in JUDGED and z > SIGNIFICANT
                cells.append(f"{reported[:, column].mean():.2f} ± {reported[:, column].std(ddof=1):.2f}{lead}")
            shown_table.add([case.name, name, *cells, f"{milliseconds:.0f}"])
    verdict = f"At 50 and 100 evaluations the predictor is significantly better in {better} cases; worse: "
    verdict += f"{'; '.join(worse) or 'nowhere'}."
    print(f"\n{verdict}")
    intervals = "Mean ± standard deviation over the seeds; in brackets the predictor's lead in standard errors"
    code = ["kerasnas/strategies", "kerasnas/tabular"]
    tracked.record(arguments, shown_table.rows, code=code, intervals=intervals, note=verdict, runs=runs)


def accuracy_cases(data: Path) -> Iterator[Case]:
    for dataset, signal in itertools.product(("cifar10", "cifar100", "imagenet16"), ("valid_12", "valid_200")):
        table = NASBench201.open(skeleton.find(data, "nb201.npz"), dataset)
        yield Case(f"nasbench201/{dataset}/{signal}", table, table.column(signal), table.column("test_200"))
    for dataset in GRAPH_DATASETS:
        graphs = NASBenchGraph.open(skeleton.find(data, "nasbench_graph5.npz"), dataset)
        yield Case(f"nasbench_graph/{dataset}", graphs, graphs.column("valid_1"), graphs.column("test_1"))
    sample = NASBench101.open(skeleton.find(data, "nb101_20k*.npz"))
    yield Case("nasbench101/valid_108", sample, sample.column("valid_108"), sample.column("valid_108"))


def latency_cases(data: Path) -> Iterator[Case]:
    table = NASBench201.open(skeleton.find(data, "nb201.npz"), "cifar10")
    for device, quantile in itertools.product(DEVICES, QUANTILES):
        cost = table.column(f"latency_{device}")
        limit = float(np.quantile(cost, quantile))
        name = f"nasbench201/cifar10/valid_12, {device} <= {limit:.1f} ms ({quantile:.0%})"
        yield Case(name, table, table.column("valid_12"), table.column("test_200"), cost, limit)


def search(case: Case, name: str, seed: int, evaluations: int) -> np.ndarray:
    """Return the reported accuracy of the best architecture so far, after each evaluation."""
    knows_limit = case.cost is not None and name == "predictor"
    strategy = STRATEGIES[name](case.table.space, seed=seed, **({"cost_limit": case.limit} if knows_limit else {}))
    best, reported, values = -math.inf, GUESSING, np.empty(evaluations)
    for index in range(evaluations):
        genotype = strategy.ask()
        row = case.table.row(genotype)
        reward = float(case.signal[row])
        within = case.cost is None or case.cost[row] <= case.limit
        if knows_limit:
            strategy.tell(genotype, reward, cost=float(case.cost[row]))
        else:
            strategy.tell(genotype, reward if within else reward - CLIFF)
        if within and reward > best:
            best, reported = reward, float(case.report[row])
        values[index] = reported
    return values


if __name__ == "__main__":
    main()
