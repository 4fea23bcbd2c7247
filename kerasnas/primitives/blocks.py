"""The fixed blocks of skeletons: stems, reductions and the last layers before a head, as chains of stages."""

from __future__ import annotations

from typing import Any

import keras

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import (
    FixedPrimitive,
    Pool,
    Primitive,
    Relu,
    apply_standard,
    build_stages,
    run_stages,
)
from kerasnas.primitives.convolutions import Convolution, NorConv, Pointwise
from kerasnas.primitives.mobile import Relu6
from kerasnas.primitives.normalization import BatchNorm


class Stem(Primitive):
    """First layers of a network: a 3x3 convolution and batch norm."""

    def stages(self) -> list[keras.layers.Layer]:
        return [Convolution(self.filters, 3, self.strides), BatchNorm(self.affine)]


class ConvReLU6(FixedPrimitive):
    """A convolution (`kernel_size` 3 by default), batch norm and ReLU6: stem and last layer of mobile networks."""

    settings = {"kernel_size": (3, checks.size)}
    kernel_size: int

    def stages(self) -> list[keras.layers.Layer]:
        windows = Convolution(self.filters, self.kernel_size, self.strides)
        conv = Pointwise(self.filters) if self.kernel_size == 1 else windows
        return [conv, BatchNorm(self.affine), Relu6()]


class NormReLU(FixedPrimitive):
    """Batch norm and ReLU; the number of channels stays."""

    def stages(self) -> list[keras.layers.Layer]:
        return [BatchNorm(self.affine), Relu()]


class ResidualReduction(Primitive):
    """The residual block between two stages of NAS-Bench-201, which halves the image, or the signal.

    Two `NorConv` 3x3, the first of stride 2, and a shortcut of 2x2 average pooling and a 1x1 convolution; for signals
    with windows of 3, 2 and 1 steps.
    """

    def __init__(self, filters: int, affine: bool = True, **kwargs: Any):
        super().__init__(filters, 2, affine, **kwargs)
        self.shortcut = self.under_policy([Pool("average", 2, 2), Pointwise(filters)])

    def stages(self) -> list[keras.layers.Layer]:
        return [stage for strides in (2, 1) for stage in NorConv(self.filters, strides, self.affine).stages()]

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        super().build(inputs_shape, scale_shape)
        build_stages(self.shortcut, inputs_shape)

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        return super().mix(inputs, scale, training, shared) + run_stages(self.shortcut, inputs, training)

    def expand(self, x: Tensor) -> Any:
        return keras.layers.Add()([super().expand(x), apply_standard(self.shortcut, x)])
