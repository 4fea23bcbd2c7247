"""The mean over the tasks of a meta-step that did not diverge."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensors
from kerasnas.backend import all_reduce


def mean_over_tasks(
    losses: Any, states: Tensors, gradients: Tensors, trainable: Tensors, state: Tensors
) -> tuple[Any, Any, list[Any], list[Any]]:
    """Average state and gradient over the tasks whose loss and gradients are finite, on all replicas.

    Args:
        losses: tensor `(tasks,)`, of this replica's tasks.
        states: for each non-trainable variable, its values after the tasks, `(tasks, ...)`.
        gradients: for each trainable variable `(tasks, ...)`.
        trainable, state: the values before. If all tasks diverged, the gradient is zero and the state does not change.

    Returns:
        Which of this replica's tasks are finite `(tasks,)`, the number of tasks of all replicas that are not, the
        state, the gradient.
    """
    finite = _finite(gradients) & ops.isfinite(losses)
    # Over all replicas. One tensor: TensorFlow does not reduce a list of integers.
    count, tasks = ops.unstack(all_reduce(ops.stack([ops.sum(ops.cast(finite, "int32")), ops.size(finite)])))

    def total(stacked: Any) -> Any:
        kept = ops.where(ops.reshape(finite, (-1, *[1] * (len(stacked.shape) - 1))), stacked, 0)
        return ops.sum(kept, axis=0)

    def mean(total: Any, otherwise: Any) -> Any:
        return ops.where(count > 0, total / ops.cast(ops.maximum(count, 1), total.dtype), otherwise)

    # Random state is not averaged: every task started from the same, and draws as often.
    numbers = [keras.backend.is_float_dtype(keras.backend.standardize_dtype(old.dtype)) for old in state]
    averaged = [old for old, number in zip(state, numbers, strict=True) if number]
    otherwise = [*(ops.zeros_like(value) for value in trainable), *averaged]
    stacked = [*gradients, *(values for values, number in zip(states, numbers, strict=True) if number)]
    totals = all_reduce([total(values) for values in stacked])
    means = [mean(values, other) for values, other in zip(totals, otherwise, strict=True)]
    means, kept = means[: len(gradients)], iter(means[len(gradients) :])
    new_state = [next(kept) if number else values[0] for values, number in zip(states, numbers, strict=True)]
    return finite, tasks - count, new_state, means


def _finite(gradients: Tensors) -> Any:
    """Return for each task whether all its gradients are finite."""
    each = [ops.all(ops.isfinite(stacked), axis=tuple(range(1, len(stacked.shape)))) for stacked in gradients]
    return ops.all(ops.stack(each), axis=0)
