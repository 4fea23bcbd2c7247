"""Primitives that the algorithms are written on, for JAX."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasnas import checks
from kerasnas.annotations import Tensor

OUT_OF_MEMORY: tuple[type[BaseException], ...] = (MemoryError, jax.errors.JaxRuntimeError)
"""Errors raised when a network does not fit into memory."""


def value_and_grad(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[tuple[Any, Any], list]]:
    """Turn `function(parameters) -> (loss, auxiliary)` into one that also returns the gradients."""
    return jax.value_and_grad(function, has_aux=True)


def all_reduce(tensors: Any) -> Any:
    """Return `tensors`: under `keras.distribution` a global batch's gradient is already global."""
    return tensors


def replicas() -> int:
    """Return 1: on JAX a step is written for the global batch, however it is sharded."""
    return 1


def share(size: Any) -> tuple[Any, Any]:
    """Return the global batch's size twice; see `kerasnas.backend.tensorflow_replicas.share`."""
    return size, size


def unscaled(loss: Any) -> Any:
    """Return the loss unchanged: on JAX Keras does not divide it by the number of replicas."""
    return loss


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
    """Normalize with the global batch's statistics; see `kerasnas.backend.tensorflow.batch_norm`."""
    dtype, x = x.dtype, x.astype(scale.dtype)
    batch_mean, batch_variance = mean, variance
    if training:
        axes, count = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
        batch_mean, batch_variance = jnp.mean(x, axes), jnp.var(x, axes)
        unbiased = batch_variance * (count / max(count - 1, 1))
        mean = momentum * mean + (1 - momentum) * batch_mean
        variance = momentum * variance + (1 - momentum) * unbiased
    y = (x - batch_mean) * (scale * jax.lax.rsqrt(batch_variance + epsilon)) + offset
    return y.astype(dtype), mean, variance


def fused_call(layer: keras.layers.Layer) -> None:
    """Return None: XLA fuses Keras' own formula; see `kerasnas.backend.tensorflow_fused.fused_call`."""
    return None


def folded_calls(convolution: keras.layers.Layer, norm: keras.layers.Layer) -> None:
    """Return None: XLA fuses the two itself; see `kerasnas.backend.tensorflow_fused.folded_calls`."""
    return None


def depthwise_conv(x: Tensor, kernel: Tensor, strides: int = 1, dilation: int | tuple[int, int] = 1) -> Any:
    """Keras' own; see `kerasnas.backend.tensorflow_depthwise.depthwise_conv`."""
    return keras.ops.depthwise_conv(x, kernel, strides, "same", "channels_last", dilation)


def devices() -> str:
    """Describe the devices used."""
    visible = jax.devices()
    return "CPU" if visible[0].platform == "cpu" else f"{len(visible)} x {visible[0].device_kind}"


def split_cpu(count: int) -> None:
    """Split the CPU into `count` devices, before JAX's first computation in this process."""
    jax.config.update("jax_num_cpu_devices", checks.size("count", count))


def values(variables: Sequence[Tensor]) -> list[Any]:
    """Return Keras variables' values."""
    return [variable.value for variable in variables]


def checked_rows(x: Tensor, rows: int, message: str) -> Any:
    """Return `x` if it has `rows` rows; see `kerasnas.backend.tensorflow.checked_rows`."""
    if x.shape[0] not in (None, rows):
        raise ValueError(f"{message}. Received: {x.shape[0]} rows")
    return x


def traced_once(function: Callable) -> Callable:
    """Compile `function`, a pure function of arrays, once per signature."""
    return jax.jit(function)


def shared_trace(function: Callable) -> None:
    """Return None: XLA compiles each place anyway; see `kerasnas.backend.tensorflow.shared_trace`."""
    return None


many_networks = contextlib.nullcontext
"""Nothing warns of many networks here; see `kerasnas.backend.tensorflow.many_networks`."""


def lite_call(model: keras.Model, inputs: Sequence[Any]) -> None:
    """Return None: LiteRT reads networks of TensorFlow; see `kerasnas.backend.tensorflow_lite.lite_call`."""
    return None


def use_one_core() -> None:
    """Raise ValueError: XLA leaves no operations; see `kerasnas.backend.tensorflow_recording.recorded_operations`."""
    raise ValueError("A roofline needs Keras' TensorFlow backend: on JAX, XLA makes one program of all operations.")


