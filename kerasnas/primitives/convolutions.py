"""Convolutional primitives: SepConv, DilConv, FactorizedReduce, ReLUConvBN of DARTS, NorConv of NAS-Bench-201."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import (
    PRIMITIVES,
    Primitive,
    Relu,
    Repeat,
    Stage,
    Subsample,
    by_rank,
    halve,
    spatial_rank,
)
from kerasnas.primitives.normalization import BatchNorm

# Up to this many channels a copy, one block-diagonal 1x1 convolution over all copies is faster than one
# convolution for each: 1.1 against 3.3 ms at 8 channels and 4 copies, equal at 16 (32 x 32 pixels, one core).
_BLOCK_DIAGONAL_UP_TO = 16
_WINDOW = {"kernel_size": (3, checks.size)}


class Depthwise(Stage):
    """Depthwise convolution without bias; `dilation` 1 or 2.

    A signal is convolved as an image of one row: TensorFlow has the two-dimensional kernel only.
    """

    def __init__(self, kernel_size: int, strides: int = 1, dilation: int = 1):
        super().__init__()
        self.kernel_size, self.strides, self.dilation = kernel_size, strides, dilation

    def build(self, inputs_shape: tuple) -> None:
        rows = 1 if len(inputs_shape) == 3 else self.kernel_size
        self.kernel = self.add_weight(name="kernel", shape=(rows, self.kernel_size, inputs_shape[-1], 1))

    def call(self, inputs: Tensor) -> Tensor:
        signal = spatial_rank(inputs) == 1
        outputs = backend.depthwise_conv(
            ops.expand_dims(inputs, 1) if signal else inputs,
            self.read(self.kernel, inputs),
            self.strides,
            (1, self.dilation) if signal else self.dilation,
        )
        return ops.squeeze(outputs, 1) if signal else outputs

    def standard(self) -> list[Callable]:
        options = {"kernel_size": self.kernel_size, "strides": self.strides, "dilation_rate": self.dilation}
        return [by_rank("DepthwiseConv", **options, padding="same", use_bias=False)]


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

    def call(self, inputs: Tensor) -> Tensor:
        kernel, window = self.read(self.kernel, inputs), (1,) * spatial_rank(inputs)
        conv = functools.partial(ops.conv, strides=1, padding="valid", data_format="channels_last")
        copies, channels, filters = kernel.shape
        if copies == 1:
            return conv(inputs, ops.reshape(kernel, (*window, channels, filters)))
        if max(channels, filters) <= _BLOCK_DIAGONAL_UP_TO:
            diagonal = ops.convert_to_tensor(np.eye(copies).reshape(copies, 1, copies, 1), kernel.dtype)
            blocks = ops.reshape(kernel, (copies, channels, 1, filters)) * diagonal
            return conv(inputs, ops.reshape(blocks, (*window, copies * channels, copies * filters)))
        kernels = ops.split(ops.reshape(kernel, (*window[1:], *kernel.shape)), copies, axis=len(window) - 1)
        parts = zip(ops.split(inputs, copies, axis=-1), kernels, strict=True)
        return ops.concatenate([conv(*part) for part in parts], axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.filters if self.filters else inputs_shape[-1])

    def standard(self) -> list[Callable]:
        def conv(x: Tensor) -> Any:
            return by_rank("Conv", filters=self.filters or x.shape[-1], kernel_size=1, use_bias=False)(x)

        return [conv]


class Convolution(Stage):
    """Convolution without bias; its `copies` read the same input, and are one convolution with all their filters."""

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, copies: int = 1):
        super().__init__()
        self.filters, self.kernel_size, self.strides, self.copies = filters, kernel_size, strides, copies

    def build(self, inputs_shape: tuple) -> None:
        window = self.kernel_size ** (len(inputs_shape) - 2) * inputs_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(self.copies, window, self.filters))

    def call(self, inputs: Tensor) -> Tensor:
        kernel = ops.transpose(self.read(self.kernel, inputs), (1, 0, 2))
        kernel = ops.reshape(kernel, (*[self.kernel_size] * spatial_rank(inputs), inputs.shape[-1], -1))
        return ops.conv(inputs, kernel, strides=self.strides, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*super().compute_output_shape(inputs_shape)[:-1], self.copies * self.filters)

    def standard(self) -> list[Callable]:
        options = {"filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides}
        return [by_rank("Conv", **options, padding="same", use_bias=False)]


class OffsetPair(Stage):
    """Two 1x1 convolutions of stride 2, the second one pixel down and right, concatenated along the channels.

    Computed as one 2x2 convolution of stride 2 whose kernel is zero off the diagonal. For a signal, the second one
    reads one step further.
    """

    def __init__(self, filters: int, copies: int = 1):
        super().__init__()
        self.halves, self.copies = (filters // 2, filters - filters // 2), copies

    def build(self, inputs_shape: tuple) -> None:
        self.kernels = [
            self.add_weight(name=name, shape=(self.copies, inputs_shape[-1], half))
            for name, half in zip(("kernel_even", "kernel_odd"), self.halves, strict=True)
        ]

    def call(self, inputs: Tensor) -> Tensor:
        even, odd = (ops.transpose(self.read(kernel, inputs), (1, 0, 2)) for kernel in self.kernels)
        first = ops.concatenate([even, ops.zeros_like(odd)], axis=-1)
        second = ops.concatenate([ops.zeros_like(even), odd], axis=-1)
        rank = spatial_rank(inputs)
        between = [ops.zeros_like(first) for _ in range(2**rank - 2)]
        kernel = ops.reshape(ops.stack([first, *between, second]), (*[2] * rank, inputs.shape[-1], -1))
        return ops.conv(inputs, kernel, strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*halve(inputs_shape)[:-1], self.copies * sum(self.halves))

    def standard(self) -> list[Callable]:
        def pair(x: Tensor) -> Any:
            first, second = (
                by_rank("Conv", filters=half, kernel_size=1, strides=2, use_bias=False) for half in self.halves
            )
            if spatial_rank(x) == 1:
                shifted = keras.layers.Cropping1D((1, 0))(x)
                shifted = keras.layers.ZeroPadding1D((0, 1), data_format="channels_last")(shifted)
            else:
                shifted = keras.layers.Cropping2D(((1, 0), (1, 0)), data_format="channels_last")(x)
                shifted = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), data_format="channels_last")(shifted)
            return keras.layers.Concatenate()([first(x), second(shifted)])

        return [pair]


@keras.saving.register_keras_serializable(package="kerasnas")
class ReLUConvBN(Primitive):
    """ReLU, 1x1 convolution, batch norm: brings the inputs of a cell to its number of channels.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def stages(self) -> list[keras.layers.Layer]:
        reduce = [Subsample()] if self.strides == 2 else []
        pointwise = Pointwise(self.filters, self.copies)
        return [*reduce, Relu(), Repeat(self.copies), pointwise, BatchNorm(self.affine)]


