"""The convolutional primitives: SepConv, DilConv, FactorizedReduce, ReLUConvBN of DARTS, NorConv of NAS-Bench-201."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.primitives.base import PRIMITIVES, Primitive, Relu, Repeat, Stage, Subsample, check_size, halve
from kerasnas.primitives.normalization import BatchNorm

# Up to this many channels a copy, one block-diagonal 1x1 convolution over all copies is faster than one
# convolution for each: 1.1 against 3.3 ms at 8 channels and 4 copies, equal at 16 (32 x 32 pixels, one core).
_BLOCK_DIAGONAL_UP_TO = 16


class Depthwise(Stage):
    """Depthwise convolution without bias; `dilation` 1 or 2."""

    def __init__(self, kernel_size: int, strides: int = 1, dilation: int = 1):
        super().__init__()
        self.kernel_size, self.strides, self.dilation = kernel_size, strides, dilation

    def build(self, inputs_shape: tuple) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(self.kernel_size, self.kernel_size, inputs_shape[-1], 1))

    def call(self, inputs: Any) -> Any:
        return ops.depthwise_conv(
            inputs, self.read(self.kernel, inputs), strides=self.strides, padding="same", dilation_rate=self.dilation,
            data_format="channels_last",
        )  # fmt: skip

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape if self.strides == 1 else halve(inputs_shape)

    def standard(self) -> list[Callable]:
        return [
            keras.layers.DepthwiseConv2D(
                self.kernel_size,
                strides=self.strides,
                dilation_rate=self.dilation,
                padding="same",
                use_bias=False,
                data_format="channels_last",
            )
        ]


class Pointwise(Stage):
    """1x1 convolution without bias, a separate one for each of `copies` groups of channels.

    `filters=None` keeps the number of channels.
    """

    def __init__(self, filters: int | None, copies: int = 1):
        super().__init__()
        self.filters, self.copies = filters, copies

    def build(self, inputs_shape: tuple) -> None:
        channels = inputs_shape[-1] // self.copies
        self.kernel = self.add_weight(name="kernel", shape=(self.copies, channels, self.filters or channels))

    def call(self, inputs: Any) -> Any:
        kernel = self.read(self.kernel, inputs)
        conv = functools.partial(ops.conv, strides=1, padding="valid", data_format="channels_last")
        copies, channels, filters = kernel.shape
        if copies == 1:
            return conv(inputs, ops.reshape(kernel, (1, 1, channels, filters)))
        if max(channels, filters) <= _BLOCK_DIAGONAL_UP_TO:
            diagonal = ops.convert_to_tensor(np.eye(copies).reshape(copies, 1, copies, 1), kernel.dtype)
            blocks = ops.reshape(kernel, (copies, channels, 1, filters)) * diagonal
            return conv(inputs, ops.reshape(blocks, (1, 1, copies * channels, copies * filters)))
        parts = zip(ops.split(inputs, copies, axis=-1), ops.split(kernel[None], copies, axis=1), strict=True)
        return ops.concatenate([conv(part, one) for part, one in parts], axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.filters if self.filters else inputs_shape[-1])

    def standard(self) -> list[Callable]:
        def conv(x: Any) -> Any:
            filters = self.filters or x.shape[-1]
            return keras.layers.Conv2D(filters, 1, use_bias=False, data_format="channels_last")(x)

        return [conv]


class Convolution(Stage):
    """Convolution without bias; its `copies` read the same input, and are one convolution with as many filters."""

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, copies: int = 1):
        super().__init__()
        self.filters, self.kernel_size, self.strides, self.copies = filters, kernel_size, strides, copies

    def build(self, inputs_shape: tuple) -> None:
        window = self.kernel_size**2 * inputs_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(self.copies, window, self.filters))

    def call(self, inputs: Any) -> Any:
        kernel = ops.transpose(self.read(self.kernel, inputs), (1, 0, 2))
        kernel = ops.reshape(kernel, (self.kernel_size, self.kernel_size, inputs.shape[-1], -1))
        return ops.conv(inputs, kernel, strides=self.strides, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        shape = inputs_shape if self.strides == 1 else halve(inputs_shape)
        return (*shape[:-1], self.copies * self.filters)

    def standard(self) -> list[Callable]:
        return [
            keras.layers.Conv2D(
                self.filters,
                self.kernel_size,
                strides=self.strides,
                padding="same",
                use_bias=False,
                data_format="channels_last",
            )
        ]


class OffsetPair(Stage):
    """Two 1x1 convolutions of stride 2, the second one pixel down and right, side by side in the channels.

    Written as one 2x2 convolution of stride 2 whose kernel is zero off the diagonal.
    """

    def __init__(self, filters: int, copies: int = 1):
        super().__init__()
        self.halves, self.copies = (filters // 2, filters - filters // 2), copies

    def build(self, inputs_shape: tuple) -> None:
        self.kernels = [
            self.add_weight(name=name, shape=(self.copies, inputs_shape[-1], half))
            for name, half in zip(("kernel_even", "kernel_odd"), self.halves, strict=True)
        ]

    def call(self, inputs: Any) -> Any:
        even, odd = (ops.transpose(self.read(kernel, inputs), (1, 0, 2)) for kernel in self.kernels)
        first = ops.concatenate([even, ops.zeros_like(odd)], axis=-1)
        second = ops.concatenate([ops.zeros_like(even), odd], axis=-1)
        kernel = ops.stack([first, ops.zeros_like(first), ops.zeros_like(first), second])
        kernel = ops.reshape(kernel, (2, 2, inputs.shape[-1], -1))
        return ops.conv(inputs, kernel, strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*halve(inputs_shape)[:-1], self.copies * sum(self.halves))

    def standard(self) -> list[Callable]:
        def pair(x: Any) -> Any:
            first, second = (
                keras.layers.Conv2D(half, 1, strides=2, use_bias=False, data_format="channels_last")
                for half in self.halves
            )
            shifted = keras.layers.Cropping2D(((1, 0), (1, 0)), data_format="channels_last")(x)
            shifted = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), data_format="channels_last")(shifted)
            return keras.layers.Concatenate()([first(x), second(shifted)])

        return [pair]


@keras.saving.register_keras_serializable(package="kerasnas")
class ReLUConvBN(Primitive):
    """ReLU, 1x1 convolution, batch norm: how a cell brings its inputs to its number of channels.

    Args and call arguments: see `Primitive`.

    Example:

    >>> ReLUConvBN(filters=8)(ops.ones((1, 4, 4, 3))).shape
    TensorShape([1, 4, 4, 8])

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def stages(self) -> list[keras.layers.Layer]:
        reduce = [Subsample()] if self.strides == 2 else []
        pointwise = Pointwise(self.filters, self.copies)
        return [*reduce, Relu(), Repeat(self.copies), pointwise, BatchNorm(self.affine)]


