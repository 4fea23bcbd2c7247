"""Predictions and evaluations as text, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

Row = tuple[str, Mapping[str, float]]
"""A file, and the probability of each class."""


def predictions_text(rows: Sequence[Row], form: str = "text") -> str:
    """Predictions, one a line.

    Args:
        rows: file and probabilities, of each prediction.
        form: `"text"`: file, class and probability; `"csv"` or `"json"`: the probabilities of all classes too. Defaults
            to `"text"`.

    Example:

    >>> rows = [("a.png", {"cat": 0.25, "dog": 0.75}), ("photos/b.png", {"cat": 0.9, "dog": 0.1})]
    >>> print(predictions_text(rows), end="")
    a.png         dog  75.0 %
    photos/b.png  cat  90.0 %
    >>> print(predictions_text(rows[:1], "csv"), end="")
    file,class,probability,cat,dog
    a.png,dog,0.750000,0.250000,0.750000
    """
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


def evaluation_text(record: Mapping[str, Any]) -> str:
    """An evaluation: accuracy with its interval, loss, and the classes, those with the most errors first.

    Example:

    >>> share = {"accuracy": 0.5, "interval": [0.2, 0.8], "samples": 4}
    >>> print(evaluation_text({"dataset": "pets", "loss": 0.7, "classes": {"cat": share}, **share}), end="")
    pets: 50.00 % of 4 samples (95 % interval 20.0 to 80.0 %), loss 0.7000
      cat  50.0 % of 4 (20.0 to 80.0 %)
    """

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
