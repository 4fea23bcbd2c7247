"""CSV files: labels of files of a sample each or of texts, and tables of numbers and categories."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.modalities.columns import LABELS
from kerasnas.modalities.decoding import Reading
from kerasnas.modalities.folders import left_out, reasons
from kerasnas.modalities.grouping import grouped_columns
from kerasnas.modalities.lookup import of_files
from kerasnas.tasks.base import recognizing, task_class
from kerasnas.tasks.known import task_of
from kerasnas.tasks.splits import split_samples

CSV_FILES = (".csv", ".tsv")
"""Suffixes of files of rows, whose values commas, semicolons or tabs separate."""
TEXT_COLUMNS = ("text", "sentence", "review", "comment", "message")
PATH_COLUMNS = ("image", "path", "file", "filename")
"""Names of columns that hold texts, and paths of images."""
_SEPARATORS = ",;\t"
_DATE = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{4})([T ]\d{1,2}:\d{2}.*)?$")
_SPLIT, _GROUP = "split", "group"
_PARTS = ("train", "test")
_TEST_SHARE = 0.2
_FEW_ROWS, _MOST_CLASSES = 20, 0.05  # whole numbers of more values than either, the latter by row, are no classes


def read_csv(
    file: Path, target: Sequence[str], task: str, reading: Reading, seed: int, cache: Path
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Read the files that a CSV file names, or the texts or rows in it, with their labels.

    Args:
        file: the file; see `kerasnas.datasets.load`.
        target: the columns that are the labels; none for all that are no path, split or group.
        task: what they are; of `"auto"`, one column of names or whole numbers is a classification, several of 0 and 1
            are multilabel, numbers a regression.
        reading: how images are brought to size, and the column of texts.
        seed, cache: as for `read_folder`.

    Returns:
        The arrays of `read_folder`, with the array `task`; the names of classes, labels or numbers; and notes. Texts
        are strings.

    Raises:
        ValueError: for a column that does not exist (the nearest is named), a value that is missing or of another kind
            than the others, an image that is not there, and as for `read_folder`.
    """
    columns = read_columns(file)
    if reading.text_column:
        checks.one_of("text_column", reading.text_column, columns)
    place = next((name for name in columns if name.lower() in PATH_COLUMNS), "")
    text = reading.text_column
    if not text and not place:
        text = next((name for name in columns if name.lower() in TEXT_COLUMNS), "")
    first = [*map(Path, next(iter(columns.values()))[:100])]
    if not text and not place and not any(map(of_files(first).holds, first)):
        if reading.size is not None:
            raise ValueError(checks.invalid("image_size", "None, as rows of a table have no size", reading.size))
        return _read_table(columns, target, task, seed)
    place = text or place or next(iter(columns))
    known = [name for name in columns if name != place and name.lower() not in (_SPLIT, _GROUP)]
    names = checks.names("target", target, known, least=0) or tuple(known)
    if not names:
        raise ValueError(f"Expected a column of labels beside '{place}'. Received: {', '.join(columns)}")
    if text:
        if reading.size is not None:
            raise ValueError(checks.invalid("image_size", f"None, as column '{text}' holds texts", reading.size))
        x = np.array(columns[place], dtype=str)
        return split_arrays(x, columns, names, task, seed, f"{len(x):,} texts", [])
    paths = [file.parent / text for text in columns[place]]
    for row, path in enumerate(paths, start=2):
        if not path.is_file():
            raise ValueError(
                f"Row {row} names {columns[place][row - 2]!r}, and there is no such file in {file.parent}. Texts stand "
                "in a column named text, or in one that is named as the text column"
            )
    member = of_files(paths)
    decoded = member.decode(list(dict.fromkeys(paths)), file.parent, reading, cache)
    read = set(decoded.paths)
    kept = [row for row, path in enumerate(paths) if path in read]
    own = {name: [values[row] for row in kept] for name, values in columns.items()}
    x, (sizes, *held) = decoded.of(paths[row] for row in kept), decoded.notes
    left = [*held, *left_out((), decoded.unreadable, len(paths), member)]
    found = f"{len(kept):,} {member.plural}"
    arrays, classes, notes = split_arrays(x, own, names, task, seed, found, left, sizes, place)
    arrays |= {"kind": np.array(member.name), **decoded.more}
    traits = np.array([decoded.traits[file.parent / name] for name in arrays["files_train"]])
    return arrays | {"left_out": reasons((), decoded.unreadable, file.parent, member), "traits": traits}, classes, notes


