"""Checks of a hypermodel's models and of the arguments of its training: wrong ones end the search at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner
from keras_tuner.errors import FatalTypeError, FatalValueError

from kerasnas import checks
from kerasnas.networks.skeleton import check_input_shape
from kerasnas.spaces import SearchSpace, SkeletonSpace
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

_SHAPE = "the shape of one sample, such as (32, 32, 3)"
EPOCHS = "tuner/epochs"  # KerasTuner's own name for the epochs that a multi-fidelity search gives a trial


def require_compiled(model: Any, builder: str) -> keras.Model:
    """Return `model` if it is a compiled Keras model; messages name its `builder`.

    Raises:
        FatalTypeError: if it is not a model, such as the None of a missing `return`.
        FatalValueError: if it is not compiled.
    """
    if not isinstance(model, keras.Model):
        hint = ": does it end with `return model`?" if model is None else "."
        received = "None" if model is None else f"{model!r} of type {type(model).__name__}"
        raise FatalTypeError(f"{builder} returned {received}. Expected a compiled Keras model{hint}")
    if not model.compiled:
        raise FatalValueError(
            f"{builder} left the model uncompiled. Call `model.compile(...)` before it returns the model."
        )
    return model


def sizes(argument: str, value: Any) -> Any:
    """Return `value` if it is a positive integer, or several to choose from."""
    if isinstance(value, (list, tuple)) and value:
        return [checks.size(argument, one) for one in value]
    return checks.size(argument, value)


TUNED: Mapping[str, Any] = {
    "space": SearchSpace,
    "input_shape": checks.shape,
    "num_classes": checks.size,
    "batch_size": sizes,
    "epochs": sizes,
    "name": checks.name,
    "task": Task,
}
"""Checks of the arguments of a `TunedFit`."""


class TunedFit(keras_tuner.HyperModel):
    """A hypermodel of a space, whose batch size and epochs may be hyperparameters: one number, several, or `search`'s.

    `task` is what the networks predict.
    """

    def __init__(
        self,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        batch_size: int | Sequence[int] | None = None,
        epochs: int | Sequence[int] | None = None,
        name: str | None = None,
        task: Task = CLASSIFICATION,
    ):
        super().__init__(name=name)
        if isinstance(space, SkeletonSpace):
            check_input_shape(input_shape, halvings=0, kind=space.inputs)
        elif not input_shape:
            raise ValueError(checks.invalid("input_shape", _SHAPE, input_shape))
        self.space, self.input_shape, self.num_classes, self.task = space, input_shape, num_classes, task
        self.batch_size = checks.optional(sizes, "batch_size", batch_size)
        self.epochs = checks.optional(sizes, "epochs", epochs)

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare what only `fit` reads, so that it is tuned from the first trial on."""
        self.fit_arguments(hp, {})

    def fit_arguments(self, hp: keras_tuner.HyperParameters, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return `kwargs` of `fit` with the batch size and the epochs of this trial."""
        arguments = dict(kwargs)
        for name, value in {"batch_size": self.batch_size, "epochs": self.epochs}.items():
            if value is None:
                continue
            if name in kwargs:
                raise FatalValueError(
                    f"`search` received {name}={kwargs[name]}, but the hypermodel was made with {name}={value}. Give "
                    "it to one of them."
                )
            arguments[name] = value if isinstance(value, int) else hp.Choice(name, list(value))
        if EPOCHS in hp.values:
            arguments["epochs"] = int(hp.values[EPOCHS])
        return arguments

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train the model of a trial; returns the `History`."""
        return model.fit(*args, **self.fit_arguments(hp, kwargs))
