"""Operations of a step on several replicas of a TensorFlow strategy; on one replica each is the identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kerasnas.annotations import Tensor
from kerasnas.backend.keras_internals import leave_gradients_unreduced
from kerasnas.backend.tensorflow_internals import in_multi_worker_mode


def replicas() -> int:
    """Return the number of replicas of the step being run or traced; 1 outside a replica's context."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def all_reduce(tensors: Any) -> Any:
    """Sum `tensors` over the replicas of the current strategy; the identity on one replica.

    Differentiable to any order: the gradient of a sum over replicas is such a sum. TensorFlow's own does not work
    inside a `tf.cond`, a loop or a nested function.
    """
    return tensors if replicas() == 1 else _reduced("SUM", tensors)


def _reduced(how: str, tensors: Any) -> Any:
    # TensorFlow requires tensors on the replica's device: the identity moves constants and captured ones there.
    flat = [tf.identity(tensor) for tensor in tf.nest.flatten(tensors)]
    context = tf.distribute.get_replica_context()
    for dtype in dict.fromkeys(tensor.dtype for tensor in flat):  # TensorFlow packs tensors of one dtype together
        places = [place for place, tensor in enumerate(flat) if tensor.dtype == dtype]
        for place, tensor in zip(places, context.all_reduce(how, [flat[place] for place in places]), strict=True):
            flat[place] = tensor
    return tf.nest.pack_sequence_as(tensors, flat)


def unscaled(loss: Any) -> Any:
    """Undo Keras' division of a loss by the number of replicas: the mean over this replica's batch."""
    count = tf.distribute.get_strategy().num_replicas_in_sync
    return loss if count == 1 else loss * tf.cast(count, loss.dtype)


def share(size: Any) -> tuple[Any, Any]:
    """Return this replica's and the global number of samples: the weight of its mean in the mean over the global batch.

    `size` is this replica's: a tensor, or a Python integer that is the same on all replicas.
    """
    if replicas() == 1 or isinstance(size, int):
        return size, size * replicas()
    return size, all_reduce(size)


def apply_gradients(optimizer: Any, gradients: Sequence[Tensor], variables: Sequence[Tensor]) -> None:
    """Apply gradients that are already summed over the replicas.

    Keras would sum them itself, but after clipping each part, and a sum of clipped parts is not the clipped sum.
    """
    if replicas() > 1:
        for inner in getattr(optimizer, "inner", [optimizer]):
            leave_gradients_unreduced(getattr(inner, "inner_optimizer", inner))  # `LossScaleOptimizer` wraps one
    optimizer.apply(gradients, variables)


def assign_state(variables: Sequence[Tensor], values: Sequence[Tensor], has_samples: Any = None) -> None:
    """Assign new values to non-trainable variables, such that all replicas hold the same ones.

    Values that depend on a replica's samples (moving statistics) are averaged over the replicas; an empty batch's are
    not finite, so `has_samples`, a boolean tensor, masks them. Random state, which advances alike on all replicas, and
    variables set from outside are assigned unchanged.
    """
    if replicas() == 1:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return
    values = list(values)
    averaged = [
        index
        for index, variable in enumerate(variables)
        if variable.value.dtype.is_floating and variable.aggregation != "only_first_replica"
    ]
    if averaged:
        parts = [values[index] for index in averaged]
        if has_samples is not None:
            olds = [tf.convert_to_tensor(variables[index]) for index in averaged]
            parts = [
                tf.where(has_samples | tf.math.is_finite(part), part, old)
                for part, old in zip(parts, olds, strict=True)
            ]
        for index, mean in zip(averaged, _reduced("MEAN", parts), strict=True):
            values[index] = mean

    def update(strategy: Any, *merged: Any) -> None:
        for variable, value in zip(variables, merged, strict=True):
            target = variable.value
            strategy.extended.update(target, lambda copy, new: copy.assign(new), args=(value,), group=False)

    tf.distribute.get_replica_context().merge_call(update, args=tuple(values))


def plain_batch_norm(
    x: Tensor,
    scale: Tensor,
    offset: Tensor,
    mean: Any,
    variance: Any,
    momentum: float,
    epsilon: float,
    synchronized: bool,
) -> tuple[Any, Any, Any]:
    """Compute `batch_norm` in training by the formula, from two moments, summed over the replicas if `synchronized`.

    The second is taken about the moving mean, which is the same on all replicas: about zero it would lose digits.
    """
    dtype, x = x.dtype, tf.cast(x, scale.dtype)
    axes = list(range(len(x.shape) - 1))
    center = tf.stop_gradient(tf.convert_to_tensor(mean))
    shifted = x - center
    count = tf.cast(tf.size(x) / tf.shape(x)[-1], x.dtype)
    sums = [tf.reduce_sum(shifted, axes), tf.reduce_sum(tf.square(shifted), axes), count]
    first, second, count = all_reduce(sums) if synchronized else sums
    some = tf.maximum(count, 1)  # a last batch may leave a replica without samples
    first, second = first / some, second / some
    batch_variance = tf.maximum(second - tf.square(first), 0)
    y = (shifted - first) * (scale * tf.math.rsqrt(batch_variance + epsilon)) + offset
    unbiased = batch_variance * count / tf.maximum(count - 1, 1)
    rate = tf.where(count > 0, tf.constant(1 - momentum, x.dtype), 0)
    return tf.cast(y, dtype), mean + rate * first, variance + rate * (unbiased - variance)


def for_workers(logs: dict[str, Any]) -> dict[str, Any]:
    """Return a step's metrics with the axis that Keras needs to average them over several workers."""
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or not in_multi_worker_mode(strategy):
        return logs
    return {name: tf.reshape(value, (1,)) for name, value in logs.items()}