def map_tasks(function: Callable, elements: Any) -> Any:
    """Vectorize `function` over tasks and stack the results; see `kerasnas.backend.tensorflow.map_tasks`.

    Under `keras.distribution.DataParallel` each device computes its own tasks. Left to XLA's partitioner, the gradient
    of a 1x1 convolution with respect to a task's kernel is silently wrong (JAX 0.10.2).
    """
    every, strategy = jax.vmap(function), keras.distribution.distribution()
    tasks = len(jax.tree.leaves(elements)[0])
    if not isinstance(strategy, keras.distribution.DataParallel) or tasks % strategy.device_mesh.devices.size:
        return every(elements)
    mesh, along = strategy.device_mesh.backend_mesh, jax.sharding.PartitionSpec(strategy.batch_dim_name)
    return jax.shard_map(every, mesh=mesh, in_specs=along, out_specs=along, check_vma=False)(elements)


def exact_second_order() -> Any:
    """Return a context without effect; see `kerasnas.backend.tensorflow.exact_second_order`."""
    return contextlib.nullcontext()


def first_order_only() -> Any:
    """Return a context without effect; see `kerasnas.backend.tensorflow.first_order_only`."""
    return contextlib.nullcontext()


class TrainStep:
    """Keras' train step on JAX for a trainer with `architecture_gradients` and `network_gradients`."""

    def train_step(self: Any, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        trainable, non_trainable, optimizer_variables, metrics_variables = state
        weights, alphas = self.partition(trainable)
        counter, *inner = optimizer_variables
        first, second = self.optimizer.inner
        weights_slots, alphas_slots = inner[: len(first.variables)], inner[len(first.variables) :]

        # Both gradients read from the optimizers: rate, momentum, loss scale.
        mapping = list(zip(self.optimizer.variables, optimizer_variables, strict=True))
        optimizers = keras.StatelessScope(state_mapping=mapping)
        with optimizers:
            masks = self.drawn(alphas, non_trainable)
            step = self.architecture_gradients(weights, alphas, non_trainable, data)
        (loss, (predictions, non_trainable)), gradients = step
        # Selected, not in a branch: on several devices, XLA moves the sum of the gradients into it and hangs.
        learned, updated = second.stateless_apply(alphas_slots, gradients, alphas)
        learned = self.after_architecture_step(alphas, learned, masks)
        select, active = self.architecture_warmup.select, self.active_in(non_trainable)
        alphas, alphas_slots = select(active, learned, alphas), select(active, updated, alphas_slots)
        with optimizers:
            (training, non_trainable), gradients = self.network_gradients(weights, alphas, non_trainable, data)
        weights, weights_slots = first.stateless_apply(weights_slots, gradients, weights)

        logs, metrics_variables = _updated(self, metrics_variables, data, training, (loss, predictions))
        trainable = self.merge(weights, alphas)
        return logs, (trainable, non_trainable, [counter + 1, *weights_slots, *alphas_slots], metrics_variables)


class SharedStep:
    """Keras' own train step on JAX, which computes on the global batch, however it is sharded."""


class MetaStep:
    """Keras' train step on JAX for a learner with `meta_gradients`."""

    def train_step(self: Any, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        trainable, non_trainable, optimizer_variables, metrics_variables = state
        variables, frozen = self.frozen(trainable, non_trainable)
        (results, non_trainable), gradients = self.meta_gradients(trainable, non_trainable, data[:2])
        before = [*trainable, *optimizer_variables]
        trainable, optimizer_variables = self.optimizer.stateless_apply(optimizer_variables, gradients, trainable)
        if variables:
            still, every = set(map(id, variables)), [*self.trainable_variables, *self.optimizer.variables]
            after = [
                jnp.where(frozen, old, new) if id(variable) in still else new
                for variable, old, new in zip(every, before, [*trainable, *optimizer_variables], strict=True)
            ]
            trainable, optimizer_variables = after[: len(trainable)], after[len(trainable) :]
        logs, metrics_variables = _updated(self, metrics_variables, results)
        return logs, (trainable, non_trainable, optimizer_variables, metrics_variables)


def _updated(model: Any, values: Sequence[Any], *results: Any) -> tuple[dict[str, Any], list[Any]]:
    """Return the logs of `model.update_metrics`, and the values of the metrics' variables after it."""
    mapping = list(zip(model.metrics_variables, values, strict=True))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = model.update_metrics(*results)
    return logs, [scope.get_current_value(variable) for variable in model.metrics_variables]