def _read_table(
    columns: Mapping[str, Sequence[str]], target: Sequence[str], task: str, seed: int
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Return the result of `read_csv` for rows of numbers and categories."""
    known = [name for name in columns if name.lower() not in (_SPLIT, _GROUP)]
    labels = checks.names("target", target, known, least=0)
    labels = labels or tuple(name for name in known if name.lower() in LABELS)[:1]
    if not labels:
        raise ValueError(
            f"Expected a column of labels, named {', '.join(LABELS)}, or as the target (--target=COLUMN). Received: "
            f"columns {', '.join(known)}"
        )
    features = [name for name in known if name not in labels]
    if not features:
        raise ValueError(f"Expected a column next to {', '.join(labels)}. Received: {', '.join(columns)}")
    if len(labels) == 1:
        task = _task_of_rows(labels[0], columns[labels[0]], task)
    x = np.array([columns[name] for name in features], dtype=str).T
    found = f"{len(x):,} rows, {len(features)} columns"
    arrays, classes, notes = split_arrays(x, columns, labels, task, seed, found, [])
    return arrays | {"columns": np.array(features), "kind": np.array("tables")}, classes, notes


def _task_of_rows(name: str, values: Sequence[str], task: str) -> str:
    """Return the task of one column of labels; whole numbers of many values are numbers, not classes.

    Raises:
        ValueError: for ids, which are different in each row, and for dates.
    """
    if all(map(_DATE.match, values)):
        raise ValueError(
            f"Expected labels in column '{name}'. Received: dates, such as {values[0][:30]!r}. Name another column as "
            f"the target, or write days since the first as numbers: `days = pandas.to_datetime(frame[{name!r}])`, then "
            f"`frame[{name!r}] = (days - days.min()).dt.days`"
        )
    numbers, different = _numbers(values), len(set(values))
    whole = numbers is not None and bool((numbers == np.round(numbers)).all())
    in_turn = whole and numbers is not None and numbers.max() - numbers.min() + 1 == len(values)
    if different == len(values) > _FEW_ROWS and (numbers is None or in_turn):
        raise ValueError(
            f"Expected labels in column '{name}'. Received: ids, a different value in each of {len(values):,} rows. "
            "Name another column as the target"
        )
    if task == "auto" and whole and different > max(_FEW_ROWS, _MOST_CLASSES * len(values)):
        return "regression"
    return task


def split_arrays(
    x: np.ndarray,
    own: Mapping[str, Sequence[str]],
    names: Sequence[str],
    task: str,
    seed: int,
    found: str,
    left: Sequence[str],
    sizes: str = "",
    place: str = "",
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Return the result of `read_csv` for samples `x`, and columns of which `names` are labels, `place` their names."""
    y, classes, kind = _labels({name: own[name] for name in names}, task)
    groups = next((np.array(own[name]) for name in own if name.lower() == _GROUP), None)
    train, test = _split(own, y, kind, groups, seed)
    arrays = {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test], "task": np.array(kind)}
    files = np.array(own[place] if place else [f"row {number}" for number in range(2, len(x) + 2)], object)
    arrays |= {"files_train": files[train], "files_test": files[test]}
    if groups is not None:
        arrays["groups"] = groups[train]
    elif hint := grouped_columns({name: values for name, values in own.items() if name not in names}):
        left = [*left, hint]
    several = task_class(kind).outputs_words[1]
    notes = [", ".join(filter(None, (f"Found {found}", f"{len(classes)} {several}", sizes))), *left]
    return arrays, classes, tuple(notes)


def read_columns(file: Path) -> dict[str, list[str]]:
    """Return the columns of a CSV file by the names in its first row.

    Values are separated by commas, semicolons or tabs: by what the first row has most of. Where commas do not separate
    them, they may be decimal points, which spreadsheets write so in many languages; such a column gets points.

    Raises:
        ValueError: for a file that is empty, not in UTF-8, or whose rows differ in length.
    """
    try:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            separator = max(_SEPARATORS, key=opened.readline().count)
            opened.seek(0)
            rows = [row for row in csv.reader(opened, delimiter=separator) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"Expected a CSV file in UTF-8 ({error})") from None
    if len(rows) < 2:
        raise ValueError("Expected a first row of names, and a row for each image. Received: an empty file")
    header = [name.strip() for name in rows[0]]
    checks.names("columns", header)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise ValueError(f"Expected {len(header)} values in each row. Received: {len(row)} in row {number}")
    columns = {name: [row[index].strip() for row in rows[1:]] for index, name in enumerate(header)}
    return columns if separator == "," else {name: _with_points(values) for name, values in columns.items()}


def _with_points(values: list[str]) -> list[str]:
    """Return numbers with decimal commas as numbers with decimal points; other values as they are.

    Example:

    >>> _with_points(["1,5", "", "-2"]), _with_points(["1,5", "2, or 3"])
    (['1.5', '', '-2'], ['1,5', '2, or 3'])
    """
    found = [value.replace(",", ".") for value in values]
    return found if _numbers([value for value in found if value]) is not None else values


def _labels(columns: Mapping[str, Sequence[str]], task: str) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Labels, the names of classes or outputs, and the name of the task."""
    for name, values in columns.items():
        if "" in values:
            raise ValueError(f"Column '{name}' has no value in row {values.index('') + 2}")
    numbers = {name: _numbers(values) for name, values in columns.items()}
    given = [values for values in numbers.values() if values is not None]
    table = np.column_stack(given) if len(given) == len(numbers) else None
    if task == "auto":
        task = next(known.name for known in recognizing() if known.recognizes_columns(table))
    y, outputs = task_class(task).from_columns(columns, table)
    return y, outputs, task


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    """Texts as finite numbers; None where one is none."""
    try:
        found = np.array([float(value) for value in values])
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None


def _split(
    columns: Mapping[str, Sequence[str]], y: np.ndarray, kind: str, groups: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the training data and of the test data."""
    said = next((np.array(values) for name, values in columns.items() if name.lower() == _SPLIT), None)
    if said is None:
        return split_samples(task_of({"name": kind}), y, _TEST_SHARE, seed, groups)
    for value in dict.fromkeys(said.tolist()):
        checks.one_of("split", value, _PARTS)
    train, test = (np.flatnonzero(said == part) for part in _PARTS)
    if not len(train) or not len(test):
        raise ValueError(f"Expected train and test in column '{_SPLIT}'. Received: {said[0]} alone")
    return train, test
