"""Primitives that the algorithms are written on, for TensorFlow."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend.tensorflow_internals import gradients_of_their_graphs, inlined, share_handle_kernels, traced_once
from kerasnas.backend.tensorflow_replicas import plain_batch_norm, replicas

OUT_OF_MEMORY: tuple[type[BaseException], ...] = (MemoryError, tf.errors.ResourceExhaustedError)
"""Errors raised when a network does not fit into memory."""

share_handle_kernels()

_first_order: list[bool] = []  # one entry per open context of `first_order_only`


def value_and_grad(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[tuple[Any, Any], list]]:
    """Turn `function(parameters) -> (loss, auxiliary)` into one that also returns the gradients.

    The result takes the same list of tensors and returns `((loss, auxiliary), gradients)`, one gradient per tensor
    (zeros if the loss does not depend on it). It can be differentiated again.
    """

    def differentiated(parameters: Sequence[Any]) -> tuple[tuple[Any, Any], list]:
        parameters = [tf.convert_to_tensor(parameter) for parameter in parameters]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(parameters)
            loss, auxiliary = function(parameters)
        gradients = tape.gradient(loss, parameters, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return (loss, auxiliary), gradients

    return differentiated


def batch_norm(
    x: Tensor,
    scale: Tensor,
    offset: Tensor,
    mean: Any,
    variance: Any,
    momentum: float,
    epsilon: float,
    training: bool,
    synchronized: bool = False,
) -> tuple[Any, Any, Any]:
    """Normalize over all axes but the last, on the fused kernel.

    The kernel is faster, and it is right: Keras' own formulation on TensorFlow goes through `tf.nn.moments`, which
    stops the gradient at the mean inside the variance, so that second-order gradients are silently wrong. The kernel
    has no float64; the plain formula, exact as well, takes its place there. TensorFlow differentiates the kernel's
    gradient through some sixty plain operations; here it is a closed form. The kernel takes only images; signals pass
    as images of one row, rows of a matrix as images of one pixel.

    Args:
        x: tensor `(batch, ..., channels)`.
        scale, offset, mean, variance: tensors `(channels,)`, the latter two the moving statistics.
        momentum: fraction of a moving statistic that is kept in a step.
        epsilon: added to the variance.
        training: whether to normalize with the batch's statistics and update the moving ones.
        synchronized: in training on several replicas, use the statistics of the global batch instead of the replica's.
            Defaults to False.

    Returns:
        The normalized `x`, and the updated moving mean and (unbiased) variance; outside training unchanged.
    """
    synchronized = synchronized and replicas() > 1
    if training and (synchronized or x.dtype == tf.float64):
        return plain_batch_norm(x, scale, offset, mean, variance, momentum, epsilon, synchronized)
    if missing := list(range(1, 5 - len(x.shape))):
        row = tf.expand_dims(x, 1) if len(missing) == 1 else x[:, None, None]
        y, mean, variance = batch_norm(row, scale, offset, mean, variance, momentum, epsilon, training)
        return tf.squeeze(y, missing), mean, variance
    if x.dtype == tf.float64:
        return (x - mean) * (scale * tf.math.rsqrt(variance + epsilon)) + offset, mean, variance
    kernel = {"mean": mean, "variance": variance, "epsilon": epsilon, "exponential_avg_factor": 1 - momentum}
    if training and _first_order:
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(x=x, scale=scale, offset=offset, **kernel)
        return y, mean, variance
    if training:
        return _fused_batch_norm(x, tf.convert_to_tensor(scale), tf.convert_to_tensor(offset), kernel)
    y, *_ = tf.raw_ops.FusedBatchNormV3(x=x, scale=scale, offset=offset, is_training=False, **kernel)
    return y, mean, variance


@contextlib.contextmanager
def first_order_only() -> Iterator[None]:
    """A context in which models are traced to be differentiated once, into a smaller graph.

    Batch norm then uses the gradient that TensorFlow registered for its kernel, without the nodes of a custom one.
    Second derivatives stay right, but take some sixty operations each instead of the closed form.
    """
    _first_order.append(True)
    try:
        yield
    finally:
        _first_order.pop()


def _fused_batch_norm(x: Tensor, scale: Tensor, offset: Tensor, kernel: dict[str, Any]) -> tuple[Any, Any, Any]:
    @tf.custom_gradient
    def normalize(x: Tensor, scale: Tensor, offset: Tensor) -> Any:
        x, scale = tf.identity(x), tf.identity(scale)  # in a `tf.cond`, derivatives may only use the branch's tensors
        y, mean, variance, *saved = tf.raw_ops.FusedBatchNormV3(x=x, scale=scale, offset=offset, **kernel)
        return (y, mean, variance), lambda dy, *_: _batch_norm_gradients(dy, x, scale, saved, kernel["epsilon"])

    with gradients_of_their_graphs():
        return normalize(x, scale, offset)


def _batch_norm_gradients(
    dy: Any, x: Tensor, scale: Tensor, saved: Sequence[Any], epsilon: float
) -> tuple[Any, Any, Any]:
    """Gradients of y = scale h + offset, h = r (x - mean(x)), r = (var(x) + epsilon)^-1/2, and their gradients.

    With P(v) = r (v - mean(v) - h mean(v h)), the gradient of h in the direction v, the gradients are

        dx = scale P(dy),   dscale = sum(dy h),   doffset = sum(dy).

    For cotangents (u, s, o) of these three, the gradients of <u, dx> + <s, dscale> + <o, doffset> are, as P is
    self-adjoint and the derivative of r is -r^2 h / n,

        to dy:     scale P(u) + s h + o
        to scale:  sum(P(u) dy)
        to x:      P((s - scale r a) dy) - scale r b P(u) - scale r h sum(P(u) dy) / n,   a = mean(u h), b = mean(dy h).
    """

    @tf.custom_gradient  # of `saved` too, see above
    def gradients(dy: Any, x: Tensor, scale: Tensor, *saved: Any) -> Any:
        dy, x, scale, *reserved = (tf.identity(tensor) for tensor in (dy, x, scale, *saved))  # for branches, as above
        dx, dscale, doffset = _batch_norm_gradient_kernel(dy, x, scale, reserved, epsilon)

        def second(u: Any, s: Any, o: Any) -> tuple[Any, ...]:
            one, zero = tf.ones_like(scale), tf.zeros_like(scale)
            n = tf.cast(tf.size(x) / tf.size(scale), scale.dtype)
            h, _, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=one, offset=zero, mean=zero, variance=zero, epsilon=epsilon, exponential_avg_factor=1.0
            )
            r = tf.math.rsqrt(variance * (n - 1) / n + epsilon)  # the kernel returns the unbiased variance
            pu, sum_uh, _ = _batch_norm_gradient_kernel(u, x, one, reserved, epsilon)
            h, v, pu = (tf.cast(tensor, scale.dtype) for tensor in (h, dy, pu))
            a, b = sum_uh / n, dscale / n
            to_scale = tf.reduce_sum(pu * v, list(range(len(x.shape) - 1)))
            c = (s - scale * r * a) * r
            to_x = c * v - (scale * r * b) * pu - (c * b + scale * r * to_scale / n) * h - c * doffset / n
            to_dy = scale * pu + s * h + o
            return tf.cast(to_dy, dy.dtype), tf.cast(to_x, x.dtype), to_scale, *[None for _ in saved]

        return (dx, dscale, doffset), second

    with gradients_of_their_graphs():
        return gradients(dy, x, scale, *saved)


def _batch_norm_gradient_kernel(
    dy: Any, x: Tensor, scale: Tensor, saved: Sequence[Any], epsilon: float
) -> tuple[Any, Any, Any]:
    first, second, third = saved
    reserved = {"reserve_space_1": first, "reserve_space_2": second, "reserve_space_3": third}
    return tf.raw_ops.FusedBatchNormGradV3(y_backprop=dy, x=x, scale=scale, epsilon=epsilon, **reserved)[:3]


def accelerators() -> list[Any]:
    """Return the GPUs and TPUs visible to TensorFlow."""
    return [device for kind in ("GPU", "TPU") for device in tf.config.list_physical_devices(kind)]


def devices() -> str:
    """Describe the devices used; for a CPU with its number of threads, if that was set."""
    if visible := accelerators():
        details = tf.config.experimental.get_device_details(visible[0])
        return f"{len(visible)} x {details.get('device_name', visible[0].device_type)}"
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return f"CPU, {threads} threads" if threads else "CPU"


def split_cpu(count: int) -> None:
    """Split the CPU into `count` logical devices, before TensorFlow's first computation in this process.

    For trying replicas on a machine with one device. Raises RuntimeError after the first computation.
    """
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(checks.size("count", count))]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)


def values(variables: Sequence[Tensor]) -> list[Any]:
    """Return Keras variables' values as tensors (`keras.ops.convert_to_tensor` returns the variable itself)."""
    return [tf.convert_to_tensor(variable) for variable in variables]


