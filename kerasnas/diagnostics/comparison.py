"""Compare black-box strategies on a published table: many seeds, mean and spread, regret curves."""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks, tabular
from kerasnas.annotations import Log
from kerasnas.executors.base import cores
from kerasnas.files import storage
from kerasnas.reporting.plots import plot_regret
from kerasnas.runs.executors import LOCAL, is_executor, open_executor
from kerasnas.runs.settings import Settings, setting
from kerasnas.runs.shared_settings import ImportSettings, executor_setting
from kerasnas.search import STRATEGIES
from kerasnas.strategies.base import SpaceExhaustedError
from kerasnas.tabular.table import Table
from kerasnas.wording import csv_text

CHECKPOINTS = (10, 25, 50, 100, 150, 200, 300, 500, 1000)


@dataclasses.dataclass(frozen=True)
class ComparisonConfig(Settings, ImportSettings):
    """Settings of `kerasnas benchmark`: black-box strategies on a table of published results."""

    table: str = setting(
        "synthetic",
        "The .npz file of a table (NAS-Bench-201, -101 or -Graph, NATS-Bench's sizes), or synthetic: a made-up one.",
    )
    dataset: str = setting("", "Data set of a table that has several. Default: its first.")
    strategies: tuple[str, ...] = setting(
        ("random", "evolution", "reinforce", "local_search", "predictor"),
        "Strategies to compare, comma-separated.",
        known=STRATEGIES,
    )
    evaluations: int = setting(100, "Architectures that each search may evaluate.", least=1)
    seeds: int = setting(500, "Searches of each strategy, with the seeds 0, 1, 2, ...", least=1)
    signal: str = setting("", "Column that is searched on. Default: validation accuracy after the fewest epochs.")
    report: str = setting("", "Column of the result. Default: test accuracy after the most epochs.")
    workers: int = setting(0, "Processes. Default: one for each core.", least=0)
    executor: str = executor_setting(
        "", "Default: as many processes as --workers says.", lambda name: not name or is_executor(name)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("workers", not (self.workers and self.executor), "nothing with --executor")
        self._check("strategies", len(self.strategies) >= 1, "at least one")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Results of `compare`.

    Attributes:
        report: strategy -> array `(seeds, evaluations)`: the report column of the architecture that has the best
            signal so far. Where a strategy had no more to ask, its last value is repeated.
        best: the best value of the report column in the table.
    """

    report: dict[str, np.ndarray]
    best: float


@checks.arguments(config=ComparisonConfig, output_dir=checks.path, log=checks.function)
def compare(config: ComparisonConfig, output_dir: str | os.PathLike, log: Log = print) -> Comparison:
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
    """Return the table at `path`, whatever kind it is; `"synthetic"` is the made-up one."""
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
    """Return the columns that are searched on and reported: as asked, or after the fewest and the most epochs."""
    signal = config.signal or f"valid_{table.epochs[0]}"
    longest = f"test_{table.epochs[-1]}"
    report = config.report or (longest if longest in table.columns else f"valid_{table.epochs[-1]}")
    for name in (signal, report):
        table.column(name)
    return signal, report


def run_searches(config: ComparisonConfig, table: Table, log: Log = print) -> Comparison:
    """Run `config.seeds` searches of each strategy, spread over the workers of an executor."""
    signal, report = columns(table, config)
    processes = min(config.workers or cores(), config.seeds)
    usual = f"processes:{processes}" if processes > 1 else LOCAL
    found: dict[int, np.ndarray] = {}
    with open_executor(config.executor or usual, config.imports) as executor:
        chunk = max(1, min(50, config.seeds // min(executor.workers, config.seeds)))
        parts = [list(range(first, min(first + chunk, config.seeds))) for first in range(0, config.seeds, chunk)]
        tasks = [(name, part) for name, part in itertools.product(config.strategies, parts)]
        shared = _Searches(config, signal, report, table)
        for number, result in executor.completed(_run_seeds, tasks, shared):
            found[number] = result
            (name, _) = tasks[number]
            if sum(tasks[other][0] == name for other in found) == len(parts):
                log(f"  {name}: done")
    reports = {
        name: np.concatenate([found[number] for number, (own, _) in enumerate(tasks) if own == name])
        for name in config.strategies
    }
    return Comparison(reports, float(table.column(report).max()))


class _Searches:
    """Common part of all searches: their settings, and the table, which a worker opens itself."""

    def __init__(self, config: ComparisonConfig, signal: str, report: str, table: Table):
        self.place, self.columns = (config.table, config.dataset), (signal, report)
        self.evaluations = config.evaluations
        self._opened: tuple[Any, ...] | None = (table, *map(table.column, self.columns))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}

    def opened(self) -> tuple[Any, ...]:
        """Return the table, and its columns of signals and reports."""
        if self._opened is None:
            table = open_table(*self.place)
            self._opened = (table, *map(table.column, self.columns))
        return self._opened


def _run_seeds(shared: _Searches, task: tuple[str, list[int]]) -> np.ndarray:
    name, seeds = task
    return np.array([_run(shared, name, seed) for seed in seeds])


def _run(shared: _Searches, name: str, seed: int) -> np.ndarray:
    """Return the report value of the best architecture so far, after each evaluation of one search."""
    table, signal, report = shared.opened()
    strategy = STRATEGIES[name](table.space, seed=seed)
    best, values = -np.inf, np.empty(shared.evaluations)
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
    return "\n".join(lines)


def _curves(comparison: Comparison) -> str:
    rows = [["strategy", "evaluations", "mean", "sd", "p25", "median", "p75", "mean_regret"]]
    for name, values in comparison.report.items():
        for index, column in enumerate(values.T):
            quartiles = np.percentile(column, [25, 50, 75])
            row = [column.mean(), column.std(), *quartiles, comparison.best - column.mean()]
            rows.append([name, str(index + 1), *(f"{value:.4f}" for value in row)])
    return csv_text(rows)
