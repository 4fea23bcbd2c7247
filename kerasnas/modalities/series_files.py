"""Files of the time series archives, `.ts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.files import untrusted
from kerasnas.modalities.csv_labels import split_arrays

_PAIRS = (("train", "test"), ("TRAIN", "TEST"), ("Train", "Test"))
_TASKS = {"@classlabel": "classification", "@targetlabel": "regression"}


def read_series(file: Path, task: str, seed: int) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Read series and labels of a `.ts` file; of `NAME_TRAIN.ts` and `NAME_TEST.ts` in one folder, either means both.

    Shorter series end in NaN. Missing values, `?`, are interpolated, but at the end. Of `task="auto"`, `@classLabel` is
    a classification, `@targetLabel` a regression. Else arguments, result and errors are those of `read_csv`.
    """
    files = {"": file}
    for pair in _PAIRS:
        stems = [file.stem.removesuffix(pair[0]).removesuffix(pair[1]) + part for part in pair]
        both = dict(zip(("train", "test"), map(file.with_stem, stems), strict=True))
        files = both if all(map(Path.is_file, both.values())) else files
    x: list[np.ndarray] = []
    columns: dict[str, list[str]] = {"label": [], "file": [], "split": []}
    filled = 0
    for part, path in files.items():
        lines, usual = _content(path)
        for number, line in lines:
            *dimensions, label = line.split(":")
            try:
                series = np.stack([np.array(one.replace("?", "nan").split(","), np.float32) for one in dimensions], 1)
                filled += _fill(series)
                if x and series.shape[1] != x[0].shape[1]:
                    raise ValueError(f"{series.shape[1]} dimensions after {x[0].shape[1]}")
            except ValueError as error:
                expected = f"{path.name}, line {number}: expected numbers, then `:` and a label"
                raise ValueError(f"{expected} ({error})") from None
            x.append(series)
            for name, value in (("label", label.strip()), ("file", f"{path.name}, line {number}"), ("split", part)):
                columns[name].append(value)
    if len(files) == 1:
        del columns["split"]
    padded = np.full((len(x), max(map(len, x)), x[0].shape[1]), np.nan, np.float32)
    for row, series in zip(padded, x, strict=True):
        row[: len(series)] = series
    left = [f"Missing values of {filled:,} series are interpolated"] if filled else []
    task = usual if task == "auto" else task
    found = split_arrays(padded, columns, ("label",), task, seed, f"{len(x):,} series", left, place="file")
    return found[0] | {"kind": np.array("signals")}, *found[1:]


def _content(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Return the lines of data of a file with their numbers, and the task that its header says."""
    lines = [line.strip() for line in untrusted.read_text(file).splitlines()]
    start = next((number for number, line in enumerate(lines, 1) if line.lower() == "@data"), len(lines))
    header = [tuple(line.lower().split()[:2]) for line in lines[:start] if line.startswith("@")]
    data = [(number, line) for number, line in enumerate(lines[start:], start + 1) if line and line[0] != "#"]
    if not data:
        raise ValueError(f"Expected a file of series: a header, @data, and lines of numbers. Received: {file.name}")
    tasks = [task for name, task in _TASKS.items() if (name, "true") in header]
    if not tasks:
        raise ValueError(f"Expected `@classLabel true` or `@targetLabel true` in {file.name}. Received: neither")
    return data, tasks[0]


def _fill(series: np.ndarray) -> bool:
    """Interpolate missing values but for those that end a series; return True if there were some."""
    missing = np.isnan(series)
    if missing.all(axis=0).any():
        raise ValueError("no value")
    missing &= (np.cumsum(~missing[::-1].all(axis=1))[::-1] > 0)[:, None]
    for values, gaps in zip(series.T, missing.T, strict=True):
        known = np.flatnonzero(~np.isnan(values))
        values[gaps] = np.interp(np.flatnonzero(gaps), known, values[known])
    return bool(missing.any())