def checked_rows(x: Tensor, rows: int, message: str) -> Any:
    """Return `x` once it has `rows` rows: checked by its static shape, otherwise when it is computed.

    Raises:
        ValueError: with `message`, if the static shape differs; a computed shape raises `InvalidArgumentError`.
    """
    if x.shape[0] is not None and x.shape[0] != rows:
        raise ValueError(f"{message}. Received: {x.shape[0]} rows")
    if x.shape[0] is None and tf.is_tensor(x):
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(x)[0], rows, message)]):
            x = tf.identity(x)
        x.set_shape((rows, *x.shape[1:]))
    return x


@contextlib.contextmanager
def many_networks() -> Iterator[None]:
    """Keep back TensorFlow's warning of frequent tracing in this context: each of many networks is traced once."""

    def other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in str(record.msg)

    logger = logging.getLogger("tensorflow")
    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def shared_trace(function: Callable) -> Callable | None:
    """Trace `function`, a pure function of nested tensors, once for all places of a graph that call it.

    The graph is the same as if it were traced at each place, since each call is replaced by the nodes it needs.
    Returns None if nothing is traced, and on several replicas, because no function can sum over them.
    """
    if tf.executing_eagerly() or replicas() > 1:
        return None
    traced = inlined(function)
    return lambda *arguments: traced(*tf.nest.map_structure(tf.convert_to_tensor, arguments))


