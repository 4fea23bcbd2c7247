"""Tables: rows of numbers and categories."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.companions.base import Companion, Weights
from kerasnas.companions.rows import BoostedRows, LinearRows, RowCompanion
from kerasnas.modalities import table_columns
from kerasnas.modalities.base import FromPaths, Modality, Paths, Reading, TextLimits, dataset_arguments
from kerasnas.modalities.columns import Columns, columns_of, label_names, labels_in
from kerasnas.modalities.csv_labels import CSV_FILES, read_columns
from kerasnas.modalities.fronts import Front
from kerasnas.modalities.parts import Parts
from kerasnas.modalities.table_columns import CATEGORY, NUMBER, Column
from kerasnas.tasks import Task
from kerasnas.tasks.splits import spread_rows
from kerasnas.wording import wrong_value

_MOST_STATISTICS = 32  # columns of drift statistics
_CLIP = 3.0  # standard deviations that no scaled number exceeds: smooth clipping of RealMLP (arXiv 2407.04491)


class TableFront(Front):
    """The step from rows to network inputs: scaled numbers, indicators of missing ones, and one-hot categories.

    A number is centered at the median of the training rows, divided by their spread and softly clipped; a missing one
    is the median. In a raw row, a category is its index, and NaN stands for what is missing or unknown.
    """

    name = "table"

    def __init__(self, columns: Sequence[Column]):
        self.columns = tuple(columns)

    def raw_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self.columns),)

    def apply(self, x: Any) -> Any:
        parts = []
        numbers = [index for index, column in enumerate(self.columns) if column.kind == NUMBER]
        gaps = [index for index in numbers if self.columns[index].missing]
        if numbers:
            center = np.array([self.columns[index].center for index in numbers])
            scale = np.array([self.columns[index].scale for index in numbers])
            scaling = keras.layers.Rescaling((1 / scale).tolist(), (-center / scale).tolist(), dtype="float32")
            z = ops.nan_to_num(scaling(ops.take(x, numbers, axis=1)))
            parts.append(z / ops.sqrt(1 + ops.square(z / _CLIP)))
        if gaps:
            taken = ops.take(x, gaps, axis=1)
            parts.append(ops.cast(ops.not_equal(taken, taken), "float32"))
        for index, column in enumerate(self.columns):
            if column.kind == CATEGORY:
                known = len(column.categories)
                code = ops.cast(ops.nan_to_num(x[:, index], nan=float(known)), "int32")
                parts.append(ops.one_hot(code, known + column.missing, dtype="float32"))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def encoded(self, raw: np.ndarray) -> np.ndarray:
        """Return the network's inputs of raw rows, float32 `(samples, inputs)`."""
        return np.asarray(ops.convert_to_numpy(self.apply(ops.convert_to_tensor(raw.astype("float32")))))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "columns": [column.to_dict() for column in self.columns]}


