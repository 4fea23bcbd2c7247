"""Primitives on padded sequences: a step of zeros in all channels is padding, and remains one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.primitives.base import (
    PRIMITIVES,
    Primitive,
    Relu,
    Repeat,
    Stage,
    Subsample,
    by_rank,
    halve,
    takes_training,
)
from kerasnas.primitives.convolutions import Convolution, DilConv, NorConv, SepConv
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.parameter_free import KeepsChannels

_FAR = 1e4  # below every value that is pooled, and finite in half precision
_MASK = ("mask",)


def step_mask(x: Any) -> Any:
    """1 at the steps of a sequence, 0 at its padding, in the precision of `x`: a tensor `(batch, length, 1)`.

    Args:
        x: sequences `(batch, length, channels)`, a tensor or a KerasTensor.

    Example:

    >>> step_mask(ops.convert_to_tensor([[[0.0, 2.0], [0.0, 0.0]]]))[0, :, 0].numpy().tolist()
    [1.0, 0.0]
    """
    return ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), x.dtype)


class MaskedStage(Stage):
    """A stage that has to know the padding: `call(inputs, mask)`; `standard` makes functions `(x, mask) -> x`."""


class Masked(Primitive):
    """Base of primitives for padded sequences, whose result does not depend on how much padding there is.

    A step whose channels are all zero is padding. It is zero after the primitive too, and no other step reads anything
    but zeros from it. The statistics of batch norm count it in training. Only the end of a sequence may be padded.

    Args and call arguments: see `Primitive`.
    """

    def mix(self, inputs: Any, scale: Any, training: bool | None, shared: dict[tuple, Any]) -> Any:
        if _MASK not in shared:
            shared[_MASK] = step_mask(inputs)
        x, mask = inputs, shared[_MASK]
        done: tuple | None = ()
        for stage in self.chain[:-1]:
            done = (*done, stage.shared_as) if stage.shared_as and done is not None else None
            if done in shared:
                x = shared[done]
            elif isinstance(stage, MaskedStage):
                x = stage.call(x, mask)
            else:
                x = stage.call(x, training=training) if takes_training(stage) else stage.call(x)
                x = x * mask if isinstance(stage, BatchNorm) else x
            if done is not None:
                shared[done] = x
            mask = _after(stage, mask)
        return self.chain[-1].call(x, scale=scale, training=training) * mask

    def expand(self, x: Any) -> Any:
        mask = step_mask(x)
        for stage in self.chain:
            for layer in stage.standard():
                x = layer(x, mask) if isinstance(stage, MaskedStage) else layer(x)
            mask = _after(stage, mask)
            if isinstance(stage, BatchNorm):
                x = keras.layers.Multiply()([x, mask])
        return x


def _after(stage: Stage, mask: Any) -> Any:
    """The mask after a stage: every second step where the stage halves the length, beginning with the first."""
    return mask[:, ::2] if isinstance(stage, Subsample) or getattr(stage, "strides", 1) == 2 else mask


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedNorConv(Masked, NorConv):
    """`NorConv` on padded sequences: ReLU, convolution, batch norm.

    Args and call arguments: see `NorConv`.

    Example:

    >>> MaskedNorConv(filters=8)(ops.ones((1, 4, 3))).shape
    TensorShape([1, 4, 8])
    """


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedSepConv(Masked, SepConv):
    """`SepConv` on padded sequences: twice ReLU, depthwise, 1x1, batch norm.

    Args and call arguments: see `SepConv`.

    Example:

    >>> MaskedSepConv(filters=8, kernel_size=5)(ops.ones((1, 4, 3))).shape
    TensorShape([1, 4, 8])
    """


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedDilConv(Masked, DilConv):
    """`DilConv` on padded sequences: ReLU, depthwise at dilation 2, 1x1, batch norm.

    Args and call arguments: see `DilConv`.

    Example:

    >>> MaskedDilConv(filters=8, kernel_size=5)(ops.ones((1, 4, 3))).shape
    TensorShape([1, 4, 8])
    """


class _MaskedPool(MaskedStage):
    """Max pooling over 3 steps that leaves out the padding."""

    def __init__(self, strides: int):
        super().__init__()
        self.strides, self.shared_as = strides, f"masked max pool {strides}"

    def call(self, inputs: Any, mask: Any) -> Any:
        lowered = inputs + (mask - 1) * _FAR
        return ops.max_pool(lowered, 3, strides=self.strides, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape if self.strides == 1 else halve(inputs_shape)

    def standard(self) -> list[Callable]:
        pool = by_rank("MaxPooling", pool_size=3, strides=self.strides, padding="same")
        return [lambda x, mask: pool(keras.layers.Add()([x, (mask - 1) * _FAR]))]


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedMaxPool(KeepsChannels, Masked):
    """Max pooling over 3 steps of padded sequences, then batch norm without affine parameters.

    Args and call arguments: see `Primitive`; `filters` must be the input's channels.

    Raises:
        ValueError: for another number of channels.

    Example:

    >>> MaskedMaxPool(filters=4)(ops.ones((1, 6, 4))).shape
    TensorShape([1, 6, 4])
    """

    def stages(self) -> list[keras.layers.Layer]:
        return [_MaskedPool(self.strides), Repeat(self.copies), BatchNorm(affine=False)]


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedProjection(Masked):
    """A convolution and batch norm, which bring a padded sequence to a number of channels.

    Args:
        kernel_size: steps of the windows. Defaults to 1.
        filters, strides, affine, copies: see `Primitive`.

    Example:

    >>> MaskedProjection(filters=8)(ops.ones((1, 4, 3))).shape
    TensorShape([1, 4, 8])
    """

    def __init__(
        self, filters: int, strides: int = 1, affine: bool = True, copies: int = 1, kernel_size: int = 1, **kwargs: Any
    ):
        self.kernel_size = checks.size("kernel_size", kernel_size)
        super().__init__(filters, strides, affine, copies, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        convolution = Convolution(self.filters, self.kernel_size, self.strides, self.copies)
        return [convolution, BatchNorm(self.affine)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="kerasnas")
class MaskedNormReLU(Masked):
    """Batch norm and ReLU of a padded sequence, after which the channels are as many as before."""

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
