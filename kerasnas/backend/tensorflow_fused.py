"""Layers of Keras on TensorFlow's faster kernels: batch normalization, convolutions, depthwise ones, crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasnas.annotations import Tensor
from kerasnas.backend.tensorflow_depthwise import depthwise_call, depthwise_op


def fused_call(layer: keras.layers.Layer) -> Callable[..., Any] | None:
    """Return a function that computes `layer.call` faster, on the variables of `layer`; None if there is none."""
    for stock, faster in _FASTER:
        if isinstance(layer, stock) and type(layer).call is stock.call:
            return faster(layer)
    return None


def folded_calls(
    convolution: keras.layers.Layer, norm: keras.layers.Layer
) -> tuple[Callable[[Tensor], Any], Callable[..., Any]] | None:
    r"""Return functions that compute the `call` of a convolution and of the frozen batch norm after it at once.

    The norm is $y = s (x - \mu) + b$ with $s = \gamma / \sqrt{\sigma^2 + \epsilon}$, so that

    $$ s (K * x + c - \mu) + b = (s K) * x + s (c - \mu) + b . $$

    The first function computes this, a convolution and a bias, which TensorFlow's graphs compute in one pass with the
    activation behind them; the second returns what it gets. Nothing is stored: $K$ may be learned.

    Args:
        convolution: whose output the norm, and nothing else, reads.
        norm: the batch norm.

    Returns:
        The functions; None if the norm is not frozen, not one of the channels, or not in single precision; and for
        layers with a `call` of their own, or a convolution with an activation.
    """
    kernels = {keras.layers.Conv2D: lambda layer: layer.convolution_op, keras.layers.DepthwiseConv2D: depthwise_op}
    stock = next(
        (kind for kind in kernels if isinstance(convolution, kind) and type(convolution).call is kind.call), None
    )
    if stock is None or type(norm) is not keras.layers.BatchNormalization or norm.trainable or norm.axis not in (-1, 3):
        return None
    if convolution.activation is not keras.activations.linear or convolution.data_format != "channels_last":
        return None
    if {convolution.compute_dtype, norm.compute_dtype} != {"float32"}:
        return None
    convolve = kernels[stock](convolution)

    def both(inputs: Tensor) -> Any:
        scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        scale = scale if norm.gamma is None else scale * norm.gamma
        center = -norm.moving_mean if convolution.bias is None else convolution.bias - norm.moving_mean
        offset = center * scale if norm.beta is None else center * scale + norm.beta
        kernel = tf.convert_to_tensor(convolution.kernel)
        kernel *= scale if stock is keras.layers.Conv2D else tf.reshape(scale, kernel.shape[2:])
        return tf.nn.bias_add(convolve(inputs, kernel), offset)

    return both, lambda inputs, training=None, mask=None: inputs


def _batch_norm_call(layer: keras.layers.BatchNormalization) -> Callable[..., Any] | None:
    """Return a function that computes `layer.call` on the fused kernel, None if the kernel cannot.

    It reads and updates the variables of `layer`. The kernel normalizes over all axes but the last in single or half
    precision. Its batch variance is unbiased; Keras' moving variance averages biased ones, and still does here.

    Unlike `batch_norm`, whose second derivative is a closed form, this uses the gradient that TensorFlow registered:
    the same kernel to first order, in fewer nodes, and without a graph kept alive behind a custom gradient.
    """
    stock = layer.call
    spec = layer.input_spec
    channels_last = spec is not None and layer.axis in (-1, spec.ndim - 1)
    if not channels_last or layer.renorm or layer.synchronized or layer.compute_dtype == "float64":
        return None

    def call(inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Any:
        if mask is not None:
            return stock(inputs, training=training, mask=mask)
        x = tf.cast(inputs, layer.compute_dtype)
        if len(inputs.shape) != 4:  # the kernel takes only images
            x = tf.reshape(x, (1, 1, -1, inputs.shape[-1]))
        mean, variance = tf.convert_to_tensor(layer.moving_mean), tf.convert_to_tensor(layer.moving_variance)
        kernel = {
            "x": x,
            "scale": tf.ones_like(mean) if layer.gamma is None else tf.convert_to_tensor(layer.gamma),
            "offset": tf.zeros_like(mean) if layer.beta is None else tf.convert_to_tensor(layer.beta),
            "mean": mean,
            "variance": variance,
            "epsilon": layer.epsilon,
        }
        if training and layer.trainable:
            y, batch_mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(**kernel, exponential_avg_factor=1.0)
            count = tf.cast(tf.size(x) / tf.shape(x)[-1], mean.dtype)
            biased = unbiased * (1 - 1 / count)
            layer.moving_mean.assign(mean * layer.momentum + batch_mean * (1 - layer.momentum))
            layer.moving_variance.assign(variance * layer.momentum + biased * (1 - layer.momentum))
        else:
            y, *_ = tf.raw_ops.FusedBatchNormV3(**kernel, is_training=False)
        return y if len(inputs.shape) == 4 else tf.reshape(y, tf.shape(inputs))

    return call


def _cropping_call(layer: Any) -> Callable[..., Any] | None:
    """Return a crop whose gradient pads with zeros, in a tenth of the time of that of Keras' strided slice."""
    if layer.data_format != "channels_last":
        return None
    (top, bottom), (left, right) = layer.cropping

    def call(inputs: Tensor) -> Any:
        size = tf.shape(inputs) - [0, top + bottom, left + right, 0]
        return tf.ensure_shape(tf.slice(inputs, [0, top, left, 0], size), layer.compute_output_shape(inputs.shape))

    return call


_FASTER: tuple[tuple[type[keras.layers.Layer], Callable[[Any], Callable[..., Any] | None]], ...] = (
    (keras.layers.BatchNormalization, _batch_norm_call),
    (keras.layers.DepthwiseConv2D, depthwise_call),
    (keras.layers.Cropping2D, _cropping_call),
)
