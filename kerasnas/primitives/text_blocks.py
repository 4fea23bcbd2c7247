"""Fixed blocks of networks for text: embedding of token ids, dropout of features, pooling that ignores padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.primitives.base import FixedPrimitive, Stage, step_mask

_FAR = 1e4  # below every value that is pooled, and finite in half precision


class _Lookup(Stage):
    """One row of a table for each token id, that of id 1 for ids past the table; zeros for id 0, which is padding."""

    def __init__(self, vocabulary: int, dimensions: int):
        super().__init__(autocast=False)
        self.vocabulary, self.dimensions = vocabulary, dimensions

    def build(self, inputs_shape: tuple) -> None:
        self.embeddings = self.add_weight(name="embeddings", shape=(self.vocabulary, self.dimensions))

    def call(self, inputs: Any) -> Any:
        ids = self._within(inputs)
        table = ops.cast(ops.convert_to_tensor(self.embeddings) * 1, self.compute_dtype)  # a dense gradient
        return ops.take(table, ids, axis=0) * _is_token(ids, self.compute_dtype)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape, self.dimensions)

    def standard(self) -> list[Callable]:
        def apply(ids: Any) -> Any:
            ids = self._within(ids)
            x = keras.layers.Embedding(self.vocabulary, self.dimensions)(ids)
            return keras.layers.Multiply()([x, _is_token(ids, x.dtype)])

        return [apply]

    def _within(self, ids: Any) -> Any:
        ids = ops.cast(ids, "int32")
        return ops.where(ops.less(ids, self.vocabulary), ids, 1)


def _is_token(ids: Any, dtype: str) -> Any:
    return ops.cast(ops.expand_dims(ops.not_equal(ids, 0), -1), dtype)


class Embed(FixedPrimitive):
    """Embedding of token ids `(batch, length)`: a learned vector of `filters` values for each, zeros for id 0.

    Ids from `vocabulary` on are unknown words, of id 1.
    """

    reads_ids = True

    settings = {"vocabulary": (None, checks.size)}
    vocabulary: int

    def stages(self) -> list[keras.layers.Layer]:
        return [_Lookup(self.vocabulary, self.filters)]

    def call(self, inputs: Any, scale: Any = None, training: bool | None = None) -> Any:
        return self.mix(inputs, scale, training, {})  # ids keep their precision


class _Pooling(Stage):
    """Sum, mean or maximum of each channel over the steps of a sequence, ignoring its padding."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def call(self, inputs: Any) -> Any:
        mask = step_mask(inputs)
        steps = ops.sum(mask, axis=1)
        if self.kind == "mean":
            return ops.sum(inputs, axis=1) / ops.maximum(steps, 1)
        if self.kind == "sum":
            return ops.sum(inputs, axis=1) * (math.sqrt(inputs.shape[-1]) / ops.sqrt(ops.maximum(steps, 1)))
        return ops.max(inputs + (mask - 1) * _FAR, axis=1) * ops.cast(steps > 0, inputs.dtype)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape[0], inputs_shape[-1]

    def standard(self) -> list[Callable]:
        return [self.call]


class MaskedPooling(FixedPrimitive):
    """Maximum, mean or sum of each channel over the steps of a padded sequence: `(batch, channels)`.

    `kind` is `"max"` (default), `"mean"`, or `"sum"`, which is divided by the root of the number of steps and
    multiplied by that of the channels: the sum of vectors with independent values whose squares have the mean `1 /
    channels` then has variance 1.
    """

    settings = {"kind": ("max", lambda name, value: checks.one_of(name, value, ("max", "mean", "sum")))}
    kind: str

    def stages(self) -> list[keras.layers.Layer]:
        return [_Pooling(self.kind)]


class Dropout(Stage):
    """Dropout in a discrete network; nothing in a supernet, whose training is short."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def call(self, inputs: Any) -> Any:
        return inputs

    def standard(self) -> list[Callable]:
        return [keras.layers.Dropout(self.rate, seed=0)] if self.rate else []


class FeatureDropout(FixedPrimitive):
    """Dropout of features at `rate` in discrete networks; nothing in supernets."""

    settings = {"rate": (0.0, lambda name, value: checks.number(name, value, least=0, below=1))}
    rate: float

    def stages(self) -> list[keras.layers.Layer]:
        return [Dropout(self.rate)]
