"""The fixed blocks of networks for text: the embedding of token ids, dropout of features, pooling without padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.primitives.base import Primitive, Stage, run_stages
from kerasnas.primitives.masked import step_mask

_FAR = 1e4  # below every value that is pooled, and finite in half precision


class _Lookup(Stage):
    """A row of a table for each token id; zeros for id 0, which is padding."""

    def __init__(self, vocabulary: int, dimensions: int):
        super().__init__(autocast=False)
        self.vocabulary, self.dimensions = vocabulary, dimensions

    def build(self, inputs_shape: tuple) -> None:
        self.embeddings = self.add_weight(name="embeddings", shape=(self.vocabulary, self.dimensions))

    def call(self, inputs: Any) -> Any:
        ids = ops.cast(inputs, "int32")
        table = ops.cast(ops.convert_to_tensor(self.embeddings) * 1, self.compute_dtype)  # a dense gradient
        return ops.take(table, ids, axis=0) * _is_token(ids, self.compute_dtype)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape, self.dimensions)

    def standard(self) -> list[Callable]:
        def apply(ids: Any) -> Any:
            x = keras.layers.Embedding(self.vocabulary, self.dimensions)(ids)
            return keras.layers.Multiply()([x, _is_token(ids, x.dtype)])

        return [apply]


def _is_token(ids: Any, dtype: str) -> Any:
    return ops.cast(ops.expand_dims(ops.not_equal(ids, 0), -1), dtype)


class _Fixed(Primitive):
    """A chain that stands at no choice, and takes no mixing weight."""

    def mix(self, inputs: Any, scale: Any, training: bool | None, shared: dict[tuple, Any]) -> Any:
        return run_stages(self.chain, inputs, training)


class Embed(_Fixed):
    """The embedding of token ids `(batch, length)`: a learned vector for each token, zeros for padding, which is id 0.

    Args:
        filters: length of the vectors.
        vocabulary: number of ids.

    Example:

    >>> Embed(4, vocabulary=10)(ops.convert_to_tensor([[3, 7, 0]])).shape
    TensorShape([1, 3, 4])
    """

    reads_ids = True

    def __init__(self, filters: int, vocabulary: int, **kwargs: Any):
        self.vocabulary = checks.size("vocabulary", vocabulary)
        super().__init__(filters, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [_Lookup(self.vocabulary, self.filters)]

    def call(self, inputs: Any, scale: Any = None, training: bool | None = None) -> Any:
        return self.mix(inputs, scale, training, {})  # ids keep their precision


class _Pooling(Stage):
    """The sum, the mean or the largest of each channel over the steps of a sequence, without its padding."""

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


class MaskedPooling(_Fixed):
    """The maximum, the mean or the sum of each channel over the steps of a padded sequence: `(batch, channels)`.

    Args:
        filters: number of channels.
        kind: `"max"`; `"mean"`; or `"sum"`, divided by the root of the number of steps, times that of the channels: of
            vectors with independent values whose squares have the mean `1 / channels`, of variance 1. Defaults to
            `"max"`.

    Example:

    >>> x = ops.convert_to_tensor([[[1.0, -4.0], [3.0, -2.0], [0.0, 0.0]]])
    >>> MaskedPooling(2)(x).numpy().tolist(), MaskedPooling(2, kind="sum")(x).numpy().tolist()
    ([[3.0, -2.0]], [[4.0, -6.0]])
    """

    def __init__(self, filters: int, kind: str = "max", **kwargs: Any):
        self.kind = checks.one_of("kind", kind, ("max", "mean", "sum"))
        super().__init__(filters, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [_Pooling(self.kind)]


class _Dropout(Stage):
    """Dropout in a discrete network; in a supernet, whose training is short, nothing."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def call(self, inputs: Any) -> Any:
        return inputs

    def standard(self) -> list[Callable]:
        return [keras.layers.Dropout(self.rate, seed=0)] if self.rate else []


class FeatureDropout(_Fixed):
    """Dropout of features in discrete networks; of supernets, nothing.

    Args:
        filters: number of features.
        rate: the share that is dropped in training.

    Example:

    >>> FeatureDropout(2, rate=0.5)(ops.ones((1, 2))).numpy().tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, filters: int, rate: float, **kwargs: Any):
        self.rate = checks.number("rate", rate, least=0, below=1)
        super().__init__(filters, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [_Dropout(self.rate)]
