"""Labels that are classes: numbers or names, one for each sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnas import checks
from kerasnas.tasks.labels import Columns, TaskLabels, wrong_labels
from kerasnas.wording import wrong_value


class ClassLabels(TaskLabels):
    """Class numbers, `(samples,)`."""

    dtype, outputs_are_columns = "int64", False

    @classmethod
    def recognizes(cls, y: np.ndarray) -> bool:
        return y.ndim == 1 and y.dtype.kind in "iuUSb"

    @classmethod
    def recognizes_columns(cls, table: np.ndarray | None) -> bool:
        return table is None or (table.shape[1] == 1 and bool((table == np.round(table)).all()))

    @classmethod
    def table(cls, y: np.ndarray) -> np.ndarray:
        """Return labels without an axis of outputs, which those of `keras.datasets` have."""
        return y[:, 0] if y.shape[1:] == (1,) else y

    @classmethod
    def from_columns(cls, columns: Columns, table: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
        if len(columns) > 1:
            raise ValueError(f"Expected one column of classes. Received: {', '.join(columns)}. Name one as the target")
        (values,) = columns.values()
        whole = table is not None and (table == np.round(table)).all()
        order = sorted(set(values), key=(lambda text: (float(text), text)) if whole else None)
        return np.array([order.index(value) for value in values]), tuple(order)

    def check(self, y: np.ndarray, outputs: int | None, what: str = "training", argument: str = "y") -> None:
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise wrong_labels(argument, what, "class numbers, integers of shape (samples,)", y)
        if y.size and (y.min() < 0 or (outputs is not None and y.max() >= outputs)):
            expected = "labels of at least 0" if outputs is None else f"labels from 0 to {outputs - 1}"
            raise wrong_value(argument, expected, f"smallest {y.min()}, largest {y.max()}", what)

    def check_trainable(self, y: np.ndarray, samples: int, outputs: int | None, what: str, kind: str) -> None:
        def refuse(expected: str, received: str) -> None:
            raise wrong_value("y", expected, received, what)

        if y.ndim != 1:
            one_hot = y.ndim == 2 and y.shape[1] > 1
            fix = (
                "One-hot labels become class numbers by y.argmax(axis=-1)"
                if one_hot
                else "Flatten them by y.reshape(-1)"
            )
            refuse(f"a class number for each of the {kind}, shape (samples,)", f"shape {y.shape}. {fix}")
        if len(y) != samples:
            refuse(f"as many labels as {kind}", f"{samples} {kind} and {len(y)} labels")
        if not np.issubdtype(y.dtype, np.integer):
            fix = "Names become numbers by np.unique(y, return_inverse=True)[1]"
            if y.dtype == bool or np.issubdtype(y.dtype, np.floating):
                whole = bool(np.isfinite(y).all() and (y == np.round(y)).all())
                fix = 'They hold whole numbers: convert by y.astype("int64")' if whole else "They are not whole numbers"
            refuse("labels of an integer dtype", f"dtype {y.dtype}. {fix}")
        smallest, largest = int(y.min()), int(y.max())
        if smallest < 0 or (outputs is not None and largest >= outputs):
            fix = ". Labels that count from 1 are put right by y - 1" if (smallest, largest) == (1, outputs) else ""
            if largest >= len(y):
                fix = ". Labels that are ids become class numbers by np.unique(y, return_inverse=True)[1]"
            expected = "labels of at least 0" if outputs is None else f"labels from 0 to {outputs - 1}"
            refuse(expected, f"smallest {smallest}, largest {largest}{fix}")
        if what == "test":
            return
        if outputs is None and largest >= len(y):
            refuse(*checks.ids(len(y), largest))
        if smallest == largest:
            refuse("at least two classes", f"only label {smallest}, {len(y)} times: there is nothing to learn")

    def check_splittable(self, y: np.ndarray) -> None:
        if y.ndim != 1 or not len(y) or y.dtype.kind not in "iuUS":
            raise wrong_labels("y", "", "class numbers or names of shape (samples,)", y)

    def label_shape(self, outputs: int) -> tuple[int, ...]:
        return ()

    def renamed(self, y: np.ndarray, names: Sequence[str], wanted: Sequence[str], dataset: str) -> np.ndarray:
        unknown = [name for name in names if name not in wanted]
        if unknown:
            raise ValueError(
                f"The network does not know class '{unknown[0]}' of {dataset}. {checks.nearest(unknown[0], wanted)}"
            )
        return np.array([list(wanted).index(name) for name in names])[y]

    def class_weights(self, y: np.ndarray, names: Sequence[str], given: Sequence[str]) -> np.ndarray | None:
        if not given:
            return None
        counts = np.bincount(y, minlength=len(names))
        own = len(y) / np.maximum(counts, 1)
        if tuple(given) != ("balanced",):
            pairs = dict(text.rpartition("=")[::2] for text in given)
            if unknown := [name for name in pairs if name not in names]:
                expected = "names of classes, with their weights"
                raise ValueError(
                    checks.invalid("class_weight", expected, unknown[0], checks.nearest(unknown[0], names))
                )
            own = np.array([float(pairs.get(name, 1)) for name in names])
        return checks.weights("class_weight", own[y], len(y))

    def output_names(self, parts: Sequence[np.ndarray]) -> tuple[str, ...]:
        checks.labels("labels", np.concatenate(list(parts)))  # ids would make as many classes
        return tuple(map(str, range(1 + max(y.max() for y in parts))))

    @classmethod
    def encoded(cls, y: np.ndarray, test: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        labels, numbers = np.unique(y, return_inverse=True)
        if test is not None:
            if unknown := set(test.tolist()) - set(labels.tolist()):
                raise ValueError(f"`test_data` has a class that the training data lacks: {min(map(str, unknown))!r}.")
            test = np.searchsorted(labels, test)
        return numbers, test, labels

    def labels_of(self, names: Sequence[str]) -> np.ndarray:
        return np.array(names)

    def given(self, y: np.ndarray, labels: np.ndarray) -> np.ndarray:
        unknown = sorted(set(np.unique(y).tolist()) - set(labels.tolist()), key=str)
        if unknown:
            raise ValueError(
                f"Unknown class {unknown[0]!r} in `y`. {checks.nearest(str(unknown[0]), map(str, labels))}"
            )
        return np.searchsorted(labels, y)

    def predicted(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return labels[answers.argmax(axis=1)]
