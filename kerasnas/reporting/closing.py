"""The table at the end of a run: what came out, what it took, and what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnas import checks
from kerasnas.modalities import of_result
from kerasnas.reporting.measures import task_in
from kerasnas.reporting.run_record import metric, split
from kerasnas.reporting.tables import amount, duration

_FILES = ("model.keras", "report.html", "card.md", "genotype.json", "predictions.csv", "result.json")


@checks.reading("result", "the record of a run, as `kerasnas.reporting` describes it")
@checks.arguments(result=checks.mapping)
def phases(result: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The phases of a run, and the seconds that each took.

    The race counts from the start of the run, and by the clock of its budget; a training with the evaluation at its
    end. What a report takes is in neither.

    Example:

    >>> phases({"race": {"seconds": 60.0}, "searched": {"seconds": 250.0, "spent": 296.0}})
    [('race', 60.0), ('training', 236.0)]
    >>> phases({"search": {"seconds": 90.0}, "searched": {"seconds": 30.0}, "random": [{"seconds": 28.0}] * 2})
    [('search', 90.0), ('training', 30.0), ('training of random networks', 56.0)]
    >>> phases({"search": {"seconds": 90.0}, "shortlist": {"seconds": 60.0}, "searched": {"seconds": 30.0}})
    [('search', 90.0), ('shortlist', 60.0), ('training', 30.0)]
    """
    searched, random = result["searched"], [one.get("seconds") or 0.0 for one in result.get("random") or []]
    race = (result.get("race") or {}).get("seconds")
    if race is not None and "spent" in searched:
        return [("race", race), ("training", max(0.0, searched["spent"] - race))]
    found = [
        ("search", (result.get("search") or {}).get("seconds")),
        ("shortlist", (result.get("shortlist") or {}).get("seconds")),
        ("training", searched.get("seconds")),
        ("mixture", (result.get("mixture") or {}).get("seconds")),
        ("training of random networks", sum(random) or None),
    ]
    return [(name, seconds) for name, seconds in found if seconds is not None]


@checks.reading("result", "the record of a run, as `kerasnas.reporting` describes it")
@checks.arguments(result=checks.mapping, folder=checks.path)
def closing_text(result: Mapping[str, Any], folder: str | os.PathLike) -> str:
    """Accuracy, parameters, time and files of a run, and the commands that use them.

    Args:
        result: the record of a run; see `kerasnas.reporting`.
        folder: the run's folder.

    Example:

    >>> searched = {"test_accuracy": 0.92, "parameters": 123_610, "latency_ms": 2.51, "seconds": 45.0}
    >>> print(closing_text({"searched": searched, "dataset": {"test_examples": 1000}}, "runs/first"))
    accuracy    92.00 % of 1,000 test samples (95 % interval 90.2 to 93.5 %)
    parameters  123,610
    latency     2.51 ms for one sample
    time        45.0 s: training 45.0 s
    next        kerasnas export runs/first
    """
    searched, dataset = result["searched"], result.get("dataset") or {}
    task = task_in(result)
    folder, accuracy = Path(folder), metric(result, searched, task.metric)
    rows: list[tuple[str, str]] = []
    if accuracy is not None:
        samples = dataset.get(f"{split(result)}_examples")
        reached = task.result_in_words(accuracy, samples, split(result)) if samples else task.show(accuracy)
        rows.append((task.words, reached + task.interval_in_words(searched, accuracy, samples)))
    if "parameters" in searched:
        rows.append(("parameters", f"{searched['parameters']:,}"))
    if "latency_ms" in searched:
        rows.append(("latency", f"{amount(searched['latency_ms'], ' ms')} for one sample"))
    if taken := phases(result):
        parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in taken)
        rows.append(("time", f"{duration(sum(seconds for _, seconds in taken))}: {parts}"))
    there = [name for name in _FILES if (folder / name).exists()]
    if there:
        rows.append(("files", f"{', '.join(there)} in {folder}"))
    if (report := folder / "report.html").exists():
        rows.append(("report", str(report)))
    place = shlex.quote(str(folder))
    modality = of_result(result)
    commands = [f"kerasnas predict {place} {modality.example}"] * bool(modality.example and dataset.get("input_shape"))
    commands.append(f"kerasnas {'evaluate' if modality.formats == () else 'export'} {place}")
    rows += [("next" if index == 0 else "", command) for index, command in enumerate(commands)]
    return "\n".join(f"{name:<10}  {words}" for name, words in rows)
