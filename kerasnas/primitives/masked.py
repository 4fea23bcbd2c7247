"""Primitives on padded sequences: a step of zeros in all channels is padding, and remains one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.primitives.base import PRIMITIVES, Primitive, Relu, Repeat, Stage, by_rank, step_mask
from kerasnas.primitives.convolutions import Convolution, DilConv, NorConv, SepConv
from kerasnas.primitives.normalization import BatchNorm

_FAR = 1e4  # below every value that is pooled, and finite in half precision


class Masked(Primitive):
    """Base of primitives for padded sequences, whose output does not depend on the amount of padding.

    A step whose channels are all zero is padding. It is zero after the primitive too, and no other step reads anything
    but zeros from it. The statistics of batch norm count it in training. Only the end of a sequence may be padded.
    """

    masked = True


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedNorConv(NorConv):
    """`NorConv` on padded sequences."""

    masked = True


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedSepConv(SepConv):
    """`SepConv` on padded sequences."""

    masked = True


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedDilConv(DilConv):
    """`DilConv` on padded sequences."""

    masked = True


class _MaskedPool(Stage):
    """Max pooling over 3 steps that ignores padding."""

    reads_mask = True

    def __init__(self, strides: int):
        super().__init__()
        self.strides, self.shared_as = strides, f"masked max pool {strides}"

    def call(self, inputs: Any, mask: Any) -> Any:
        lowered = inputs + (mask - 1) * _FAR
        return ops.max_pool(lowered, 3, strides=self.strides, padding="same", data_format="channels_last")

    def standard(self) -> list[Callable]:
        pool = by_rank("MaxPooling", pool_size=3, strides=self.strides, padding="same")
        return [lambda x, mask: pool(keras.layers.Add()([x, (mask - 1) * _FAR]))]


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedMaxPool(Masked):
    """Max pooling over 3 steps of padded sequences, then batch norm without affine parameters."""

    keeps_channels = True

    def stages(self) -> list[keras.layers.Layer]:
        return [_MaskedPool(self.strides), Repeat(self.copies), BatchNorm(affine=False)]


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedProjection(Masked):
    """A convolution over `kernel_size` steps (default: 1) and batch norm, on padded sequences."""

    settings = {"kernel_size": (1, checks.size)}
    kernel_size: int

    def stages(self) -> list[keras.layers.Layer]:
        convolution = Convolution(self.filters, self.kernel_size, self.strides, self.copies)
        return [convolution, BatchNorm(self.affine)]


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedNormReLU(Masked):
    """Batch norm and ReLU of a padded sequence; the number of channels stays."""

    def stages(self) -> list[keras.layers.Layer]:
        return [BatchNorm(self.affine), Relu()]

    def mix(self, inputs: Any, scale: Any, training: bool | None, shared: dict[tuple, Any]) -> Any:
        norm, relu = self.chain
        return relu.call(norm.call(inputs, training=training) * step_mask(inputs))


for name, factory, size in (
    *(("masked_conv_3", MaskedNorConv, 3), ("masked_conv_5", MaskedNorConv, 5)),
    *(("masked_sep_conv_3", MaskedSepConv, 3), ("masked_sep_conv_5", MaskedSepConv, 5)),
    *(("masked_dil_conv_3", MaskedDilConv, 3), ("masked_dil_conv_5", MaskedDilConv, 5)),
):
    PRIMITIVES.register(name, functools.partial(factory, kernel_size=size))
PRIMITIVES.register("masked_max_pool_3", MaskedMaxPool)