@keras.saving.register_keras_serializable(package="kerasnas")
class FactorizedReduce(Primitive):
    """Halves height and width without losing a pixel's column: two offset 1x1 convolutions of stride 2.

    ReLU, then half of the filters from the even pixels and half from the odd ones, then batch norm.

    Args and call arguments: see `Primitive`; `strides` must be 2.

    Raises:
        ValueError: if `strides` is not 2, or `filters` is below 2.

    Example:

    >>> FactorizedReduce(filters=8)(ops.ones((1, 4, 4, 3))).shape
    TensorShape([1, 2, 2, 8])

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def __init__(self, filters: int, strides: int = 2, affine: bool = True, copies: int = 1, **kwargs: Any):
        if strides != 2:
            raise ValueError(
                "Invalid value received for argument `strides`. Expected 2: 'factorized_reduce' halves its input. "
                f"Received: {strides!r}. Pass `strides=2`, or use 'skip_connect', which keeps the size at strides 1."
            )
        if check_size("filters", filters) < 2:
            raise ValueError("Invalid value received for argument `filters`. Expected at least 2. Received: 1")
        super().__init__(filters, strides, affine, copies, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [Relu(), OffsetPair(self.filters, self.copies), BatchNorm(self.affine)]


class _Windowed(Primitive):
    """A primitive with a window of `kernel_size`."""

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, copies: int = 1, kernel_size: int = 3,
                 **kwargs: Any):  # fmt: skip
        self.kernel_size = check_size("kernel_size", kernel_size)
        super().__init__(filters, strides, affine, copies, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="kerasnas")
class NorConv(_Windowed):
    """An ordinary convolution as NAS-Bench-201 has it: ReLU, convolution, batch norm.

    Args:
        kernel_size: size of the windows. Defaults to 3.
        filters, strides, affine, copies: see `Primitive`.

    Example:

    >>> NorConv(filters=8, strides=2)(ops.ones((1, 4, 4, 3))).shape
    TensorShape([1, 2, 2, 8])

    Reference:
        Dong and Yang, "NAS-Bench-201", 2020 (arXiv 2001.00326).
    """

    def stages(self) -> list[keras.layers.Layer]:
        convolution = Convolution(self.filters, self.kernel_size, self.strides, self.copies)
        return [Relu(), convolution, BatchNorm(self.affine)]


@keras.saving.register_keras_serializable(package="kerasnas")
class SepConv(_Windowed):
    """Depthwise-separable convolution, applied twice, each as ReLU, depthwise, 1x1, batch norm.

    Args:
        kernel_size: size of the depthwise windows. Defaults to 3.
        filters, strides, affine, copies: see `Primitive`. Only the first application strides.

    Example:

    >>> SepConv(filters=8, kernel_size=5, strides=2)(ops.ones((1, 4, 4, 3))).shape
    TensorShape([1, 2, 2, 8])

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def stages(self) -> list[keras.layers.Layer]:
        first = [Depthwise(self.kernel_size, self.strides), Pointwise(None, self.copies)]
        second = [Depthwise(self.kernel_size), Pointwise(self.filters, self.copies)]
        norms = BatchNorm(self.affine), BatchNorm(self.affine)
        return [Relu(), Repeat(self.copies), *first, norms[0], Relu(), *second, norms[1]]


