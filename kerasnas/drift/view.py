"""The view that a drift monitor has of a model: its samples, its outputs, and both as columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.drift.features import input_statistics, output_columns, output_names, watched_classes

_BATCH, _FEW = 250, 1000


class ModelView:
    """A classifier, and what is looked at of its samples and its outputs.

    Args:
        model: a built Keras model that answers `(samples, classes)`.
        classes: names of the classes. Defaults to None: their numbers.
        watched: the classes that have a column. Defaults to none: see `watch`.

    Raises:
        TypeError: if `model` is no Keras model.
        ValueError: if it is not built, answers no `(samples, classes)`, or there are other names.

    Attributes:
        input_names, output_names: the names of the columns.
    """

    def __init__(self, model: keras.Model, classes: Sequence[str] | None = None, watched: Sequence[int] = ()) -> None:
        self.model = checks.instance("model", model, keras.Model, "a Keras model")
        taken, answered = (_shape(model, name) for name in ("input_shape", "output_shape"))
        if len(taken) < 2 or len(answered) != 2 or answered[1] is None:
            expected = "a built model of one input that answers (samples, classes)"
            raise ValueError(checks.invalid("model", expected, f"{model.name}: {taken} to {answered}"))
        self.input_shape, self.num_classes = taken[1:], int(answered[1])
        self.classes = None if classes is None else checks.names("classes", classes)
        if self.classes is not None and len(self.classes) != self.num_classes:
            raise ValueError(checks.invalid("classes", f"{self.num_classes} names, as of the model", self.classes))
        zeros = np.zeros((1, *(size or 2 for size in self.input_shape)))
        self.input_names = input_statistics(zeros)[1]
        self.watched = tuple(watched)

    def watch(self, outputs: np.ndarray) -> None:
        """Give columns to the classes of `watched_classes`."""
        self.watched = watched_classes(outputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the columns of the outputs."""
        return output_names(self.watched, self.classes or range(self.num_classes))

    def samples(self, argument: str, x: Any, least: int = 0) -> np.ndarray:
        """Return `x` as an array if the model takes it.

        Raises:
            ValueError: otherwise, and if there are fewer than `least` samples.
        """
        x = checks.array(argument, x)
        fits = len(self.input_shape) == x.ndim - 1 and all(
            size in (None, found) for size, found in zip(self.input_shape, x.shape[1:], strict=True)
        )
        if not fits:
            expected = f"samples of shape {self.input_shape}, as the model takes them"
            raise ValueError(checks.invalid(argument, expected, f"an array of shape {x.shape}"))
        if len(x) < least:
            raise ValueError(checks.invalid(argument, f"at least {least} samples, of which drift can be told", len(x)))
        return x

    def labels(self, argument: str, y: Any, samples: int) -> np.ndarray:
        """Return `y` as an array if it has the class number of each sample.

        Raises:
            ValueError: otherwise.
        """
        y = checks.array(argument, y, rank=1, kinds="iu")
        if len(y) != samples:
            raise ValueError(checks.invalid(argument, f"a class number of each of the {samples} samples", len(y)))
        unknown = y[(y < 0) | (y >= self.num_classes)]
        if len(unknown):
            expected = f"class numbers from 0 to {self.num_classes - 1}, those of the model"
            raise ValueError(checks.invalid(argument, expected, int(unknown[0])))
        return y.astype("int64")

    def outputs(self, x: np.ndarray, model: keras.Model | None = None) -> np.ndarray:
        """The answers of the model, or of another one like it, to `x`.

        Raises:
            ValueError: if it is not finite.
        """
        model = self.model if model is None else model
        if not len(x):
            return np.zeros((0, self.num_classes), "float32")
        return self.checked("outputs of the model", answers(model, x))

    def checked(self, argument: str, outputs: Any) -> np.ndarray:
        """Return `outputs` if they are finite, `(samples, classes)`.

        Raises:
            ValueError: otherwise.
        """
        outputs = checks.array(argument, outputs, rank=2)
        if outputs.shape[1] != self.num_classes:
            expected = f"an array (samples, {self.num_classes})"
            raise ValueError(checks.invalid(argument, expected, f"shape {outputs.shape}"))
        return outputs

    def output_columns(self, outputs: np.ndarray) -> np.ndarray:
        """The columns of the outputs."""
        return output_columns(outputs, self.watched)

    def columns(self, x: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The columns of the samples, then those of the outputs."""
        return np.concatenate([input_statistics(x)[0], self.output_columns(outputs)], axis=1)


def answers(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The answers of a model to `x`; of few samples without the function that `predict` traces, which takes longer."""
    if len(x) > _FEW:
        return model.predict(x, batch_size=_BATCH, verbose=0)
    parts = [model(x[start : start + _BATCH], training=False) for start in range(0, len(x), _BATCH)]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])


def _shape(model: keras.Model, name: str) -> tuple[Any, ...]:
    """A shape of a model; empty where it has none, as it is not built or has several inputs or outputs."""
    try:
        shape = getattr(model, name, ())
    except AttributeError:
        return ()
    return shape if isinstance(shape, tuple) else ()
