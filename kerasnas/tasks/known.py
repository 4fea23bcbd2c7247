"""The task of a configuration, of a loss, or of labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.tasks.base import TASKS, Task, recognizing, task_class
from kerasnas.tasks.classification import Classification
from kerasnas.tasks.labels import wrong_labels
from kerasnas.tasks.multilabel import Multilabel
from kerasnas.tasks.regression import Regression

CLASSIFICATION, MULTILABEL = Classification(), Multilabel()


class TaskNames:
    """Values of an argument `task`, read when they are needed: `"auto"`, and all names in `TASKS`."""

    def __iter__(self) -> Iterator[str]:
        yield from ("auto", *TASKS)


def task_of(config: Mapping[str, Any] | None = None) -> Task:
    """Return the task of a `get_config`.

    Args:
        config: what `get_config` returned. Defaults to None: classification.

    Raises:
        ValueError: for an unknown name or field; names the nearest.

    Example:

    >>> task_of({"name": "regression", "offset": [2.0], "scale": [3.0]})
    Regression(offset=(2.0,), scale=(3.0,))
    """
    if config is None:
        return CLASSIFICATION
    checks.instance("config", config, Mapping, "a mapping, as `get_config` returns it")
    task = task_class(checks.one_of("config", config.get("name"), TASKS))
    fields = [field.name for field in dataclasses.fields(task)]
    for key in config:
        checks.one_of("config", key, ("name", *fields))
    return task(**{name: config[name] for name in fields if name in config})


def task_of_loss(loss: Any, y: np.ndarray | None = None) -> Task:
    """Return the task of a compiled loss: what its labels are checked as.

    Args:
        loss: a loss, its name, or a function.
        y: the labels, which decide for a function of your own. Defaults to None: class numbers.

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
    for task in map(task_class, TASKS):
        if task.trained_by(kind, y):
            return task.of_loss(loss)
    if y is None or "crossentropy" in kind:
        return CLASSIFICATION
    y = checks.array("y", y, kinds="iufb")
    if not y.size:
        raise ValueError(checks.invalid("y", "labels, at least one", f"shape {y.shape}"))
    return Regression() if y.ndim == 2 or y.dtype.kind == "f" else CLASSIFICATION


def task_of_targets(y: np.ndarray) -> Task:
    """Return the task of labels that a network learns: class numbers, rows of 0 and 1, or numbers."""
    if y.ndim == 1:
        return CLASSIFICATION
    return MULTILABEL if np.isin(y, (0, 1)).all() else Regression()


def task_of_labels(y: np.ndarray) -> str:
    """Return the name of the task that raw labels are of: the first that recognizes them.

    Class numbers of shape `(samples,)` and names are a classification; a table of 0 and 1 with rows of other sums than
    1 is multilabel; numbers, some of them not whole, or a table of numbers are a regression.

    Raises:
        ValueError: for one-hot rows and for whole numbers that are floats, which may be either; says what to do.
    """
    y = checks.as_array("y", y, "an array of labels")
    y = y[:, 0] if y.shape[1:] == (1,) else y
    task = next((task for task in recognizing() if task.recognizes(y)), None)
    if task is None:
        raise wrong_labels("y", "training", "class numbers, a table of 0 and 1, or numbers", y)
    return task.name


def with_task(arrays: Mapping[str, np.ndarray], task: str = "auto") -> tuple[dict[str, np.ndarray], Task]:
    """Return arrays with labels in the form that networks learn, and their task.

    Args:
        arrays: `y_train` and `y_test` among them.
        task: name of the task. Defaults to `"auto"`: that of the array `task`, or of the labels of the training data.

    Raises:
        ValueError: for labels that are not of that task, and where it is ambiguous.

    Example:

    >>> arrays, task = with_task({"y_train": np.array([1.5, 3.5]), "y_test": np.array([2.5])})
    >>> task, arrays["y_test"].tolist()
    (Regression(offset=(2.5,), scale=(1.0,)), [[0.0]])
    """
    if task == "auto" and "task" in arrays:
        task = checks.one_of("task", str(arrays["task"]), TASKS)
    name = task_of_labels(arrays["y_train"]) if task == "auto" else task
    train, test, prepared = task_class(name).prepare(arrays["y_train"], arrays["y_test"])
    return {**arrays, "y_train": train, "y_test": test}, prepared
