"""Depthwise convolution with wide windows, whose filters get their gradient from narrow ones.

oneDNN has a fast gradient of depthwise filters of at most three columns alone. One of 5x5 or 7x7 is the gradients of
the windows of three columns that cover it, each of an input that is shifted: the same sums, in half of a core's time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasnas.annotations import Tensor
from kerasnas.backend.tensorflow import accelerators
from kerasnas.backend.tensorflow_internals import gradients_of_their_graphs, inlined

_FAST = 3  # the most columns of a window whose gradient is fast
_VALID = {"strides": [1, 1, 1, 1], "padding": "VALID"}


def depthwise_conv(x: Tensor, kernel: Tensor, strides: int = 1, dilation: int | tuple[int, int] = 1) -> Any:
    """`keras.ops.depthwise_conv` with `padding="same"`, channels last, in a gradient that is faster on a processor.

    It can be differentiated twice, and agrees up to the order of sums. What oneDNN has a fast gradient for, strides and
    half or double precision are Keras' own.

    Args:
        x: images `(batch, height, width, channels)`.
        kernel: filters `(height, width, channels, 1)`.
        strides: of the windows. Defaults to 1.
        dilation: of the windows, one number or one for each axis. Defaults to 1.
    """
    rates = (dilation, dilation) if isinstance(dilation, int) else dilation
    if strides != 1 or not improves(kernel.shape, x):
        return keras.ops.depthwise_conv(x, kernel, strides, "same", "channels_last", dilation)
    height, width = (rate * (size - 1) for rate, size in zip(rates, kernel.shape, strict=False))
    # At rate r, the pixels r apart are images of their own, of sizes that r divides.
    rest = [-(size + more) % rate for size, more, rate in zip(x.shape[1:3], (height, width), rates, strict=True)]
    paddings = [[more // 2, more - more // 2 + one] for more, one in zip((height, width), rest, strict=True)]
    if rates == (1, 1):
        return _convolve(tf.pad(x, [[0, 0], *paddings, [0, 0]]), tf.convert_to_tensor(kernel))
    y = _convolve(tf.space_to_batch(x, rates, paddings), tf.convert_to_tensor(kernel))
    return tf.batch_to_space(y, rates, [[0, one] for one in rest])


def improves(window: Sequence[int], x: Tensor) -> bool:
    """Return True if filters of this shape get their gradient faster here than by TensorFlow's kernel."""
    known = len(x.shape) == 4 and None not in x.shape[1:]
    return window[1] > _FAST and window[3] == 1 and x.dtype == tf.float32 and known and not accelerators()


def depthwise_call(layer: keras.layers.DepthwiseConv2D) -> Callable[[Tensor], Any] | None:
    """Return a function that computes `layer.call` by `depthwise_conv`; None if it would be no faster."""
    if not _faster(layer):
        return None
    convolve = depthwise_op(layer)

    def call(inputs: Tensor) -> Any:
        y = convolve(inputs, layer.kernel)
        return layer.activation(y if layer.bias is None else y + layer.bias)

    return call


def depthwise_op(layer: keras.layers.DepthwiseConv2D) -> Callable[[Tensor, Tensor], Any]:
    """Return the convolution of a layer, as a function of its inputs and a kernel: by `depthwise_conv` if faster."""
    rates = tuple(layer.dilation_rate)
    if _faster(layer):
        return functools.partial(depthwise_conv, dilation=rates)
    return lambda x, kernel: keras.ops.depthwise_conv(x, kernel, layer.strides, layer.padding, layer.data_format, rates)


def _faster(layer: keras.layers.DepthwiseConv2D) -> bool:
    same = layer.padding == "same" and layer.data_format == "channels_last" and set(layer.strides) == {1}
    return same and layer.trainable and layer.compute_dtype == "float32" and layer.kernel_size[1] > _FAST


def _convolve(x: Tensor, kernel: Tensor) -> Any:
    """The convolution of padded images; the gradients of a product are products of the same three factors."""

    @tf.custom_gradient
    def forward(x: Tensor, kernel: Tensor) -> Any:
        x, kernel = tf.identity(x), tf.identity(kernel)  # in a `tf.cond`, derivatives may only use the branch's tensors
        y = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, **_VALID)
        return y, lambda dy: (_input_gradient(x.shape, kernel, dy), _filter_gradient(x, kernel.shape, dy))

    with gradients_of_their_graphs():
        return forward(x, kernel)


def _input_gradient(shape: Sequence[int], kernel: Tensor, dy: Tensor) -> Any:
    """The gradient of <dy, x * kernel> by x, of this shape, which is linear in the other two."""

    @tf.custom_gradient
    def gradient(kernel: Tensor, dy: Tensor) -> Any:
        kernel, dy = tf.identity(kernel), tf.identity(dy)
        sizes = [tf.shape(dy)[0], *shape[1:]]
        dx = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(input_sizes=sizes, filter=kernel, out_backprop=dy, **_VALID)
        return dx, lambda u: (_filter_gradient(u, kernel.shape, dy), _convolve(u, kernel))

    with gradients_of_their_graphs():
        return gradient(kernel, dy)


def _filter_gradient(x: Tensor, shape: Sequence[int], dy: Tensor) -> Any:
    """The gradient of <dy, x * kernel> by the kernel, of this shape, window by window; linear in the other two."""

    @tf.custom_gradient
    def gradient(x: Tensor, dy: Tensor) -> Any:
        x, dy = tf.identity(x), tf.identity(dy)
        return _by_windows(*shape[:2])(x, dy), lambda u: (_input_gradient(x.shape, u, dy), _convolve(x, u))

    with gradients_of_their_graphs():
        return gradient(x, dy)


@functools.cache
def _by_windows(height: int, width: int) -> Callable[[Tensor, Tensor], Any]:
    """The gradient by a kernel of this size, traced once for all edges of a network that have the same shapes."""
    narrow = min(width, _FAST)

    def gradient(x: Tensor, dy: Tensor) -> Any:
        columns = []
        for column in range(0, width, narrow):
            left = min(column, width - narrow)  # the last window overlaps the one before
            shifted = x[:, :, left : left + dy.shape[2] + narrow - 1]
            columns.append(
                tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                    input=shifted, filter_sizes=[height, narrow, x.shape[3], 1], out_backprop=dy, **_VALID
                )[:, column - left :]
            )
        return tf.concat(columns, axis=1)

    return inlined(gradient)
