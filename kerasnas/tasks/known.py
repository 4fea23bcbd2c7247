"""The tasks by name, and the one that labels are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.tasks.base import Task, labels_message, wrong_labels
from kerasnas.tasks.classification import Classification
from kerasnas.tasks.multilabel import Multilabel
from kerasnas.tasks.regression import Regression

CLASSIFICATION, MULTILABEL = Classification(), Multilabel()
TASKS = ("classification", "multilabel", "regression")


def task_of(config: Mapping[str, Any] | None = None) -> Task:
    """The task of a `get_config`.

    Args:
        config: what `get_config` returned. Defaults to None: classification.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> task_of({"name": "regression", "offset": [2.0], "scale": [3.0]})
    Regression(offset=(2.0,), scale=(3.0,))
    """
    if config is None:
        return CLASSIFICATION
    checks.instance("config", config, Mapping, "a mapping, as `get_config` returns it")
    name = checks.one_of("config", config.get("name"), TASKS)
    known = {"name", "offset", "scale"} if name == "regression" else {"name"}
    for key in config:
        checks.one_of("config", key, known)
    if name == "regression":
        return Regression(config.get("offset", (0.0,)), config.get("scale", (1.0,)))
    return MULTILABEL if name == "multilabel" else CLASSIFICATION


def task_of_loss(loss: Any, y: np.ndarray | None = None) -> Task:
    """The task of a compiled loss: what its labels are checked as.

    Args:
        loss: a loss, its name, or a function.
        y: the labels, by which a function of your own is told. Defaults to None: class numbers.

    Raises:
        ValueError: if `loss` is none of these.

    Example:

    >>> task_of_loss("mse").name, task_of_loss("sparse_categorical_crossentropy").name
    ('regression', 'classification')
    """
    if loss is not None and not callable(loss):
        try:
            known = isinstance(loss, str) and keras.losses.get(loss) is not None
        except ValueError:
            known = False
        if not known:
            raise ValueError(checks.invalid("loss", "a loss, its name, or a function", loss))
    kind = loss if isinstance(loss, str) else type(loss).__name__
    kind = str(getattr(loss, "__name__", kind)).replace("_", "").lower()
    if kind.startswith("binary"):
        return MULTILABEL if y is None or np.ndim(y) == 2 else CLASSIFICATION
    numbers = ("mse", "mae", "meansquared", "meanabsolute", "huber", "logcosh", "mape", "msle")
    if kind.startswith(numbers):
        return Regression()
    if y is None or "crossentropy" in kind:
        return CLASSIFICATION
    y = checks.array("y", y, kinds="iufb")
    if not y.size:
        raise ValueError(checks.invalid("y", "labels, at least one", f"shape {y.shape}"))
    return Regression() if y.ndim == 2 or y.dtype.kind == "f" else CLASSIFICATION


def task_of_labels(y: np.ndarray) -> str:
    """The name of the task that labels are of, where they are not said to be of one.

    Class numbers of shape `(samples,)` and names are a classification; a table of 0 and 1 with rows of other sums than
    1 is multilabel; numbers of which some are not whole, or a table of numbers, are a regression.

    Raises:
        ValueError: where it cannot be told: of one-hot rows, and of whole numbers that are floats; says what to do.

    Example:

    >>> task_of_labels(np.array([0, 2])), task_of_labels(np.array([[1, 1], [0, 0]])), task_of_labels(np.array([0.5, 2]))
    ('classification', 'multilabel', 'regression')
    """
    try:
        y = np.asarray(y)
    except ValueError:  # rows of several lengths
        raise ValueError(checks.invalid("y", "an array of labels", y)) from None
    y = y[:, 0] if y.shape[1:] == (1,) else y
    if y.ndim == 1 and y.dtype.kind in "iuUSb":
        return "classification"
    if y.dtype.kind in "fiub" and y.ndim in (1, 2):
        if not y.size or not np.isfinite(y).all():
            raise ValueError(labels_message("y", "training", "finite labels, at least one", f"shape {y.shape}"))
        if y.ndim == 2 and np.isin(y, (0, 1)).all():
            if (y.sum(axis=1) == 1).all():
                hint = 'They may be one-hot: pass y.argmax(axis=-1), or say task="multilabel".'
                raise ValueError(
                    labels_message("y", "training", "class numbers, or a task", f"one 1 in each row. {hint}")
                )
            return "multilabel"
        if y.ndim == 1 and (y == np.round(y)).all():
            hint = 'Class numbers are integers: y.astype("int64"); of numbers, say task="regression".'
            raise ValueError(labels_message("y", "training", "labels of an integer dtype", f"whole floats. {hint}"))
        return "regression"
    raise wrong_labels("y", "training", "class numbers, a table of 0 and 1, or numbers", y)
