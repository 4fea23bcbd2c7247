"""The view that a drift monitor has of a model: its samples, its outputs, and both as columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.modalities.lazy_images import fitting_batch, predicted
from kerasnas.modalities.lookup import of_model
from kerasnas.tasks import TASKS
from kerasnas.tasks.base import task_class

_BATCH, _FEW = 250, 1000


class ModelView:
    """A model, and what is looked at of its samples and its outputs.

    Args:
        model: a built Keras model that answers `(samples, outputs)`.
        names: of the outputs: classes, labels or numbers. Defaults to None: their numbers.
        watched: the outputs that have a column. Defaults to none: see `Reading.watch`.
        task: what it predicts. Defaults to `"classification"`.

    Raises:
        TypeError: if `model` is no Keras model.
        ValueError: if it is not built, answers no `(samples, outputs)`, or there are other names, or no such task.

    Attributes:
        reading: how its outputs are read.
        input_names: the names of the columns of the samples.
    """

    def __init__(
        self,
        model: keras.Model,
        names: Sequence[str] | None = None,
        watched: Sequence[int] = (),
        task: str = "classification",
    ) -> None:
        self.model = checks.instance("model", model, keras.Model, "a Keras model")
        taken, answered = (_shape(model, name) for name in ("input_shape", "output_shape"))
        least = 1 if taken and model.inputs[0].dtype == "string" else 2
        if len(taken) < least or len(answered) != 2 or answered[1] is None:
            expected = "a built model of one input that answers (samples, outputs)"
            raise ValueError(checks.invalid("model", expected, f"{model.name}: {taken} to {answered}"))
        self.modality = of_model(model)
        self.input_shape, self.outputs_number = taken[1:], int(answered[1])
        self.names = None if names is None else checks.names("classes", names)
        if self.names is not None and len(self.names) != self.outputs_number:
            raise ValueError(checks.invalid("classes", f"{self.outputs_number} names, as of the model", self.names))
        known = task_class(checks.one_of("task", task, TASKS))()
        self.reading = known.reading(self.names or range(self.outputs_number), watched)
        self.task = task
        self.input_names = self.modality.statistics(self.modality.blank(self.input_shape))[1]

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the columns of the outputs."""
        return self.reading.column_names

    def samples(self, argument: str, x: Any, least: int = 0) -> np.ndarray:
        """Return `x` as an array if the model takes it.

        Raises:
            ValueError: otherwise, and if there are fewer than `least` samples.
        """
        x = self.modality.array(argument, x)
        fits = len(self.input_shape) == x.ndim - 1 and all(
            size in (None, found) for size, found in zip(self.input_shape, x.shape[1:], strict=True)
        )
        if not fits:
            expected = f"samples of shape {self.input_shape}, as the model takes them"
            raise ValueError(checks.invalid(argument, expected, f"an array of shape {x.shape}"))
        if len(x) < least:
            raise ValueError(checks.invalid(argument, f"at least {least} samples, of which drift can be told", len(x)))
        return x

    def outputs(self, x: np.ndarray, model: keras.Model | None = None) -> np.ndarray:
        """The answers of the model, or of another one like it, to `x`.

        Raises:
            ValueError: if it is not finite.
        """
        model = self.model if model is None else model
        if not len(x):
            return np.zeros((0, self.outputs_number), "float32")
        return self.checked("outputs of the model", answers(model, x))

    def checked(self, argument: str, outputs: Any) -> np.ndarray:
        """Return `outputs` if they are finite, `(samples, outputs)`.

        Raises:
            ValueError: otherwise.
        """
        outputs = checks.array(argument, outputs, rank=2)
        if outputs.shape[1] != self.outputs_number:
            expected = f"an array (samples, {self.outputs_number})"
            raise ValueError(checks.invalid(argument, expected, f"shape {outputs.shape}"))
        return outputs

    def columns(self, x: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The columns of the samples, then those of the outputs."""
        return np.concatenate([self.modality.statistics(x)[0], self.reading.columns(outputs)], axis=1)


def answers(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The answers of a model to `x`; of few samples without the function that `predict` traces, which takes longer."""
    if len(x) > _FEW or x.dtype == object:
        return predicted(model, x, _BATCH)
    size = fitting_batch(x, _BATCH)
    parts = [model(x[start : start + size], training=False) for start in range(0, len(x), size)]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])


def _shape(model: keras.Model, name: str) -> tuple[Any, ...]:
    """A shape of a model; empty where it has none, as it is not built or has several inputs or outputs."""
    shape = getattr(model, name, ())
    return shape if isinstance(shape, tuple) else ()
