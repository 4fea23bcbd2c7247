"""Runs beside each other: scores, settings that differ, and which is better on the same test samples."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasnas import checks
from kerasnas.intervals import paired_difference
from kerasnas.records import Record
from kerasnas.reporting.tables import MISSING, Table, amount, columns_text, exact, score, show
from kerasnas.runs.record import PREDICTIONS, read_result


@checks.arguments(folders=checks.each(checks.path))
def compare(folders: Sequence[str | os.PathLike]) -> str:
    """Return how finished runs compare: two tables, and a sentence for each run beside the first.

    The sentence is of the samples that both were tested on, and of classes and labels: which share of them each answers
    right, and the 95 % interval of the difference, paired by sample.

    Args:
        folders: of the runs, two at least; the others are compared with the first.

    Raises:
        FileNotFoundError: if a run is not finished.
        ValueError: for fewer than two folders.
    """
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        received = ", ".join(map(str, paths)) or "none"
        raise ValueError(f"Expected the folders of two runs or more. Received: {received}")
    records = {str(path): read_result(path) for path in paths}
    answers = {str(path): _answers(path / PREDICTIONS) for path in paths}
    first, *others = records
    parts = [columns_text(table) for table in (_scores(records), _differing(records)) if table.rows]
    parts += [_lead(first, answers[first], other, answers[other]) for other in others]
    return "\n\n".join(parts)


def _scores(records: Mapping[str, Record]) -> Table:
    """Return what each run came to."""
    rows = []
    for name, record in records.items():
        searched, latency = record.searched, record.searched.latency_ms
        spent = MISSING if latency is None else amount(latency, " ms")
        rows.append([name, record.dataset.name or MISSING, score(record), show(searched.parameters), spent])
    return Table(["run", "data", "test score", "parameters", "latency"], rows)


def _differing(records: Mapping[str, Record]) -> Table:
    """Return the settings that not all runs have in common."""
    names = dict.fromkeys(name for record in records.values() for name in record.settings)
    rows = [[name, *(exact(record.settings.get(name)) for record in records.values())] for name in names]
    return Table(["setting", *records], [row for row in rows if len(set(row[1:])) > 1])


def _answers(file: Path) -> dict[str, tuple[str, bool]]:
    """Return the label of each test sample of classes or labels, by its name, and whether it is what was predicted."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", errors="replace", newline="") as rows:
        found = csv.DictReader(rows)
        if not {"sample", "label", "predicted"} <= set(found.fieldnames or ()):
            return {}
        return {row["sample"]: (row["label"], row["label"] == row["predicted"]) for row in found}


def _lead(first: str, its: Mapping[str, tuple[str, bool]], other: str, theirs: Mapping[str, tuple[str, bool]]) -> str:
    """Say by how much a run is ahead of another one."""
    shared = [name for name in its if name in theirs]
    if not shared or any(its[name][0] != theirs[name][0] for name in shared):  # with other labels, other data
        return f"{first} and {other} have answered no test sample in common: their scores are of different samples."
    right = [np.array([answers[name][1] for name in shared]) for answers in (its, theirs)]
    lead, error = paired_difference(*right)
    low, high = 100 * (lead - 1.96 * error), 100 * (lead + 1.96 * error)
    words = "no clear difference" if low <= 0 <= high else "ahead" if lead > 0 else "behind"
    return (
        f"{first} beside {other}: {100 * right[0].mean():.2f} and {100 * right[1].mean():.2f} % of {len(shared)} "
        f"common test samples right, {100 * lead:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}): {words}."
    )
