"""Table: published results of every architecture of a space, with the budget that looking them up is charged."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from kerasnas.checks import nearest
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What training a genotype would have given: accuracies in percent, and what it would have cost.

    Attributes:
        valid: validation accuracy, percent.
        test: test accuracy, percent; None where the table has none for these epochs.
        epochs: how long it was trained.
        seconds: training time; None where the table does not tell.
    """

    valid: float
    test: float | None
    epochs: int
    seconds: float | None


class Table:
    """Results of trained architectures, one row each.

    Args:
        name: such as `"nasbench201 cifar10"`.
        space: the space that the rows are of.
        columns: name -> array `(rows,)`, or `(rows, repeats)` for several trainings of each. `valid_<epochs>`,
            `test_<epochs>` (percent) and `seconds_<epochs>` answer `query`; any other can be looked up.
        row: maps a genotype of the space to the number of its row; raises ValueError if it has none.
        genotype: the inverse.

    Attributes:
        epochs: the epochs for which there is a validation accuracy, ascending.

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
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"Table '{name}': columns of one length are expected. Received: {sorted(lengths)}")
        self.name, self.space, self.columns = name, space, dict(columns)
        self.row, self.genotype = row, genotype
        self.epochs = tuple(sorted(int(found[1]) for key in columns if (found := re.fullmatch(r"valid_(\d+)", key))))
        (self._length,) = lengths
        self.reset_budget()

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
        """A column; several trainings are averaged.

        Raises:
            ValueError: if there is none of that name; the message has the nearest one.
        """
        self._check_column(name)
        column = self.columns[name]
        return column if column.ndim == 1 else column.mean(axis=1)

    def lookup(self, genotype: Genotype, column: str) -> float:
        """The value of `column` for `genotype`, free of charge: for reports, not for searches.

        Raises:
            ValueError: if the genotype has no row, or there is no such column.
        """
        self._check_column(column)
        return float(np.mean(self.columns[column][self.row(genotype)]))

    def _check_column(self, name: str) -> None:
        if name not in self.columns:
            raise ValueError(f"Table '{self.name}' has no column {name!r}. {nearest(name, self.columns)}")

    def query(self, genotype: Genotype, epochs: int | None = None, repeat: int | None = None) -> Evaluation:
        """What training `genotype` for `epochs` gave; charged to `budget`.

        Args:
            genotype: of the table's space.
            epochs: one of `self.epochs`. Defaults to the longest.
            repeat: which training, from 0, where there are several. Defaults to their mean.

        Raises:
            ValueError: for a genotype without a row, and for epochs or a repeat that the table does not have.
        """
        epochs = self.epochs[-1] if epochs is None else epochs
        if epochs not in self.epochs:
            raise ValueError(
                f"Table '{self.name}' has no results after {epochs} epochs. It has: {', '.join(map(str, self.epochs))}"
            )
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
        if not 0 <= repeat < len(values):
            raise ValueError(
                f"Invalid value received for argument `repeat`. Table '{self.name}' has {len(values)} training(s) of "
                f"each architecture, counted from 0. Received: {repeat}"
            )
        return float(values[repeat])

    def reset_budget(self) -> None:
        """Set the counters of `budget` to zero."""
        self.budget: dict[str, Any] = {"evaluations": 0, "epochs": 0, "seconds": 0.0}