@keras.saving.register_keras_serializable(package="kerasnas")
class FactorizedReduce(Primitive):
    """Reduction that halves height and width and still reads odd pixels: two offset 1x1 convolutions of stride 2.

    ReLU, then half of the filters from the even pixels and half from the odd ones, then batch norm. `strides` must be
    2, and `filters` at least 2.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def __init__(self, filters: int, strides: int = 2, affine: bool = True, copies: int = 1, **kwargs: Any):
        if checks.size("strides", strides) != 2:
            hint = "Pass `strides=2`, or use 'skip_connect', which keeps the size at strides 1"
            raise ValueError(checks.invalid("strides", "2: 'factorized_reduce' halves its input", strides, hint))
        checks.integer("filters", filters, least=2)
        super().__init__(filters, strides, affine, copies, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [Relu(), OffsetPair(self.filters, self.copies), BatchNorm(self.affine)]


@keras.saving.register_keras_serializable(package="kerasnas")
class NorConv(Primitive):
    """The convolution of NAS-Bench-201: ReLU, convolution of windows of `kernel_size` (default: 3), batch norm.

    Reference:
        Dong and Yang, "NAS-Bench-201", 2020 (arXiv 2001.00326).
    """

    settings = _WINDOW
    kernel_size: int

    def stages(self) -> list[keras.layers.Layer]:
        convolution = Convolution(self.filters, self.kernel_size, self.strides, self.copies)
        return [Relu(), convolution, BatchNorm(self.affine)]


@keras.saving.register_keras_serializable(package="kerasnas")
class SepConv(Primitive):
    """Depthwise-separable convolution, applied twice, each as ReLU, depthwise, 1x1, batch norm; the first one strides.

    `kernel_size` is the size of the depthwise windows (default: 3).

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    settings = _WINDOW
    kernel_size: int

    def stages(self) -> list[keras.layers.Layer]:
        first = [Depthwise(self.kernel_size, self.strides), Pointwise(None, self.copies)]
        second = [Depthwise(self.kernel_size), Pointwise(self.filters, self.copies)]
        norms = BatchNorm(self.affine), BatchNorm(self.affine)
        return [Relu(), Repeat(self.copies), *first, norms[0], Relu(), *second, norms[1]]


@keras.saving.register_keras_serializable(package="kerasnas")
class DilConv(Primitive):
    """Dilated depthwise-separable convolution: ReLU, depthwise at dilation 2, 1x1, batch norm.

    At strides 2 a window at dilation 2 reads only every second input pixel, so the layer takes those pixels and
    convolves them without dilation: the same result for a quarter of the work. `kernel_size` is the size of the
    depthwise windows (default: 3).

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    settings = _WINDOW
    kernel_size: int

    def stages(self) -> list[keras.layers.Layer]:
        if self.strides == 2:
            window = [Subsample(), Relu(), Repeat(self.copies), Depthwise(self.kernel_size)]
        else:
            window = [Relu(), Repeat(self.copies), Depthwise(self.kernel_size, dilation=2)]
        return [*window, Pointwise(self.filters, self.copies), BatchNorm(self.affine)]


PRIMITIVES.register("relu_conv_bn", ReLUConvBN)
PRIMITIVES.register("factorized_reduce", FactorizedReduce)
for name, factory, size in (
    *(("nor_conv_1x1", NorConv, 1), ("nor_conv_3x3", NorConv, 3), ("nor_conv_5x5", NorConv, 5)),
    *(("sep_conv_3x3", SepConv, 3), ("sep_conv_5x5", SepConv, 5)),
    *(("dil_conv_3x3", DilConv, 3), ("dil_conv_5x5", DilConv, 5)),
    # Names for signals. Any name takes images and signals; the rank in it is for the reader.
    *(("conv_3", NorConv, 3), ("conv_5", NorConv, 5)),
    *(("sep_conv_3", SepConv, 3), ("sep_conv_5", SepConv, 5), ("sep_conv_7", SepConv, 7)),
    *(("dil_conv_3", DilConv, 3), ("dil_conv_5", DilConv, 5)),
):
    PRIMITIVES.register(name, functools.partial(factory, kernel_size=size))
