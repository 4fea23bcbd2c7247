"""Samples that an estimator receives, as arrays, tables or paths: read by their modality."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from kerasnas import checks
from kerasnas.export.classifier import Classifier
from kerasnas.modalities import Modality
from kerasnas.modalities.base import Reading
from kerasnas.modalities.columns import columns_of
from kerasnas.modalities.lookup import of_samples
from kerasnas.runs.shared_settings import pixel_size
from kerasnas.tasks.base import task_class
from kerasnas.tasks.known import task_of_labels
from kerasnas.tasks.splits import split_samples


class Samples:
    """Reader of samples, with the settings of a search.

    Args:
        modality: the kind of the samples. Defaults to None: what they look like.
        settings: of the search: size and fit of images, the columns of labels and texts. Defaults to None: the usual
            ones.
    """

    def __init__(self, modality: Modality | None = None, settings: Any = None):
        self.modality, self.settings = modality, settings
        self.named: dict[str, np.ndarray] = {}

    def arrays(self, x: Any, y: Any, like: Classifier | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return samples and labels as arrays.

        Args:
            x: samples, or a table of them with their labels; see `kerasnas.modalities.columns`.
            y: labels; None where `x` has them.
            like: a network or other samples, whose shape they get. Defaults to None: as the settings say.
        """
        columns = columns_of(_dense(x))
        modality = like.modality if isinstance(like, Classifier) else self.modality or of_samples(x, columns)
        plural, reading = modality.plural, self.reading(like)
        if columns is not None:
            x, y = modality.from_table(columns, y, self._setting("target", ()), reading)
        if y is None:
            raise ValueError("A search requires y to be passed, but the target y is None, and `x` has no labels.")
        x, self.named = modality.gathered(x, reading)
        y = checks.as_array("y", y) if isinstance(y, (list, tuple)) or hasattr(y, "__array__") else np.zeros(())
        if y.dtype.kind == "O" and {type(one) for one in y.ravel()} in ({str}, {int}, {float}, {bool}):
            y = np.array(y.tolist())
        if not x.ndim or not len(x):
            raise ValueError(checks.invalid("x", f"{plural}, at least one", f"shape {x.shape}"))
        y = y[:, 0] if y.shape[1:] == (1,) else y  # the shape in keras.datasets
        if y.ndim not in (1, 2) or len(x) != len(y):
            expected = f"one label, or a row of them, for each of the {len(x)} {plural}"
            raise ValueError(checks.invalid("y", expected, f"shape {y.shape}"))
        return x, y

    def dataset(
        self, x: Any, y: Any, test_data: Any, makes: str, test_split: float, sample_weight: Any = None
    ) -> dict[str, np.ndarray]:
        """Return the arrays of a dataset, and `labels`: what its outputs stand for.

        Args:
            x, y: as for `arrays`.
            test_data: samples and labels, or a table; None if `test_split`, a share of those above, is held out.
            makes: `"classifier"` or `"regressor"`.
            sample_weight: of each sample. Defaults to None: all count alike.
        """
        x, y = self.arrays(x, y)
        weights = {} if sample_weight is None else {"weights": checks.weights("sample_weight", sample_weight, len(x))}
        more, test = self.named, None
        if test_data is not None:
            samples, labels = test_data if isinstance(test_data, tuple | list) else (test_data, None)
            test = self.arrays(samples, labels, like=x)
            others = [name for name in more if name in self.named and not np.array_equal(more[name], self.named[name])]
            if others:
                expected = f"{others[0]} like those of `x`, {more[others[0]]}"
                raise ValueError(checks.invalid("test_data", expected, self.named[others[0]]))
        task = task_class(self._task_of(y, makes))
        y, test_y, labels = task.encoded(y, None if test is None else test[1])
        named = {**more, "classes": np.atleast_1d(labels).astype(str), "labels": labels}
        # Before anything is written.
        task(metric=self._setting("metric", ""))
        task().class_weights(y, named["classes"].tolist(), self._setting("class_weight", ()))
        if task().entry():
            named["task"] = np.array(task.name)
        if test is not None and test_y is not None:
            return {"x_train": x, "y_train": y, "x_test": test[0], "y_test": test_y, **weights, **named}
        train, other = split_samples(task(), y, test_split, self.settings.seed)
        weights = {name: value[train] for name, value in weights.items()}
        return {"x_train": x[train], "y_train": y[train], "x_test": x[other], "y_test": y[other], **weights, **named}

    def _task_of(self, y: np.ndarray, makes: str) -> str:
        """Return the name of the task of labels, floats `(samples,)` among them, which scikit-learn has for classes."""
        name = self.settings.task
        if name == "auto":
            floats = y.dtype.kind == "f" and y.ndim == 1 and makes == "classifier"
            if floats and np.any(y != np.floor(y)):
                raise ValueError(checks.invalid("y", "classes. A regressor estimates continuous numbers", y[:2]))
            name = "classification" if floats else task_of_labels(y)
        if task_class(name).deployed_as != makes:
            expected = "classes, or a table of 0 and 1 (`ImageRegressor` has numbers)"
            raise ValueError(checks.invalid("y", expected, y[:2]))
        return name

    def reading(self, like: Classifier | np.ndarray | None = None) -> Reading:
        """Return how samples become arrays, in the shape of those of `like`."""
        text_column = self._setting("text_column", "")
        if isinstance(like, Classifier):
            return dataclasses.replace(like.reading, text_column=text_column)
        fit = self._setting("image_fit", "stretch")
        if like is not None:
            return Reading(like.shape[1:], fit=fit, text_column=text_column)
        return Reading(None, pixel_size(self._setting("image_size", "auto")), fit, text_column=text_column)

    def _setting(self, name: str, default: Any) -> Any:
        return getattr(self.settings, name, default)

    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        """Return what a network predicts of each sample, `(samples, outputs)`."""
        return network.answers(network.modality.queries(_dense(x), self.reading(network)))

    def may_have_axes(self, number: int) -> bool:
        """Return whether samples may be an array of so many axes; those of the third count further ones."""
        return self.modality is None or min(len(self.modality.axes) + 1, 3) == number


def _dense(x: Any) -> Any:
    """Return samples; raises ValueError for masked ones and, in scikit-learn's words, sparse, complex and empty."""
    checks.unmasked("x", x)
    if isinstance(x, np.ndarray) or issparse(x):
        check_array(x, dtype=None, ensure_all_finite=False, ensure_2d=False, allow_nd=True)
    return x
