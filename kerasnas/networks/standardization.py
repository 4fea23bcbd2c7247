"""Standardization of raw samples: the first layers of a deployed model, and the network behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasnas.backend.keras_internals import nodes_of


@dataclasses.dataclass(frozen=True)
class Standardization:
    """The start of a deployed model: `(x - offset) / scale` in each channel, with 0 in place of NaN.

    Args:
        offset, scale: a number for each channel.
        network: the model behind it, which takes standardized samples.
    """

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    network: keras.Model

    @classmethod
    def of(cls, model: keras.Model) -> Standardization | None:
        """Return the standardization that a functional model starts with, or None.

        It consists of `Rescaling` by numbers of each channel, and of `nan_to_num` after these or alone. A division of
        all channels by one number is not one.

        Example:

        >>> inputs = keras.Input((8, 2))
        >>> x = keras.layers.Rescaling([0.2, 1.0], [-200.0, 0.0])(inputs)
        >>> found = Standardization.of(keras.Model(inputs, keras.layers.Flatten()(x)))
        >>> found.offset, found.scale
        ((1000.0, 0.0), (5.0, 1.0))
        """
        x, *others = model.inputs
        offset, scale = np.zeros(x.shape[-1:]), np.ones(x.shape[-1:])
        for operation, output in _first_operations(model):
            if not _by_channel(operation):
                x = output if type(operation).__name__ == "NanToNum" else x
                break
            scale = scale / operation.scale
            offset = offset - operation.offset * scale
            x = output
        if x is model.inputs[0] or others:
            return None
        return cls(tuple(offset.tolist()), tuple(scale.tolist()), keras.Model(x, model.outputs[0]))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return standardized samples, float32 `(samples, ..., channels)`, of raw ones."""
        offset, scale = np.array(self.offset, "float32"), np.array(self.scale, "float32")
        return np.nan_to_num((x.astype("float32") - offset) / scale)


def _first_operations(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Yield each operation that alone reads the input, or what the one before wrote, with its output.

    That which writes the output of the model is not among them.
    """
    nodes, x = nodes_of(model), model.inputs[0]
    while len(readers := [node for node in nodes if any(read is x for read in node[1])]) == 1:
        operation, _, (x, *_) = readers[0]
        if x is model.outputs[0]:
            return
        yield operation, x


def _by_channel(operation: Any) -> bool:
    """Return True for a `Rescaling` by numbers of each channel."""
    return isinstance(operation, keras.layers.Rescaling) and np.ndim(operation.scale) + np.ndim(operation.offset) > 0
