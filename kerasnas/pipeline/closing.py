"""What a finished run leaves in its folder: the record, the numbers, the pictures, the report, the card."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import __version__, datasets, reporting, storage
from kerasnas.cost import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.settings import make_space
from kerasnas.pipeline.step_timing import peak_memory_gib

Log = Callable[[str], Any]


def finish(
    folder: RunFolder,
    data: datasets.ImageDataset,
    genotype: Genotype,
    found: dict[str, Any] | None,
    searched: dict[str, Any],
    random: list[dict[str, Any]],
    log: Log,
) -> dict[str, Any]:
    """Write everything that a finished run leaves behind; return the content of `result.json`.

    Args:
        folder: of the run.
        data: what it ran on.
        genotype: what it found, or was given.
        found: record of the search stage, or None where there was no search.
        searched: record of the training of `genotype`.
        random: the same for the random genotypes.
        log: called with each line that tells of progress.
    """
    flags = [f"--{name}={_flag(value)}" for name, value in folder.config.changed().items()]
    result = {
        "kerasnas_version": __version__,
        "command": " ".join([f"kerasnas {folder.kind}", *flags, f"--output_dir={folder.path}"]),
        "dataset": {
            "name": data.name,
            "train_examples": len(data.x_train),
            "test_examples": len(data.x_test),
            "classes": list(data.classes),
            "input_shape": list(data.input_shape),
        },
        "settings": folder.config.to_dict(),
        "genotype": json.loads(genotype.to_json()),
        "searched": searched,
        "random": random,
        "environment": _environment(),
    }
    if found is not None:
        result["search"] = {name: found[name] for name in ("seconds", "parameters", "history")}
        record = folder.stage("cost")
        if record is not None:
            cost = CostModel.from_config(record)
            costs = [cost.cost(Genotype.from_json(json.dumps(other["genotype"]))) for other in random]
            result["cost"] = {**found["cost"], "random": costs}
    storage.write_json(folder.path / "result.json", result)
    storage.write_text(folder.path / "history.csv", _history_csv(found, searched))
    _report(folder, result, found, log)
    return result


def _report(folder: RunFolder, result: dict[str, Any], found: dict[str, Any] | None, log: Log) -> None:
    genotype = Genotype.from_json(json.dumps(result["genotype"]))
    plot_genotype(genotype, folder.path)
    if found is not None:
        names = tuple(getattr(make_space(folder.config), "primitives", ()))  # of runs that do not record them
        edges = {kind: [tuple(edge) for edge in pairs] for kind, pairs in found["edges"].items()}
        history = {kind: np.array(tables) for kind, tables in found["mixing_weights"].items()}
        reporting.plot_alphas(
            history,
            folder.path / "alphas.png",
            primitives=found.get("primitives", dict.fromkeys(edges, names)),
            edges=edges,
        )
        reporting.plot_training(found["history"], folder.path / "search.png")
    if "cost" in result:
        _plot_front(result, folder.path / "front.png")
    reporting.plot_training(result["searched"]["history"], folder.path / "training.png")
    if result["random"]:
        reporting.plot_comparison(result, folder.path / "comparison.png")
    reporting.write_card(folder.path, result)
    reporting.write_report(folder.path, result)
    log(reporting.verdict(result))
    log(f"Report: {folder.path / 'report.html'}")


def _plot_front(result: dict[str, Any], path: Path) -> None:
    """The trained networks of the run, by accuracy and cost."""
    cost = result["cost"]
    points = [reporting.CostPoint("searched", cost["searched"], result["searched"]["test_accuracy"])]
    points += [
        reporting.CostPoint("random", value, record["test_accuracy"])
        for value, record in zip(cost["random"], result["random"], strict=True)
    ]
    unit = cost["unit"].strip()
    label = unit if unit.lower() == cost["name"] else f"{cost['name']}, {unit}"
    reporting.plot_front(points, path, label, cost["target"])


def _history_csv(found: dict[str, Any] | None, searched: dict[str, Any]) -> str:
    """One row an epoch, of the search and then of the final training."""
    phases = [("search", found["history"])] if found else []
    phases.append(("training", searched["history"]))
    columns = list(dict.fromkeys(name for _, history in phases for name in history))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["phase", "epoch", *columns])
    for phase, history in phases:
        for epoch in range(len(next(iter(history.values())))):
            values = [repr(history[name][epoch]) if name in history else "" for name in columns]
            writer.writerow([phase, epoch + 1, *values])
    return text.getvalue()


def _flag(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


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


def plot(folder: RunFolder, log: Log = print) -> None:
    """Draw the pictures and write the report and the card of a finished run again.

    Raises:
        FileNotFoundError: if the run is not finished.
    """
    file = folder.path / "result.json"
    if not file.exists():
        raise FileNotFoundError(
            f"The run in {folder.path} is not finished. Continue it with `kerasnas resume --output_dir={folder.path}`."
        )
    _report(folder, json.loads(file.read_text(encoding="utf-8")), folder.stage("search"), log)


def plot_genotype(genotype: Genotype, output_dir: Any) -> list[Any]:
    """Draw each cell of `genotype` as `cell_<kind>.png` in `output_dir`; return the paths."""
    paths = [output_dir / f"cell_{kind}.png" for kind in genotype]
    for kind, path in zip(genotype, paths, strict=True):
        reporting.plot_cell(genotype, kind, path)
    return paths
