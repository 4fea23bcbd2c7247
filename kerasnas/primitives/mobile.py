"""MBConv, the inverted bottleneck of mobile networks whose sizes ProxylessNAS searches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import PRIMITIVES, Elementwise, Primitive, Repeat, by_rank
from kerasnas.primitives.convolutions import Convolution, Depthwise, Pointwise
from kerasnas.primitives.normalization import BatchNorm

Relu6 = functools.partial(Elementwise, "relu6", functools.partial(keras.layers.ReLU, max_value=6.0))


class Expansion(Convolution):
    """1x1 convolution without bias to `expansion` times the channels of the input, a separate one for each copy."""

    def __init__(self, expansion: int, copies: int = 1):
        super().__init__(expansion, 1, copies=copies)  # `filters` follow from the input
        self.expansion = expansion

    def build(self, inputs_shape: tuple) -> None:
        self.filters = self.expansion * inputs_shape[-1]
        super().build(inputs_shape)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.expansion * inputs_shape[-1])

    def standard(self) -> list[Callable]:
        def conv(x: Tensor) -> Any:
            return by_rank("Conv", filters=self.expansion * x.shape[-1], kernel_size=1, use_bias=False)(x)

        return [conv]


@keras.saving.register_keras_serializable(package="kerasnas")
class MBConv(Primitive):
    """The mobile inverted bottleneck of MobileNetV2, as ProxylessNAS uses it.

    1x1 convolution to `expansion` times the input's channels (omitted at 1), depthwise convolution, which strides, 1x1
    convolution to `filters`, each followed by batch norm, the first two also by ReLU6. If neither size nor number of
    channels changes, the input is added.

    Args:
        filters, strides, affine, copies: see `Primitive`.
        kernel_size: size of the depthwise windows. Defaults to 3.
        expansion: ratio of the channels of the depthwise convolution to those of the input. Defaults to 6.

    Reference:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018 (arXiv 1801.04381), table 1; Cai
        et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019 (arXiv 1812.00332),
        section 4.
    """

    settings = {"kernel_size": (3, checks.size), "expansion": (6, checks.size)}
    kernel_size: int
    expansion: int

    def stages(self) -> list[keras.layers.Layer]:
        if self.expansion == 1:
            wide: list[keras.layers.Layer] = [Repeat(self.copies)]
        else:
            wide = [Expansion(self.expansion, self.copies), BatchNorm(self.affine), Relu6()]
        window = [Depthwise(self.kernel_size, self.strides), BatchNorm(self.affine), Relu6()]
        return [*wide, *window, Pointwise(self.filters, self.copies), BatchNorm(self.affine)]

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        y = super().mix(inputs, scale, training, shared)
        if not self.keeps_shape(inputs.shape[-1]):
            return y
        inputs = ops.concatenate([inputs] * self.copies, axis=-1) if self.copies > 1 else inputs
        return y + (inputs if scale is None else inputs * ops.cast(scale, inputs.dtype))

    def expand(self, x: Tensor, drop_path: Callable[[Any], Any] | None = None) -> Any:
        """Expand as `Primitive` does; `drop_path` is applied to the bottleneck before the input is added."""
        y = super().expand(x)
        if not self.keeps_shape(x.shape[-1]):
            return y
        return keras.layers.Add()([x, y if drop_path is None else drop_path(y)])


for kernel_size, expansion in ((3, 1), (3, 3), (3, 6), (5, 3), (5, 6), (7, 3), (7, 6)):
    PRIMITIVES.register(
        f"mbconv_{kernel_size}x{kernel_size}_e{expansion}",
        functools.partial(MBConv, kernel_size=kernel_size, expansion=expansion),
    )
