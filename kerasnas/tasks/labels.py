"""Labels of a task: how they are recognized, checked, prepared for networks, and given back."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from kerasnas import checks
from kerasnas.wording import wrong_value

Columns = Mapping[str, Sequence[str]]
"""The texts in columns of a table, by name."""


class TaskLabels(abc.ABC):
    """Labels of a task. The defaults suit numbers on their own scale.

    Attributes:
        name: the name in `TASKS`.
        dtype: the dtype of labels that networks learn. Defaults to `"float32"`.
        asked_last: True if it recognizes all numbers, and is asked after other tasks. Defaults to False.
        outputs_are_columns: True if outputs have the names of columns of a table. Defaults to True.
    """

    name: ClassVar[str]
    dtype: ClassVar[str] = "float32"
    outputs_are_columns: ClassVar[bool] = True
    asked_last: ClassVar[bool] = False

    @classmethod
    def recognizes(cls, y: np.ndarray) -> bool:
        """Return True if raw labels `(samples,)` or `(samples, outputs)` are of this task; see `task_of_labels`.

        Here: False, as the task has to be asked for.
        """
        return False

    @classmethod
    def recognizes_columns(cls, table: np.ndarray | None) -> bool:
        """As `recognizes`, of the columns of a table, `(samples, columns)`; None if some hold text."""
        return False

    @classmethod
    def table(cls, y: np.ndarray) -> np.ndarray:
        """Return labels with an axis of outputs."""
        return y[:, None] if y.ndim == 1 else y

    @classmethod
    def from_columns(cls, columns: Columns, table: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return raw labels from columns of a table, and the names of the outputs.

        Args:
            columns: their texts, by name.
            table: their numbers, `(samples, columns)`; None if some are not numbers.
        """
        if table is None:
            name, value = next((name, text) for name in columns for text in columns[name] if not _is_number(text))
            raise ValueError(f"Expected numbers in column '{name}' for a {cls.name}. Received: {value!r}")
        cls().check(table, None)
        return table, tuple(columns)

    @abc.abstractmethod
    def check(self, y: np.ndarray, outputs: int | None, what: str = "training", argument: str = "y") -> None:
        """Raise ValueError, naming `argument`, unless `y` are labels of this task, for this many outputs where known.

        Args:
            y: raw labels, or those that networks learn.
            outputs: their number, or None.
            what: name of the data in the message; an empty one is left out.
            argument: name of the argument.
        """

    def check_trainable(self, y: np.ndarray, samples: int, outputs: int | None, what: str, kind: str) -> None:
        """Raise ValueError unless `y` are labels to learn from, one for each of `samples` of a `kind` ("images")."""
        if len(y) != samples:
            raise wrong_value("y", f"as many rows as {kind}", f"{samples} {kind} and {len(y)} rows", what)
        self.check(y, outputs, what)

    def check_splittable(self, y: np.ndarray) -> None:
        """Raise ValueError unless `strata` has an answer for `y`."""
        self.check(y, None)

    def label_shape(self, outputs: int) -> tuple[int, ...]:
        """Return the shape of the label of one sample."""
        return (outputs,)

    def prepared(self, y: np.ndarray) -> np.ndarray:
        """Return raw labels in the form that networks learn, the inverse of `raw`."""
        return np.asarray(y)

    def raw(self, y: np.ndarray) -> np.ndarray:
        """Return labels in the form that a deployed model answers."""
        return y

    def renamed(self, y: np.ndarray, names: Sequence[str], wanted: Sequence[str], dataset: str) -> np.ndarray:
        """Return raw labels of a dataset with outputs `names` as labels of a network with outputs `wanted`."""
        missing = [name for name in wanted if name not in names]
        if missing:
            raise ValueError(f"{dataset} lacks '{missing[0]}'. {checks.nearest(missing[0], names)}")
        return y[:, [list(names).index(name) for name in wanted]]

    def check_same(self, other: TaskLabels, dataset: str) -> None:
        """Raise ValueError if a dataset has labels of another task."""
        if self.name != other.name:
            raise ValueError(f"The network is one of {self.name}. Received {dataset}, data of {other.name}.")

    def output_names(self, parts: Sequence[np.ndarray]) -> tuple[str, ...]:
        """Return numbers as names of the outputs, given the labels of all parts of a dataset."""
        return tuple(map(str, range(parts[0].shape[1])))

    def class_weights(self, y: np.ndarray, names: Sequence[str], given: Sequence[str]) -> np.ndarray | None:
        """Return the weight that each of `y` has by those `given`, as the setting `class_weight`; None without any."""
        if given:
            raise ValueError(checks.invalid("class_weight", f"nothing, as {self.name} has no classes", tuple(given)))
        return None

    @classmethod
    def encoded(cls, y: np.ndarray, test: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Return labels for a dataset, those of test data, and what outputs stand for: 0 for an array of numbers."""
        single, y = y.ndim == 1, cls.table(y)
        test = None if test is None else cls.table(test)
        for part in (y, test):
            if part is not None:
                cls().check(part, y.shape[1])
        return y, test, np.array(0) if single else np.arange(y.shape[1])

    def labels_of(self, names: Sequence[str]) -> np.ndarray:
        """Return what outputs stand for, given their names: 0 for an array of numbers."""
        return np.array(0) if len(names) == 1 else np.array(names)

    def given(self, y: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return labels that a user has, given what outputs stand for, in the form that networks learn."""
        y = self.table(y)
        self.check(y, max(1, labels.size), "test")
        return self.prepared(y)

    def predicted(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return predictions in the form of a user's labels, given what outputs stand for."""
        return (answers[:, 0] if labels.ndim == 0 else answers).astype(float)


def wrong_labels(argument: str, what: str, expected: str, y: np.ndarray) -> ValueError:
    """Return the error for labels of another dtype or shape than expected."""
    return wrong_value(argument, expected, f"dtype {y.dtype}, shape {y.shape}", what)


def check_numbers(y: np.ndarray) -> bool:
    """Return True for numbers `(samples,)` or `(samples, outputs)`; raise ValueError unless they are finite."""
    if y.dtype.kind not in "fiub" or y.ndim not in (1, 2):
        return False
    if not y.size or not np.isfinite(y).all():
        raise wrong_value("y", "finite labels, at least one", f"shape {y.shape}", "training")
    return True


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
