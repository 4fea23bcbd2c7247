"""Predictions, evaluations and exports as text; predictions as CSV and as JSON too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.reporting import tables
from kerasnas.tasks import CLASSIFICATION, Classification, Task, task_of

Row = tuple[str, Mapping[str, float]]
"""A file, and the probability of each class or label, or the numbers."""


@checks.reading("rows", "pairs of a file and the probability of each class")
@checks.arguments(rows=checks.each((tuple, list)), form=checks.known("text", "csv", "json"), task=Task)
def predictions_text(rows: Sequence[Row], form: str = "text", task: Task = CLASSIFICATION) -> str:
    """Predictions, one a line.

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
    if not isinstance(task, Classification):
        return _answers_text(rows, form, task)
    found = [(file, max(classes, key=lambda name: classes[name]), classes) for file, classes in rows]
    if form == "json":
        records = [
            {"file": file, "class": best, "probability": classes[best], "probabilities": dict(classes)}
            for file, best, classes in found
        ]
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if found:
            writer.writerow(["file", "class", "probability", *found[0][2]])
        for file, best, classes in found:
            writer.writerow([file, best, *(f"{value:.6f}" for value in (classes[best], *classes.values()))])
        return text.getvalue()
    widths = [max((len(row[column]) for row in found), default=0) for column in (0, 1)]
    return "".join(
        f"{file:<{widths[0]}}  {best:<{widths[1]}}  {100 * classes[best]:.1f} %\n" for file, best, classes in found
    )


def _answers_text(rows: Sequence[Row], form: str, task: Task) -> str:
    """Several labels or numbers, one file a line."""
    what = {"multilabel": "labels", "regression": "values"}[task.name]
    if form == "json":
        records = [{"file": file, what: task.in_words(answers), "answers": dict(answers)} for file, answers in rows]
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if rows:
            writer.writerow(["file", *rows[0][1]])
        writer.writerows([file, *(f"{value:.6g}" for value in answers.values())] for file, answers in rows)
        return text.getvalue()
    width = max((len(file) for file, _ in rows), default=0)
    return "".join(f"{file:<{width}}  {task.in_words(answers)}\n" for file, answers in rows)


@checks.reading("record", "a record of `kerasnas.deployment.evaluate`")
@checks.arguments(record=checks.mapping)
def evaluation_text(record: Mapping[str, Any]) -> str:
    """An evaluation: accuracy with its interval, loss, and the classes, those with the most errors first.

    Example:

    >>> share = {"accuracy": 0.5, "interval": [0.2, 0.8], "samples": 4}
    >>> print(evaluation_text({"dataset": "pets", "loss": 0.7, "classes": {"cat": share}, **share}), end="")
    pets: 50.00 % of 4 samples (95 % interval 20.0 to 80.0 %), loss 0.7000
      cat  50.0 % of 4 (20.0 to 80.0 %)
    """

    if "task" in record:
        return _metrics_text(record)

    def interval(one: Mapping[str, Any]) -> str:
        low, high = one["interval"]
        return f"{100 * low:.1f} to {100 * high:.1f} %"

    lines = [
        f"{record['dataset']}: {100 * record['accuracy']:.2f} % of {record['samples']:,} samples (95 % interval "
        f"{interval(record)}), loss {record['loss']:.4f}"
    ]
    classes = sorted(record["classes"].items(), key=lambda item: item[1]["accuracy"])
    width = max((len(name) for name, _ in classes), default=0)
    for name, one in classes:
        lines.append(f"  {name:<{width}}  {100 * one['accuracy']:.1f} % of {one['samples']:,} ({interval(one)})")
    return "\n".join(lines) + "\n"


def _metrics_text(record: Mapping[str, Any]) -> str:
    """An evaluation of several labels, or of numbers."""
    task, (low, high) = task_of({"name": record["task"]}), record["interval"]
    others = ", ".join(f"{name} {record[name]:.4g}" for name in ("accuracy", "exact", "mae", "rmse") if name in record)
    lines = [
        f"{record['dataset']}: {task.words} {task.show(record[task.metric])} on {record['samples']:,} samples (95 % "
        f"interval {task.show(low)} to {task.show(high)}), {others}, loss {record['loss']:.4f}"
    ]
    labels = record.get("labels", {})
    width = max(map(len, labels), default=0)
    for name, one in sorted(labels.items(), key=lambda item: item[1]["f1"] or 0.0):
        shown = ", ".join(f"{key} {tables.show(one[key])}" for key in ("precision", "recall", "f1"))
        lines.append(f"  {name:<{width}}  {shown} of {one['samples']:,}")
    return "\n".join(lines) + "\n"


@checks.reading("result", "the record of a run, as `kerasnas.reporting` describes it")
@checks.arguments(result=checks.mapping)
def exports_text(result: Mapping[str, Any]) -> str:
    """The table of a run's exports, in columns, and what it was measured on.

    Args:
        result: the record of a run with `"exports"`; see `kerasnas.reporting`.

    Example:

    >>> file = {"format": "litert", "title": "LiteRT, float32", "file": "model.tflite", "bytes": 320_000}
    >>> file |= {"latency_ms": 0.31, "threads": 1, "agreement": 1.0, "difference": 5e-6}
    >>> print(exports_text({"exports": {"machine": "a machine", "samples": 500, "files": [file]}}))
    file          format           size    latency of one sample  threads  same class  largest difference
    model.tflite  LiteRT, float32  320 kB  0.31 ms                1        100.0 %     5e-06
    Compared with model.keras on 500 samples of the test data: how many get the same class, and the largest \
difference of a probability. Latency: median of many calls, on a machine.
    """
    table = tables.exports_table(result)
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, tables.exports_note(result)])