def map_tasks(function: Callable, elements: Any) -> Any:
    """Apply `function`, pure and of one task, to each task, several at a time, and stack the results.

    `elements` are nested tensors whose first axis is the tasks; so are the results. `function` is traced once, and may
    close over tensors.
    """
    if tf.executing_eagerly():
        first = tf.nest.flatten(elements)[0]
        results = [function(tf.nest.map_structure(lambda x, i=i: x[i], elements)) for i in range(len(first))]
        return tf.nest.map_structure(lambda *parts: tf.stack(parts), *results)
    traced = traced_once(function)
    signature = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), elements)
    results = traced.get_concrete_function(signature).structured_outputs
    results = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), results)
    threads = tf.config.threading.get_inter_op_parallelism_threads() or os.cpu_count() or 1
    return tf.map_fn(traced, elements, fn_output_signature=results, parallel_iterations=threads)


@contextlib.contextmanager
def exact_second_order() -> Iterator[None]:
    """A context in which models of any Keras layers are traced such that they can be differentiated twice.

    Two functions of TensorFlow that Keras' layers call are replaced by plain formulas. `tf.nn.moments` stops the
    gradient at the mean inside the variance, which is right only to first order. The gradient of `tf.nn.bias_add` is an
    operation that oneDNN fuses with the gradient of a neighboring convolution, even if the latter depends on it: the
    graph of a second derivative then has a cycle and does not run.
    """

    def moments(x: Tensor, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axes, keepdims=keepdims)
        return (mean if keepdims else tf.squeeze(mean, axes)), variance

    def bias_add(value: Any, bias: Tensor, data_format: str | None = None, name: str | None = None) -> Any:
        if data_format in (None, "NHWC"):
            return value + bias
        return value + tf.reshape(bias, (-1, *[1] * (len(value.shape) - 2)))

    stock = tf.nn.moments, tf.nn.bias_add
    tf.nn.moments, tf.nn.bias_add = moments, bias_add
    try:
        yield
    finally:
        tf.nn.moments, tf.nn.bias_add = stock
