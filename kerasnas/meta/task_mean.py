"""The mean over the tasks of a meta-step, of those that did not diverge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.backend import all_reduce


def mean_over_tasks(
    losses: Any,
    states: Sequence[Any],
    gradients: Sequence[Tensor],
    trainable: Sequence[Tensor],
    state: Sequence[Tensor],
) -> tuple[Any, Any, list[Any], list[Any]]:
    """The mean state and gradient over the tasks whose loss and gradients are finite, on all replicas together.

    Args:
        losses: tensor `(tasks,)`, of this replica's tasks.
        states: for each variable that is not trained, its values after the tasks, `(tasks, ...)`.
        gradients: for each trainable variable `(tasks, ...)`.
        trainable, state: the values before. Where all tasks diverged, the gradient is zero and the state that before.

    Returns:
        Which of this replica's tasks are finite `(tasks,)`, how many of all replicas' are not, the state, the gradient.
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
    stacked = [*gradients, *(own for own, number in zip(states, numbers, strict=True) if number)]
    totals = all_reduce([total(own) for own in stacked])
    means = [mean(own, other) for own, other in zip(totals, otherwise, strict=True)]
    means, kept = means[: len(gradients)], iter(means[len(gradients) :])
    new_state = [next(kept) if number else own[0] for own, number in zip(states, numbers, strict=True)]
    return finite, tasks - count, new_state, means


def _finite(gradients: Sequence[Tensor]) -> Any:
    """For each task, whether all its gradients are finite."""
    each = [ops.all(ops.isfinite(stacked), axis=tuple(range(1, len(stacked.shape)))) for stacked in gradients]
    return ops.all(ops.stack(each), axis=0)
