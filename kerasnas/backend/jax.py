"""The few primitives that algorithms are written on, for JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras


def value_and_grad(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[tuple[Any, Any], list]]:
    """Turn `function(parameters) -> (loss, auxiliary)` into one that also returns the gradients."""
    return jax.value_and_grad(function, has_aux=True)


def all_reduce(tensors: Any) -> Any:
    """The identity: under `keras.distribution` a global batch's gradient is global already."""
    return tensors


def batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float, training: bool
) -> tuple[Any, Any, Any]:
    """Normalise over all axes but the last; see `kerasnas.backend.tensorflow.batch_norm`."""
    dtype, x = x.dtype, x.astype(scale.dtype)
    count = x.size // x.shape[-1]
    if training:
        axes = tuple(range(x.ndim - 1))
        mean, variance = jnp.mean(x, axes), jnp.var(x, axes)
    y = (x - mean) * (scale * jax.lax.rsqrt(variance + epsilon)) + offset
    return y.astype(dtype), mean, variance * (count / max(count - 1, 1) if training else 1.0)


class TrainStep:
    """Keras' train step on JAX for a trainer that writes `architecture_gradients` and `network_gradients`."""

    def train_step(self: Any, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        trainable, non_trainable, optimizer_variables, metrics_variables = state
        weights, alphas = self.partition(trainable)
        counter, *inner = optimizer_variables
        first, second = self.optimizer.inner
        own, other = inner[: len(first.variables)], inner[len(first.variables) :]

        validation, gradients = self.architecture_gradients(weights, alphas, non_trainable, data)
        alphas, other = second.stateless_apply(other, gradients, alphas)
        (training, non_trainable), gradients = self.network_gradients(weights, alphas, non_trainable, data)
        weights, own = first.stateless_apply(own, gradients, weights)

        mapping = list(zip(self.metrics_variables, metrics_variables, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self.update_metrics(data, training, validation)
        metrics_variables = [scope.get_current_value(variable) for variable in self.metrics_variables]
        trainable = self.merge(weights, alphas)
        return logs, (trainable, non_trainable, [counter + 1, *own, *other], metrics_variables)
