"""Primitives without a kernel: none, the skip connection, pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import PRIMITIVES, Pool, Primitive, Repeat, Stage
from kerasnas.primitives.convolutions import FactorizedReduce
from kerasnas.primitives.normalization import BatchNorm


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


class Pooling(Primitive):
    """3x3 pooling, then batch norm without affine parameters, which a discrete network omits, as published.

    In a supernet, pooled values need a scale comparable to the convolutions' (Liu et al., 2019).
    """

    kind = ""
    keeps_channels = True

    def stages(self) -> list[keras.layers.Layer]:
        return [Pool(self.kind, 3, self.strides), Repeat(self.copies), BatchNorm(affine=False)]

    def expand(self, x: Tensor) -> Any:
        self._check_channels(x.shape[-1])
        (layer,) = self.chain[0].standard()  # the published discrete networks pool without batch norm
        return layer(x)


@keras.saving.register_keras_serializable(package="kerasnas")
class MaxPool(Pooling):
    """3x3 max pooling, see `Pooling`."""

    kind = "max"


@keras.saving.register_keras_serializable(package="kerasnas")
class AveragePool(Pooling):
    """3x3 average pooling that does not count the padding, see `Pooling`."""

    kind = "average"


@keras.saving.register_keras_serializable(package="kerasnas")
class Identity(Primitive):
    """The skip connection at strides 1: the input itself."""

    keeps_channels = True

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, copies: int = 1, **kwargs: Any):
        if checks.size("strides", strides) != 1:
            hint = "Use 'skip_connect', which halves it at strides 2"
            raise ValueError(checks.invalid("strides", "1: Identity keeps the size of its input", strides, hint))
        super().__init__(filters, strides, affine, copies, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [Repeat(self.copies), Scale()]


@keras.saving.register_keras_serializable(package="kerasnas")
class Zero(Primitive):
    """The primitive `none`: no connection. `MixedOp` never computes it; its weight only lowers the others'."""

    keeps_channels = True

    def stages(self) -> list[keras.layers.Layer]:
        reduce = [Pool("average", 3, 2)] if self.strides == 2 else []
        return [*reduce, Repeat(self.copies), Scale(0.0)]


@PRIMITIVES.register("skip_connect")
def skip_connect(filters: int, strides: int = 1, affine: bool = True, **kwargs: Any) -> Primitive:
    """The skip connection: `Identity` at strides 1, `FactorizedReduce` at strides 2."""
    return (Identity if strides == 1 else FactorizedReduce)(filters, strides, affine, **kwargs)


PRIMITIVES.register("none", Zero)
for size in ("3x3", "3"):  # names for images and for signals
    PRIMITIVES.register(f"max_pool_{size}", MaxPool)
    PRIMITIVES.register(f"avg_pool_{size}", AveragePool)
