"""Files of the time series archives, `.ts`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
        if not usual:
            raise ValueError(f"Expected `@classLabel true` or `@targetLabel true` in {path.name}. Received: neither")
        for place, series, label, gaps in _parsed(path, lines, labeled=True, dimensions=x[0].shape[1] if x else 0):
            x.append(series)
            filled += gaps
            for name, value in (("label", label), ("file", place), ("split", part)):
                columns[name].append(value)
    if len(files) == 1:
        del columns["split"]
    left = [f"Missing values of {filled:,} series are interpolated"] if filled else []
    task = usual if task == "auto" else task
    found = split_arrays(_padded(x), columns, ("label",), task, seed, f"{len(x):,} series", left, place="file")
    return found[0] | {"kind": np.array("signals")}, *found[1:]


def read_unlabeled(paths: Sequence[str | os.PathLike], length: int) -> tuple[list[str], np.ndarray]:
    """Read the series of `.ts` files, whose labels, if there are any, are left aside.

    Args:
        paths: of the files.
        length: steps that the series have at least; shorter ones end in NaN.

    Returns:
        The file and line of each series; the series, `(series, length, channels)`.

    Raises:
        FileNotFoundError: if one is no `.ts` file.
        ValueError: naming the line that holds something else.
    """
    places: list[str] = []
    x: list[np.ndarray] = []
    for path in map(Path, paths):
        if not path.is_file() or path.suffix != ".ts":
            raise FileNotFoundError(f"The network takes signals. Expected .ts files. Received: {path}, which is none.")
        lines, task = _content(path)
        for place, series, *_ in _parsed(path, lines, labeled=bool(task), dimensions=x[0].shape[1] if x else 0):
            places.append(place)
            x.append(series)
    if not x:
        raise ValueError("Expected .ts files of signals. Received: none")
    return places, _padded(x, length)


def _padded(x: Sequence[np.ndarray], length: int = 0) -> np.ndarray:
    """Return series of one number of channels as one array; shorter ones end in NaN."""
    padded = np.full((len(x), max(length, *map(len, x)), x[0].shape[1]), np.nan, np.float32)
    for row, series in zip(padded, x, strict=True):
        row[: len(series)] = series
    return padded


def _parsed(
    path: Path, lines: Sequence[tuple[int, str]], labeled: bool, dimensions: int
) -> Iterator[tuple[str, np.ndarray, str, bool]]:
    """Yield of each line its place in words, its series, its label if there is one, and True if values were missing.

    `dimensions` is how many each series has; 0 for as many as the first.
    """
    for number, line in lines:
        parts = line.split(":")
        label = parts.pop().strip() if labeled else ""
        try:
            series = np.stack([np.array(one.replace("?", "nan").split(","), np.float32) for one in parts], 1)
            filled = _fill(series)
            dimensions = dimensions or series.shape[1]
            if series.shape[1] != dimensions:
                raise ValueError(f"{series.shape[1]} dimensions after {dimensions}")
        except ValueError as error:
            expected = f"{path.name}, line {number}: expected numbers{', then `:` and a label' if labeled else ''}"
            raise ValueError(f"{expected} ({error})") from None
        yield f"{path.name}, line {number}", series, label, filled


def _content(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Return the lines of data of a file with their numbers, and the task that its header says; "" without labels."""
    lines = [line.strip() for line in untrusted.read_text(file).splitlines()]
    start = next((number for number, line in enumerate(lines, 1) if line.lower() == "@data"), len(lines))
    header = [tuple(line.lower().split()[:2]) for line in lines[:start] if line.startswith("@")]
    data = [(number, line) for number, line in enumerate(lines[start:], start + 1) if line and line[0] != "#"]
    if not data:
        raise ValueError(f"Expected a file of series: a header, @data, and lines of numbers. Received: {file.name}")
    return data, next((task for name, task in _TASKS.items() if (name, "true") in header), "")


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
