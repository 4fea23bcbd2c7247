"""Table: published results of the architectures of a space, with a budget that queries are charged to."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.constraints import Interval
from kerasnas.files import untrusted
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of training a genotype, as the table has it.

    Attributes:
        valid: validation accuracy, percent.
        test: test accuracy, percent; None if the table has none for these epochs.
        epochs: length of the training.
        seconds: training time; None if the table has none.
    """

    valid: float
    test: float | None
    epochs: int
    seconds: float | None


class Table:
    """Results of trained architectures, one row each.

    Args:
        name: name of the table, such as `"nasbench201 cifar10"`.
        space: the space of the rows.
        columns: arrays of numbers by name, `(rows,)`, or `(rows, repeats)` for repeated trainings. `valid_<epochs>`,
            `test_<epochs>` (percent) and `seconds_<epochs>`, all finite, answer `query`; any other can be looked up.
        row: maps a genotype of the space to its row number; raises ValueError if it has none.
        genotype: the inverse of `row`.

    Attributes:
        epochs: the epochs for which there is a validation accuracy, ascending.

    Raises:
        TypeError: if `name`, `space`, `columns`, `row` or `genotype` is of another type.
        ValueError: if a column is not an array of numbers with one or two axes, is not finite although it answers
            queries, or differs from another in length.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    >>> rows = [space.decode(indices) for indices in space]
    >>> table = Table("toy", space, {"valid_3": np.array([70.0, 80, 75, 60])}, rows.index, rows.__getitem__)
    >>> table.query(rows[1])
    Evaluation(valid=80.0, test=None, epochs=3, seconds=None)
    >>> table.budget
    {'evaluations': 1, 'epochs': 3, 'seconds': 0.0}
    """

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        columns: Mapping[str, np.ndarray],
        row: Callable[[Genotype], int],
        genotype: Callable[[int], Genotype],
    ):
        checks.instance("name", name, str)
        checks.instance("space", space, SearchSpace, "a search space, such as `kerasnas.spaces.NASBench201Space()`")
        checks.instance("columns", columns, Mapping, "a mapping from names to arrays")
        self.name, self.space = name, space
        self.columns = {column: self._checked(column, values) for column, values in columns.items()}
        lengths = {len(column) for column in self.columns.values()}
        if len(lengths) != 1:
            wrong = checks.invalid("columns", "columns of one length", sorted(lengths))
            raise ValueError(f"Table '{name}': {wrong}")
        self.row = checks.function("row", row, "a function from a genotype to the number of its row")
        self.genotype = checks.function("genotype", genotype, "a function from the number of a row to its genotype")
        self.epochs = tuple(sorted(int(found[1]) for key in columns if (found := re.fullmatch(r"valid_(\d+)", key))))
        (self._length,) = lengths
        self.reset_budget()

    def _checked(self, name: Any, values: Any) -> np.ndarray:
        """Return a column, if it holds numbers, finite ones if they answer queries."""
        try:
            checks.instance("columns", name, str, "names of columns")
            answers = re.fullmatch(r"(valid|test|seconds)_\d+", name) is not None
            column = checks.array("columns", values, kinds="iufb", finite=answers)
            if column.ndim not in (1, 2):
                raise ValueError(checks.invalid("columns", "arrays (rows,) or (rows, repeats)", column.shape))
        except (TypeError, ValueError) as error:
            raise type(error)(f"Table '{self.name}', column {name!r}: {error}") from None
        return column

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Genotype]:
        return map(self.genotype, range(len(self)))

    def __contains__(self, genotype: Genotype) -> bool:
        try:
            self.row(genotype)
        except ValueError:
            return False
        return True

    def column(self, name: str) -> np.ndarray:
        """Return a column; repeated trainings are averaged.

        Raises:
            ValueError: if there is none of that name; the message has the nearest one.
        """
        self._check_column("name", name)
        column = self.columns[name]
        return column if column.ndim == 1 else column.mean(axis=1)

    def lookup(self, genotype: Genotype, column: str) -> float:
        """Return the value of `column` for `genotype` without charging the budget: for reports, not for searches.

        Raises:
            TypeError: if `genotype` is not a genotype.
            ValueError: if the genotype has no row, or there is no such column.
        """
        checks.instance("genotype", genotype, Genotype)
        self._check_column("column", column)
        return float(np.mean(self.columns[column][self.row(genotype)]))

    def _check_column(self, argument: str, name: str) -> None:
        if not isinstance(name, str) or name not in self.columns:
            expected = f"a column of table '{self.name}'"
            raise ValueError(checks.invalid(argument, expected, name, checks.nearest(name, self.columns)))

    def query(self, genotype: Genotype, epochs: int | None = None, repeat: int | None = None) -> Evaluation:
        """Return the result of training `genotype` for `epochs`, charged to `budget`.

        Args:
            genotype: a genotype of the table's space.
            epochs: one of `self.epochs`. Defaults to None: the longest.
            repeat: number of the training, from 0, if it was repeated. Defaults to None: the mean.

        Raises:
            TypeError: if `genotype` is not a genotype.
            ValueError: for a genotype without a row, and for epochs or a repeat that the table does not have.
        """
        checks.instance("genotype", genotype, Genotype)
        if not self.epochs:
            raise ValueError(f"Table '{self.name}' answers no queries: it has no column valid_<epochs>.")
        epochs = self.epochs[-1] if epochs is None else epochs
        if not Interval(int).accepts(epochs) or epochs not in self.epochs:
            expected = f"{' or '.join(map(str, self.epochs))}, the epochs of table '{self.name}'"
            raise ValueError(checks.invalid("epochs", expected, epochs))
        row = self.row(genotype)
        values = {what: self._value(f"{what}_{epochs}", row, repeat) for what in ("valid", "test", "seconds")}
        self.budget["evaluations"] += 1
        self.budget["epochs"] += epochs
        self.budget["seconds"] += values["seconds"] or 0.0
        return Evaluation(epochs=epochs, **values)  # type: ignore[arg-type]

    def _value(self, name: str, row: int, repeat: int | None) -> float | None:
        column = self.columns.get(name)
        if column is None:
            return None
        values = np.atleast_1d(column[row])
        if repeat is None:
            return float(values.mean())
        words = f"an integer from 0 to {len(values) - 1}, the number of a training in table '{self.name}'"
        return float(values[Interval(int, 0, len(values) - 1, words=words)("repeat", repeat)])

    def reset_budget(self) -> None:
        """Reset the counters of `budget` to zero."""
        self.budget: dict[str, Any] = {"evaluations": 0, "epochs": 0, "seconds": 0.0}


