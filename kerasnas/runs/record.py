"""Record of a finished run, and what it is written as: result.json, history.csv, plots, report, card."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import __version__, checks
from kerasnas.backend.memory import peak_memory_gib
from kerasnas.cost import CostModel
from kerasnas.files import storage, untrusted
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, of_entry
from kerasnas.records import FORMAT, VERSION, Record
from kerasnas.reporting import costs, plots
from kerasnas.reporting.card import card_text
from kerasnas.reporting.measures import task_in
from kerasnas.reporting.report import report_text
from kerasnas.wording import csv_text

RESULT = "result.json"
PREDICTIONS = "predictions.csv"
"""The file with the prediction for each test sample, or each node of a graph."""
SAMPLES = "samples"
"""The stage whose record holds small images of the data, which the report shows."""


@checks.reading("searched", "the record of a training")
def make_record(
    stages: Stages,
    searched: Mapping[str, Any],
    found: Mapping[str, Any] | None,
    random: Sequence[Mapping[str, Any]],
    dataset: Mapping[str, Any],
    settings: Mapping[str, Any],
    command: str | None = None,
    evaluated_on: str = "test",
) -> Record:
    """Return the record of a run, see `kerasnas.records`.

    Args:
        stages: the store of the run's folder.
        searched: record of the training of the network that was searched, or given.
        found: record of the search stage; None if there was no search.
        random: records of the trainings of random genotypes.
        dataset: description of the data.
        settings: name -> JSON-serializable value.
        command: the command that made it. Defaults to None.
        evaluated_on: what the networks were evaluated on: `"test"` (the default) or `"val"`.
    """
    record: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "kerasnas_version": __version__,
        "command": command,
        "evaluated_on": evaluated_on,
        "dataset": dict(dataset),
        "settings": dict(settings),
        "genotype": searched["genotype"],
        "searched": dict(searched),
        "random": [dict(one) for one in random],
        "environment": _environment(),
    }
    if found is not None:
        record["search"] = {name: found[name] for name in ("seconds", "parameters", "history")}
        if "cost" in found:
            model = stages.stage("cost")
            others = [of_entry(other["genotype"]) for other in random]
            costs = [CostModel.from_config(model).cost(other) for other in others] if model else []
            record["cost"] = {**found["cost"], "random": costs}
    return Record(record)


@checks.reading("record", "the record of a run, as `kerasnas.records` describes it")
def write_record(path: Path, record: Mapping[str, Any], found: Mapping[str, Any] | None) -> None:
    """Write a record as `result.json`, and with it `history.csv`, the plots, `report.html` and `card.md`.

    Args:
        path: the folder that is written to.
        record: as `make_record` returns it; may have further entries.
        found: record of the search stage; None if there was no search.
    """
    record = Record.of(record)
    storage.write_text(path / "history.csv", _history_csv(record))
    write_report(path, record, found)
    storage.write_json(path / RESULT, record.to_dict())  # last: where it is, the run is finished


def write_report(path: Path, record: Record, found: Mapping[str, Any] | None) -> None:
    """Draw the plots of a record, and write `report.html` and `card.md`, in the folder `path`."""
    plot_genotype(record.genotype, path)
    if found is not None and "mixing_weights" in found:  # a gradient search
        edges = {kind: [tuple(edge) for edge in pairs] for kind, pairs in found["edges"].items()}
        history = {kind: np.array(tables) for kind, tables in found["mixing_weights"].items()}
        plots.plot_alphas(history, path / "alphas.png", primitives=found["primitives"], edges=edges)
    if record.cost is not None:
        _plot_front(record, path / "front.png")
    write_pages(path, record)


@checks.reading("record", "the record of a run, as `kerasnas.records` describes it")
def write_pages(path: Path, record: Record) -> None:
    """Write `report.html` and `card.md` of a record, with the samples of the data that the folder `path` holds."""
    samples = Stages(path).stage(SAMPLES)
    storage.write_text(path / "card.md", card_text(record))
    page = report_text(path, record.replace(samples=samples) if samples else record)
    storage.write_text(path / "report.html", page)


def _plot_front(record: Record, path: Path) -> None:
    """Trained networks of the run, by accuracy and cost."""
    cost, task = record.cost, task_in(record)
    assert cost is not None  # the caller asks
    networks = [("searched", cost.searched, record.searched)]
    networks += [("random", value, network) for value, network in zip(cost.random, record.random, strict=True)]
    reached = [(name, value, record.metric(task.metric, network)) for name, value, network in networks]
    points = [costs.CostPoint(name, value, metric) for name, value, metric in reached if metric is not None]
    unit = cost.unit.strip()
    label = unit if unit.lower() == cost.name else f"{cost.name}, {unit}"
    costs.plot_front(points, path, label, cost.target, task)


def _history_csv(record: Record) -> str:
    """One row an epoch, of the search and then of the final training."""
    phases = [("search", record.search.history), ("training", record.searched.history)]
    columns = list(dict.fromkeys(name for _, history in phases for name in history))
    rows = [["phase", "epoch", *columns]]
    for phase, history in phases:
        for epoch in range(max(map(len, history.values()), default=0)):
            values = [repr(history[name][epoch]) if epoch < len(history.get(name, ())) else "" for name in columns]
            rows.append([phase, str(epoch + 1), *values])
    return csv_text(rows)


def _environment() -> dict[str, Any]:
    environment = {
        "python": platform.python_version(),
        "tensorflow": importlib.metadata.version("tensorflow"),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
    }
    peak = peak_memory_gib()
    return environment if peak is None else {**environment, "peak_memory_gib": round(peak, 2)}


def plot_genotype(genotype: Genotype, output_dir: str | os.PathLike) -> list[Path]:
    """Draw each cell of `genotype` as `cell_<kind>.png` in `output_dir`; return the paths."""
    paths = [Path(output_dir, f"cell_{kind}.png") for kind in genotype]
    for kind, path in zip(genotype, paths, strict=True):
        plots.plot_cell(genotype, kind, path)
    return paths


def read_result(path: Path) -> Record:
    """Read the record of the run in the folder `path`, of this version of the format or an earlier one."""
    file = path / RESULT
    if not file.exists():
        raise FileNotFoundError(
            f"The run in {path} is not finished. Continue it with `kerasnas resume --output_dir={path}`."
        )
    record = untrusted.read_json(file)
    if missing := [name for name in ("genotype", "searched", "dataset", "settings") if name not in record]:
        raise ValueError(f"{file} is not the record of a run: it lacks {', '.join(missing)}.")
    if record.get("format", FORMAT) != FORMAT:  # earlier versions named none
        raise ValueError(f'{file} is not the record of a run. Expected "format": "{FORMAT}".')
    try:
        return Record(record)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