class Tables(Modality):
    """Rows of a table, to networks `(columns,)` of scaled numbers and one-hot categories.

    Args:
        columns: that rows are read by. Defaults to none: they are learned from training rows.
    """

    name = "tables"
    singular, plural = "row", "rows"
    inputs = "table"
    axes = ("columns",)
    race_space = "tables"
    baseline = False
    # Not int8, which has one scale for all columns of a raw row: on breast cancer a third of the answers changed.
    formats = ("savedmodel", "onnx", "litert")
    example = "rows.csv"
    hub_tasks = {"classification": "tabular-classification", "regression": "tabular-regression"}
    in_words = "{columns} columns"
    # The mlp after 15, 40 and 150 epochs: yeast 0.628, 0.640, 0.599 (micro-F1); scene 0.765, 0.776, 0.754; diabetes
    # 0.24, 0.21, 0.05 (R2).
    most_epochs = 40
    race_share = 0.6

    def __init__(self, columns: Sequence[Column] = ()):
        self.own = tuple(columns)

    def restored(self, record: Mapping[str, Any]) -> Modality:
        columns = (record.get("front") or {}).get("columns") or ()
        return type(self)([Column.from_dict(column) for column in columns])

    def claims(self, x: np.ndarray) -> bool:
        return x.ndim == 2 and x.dtype.kind in "iufbU"

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        expected = "rows of numbers or texts, (samples, columns), at least one"
        rows, y = self.raw_parts(arrays, task, self.claims, expected)
        width = rows["train"].shape[1]
        if rows["test"].shape[1] != width:
            raise wrong_value("x", f"rows of {width} columns", f"{rows['test'].shape[1]} columns", "test")
        names = [str(name) for name in np.ravel(arrays.get("columns", [f"column {n}" for n in range(1, width + 1)]))]
        if len(names) != width:
            raise ValueError(
                checks.invalid("columns", f"a name for each of the {width} columns", f"{len(names)} names")
            )
        columns, notes = (self.own, ()) if self.own else table_columns.learned(names, rows["train"])
        bound = type(self)(columns)
        raw = {part: bound.coded(dict(zip(names, x.T, strict=True))) for part, x in rows.items()}
        front = TableFront(columns)
        inputs = {part: front.encoded(one) for part, one in raw.items()}
        return dataset_arguments(inputs, y, task, raw, front=front, notes=notes, modality=bound)

    def coded(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return raw rows, float32 `(samples, columns)`, of columns by name.

        Raises:
            ValueError: for a column that lacks; names the nearest.
        """
        found = [column.codes(np.asarray(_named(values, column.name))) for column in self.own]
        return np.stack(found, axis=1).astype("float32")

    def from_table(self, columns: Columns, y: Any, target: Sequence[str], reading: Reading) -> tuple[Any, Any]:
        if y is not None:
            return dict(columns), y
        taken = label_names(columns, "", target)
        rows = {name: values for name, values in columns.items() if name not in taken}
        return rows, labels_in(columns, "", taken)

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        columns = x if isinstance(x, Mapping) else columns_of(x)
        if columns is None:
            found = np.asarray(x if hasattr(x, "__array__") else list(x))
            return found.astype(str) if found.dtype.kind == "O" else found
        if self.own:
            columns = {column.name: _named(columns, column.name) for column in self.own}
        return np.stack([np.asarray(list(values)).astype(str) for values in columns.values()], axis=1)

    def gathered(self, x: Any, reading: Reading) -> tuple[Any, dict[str, np.ndarray]]:
        columns = x if isinstance(x, Mapping) else columns_of(x)
        names = {} if columns is None else {"columns": np.array(list(columns))}
        return self.samples(x, reading), {"kind": np.array(self.name), **names}

    def queries(self, x: Any, reading: Reading) -> np.ndarray:
        if isinstance(x, str | os.PathLike):
            return self.from_paths([x], reading)[1]
        columns = columns_of(x)
        if columns is not None:
            return self.coded({name: list(values) for name, values in columns.items()})
        rows = self.samples(x, reading)
        if rows.ndim != 2 or rows.shape[1] != len(self.own):
            hint = "Reshape your data: x.reshape(1, -1) is one row." if rows.ndim == 1 else ""
            raise ValueError(checks.invalid("x", f"rows of {len(self.own)} columns", f"shape {rows.shape}", hint))
        return self.coded(dict(zip((column.name for column in self.own), rows.T, strict=True)))

    def from_paths(self, paths: Paths, reading: Reading) -> FromPaths:
        names: list[str] = []
        parts = []
        for path in map(Path, paths):
            if not path.is_file() or path.suffix.lower() not in CSV_FILES:
                raise FileNotFoundError(f"Expected .csv files of rows. Received: {path}, which is none.")
            try:
                parts.append(self.coded({name: np.array(values) for name, values in read_columns(path).items()}))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None
            names += [f"{path.name}, row {row}" for row in range(2, len(parts[-1]) + 2)]
        if not parts:
            raise ValueError("Expected .csv files of rows. Received: none")
        return names, np.concatenate(parts), {}

    def array(self, argument: str, x: Any) -> np.ndarray:
        return checks.array(argument, x, finite=False)  # NaN stands for what is missing

    def companion_size(self, front: Front | None, samples: int, limited: bool) -> int:
        return 0 if limited else 1

    def companion(
        self, size: int, seed: int, padded: bool, front: Front | None = None, divisions: Sequence[str] = ()
    ) -> Companion | None:
        return RowCompanion(seed) if size else None

    def references(self, task: Task, seed: int) -> dict[str, Callable[..., np.ndarray]]:
        linear = "logistic regression" if task.logits else "linear regression"
        kinds = {linear: LinearRows, "histogram gradient boosting": BoostedRows}
        return {name: functools.partial(_answers, kind, task, seed) for name, kind in kinds.items()}

    def parts(self, raw: Any) -> Parts:
        missing = np.where(np.eye(len(raw), dtype=bool), np.nan, np.asarray(raw, float))
        return Parts(self._names(len(raw)), missing)

    def entry(self, index: int) -> str:
        return f"column '{self.own[index].name}'" if self.own else super().entry(index)

    def shaped(self, shape: Sequence[int]) -> str:
        return f"rows of {len(self.own) or shape[0]} columns"

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        chosen = spread_rows(x.shape[1], _MOST_STATISTICS)
        values = np.nan_to_num(x[:, chosen].astype("float32"))  # what is missing is 0: more of it is a drift
        names = self._names(x.shape[1])
        return values, tuple(names[column] for column in chosen)

    def _names(self, number: int) -> list[str]:
        """Return the names of the columns of a raw row; numbers where they are not known."""
        return [column.name for column in self.own] or [f"input {column}" for column in range(number)]


def _named(columns: Mapping[str, Any], name: str) -> Any:
    """Return a column of rows; raises ValueError, naming the nearest, if they lack it."""
    if name not in columns:
        raise ValueError(f"The rows lack column '{name}'. {checks.nearest(name, columns)}")
    return columns[name]


def _answers(
    kind: type[LinearRows | BoostedRows],
    task: Task,
    seed: int,
    x: np.ndarray,
    y: np.ndarray,
    x_test: np.ndarray,
    weights: Weights = None,
) -> np.ndarray:
    """Return the answers of a model without a network."""
    outputs = int(y.max()) + 1 if y.ndim == 1 else y.shape[1]
    return np.asarray(task.answers(kind.fitted(x, y, task, outputs, seed, weights).outputs(x_test)))