@keras.saving.register_keras_serializable(package="kerasnas")
class DilConv(_Windowed):
    """Dilated depthwise-separable convolution: ReLU, depthwise at dilation 2, 1x1, batch norm.

    At strides 2 every second input pixel is all that a window at dilation 2 sees, so the layer takes
    those pixels and convolves them without dilation: the same result for a quarter of the work.

    Args:
        kernel_size: size of the depthwise windows. Defaults to 3.
        filters, strides, affine, copies: see `Primitive`.

    Example:

    >>> DilConv(filters=8, kernel_size=5)(ops.ones((1, 4, 4, 3))).shape
    TensorShape([1, 4, 4, 8])

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def stages(self) -> list[keras.layers.Layer]:
        if self.strides == 2:
            window = [Subsample(), Relu(), Repeat(self.copies), Depthwise(self.kernel_size)]
        else:
            window = [Relu(), Repeat(self.copies), Depthwise(self.kernel_size, dilation=2)]
        return [*window, Pointwise(self.filters, self.copies), BatchNorm(self.affine)]


PRIMITIVES.register("relu_conv_bn", ReLUConvBN)
PRIMITIVES.register("factorized_reduce", FactorizedReduce)
PRIMITIVES.register("nor_conv_1x1", functools.partial(NorConv, kernel_size=1))
PRIMITIVES.register("nor_conv_3x3", functools.partial(NorConv, kernel_size=3))
PRIMITIVES.register("nor_conv_5x5", functools.partial(NorConv, kernel_size=5))
PRIMITIVES.register("sep_conv_3x3", functools.partial(SepConv, kernel_size=3))
PRIMITIVES.register("sep_conv_5x5", functools.partial(SepConv, kernel_size=5))
PRIMITIVES.register("dil_conv_3x3", functools.partial(DilConv, kernel_size=3))
PRIMITIVES.register("dil_conv_5x5", functools.partial(DilConv, kernel_size=5))
