"""Compare black-box strategies on a published table: many seeds, mean and spread, regret curves."""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import io
import itertools
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks, storage, tabular
from kerasnas.pipeline import plugins
from kerasnas.pipeline.settings import ComparisonConfig
from kerasnas.reporting import plot_regret
from kerasnas.strategies import STRATEGIES, SpaceExhaustedError
from kerasnas.tabular import Table

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CHECKPOINTS = (10, 25, 50, 100, 150, 200, 300, 500, 1000)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The results of `compare`.

    Attributes:
        report: strategy -> array `(seeds, evaluations)`: the report column of the architecture that has the best
            signal so far. Where a strategy had no more to ask, its last value is repeated.
        best: the best value of the report column in the table.
        moves: strategy -> how its moves through a part of a space went (`SubsetSpace.moves`), summed over the seeds.
    """

    report: dict[str, np.ndarray]
    best: float
    moves: dict[str, dict[str, int]]


@checks.arguments(config=ComparisonConfig, output_dir=checks.path, log=checks.function)
def compare(config: ComparisonConfig, output_dir: str | os.PathLike, log: Callable[[str], Any] = print) -> Comparison:
    """Run every strategy on the table for many seeds; print the result, write `curves.csv` and `regret.png`.

    Raises:
        ValueError: for strategies that are unknown or have several objectives, unknown columns, and tables that cannot
            be read.
        OSError: if something cannot be written.
    """
    folder = checks.path("output_dir", output_dir)
    start = time.perf_counter()
    for name in config.strategies:
        if getattr(STRATEGIES[name], "objectives", 1) != 1:
            raise ValueError(f"--strategies: expected those of one objective. Received: {name!r}, which has several.")
    table = open_table(config.table, config.dataset)
    signal, report = columns(table, config)
    folder.mkdir(parents=True, exist_ok=True)
    log(f"{table.name}: {len(table):,} architectures; searching on {signal}, reporting {report}.")
    comparison = run_searches(config, table, log)
    text = summary(comparison, config)
    log(text)
    storage.write_text(folder / "curves.csv", _curves(comparison))
    plot_regret(
        {name: comparison.best - values for name, values in comparison.report.items()},
        folder / "regret.png",
        title=f"{table.name}: {report} of the best {signal}",
    )
    log(f"{time.perf_counter() - start:.0f} s. Written: {folder / 'curves.csv'}, {folder / 'regret.png'}")
    return comparison


def open_table(path: str, dataset: str = "") -> Table:
    """The table at `path`, whatever kind it is; `"synthetic"` is the made-up one.

    Raises:
        FileNotFoundError, ValueError: as the tables' own `open`; for a file that is no known table, with all reasons.
    """
    if path == "synthetic":
        return tabular.NASBench201.synthetic()
    if not Path(path).exists():
        raise FileNotFoundError(f"--table={path}: there is no such file. Expected a table as .npz, or 'synthetic'.")
    reasons = []
    for kind in (tabular.NASBench201, tabular.NASBench101, tabular.NASBenchGraph, tabular.NATSBenchSize):
        arguments = [dataset] if dataset and kind is not tabular.NASBench101 else []
        try:
            return kind.open(path, *arguments)
        except (FileNotFoundError, ValueError) as error:
            reasons.append(f"  as {kind.__name__}: {error}")
    raise ValueError("\n".join([f"--table={path} cannot be read as any known table:", *reasons]))


def columns(table: Table, config: ComparisonConfig) -> tuple[str, str]:
    """The columns that are searched on and reported: as asked, or after the fewest and the most epochs."""
    signal = config.signal or f"valid_{table.epochs[0]}"
    longest = f"test_{table.epochs[-1]}"
    report = config.report or (longest if longest in table.columns else f"valid_{table.epochs[-1]}")
    for name in (signal, report):
        table.column(name)
    return signal, report


def run_searches(config: ComparisonConfig, table: Table, log: Callable[[str], Any] = print) -> Comparison:
    """Run `config.seeds` searches of each strategy, spread over processes."""
    signal, report = columns(table, config)
    workers = min(config.workers or os.cpu_count() or 1, config.seeds)
    chunk = max(1, min(50, config.seeds // workers))
    parts = [list(range(first, min(first + chunk, config.seeds))) for first in range(0, config.seeds, chunk)]
    tasks = [(name, part) for name, part in itertools.product(config.strategies, parts)]
    results: dict[str, list[np.ndarray]] = {name: [] for name in config.strategies}
    moves: dict[str, dict[str, int]] = {}
    with _Executor(
        workers, (config.imports, config.table, config.dataset, signal, report, config.evaluations), table
    ) as run:
        for (name, part), (values, moved) in zip(tasks, run(_run_seeds, tasks), strict=True):
            results[name].append(values)
            for key, count in moved.items():
                moves.setdefault(name, {})[key] = moves.get(name, {}).get(key, 0) + count
            if part == parts[-1]:
                log(f"  {name}: done")
    stacked = {name: np.concatenate(values) for name, values in results.items()}
    return Comparison(stacked, float(table.column(report).max()), moves)


class _Executor:
    """`map` over processes that have the table open, or here if there is one worker."""

    def __init__(self, workers: int, arguments: tuple[Any, ...], table: Table):
        self.workers, self.arguments, self.table = workers, arguments, table

    def __enter__(self) -> Callable:
        self.pool = None
        if self.workers == 1:
            _open_worker(*(*self.arguments, self.table))
            return map
        # Not forked: TensorFlow's threads do not survive it.
        self.pool = concurrent.futures.ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), _open_worker, self.arguments
        )
        return self._map

    def _map(self, function: Callable, tasks: list) -> Any:
        """As the pool's, whose processes start here: with a thread each, since NumPy's would fight for the cores."""
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        try:
            return self.pool.map(function, tasks)  # type: ignore[union-attr]
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})

    def __exit__(self, *error: Any) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


_worker: dict[str, Any] = {}


def _open_worker(
    imports: tuple[str, ...],
    path: str,
    dataset: str,
    signal: str,
    report: str,
    evaluations: int,
    table: Table | None = None,
) -> None:
    plugins.load(imports)  # a process that was spawned knows nothing yet
    table = table or open_table(path, dataset)
    _worker.update(
        table=table, signal=table.column(signal), report=table.column(report), evaluations=evaluations, rows={}
    )


def _run_seeds(task: tuple[str, list[int]]) -> tuple[np.ndarray, dict[str, int]]:
    name, seeds = task
    table = _worker["table"]
    before = dict(getattr(table.space, "moves", {}))
    values = np.array([_run(name, seed) for seed in seeds])
    after = getattr(table.space, "moves", {})
    return values, {key: count - before.get(key, 0) for key, count in after.items()}


def _run(name: str, seed: int) -> np.ndarray:
    """The report value of the best architecture so far, after each evaluation of one search."""
    table, signal, report = _worker["table"], _worker["signal"], _worker["report"]
    strategy = STRATEGIES[name](table.space, seed=seed)
    best, values = -np.inf, np.empty(_worker["evaluations"])
    for index in range(len(values)):
        try:
            genotype = strategy.ask()
        except SpaceExhaustedError:
            values[index:] = values[index - 1]
            break
        row = table.row(genotype)
        reward = float(signal[row])
        strategy.tell(genotype, reward)
        if reward > best:
            best, incumbent = reward, report[row]
        values[index] = incumbent
    return values


def summary(comparison: Comparison, config: ComparisonConfig) -> str:
    """Mean and standard deviation over the seeds, at a few numbers of evaluations, as a Markdown table."""
    evaluations = config.evaluations
    shown = [count for count in CHECKPOINTS if count < evaluations] + [evaluations]
    lines = ["| strategy | " + " | ".join(f"{count} evaluations" for count in shown) + " |"]
    lines.append("| --- |" + " --- |" * len(shown))
    for name, values in comparison.report.items():
        cells = [f"{values[:, n - 1].mean():.2f} ± {values[:, n - 1].std():.2f}" for n in shown]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append(f"\nBest in the table: {comparison.best:.2f}. Mean ± standard deviation over {config.seeds} seeds.")
    for name, moved in comparison.moves.items():
        total = sum(moved.values())
        if total:
            shares = ", ".join(f"{key} {100 * count / total:.1f} %" for key, count in moved.items())
            lines.append(f"{name}: the table is a part of its space. Moves: {shares}.")
    return "\n".join(lines)


def _curves(comparison: Comparison) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["strategy", "evaluations", "mean", "sd", "p25", "median", "p75", "mean_regret"])
    for name, values in comparison.report.items():
        for index, column in enumerate(values.T):
            quartiles = np.percentile(column, [25, 50, 75])
            row = [column.mean(), column.std(), *quartiles, comparison.best - column.mean()]
            writer.writerow([name, index + 1, *(f"{value:.4f}" for value in row)])
    return text.getvalue()
