"""The fixed blocks of skeletons: stems, reductions and the last layers before a head, as chains of stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Primitive, Relu, Stage, apply_standard, by_rank, halve, run_stages
from kerasnas.primitives.convolutions import Convolution, NorConv, Pointwise
from kerasnas.primitives.mobile import Relu6
from kerasnas.primitives.normalization import BatchNorm


class Stem(Primitive):
    """The beginning of a network: a 3x3 convolution and batch norm."""

    def stages(self) -> list[keras.layers.Layer]:
        return [Convolution(self.filters, 3, self.strides), BatchNorm(self.affine)]


class _Chain(Primitive):
    """A primitive that stands at no choice, and whose last stage therefore takes no mixing weight."""

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        return run_stages(self.chain, inputs, training)


class ConvReLU6(_Chain):
    """A convolution, batch norm and ReLU6: the stem and the last layer of mobile networks.

    Args:
        filters, strides, affine: see `Primitive`.
        kernel_size: size of the windows. Defaults to 3.
    """

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, kernel_size: int = 3, **kwargs: Any):
        self.kernel_size = kernel_size
        super().__init__(filters, strides, affine, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        windows = Convolution(self.filters, self.kernel_size, self.strides)
        conv = Pointwise(self.filters) if self.kernel_size == 1 else windows
        return [conv, BatchNorm(self.affine), Relu6()]


class NormReLU(_Chain):
    """Batch norm and ReLU, after which the channels are as many as before."""

    def stages(self) -> list[keras.layers.Layer]:
        return [BatchNorm(self.affine), Relu()]


class HalvingPool(Stage):
    """2x2 average pooling of stride 2, of signals over 2 steps."""

    def call(self, inputs: Tensor) -> Tensor:
        return ops.average_pool(inputs, 2, strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return halve(inputs_shape)

    def standard(self) -> list[Callable]:
        return [by_rank("AveragePooling", pool_size=2, strides=2, padding="same")]


class ResidualReduction(Primitive):
    """The residual block between two stages of NAS-Bench-201: halves the image, or the signal.

    Two `NorConv` 3x3, the first of stride 2, and beside them 2x2 average pooling with a 1x1 convolution; of signals
    with windows of 3, 2 and 1 steps.
    """

    def __init__(self, filters: int, affine: bool = True, **kwargs: Any):
        super().__init__(filters, 2, affine, **kwargs)
        self.shortcut = [self._under_policy(stage) for stage in (HalvingPool(), Pointwise(filters))]

    def stages(self) -> list[keras.layers.Layer]:
        return [stage for strides in (2, 1) for stage in NorConv(self.filters, strides, self.affine).stages()]

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        super().build(inputs_shape, scale_shape)
        for stage in self.shortcut:
            stage.build(inputs_shape)
            inputs_shape = stage.compute_output_shape(inputs_shape)

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        y, short = super().mix(inputs, scale, training, shared), inputs
        for stage in self.shortcut:
            short = stage.call(short)
        return y + short

    def expand(self, x: Tensor) -> Any:
        y = super().expand(x)
        return keras.layers.Add()([y, apply_standard(self.shortcut, x)])
