"""Columns of a table: what training rows say about each, and rows of values as codes that a network's front takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""Texts, in lower case, that stand for a missing value."""
NUMBER, CATEGORY, UNUSED = "number", "category", "unused"
_MOST_CATEGORIES = 100  # a one-hot column more for each; beyond, values hardly repeat in tables of usual size
_FREE_SHARE = 0.5  # of different values among the rows, from which on a column of texts is prose or ids
_FEW_ROWS = 20  # up to which different values say nothing, if they are names
_PROSE = 3  # words of a text that is no name
_NUMBERS_SHARE = 0.5  # of values that are numbers, from which on the others are taken for mistakes
_IQR = 1.349  # interquartile range of the normal distribution, in standard deviations


@dataclasses.dataclass(frozen=True)
class Column:
    """A column as the training rows have it.

    Args:
        name: in the file.
        kind: `"number"`, `"category"`, or `"unused"`: of one value, or of none.
        center: median of numbers.
        scale: of numbers: the interquartile range in standard deviations of the normal distribution, or, where that is
            0, the standard deviation.
        categories: known values.
        missing: whether training rows lack values, which are then a category, or a column, of their own.
    """

    name: str
    kind: str
    center: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    missing: bool = False

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Return values, numbers or texts, as numbers; of categories their index; NaN where missing or unknown."""
        if self.kind == UNUSED:
            return np.zeros(len(values))
        if self.kind == NUMBER:
            return _numbers(values, self.name)
        index = {name: float(number) for number, name in enumerate(self.categories)}
        return np.array([index.get(text, np.nan) for text in _texts(values)])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-serializable record."""
        record: dict[str, Any] = {"name": self.name, "kind": self.kind}
        record |= {"center": self.center, "scale": self.scale} if self.kind == NUMBER else {}
        record |= {"categories": list(self.categories)} if self.categories else {}
        return record | ({"missing": True} if self.missing else {})

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Column:
        """Return the inverse of `to_dict`, of a file that may be damaged.

        Raises:
            ValueError, TypeError, KeyError: for entries that are no column.
        """
        return cls(
            checks.instance("name", record["name"], str),
            checks.one_of("kind", record["kind"], (NUMBER, CATEGORY, UNUSED)),
            checks.number("center", record.get("center", 0.0)),
            checks.number("scale", record.get("scale", 1.0), above=0),
            tuple(checks.instance("categories", name, str) for name in record.get("categories", ())),
            checks.boolean("missing", record.get("missing", False)),
        )


def learned(names: Sequence[str], x: np.ndarray) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Return the columns of training rows, and notes on missing values and overfitting.

    Args:
        names: of the columns.
        x: rows `(samples, columns)`, of numbers, or of texts.

    Raises:
        ValueError: for a column of free text or of numbers and texts, an infinite number, and where no column differs
            from row to row.
    """
    columns = tuple(_learned(name, values) for name, values in zip(names, x.T, strict=True))
    notes = []
    unused = [column.name for column in columns if column.kind == UNUSED]
    if gaps := [column for column in columns if column.missing]:
        notes.append(f"Missing values: {listed([column.name for column in gaps])}; medians stand for missing numbers")
    if len(unused) == len(columns):
        received = f"{len(columns)} columns of one value each in {len(x)} training rows"
        raise ValueError(f"Expected a column whose values differ from row to row. Received: {received}")
    if len(columns) - len(unused) > len(x):
        notes.append(
            f"More columns than training rows ({len(columns) - len(unused):,} and {len(x):,}): networks overfit such "
            "tables; compare with the linear model in the report"
        )
    return columns, tuple(notes)


def _learned(name: str, values: np.ndarray) -> Column:
    texts = values.dtype.kind in "UO"
    there = np.array([text.lower() not in MISSING for text in _texts(values)]) if texts else ~np.isnan(values)
    known, missing = values[there], not there.all()
    if not len(known):
        return Column(name, UNUSED)
    numbers = known.astype(float) if not texts else _as_numbers(known)
    if np.isnan(numbers).any():
        _refuse_mixed(name, values, known, numbers)
        return _category(name, _texts(known), len(values), missing)
    if not np.isfinite(numbers).all():
        raise ValueError(f"Expected finite numbers in column '{name}'. Received: infinity. Leave such a value empty")
    if not missing and numbers.min() == numbers.max():
        return Column(name, UNUSED)
    low, center, high = np.quantile(numbers, (0.25, 0.5, 0.75))
    scale = (high - low) / _IQR or numbers.std() or 1.0
    return Column(name, NUMBER, float(center), float(scale), missing=missing)


def _category(name: str, texts: Sequence[str], rows: int, missing: bool) -> Column:
    found = tuple(sorted(set(texts)))
    prose = np.mean([len(text.split()) for text in found]) >= _PROSE
    fewest = 1 if prose else _FEW_ROWS
    if len(found) > max(fewest, _FREE_SHARE * len(texts)) or len(found) > max(_MOST_CATEGORIES, rows // 10):
        raise ValueError(
            f"Expected categories or numbers in column '{name}'. Received: {len(found)} different texts in "
            f"{len(texts)} rows, such as {found[0][:40]!r}. Leave the column out, write dates as numbers, or "
            "search its texts alone with the setting text_column"
        )
    if len(found) == 1 and not missing:
        return Column(name, UNUSED)
    return Column(name, CATEGORY, categories=found, missing=missing)


def _refuse_mixed(name: str, values: np.ndarray, known: np.ndarray, numbers: np.ndarray) -> None:
    """Raise ValueError for a column that is mostly numbers."""
    if np.isfinite(numbers).mean() < _NUMBERS_SHARE:
        return
    wrong = known[np.flatnonzero(np.isnan(numbers))[0]]
    row = next(index for index, value in enumerate(values) if value is wrong or value == wrong)
    raise ValueError(
        f"Expected numbers in column '{name}', as most of its values are. Received: {str(wrong)[:40]!r} in training "
        f"row {row}. Leave a missing value empty, or write categories as words"
    )


def _texts(values: Iterable[Any]) -> list[str]:
    return ["" if value is None or value != value else str(value).strip() for value in values]


def _as_numbers(values: Iterable[Any]) -> np.ndarray:
    """Return values as numbers, NaN for those that are none."""
    found = []
    for value in values:
        try:
            found.append(float(value))
        except (TypeError, ValueError):
            found.append(np.nan)
    return np.array(found)


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind in "iufb":
        found = values.astype(float)
    else:
        texts = _texts(values)
        found = _as_numbers("nan" if text.lower() in MISSING else text for text in texts)
        wrong = [
            text for text, value in zip(texts, found, strict=True) if np.isnan(value) and text.lower() not in MISSING
        ]
        if wrong:
            raise ValueError(f"Expected numbers in column '{name}'. Received: {wrong[0][:40]!r}")
    if np.isinf(found).any():
        raise ValueError(f"Expected finite numbers in column '{name}'. Received: infinity")
    return found


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
