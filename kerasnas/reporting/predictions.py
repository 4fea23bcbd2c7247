"""Predictions, evaluations and exports as text; predictions as CSV and as JSON too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.records import Record
from kerasnas.reporting import tables
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION, task_of
from kerasnas.wording import csv_text, printable

Row = tuple[str, Mapping[str, float]]
"""File, and the probability of each class or label, or the numbers."""


@checks.reading("rows", "pairs of a file and the probability of each class")
def predictions_text(rows: Sequence[Row], form: str = "text", task: Task = CLASSIFICATION) -> str:
    """Format predictions, one a line.

    Args:
        rows: file and probabilities, of each prediction.
        form: `"text"`: file, class and probability; `"csv"` or `"json"`: the probabilities of all classes too. Defaults
            to `"text"`.
        task: what is predicted. Defaults to classification; else labels or numbers stand in place of the class.

    Example:

    >>> rows = [("a.png", {"cat": 0.25, "dog": 0.75}), ("photos/b.png", {"cat": 0.9, "dog": 0.1})]
    >>> print(predictions_text(rows), end="")
    a.png         dog  75.0 %
    photos/b.png  cat  90.0 %
    >>> print(predictions_text(rows[:1], "csv"), end="")
    file,class,probability,cat,dog
    a.png,dog,0.750000,0.250000,0.750000
    """
    rows = [(printable(file), answers) for file, answers in rows]
    if form == "json":
        records = [{"file": file, **task.json_entries(answers)} for file, answers in rows]
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        head = [["file", *dict(task.csv_cells(answers))] for _, answers in rows[:1]]
        return csv_text([*head, *([file, *(cell for _, cell in task.csv_cells(answers))] for file, answers in rows)])
    cells = [(file, *map(printable, task.text_cells(answers))) for file, answers in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    return "".join("  ".join([*map(str.ljust, row, widths), row[-1]]) + "\n" for row in cells)


def samples_csv(
    columns: Mapping[str, Sequence[str]], answers: Iterable[Sequence[float]], classes: Sequence[str], task: Task
) -> str:
    """Format the answers for samples as CSV, one a row.

    Example:

    >>> print(samples_csv({"sample": ["a.png"], "label": ["=cat"]}, [[0.25, 0.75]], ["=cat", "dog"], CLASSIFICATION))
    sample,label,predicted,'=cat,dog
    a.png,'=cat,dog,0.25,0.75
    <BLANKLINE>
    """
    rows: list[list[str]] = []
    for known, row in zip(zip(*columns.values(), strict=True), answers, strict=True):
        cells = task.sample_cells(dict(zip(classes, row, strict=True)))
        rows = rows or [[*columns, *(name for name, _ in cells)]]
        rows.append([*known, *(cell for _, cell in cells)])
    return csv_text(rows)


@checks.reading("record", "a record of `kerasnas.deployment.evaluate`")
def evaluation_text(record: Mapping[str, Any]) -> str:
    """Format an evaluation: metric with its interval, loss, and the classes or labels, the worst first.

    Example:

    >>> share = {"accuracy": 0.5, "interval": [0.2, 0.8], "samples": 4}
    >>> print(evaluation_text({"dataset": "pets", "loss": 0.7, "classes": {"cat": share}, **share}), end="")
    pets: 50.00 % of 4 samples (95 % interval 20.0 to 80.0 %), loss 0.7000
      cat  50.0 % of 4 (20.0 to 80.0 %)
    """
    task = task_of({"name": record["task"]} if "task" in record else None)
    return task.summary_in_words(record)


@checks.reading("result", "the record of a run, as `kerasnas.records` describes it")
def exports_text(result: Mapping[str, Any]) -> str:
    """Return the table of a run's exports, in columns, and what it was measured on.

    Example:

    >>> file = {"format": "litert", "title": "LiteRT, float32", "file": "model.tflite", "bytes": 320_000}
    >>> file |= {"latency_ms": 0.31, "threads": 1, "agreement": 1.0, "difference": 5e-6}
    >>> print(exports_text({"searched": {}, "exports": {"machine": "a machine", "samples": 500, "files": [file]}}))
    file          format           size    latency of one sample  threads  same class  largest difference
    model.tflite  LiteRT, float32  320 kB  0.31 ms                1        100.0 %     5e-06
    Compared with model.keras on 500 samples of the test data: how many get the same class, and the largest \
difference of a probability. Latency: median of many calls, on a machine.
    """
    record = Record.of(result)
    return f"{tables.columns_text(tables.exports_table(record))}\n{tables.exports_note(record)}"
