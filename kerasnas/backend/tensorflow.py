"""The few primitives that algorithms are written on, for TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def value_and_grad(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[tuple[Any, Any], list]]:
    """Turn `function(parameters) -> (loss, auxiliary)` into one that also returns the gradients.

    Args:
        function: takes a list of tensors; returns a scalar loss and anything else it wants handed through.

    Returns:
        A function of the same list: `((loss, auxiliary), gradients)`, one gradient for each tensor
        (zeros where the loss does not depend on it). Differentiable again.
    """

    def differentiated(parameters: Sequence[Any]) -> tuple[tuple[Any, Any], list]:
        parameters = [tf.convert_to_tensor(parameter) for parameter in parameters]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(parameters)
            loss, auxiliary = function(parameters)
        gradients = tape.gradient(loss, parameters, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return (loss, auxiliary), gradients

    return differentiated


def all_reduce(tensors: Any) -> Any:
    """Sum `tensors` over the replicas of the current strategy; the identity on one replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any, variance: Any, momentum: float, epsilon: float, training: bool
) -> tuple[Any, Any, Any]:
    """Normalise over all axes but the last, on the fused kernel.

    The fused kernel is not only the fast form: Keras' own formulation on TensorFlow goes through
    `tf.nn.moments`, which stops the gradient at the mean inside the variance, so that second-order
    gradients come out wrong without a word. The kernel has no float64, where the plain formula
    (right as well) stands in.

    Returns:
        The normalised `x`, and the moving mean and variance (unbiased) after it; as given outside training.
    """
    if x.dtype != tf.float64:
        y, new_mean, new_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=mean, variance=variance,
            epsilon=epsilon, exponential_avg_factor=1 - momentum, is_training=training,
        )  # fmt: skip
        return y, new_mean, new_variance
    if not training:
        return (x - mean) * (scale * tf.math.rsqrt(variance + epsilon)) + offset, mean, variance
    axes = list(range(len(x.shape) - 1))
    batch_mean = tf.reduce_mean(x, axes)
    batch_variance = tf.reduce_mean(tf.square(x - batch_mean), axes)
    y = (x - batch_mean) * (scale * tf.math.rsqrt(batch_variance + epsilon)) + offset
    count = tf.cast(tf.size(x) / tf.shape(x)[-1], x.dtype)
    unbiased = batch_variance * count / tf.maximum(count - 1, 1)
    return y, momentum * mean + (1 - momentum) * batch_mean, momentum * variance + (1 - momentum) * unbiased


def values(variables: Sequence[Any]) -> list[Any]:
    """The values of Keras variables as tensors (`keras.ops.convert_to_tensor` hands back the variable itself)."""
    return [tf.convert_to_tensor(variable) for variable in variables]


def traced_once(function: Callable) -> Callable:
    """`function`, a pure one of tensors, as one node of the graphs that call it: traced once for each signature."""
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


class TrainStep:
    """Keras' train step on TensorFlow for a trainer that writes `architecture_gradients` and `network_gradients`.

    Both are pure functions of lists of tensors; what they return is assigned here.
    """

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        data = _with_batch_size(data, self._batch_size)
        weights, alphas = self.network_weights, self.architecture_parameters
        w, state = values(weights), values(self.non_trainable_variables)
        step = self.architecture_gradients(w, values(alphas), state, data)
        (loss, (predictions, state)), gradients = step
        self.optimizer.inner[1].apply(gradients, alphas)
        (training, state), gradients = self.network_gradients(w, values(alphas), state, data)
        self.optimizer.inner[0].apply(gradients, weights)
        self.optimizer.iterations.assign_add(1)
        for variable, value in zip(self.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return self.update_metrics(data, training, (loss, predictions))


def _with_batch_size(data: Any, size: int | None) -> Any:
    """Batches of a generator have no static size; with one, the graph is smaller, and XLA can compile it."""
    if size is None or tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return data
    return tf.nest.map_structure(lambda x: tf.ensure_shape(x, (size, *x.shape[1:])), data)
