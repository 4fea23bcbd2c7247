"""Table at the end of a run: what came out, what it took, and what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnas import checks
from kerasnas.modalities.lookup import of_result
from kerasnas.records import Record
from kerasnas.reporting.measures import task_in
from kerasnas.reporting.tables import amount, duration

_FILES = ("model.keras", "report.html", "card.md", "genotype.json", "predictions.csv", "result.json")


@checks.reading("result", "the record of a run, as `kerasnas.records` describes it")
def phases(result: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the phases of a run, and the seconds that each took.

    The race counts from the start of the run, on the clock of its budget; a training with the evaluation at its
    end. What a report takes is in neither.

    Example:

    >>> race = {"winner": "cnn", "contestants": {}, "seconds": 60.0}
    >>> phases({"race": race, "searched": {"seconds": 250.0, "spent": 296.0}})
    [('race', 60.0), ('training', 236.0)]
    >>> phases({"search": {"seconds": 90.0}, "searched": {"seconds": 30.0}, "random": [{"seconds": 28.0}] * 2})
    [('search', 90.0), ('training', 30.0), ('training of random networks', 56.0)]
    >>> phases({"search": {"seconds": 90.0}, "shortlist": {"seconds": 60.0}, "searched": {"seconds": 30.0}})
    [('search', 90.0), ('shortlist', 60.0), ('training', 30.0)]
    """
    record = Record.of(result)
    spent, race = record.searched.spent, record.race
    if race is not None and race.seconds is not None and spent is not None:
        return [("race", race.seconds), ("training", max(0.0, spent - race.seconds))]
    found = [
        ("search", record.search.seconds),
        ("shortlist", record.shortlist.seconds if record.shortlist else None),
        ("training", record.searched.seconds),
        ("mixture", record.mixture.seconds if record.mixture else None),
        ("training of random networks", sum(network.seconds or 0.0 for network in record.random) or None),
    ]
    return [(name, seconds) for name, seconds in found if seconds is not None]


@checks.reading("result", "the record of a run, as `kerasnas.records` describes it")
def closing_text(result: Mapping[str, Any], folder: str | os.PathLike) -> str:
    """Format accuracy, parameters, time and files of a run, and the commands that use them.

    Example:

    >>> searched = {"test_accuracy": 0.92, "parameters": 123_610, "latency_ms": 2.51, "seconds": 45.0}
    >>> print(closing_text({"searched": searched, "dataset": {"test_examples": 1000}}, "runs/first"))
    accuracy    92.00 % of 1,000 test samples (95 % interval 90.2 to 93.5 %)
    parameters  123,610
    latency     2.51 ms for one sample
    time        45.0 s: training 45.0 s
    next        kerasnas export runs/first
    """
    record = Record.of(result)
    searched, task = record.searched, task_in(record)
    folder, accuracy = Path(folder), record.metric(task.metric)
    rows: list[tuple[str, str]] = []
    if accuracy is not None:
        data = record.dataset
        samples = data.test_examples if record.split == "test" else data.validation_examples
        reached = task.result_in_words(accuracy, samples, record.split) if samples else task.show(accuracy)
        rows.append((task.words, reached + task.interval_in_words(record["searched"], accuracy, samples)))
    if searched.parameters is not None:
        rows.append(("parameters", f"{searched.parameters:,}"))
    if searched.latency_ms is not None:
        rows.append(("latency", f"{amount(searched.latency_ms, ' ms')} for one sample"))
    if taken := phases(record):
        parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in taken)
        rows.append(("time", f"{duration(sum(seconds for _, seconds in taken))}: {parts}"))
    there = [name for name in _FILES if (folder / name).exists()]
    if there:
        rows.append(("files", f"{', '.join(there)} in {folder}"))
    if (report := folder / "report.html").exists():
        rows.append(("report", str(report)))
    place = shlex.quote(str(folder))
    modality = of_result(record)
    commands = [f"kerasnas predict {place} {modality.example}"] * bool(modality.example and record.dataset.input_shape)
    commands.append(f"kerasnas export {place}")
    rows += [("next" if index == 0 else "", command) for index, command in enumerate(commands)]
    return "\n".join(f"{name:<10}  {words}" for name, words in rows)