class CodedTable(Table):
    """A table whose rows are found by a number computed from their indices; for spaces of few architectures.

    Args:
        name, space, columns: as for `Table`.
        indices: the architectures, `(rows, choices)`.
        argument: name of the argument that lists them, for errors.
    """

    def __init__(
        self, name: str, space: SearchSpace, indices: np.ndarray, columns: Mapping[str, np.ndarray], argument: str
    ):
        self._indices, self._weights = indices, np.cumprod([1, *space.cardinalities[:-1]])
        codes = indices @ self._weights
        if len(np.unique(codes)) != len(codes):
            raise ValueError(f"Table '{name}': {checks.invalid(argument, 'each architecture once', indices)}")
        self._rows = np.full(int(np.prod(space.cardinalities)), -1)
        self._rows[codes] = np.arange(len(codes))
        super().__init__(name, space, columns, self._row, self._genotype)

    def _row(self, genotype: Genotype) -> int:
        row = int(self._rows[np.dot(self.space.encode(genotype), self._weights)])
        if row < 0:
            raise ValueError(f"Table '{self.name}' has no row for this genotype: {genotype}")
        return row

    def _genotype(self, row: int) -> Genotype:
        return self.space.decode(self._indices[row].tolist())


def read_arrays(path: str | os.PathLike, required: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Read the arrays of the `.npz` file at `path`, or of the one in that folder that has the `required` ones."""
    path = checks.path("path", path)
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        fitting = [file for file in files if not set(required) - set(_names(file))]
        if len(fitting) != 1:
            raise FileNotFoundError(f"{path}: expected one .npz file with {what} in it. Found: {len(fitting)}")
        (path,) = fitting
    elif not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file. Expected {what} as .npz.")
    missing = sorted(set(required) - set(_names(path)))
    if missing:
        raise ValueError(f"{path} is not {what}: it lacks {', '.join(missing)}.")
    try:
        return untrusted.read_arrays(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from None


def dataset_columns(arrays: Mapping[str, np.ndarray], dataset: str) -> dict[str, np.ndarray]:
    """Return the columns of one data set: accuracies by epochs, and `params` and `flops` if the file has them."""
    names = {name: f"{name}_{dataset}" for name in ("params", "flops")}
    for name in arrays:
        if match := re.fullmatch(rf"{dataset}_((?:valid|test)_\d+)", name):
            names[match[1]] = name
    return {column: arrays[name] for column, name in names.items() if name in arrays}


def _names(path: Path) -> list[str]:
    try:
        return [name.removesuffix(".npy") for name in untrusted.archive_names(path)]
    except ValueError as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None
