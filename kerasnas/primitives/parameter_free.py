"""Primitives without a kernel: none, the skip connection, pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import PRIMITIVES, Primitive, Repeat, Stage, by_rank, halve
from kerasnas.primitives.convolutions import FactorizedReduce
from kerasnas.primitives.normalization import BatchNorm


class Pool(Stage):
    """3x3 pooling, over 3 steps of a signal; the average does not count the padding."""

    def __init__(self, kind: str, strides: int):
        super().__init__()
        self.kind, self.strides, self.shared_as = kind, strides, f"{kind} pool {strides}"

    def call(self, inputs: Tensor) -> Tensor:
        pool = ops.max_pool if self.kind == "max" else ops.average_pool
        return pool(inputs, 3, strides=self.strides, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape if self.strides == 1 else halve(inputs_shape)

    def standard(self) -> list[Callable]:
        pool = "MaxPooling" if self.kind == "max" else "AveragePooling"
        return [by_rank(pool, pool_size=3, strides=self.strides, padding="same")]


class Scale(Stage):
    """Multiplication by `scale`, or by a constant."""

    def __init__(self, constant: float = 1.0):
        super().__init__(autocast=False)
        self.constant = constant

    def call(self, inputs: Tensor, scale: Tensor = None, training: bool | None = None) -> Tensor:
        if self.constant != 1.0:
            return inputs * self.constant
        return inputs if scale is None else inputs * ops.cast(scale, inputs.dtype)

    def standard(self) -> list[Callable]:
        return [] if self.constant == 1.0 else [keras.layers.Rescaling(self.constant)]


class KeepsChannels(Primitive):
    """A primitive that cannot change the number of channels."""

    def _check_channels(self, channels: int) -> None:
        if channels != self.filters:
            raise ValueError(
                f"{type(self).__name__} keeps the number of channels. Expected `filters={channels}` for an input with "
                f"{channels} channels. Received: filters={self.filters}"
            )

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        self._check_channels(inputs_shape[-1])
        super().build(inputs_shape)

    def expand(self, x: Tensor) -> Any:
        self._check_channels(x.shape[-1])
        return super().expand(x)


class Pooling(KeepsChannels):
    """3x3 pooling, then batch norm without affine parameters.

    In a supernet, pooled values need a scale comparable to the convolutions' (Liu et al., 2019).
    """

    kind = ""

    def stages(self) -> list[keras.layers.Layer]:
        return [Pool(self.kind, self.strides), Repeat(self.copies), BatchNorm(affine=False)]

    def expand(self, x: Tensor) -> Any:
        self._check_channels(x.shape[-1])
        (layer,) = self.chain[0].standard()  # the published discrete networks pool without batch norm
        return layer(x)


@keras.saving.register_keras_serializable(package="kerasnas")
class MaxPool(Pooling):
    """3x3 max pooling followed by batch norm, which a discrete network leaves out, as published.

    Args and call arguments: see `Primitive`. `filters` must equal the input's channels.

    Example:

    >>> MaxPool(filters=4, strides=2)(ops.ones((1, 6, 6, 4))).shape
    TensorShape([1, 3, 3, 4])
    """

    kind = "max"


@keras.saving.register_keras_serializable(package="kerasnas")
class AveragePool(Pooling):
    """3x3 average pooling that does not count the padding, followed by batch norm as in `MaxPool`.

    Args and call arguments: see `Primitive`. `filters` must equal the input's channels.

    Example:

    >>> AveragePool(filters=4)(ops.ones((1, 6, 6, 4))).shape
    TensorShape([1, 6, 6, 4])
    """

    kind = "average"


@keras.saving.register_keras_serializable(package="kerasnas")
class Identity(KeepsChannels):
    """The skip connection at strides 1: the input itself.

    Args and call arguments: see `Primitive`; `strides` must be 1, and `filters` the input's channels.

    Raises:
        ValueError: if `strides` is not 1.

    Example:

    >>> float(Identity(filters=1)(ops.ones((1, 1, 1, 1)), scale=ops.convert_to_tensor([0.25]))[0, 0, 0, 0])
    0.25
    """

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, copies: int = 1, **kwargs: Any):
        if checks.size("strides", strides) != 1:
            hint = "Use 'skip_connect', which halves it at strides 2"
            raise ValueError(checks.invalid("strides", "1: Identity keeps the size of its input", strides, hint))
        super().__init__(filters, strides, affine, copies, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [Repeat(self.copies), Scale()]


@keras.saving.register_keras_serializable(package="kerasnas")
class Zero(KeepsChannels):
    """The primitive `none`: no connection. `MixedOp` never computes it; its weight only lowers the others'.

    Example:

    >>> float(ops.max(Zero(filters=2, strides=2)(ops.ones((1, 4, 4, 2)))))
    0.0
    """

    def stages(self) -> list[keras.layers.Layer]:
        reduce = [Pool("average", 2)] if self.strides == 2 else []
        return [*reduce, Repeat(self.copies), Scale(0.0)]


@PRIMITIVES.register("skip_connect")
def skip_connect(filters: int, strides: int = 1, affine: bool = True, **kwargs: Any) -> Primitive:
    """The skip connection: `Identity` at strides 1, `FactorizedReduce` at strides 2."""
    return (Identity if strides == 1 else FactorizedReduce)(filters, strides, affine, **kwargs)


PRIMITIVES.register("none", Zero)
PRIMITIVES.register("max_pool_3x3", MaxPool)
PRIMITIVES.register("avg_pool_3x3", AveragePool)
PRIMITIVES.register("max_pool_3", MaxPool)  # the names for signals
PRIMITIVES.register("avg_pool_3", AveragePool)
