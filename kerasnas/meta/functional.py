"""A Keras model as pure functions of lists of tensors, which an inner loop can differentiate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor, Tensors
from kerasnas.backend import all_reduce
from kerasnas.backend.keras_internals import flatten_layers, own_trainable_variables
from kerasnas.meta.per_step import scales_and_offsets
from kerasnas.primitives.normalization import batch_norms

INNER_VARIABLES = ("all", "head", "all_but_batch_norm")  # the head is the last trainable layer


class FunctionalModel:
    """Loss and predictions of a built Keras model, as functions of the values of its variables.

    `w` are values of `model.trainable_variables`, `state` of `model.non_trainable_variables`, in their order; `loss` is
    a function `(labels, predictions) -> scalar`.
    """

    def __init__(self, model: keras.Model, loss: Callable):
        self.model, self.loss_function = model, loss
        position = {id(variable): index for index, variable in enumerate(model.non_trainable_variables)}
        # Position of a moving statistic -> the fraction of it that is kept in a step.
        self.statistics = {
            position[id(variable)]: float(layer.momentum)
            for layer in batch_norms(model)
            for variable in (layer.moving_mean, layer.moving_variance)
        }

    def loss(self, w: Tensors, state: Tensors, batch: tuple[Any, Any]) -> tuple[Any, tuple[Any, list[Any]]]:
        """Return `(loss, (predictions, new state))` on a batch `(x, y)`, the model's own losses included."""
        x, y = batch
        outputs, state, losses = self.model.stateless_call(list(w), list(state), x, training=True, return_losses=True)
        value = self.loss_function(y, outputs)
        return value + sum(ops.cast(part, value.dtype) for part in losses), (outputs, list(state))

    def predict(self, w: Tensors, state: Tensors, x: Tensor) -> Any:
        """Return the model's outputs in inference mode."""
        return self.model.stateless_call(list(w), list(state), x, training=False)[0]

    def with_statistics_of(self, x: Tensor, w: Tensors, state: Tensors) -> list[Any]:
        """Return `state` with the moving statistics of batch norm replaced by those of the batch `x`."""
        if not self.statistics:
            return list(state)
        empty = [ops.zeros_like(old) if i in self.statistics else old for i, old in enumerate(state)]
        new = self.model.stateless_call(list(w), empty, x, training=True)[1]
        return [new[i] / (1 - self.statistics[i]) if i in self.statistics else old for i, old in enumerate(state)]


def check_trainable(model: keras.Model) -> None:
    """Raise ValueError if `model` is not built, or has no trainable variables."""
    if not model.built:
        raise ValueError(
            f"Expected a built model: give it an `Input`, call it on a batch, or `build` it. Received: {model.name}"
        )
    if not model.trainable_variables:
        raise ValueError(f"Expected a model with trainable variables. Received: {model.name}, which has none")


def clone(model: keras.Model) -> keras.Model:
    """Return a new model of the same class and values; raises ValueError if it has no `get_config`."""
    try:
        copy = type(model).from_config(model.get_config())
    except NotImplementedError as error:
        raise ValueError(
            f"An adapted model is rebuilt from its configuration. Expected `get_config` in {type(model).__name__} "
            f"({error})"
        ) from None
    if not copy.built:
        copy.build_from_config(model.get_build_config())
    for target, source in zip(copy.variables, model.variables, strict=True):
        target.assign(source)
    return copy


def minibatches(samples: int, batch_size: int | None, steps: int) -> np.ndarray | None:
    """Return the samples of each inner step, `(steps, batch_size)`, in turn; None if each step takes all samples.

    Each pass over the samples has its own order, the same for every task: samples of an episode are shuffled already.
    """
    if batch_size is None or batch_size >= samples:
        return None
    rng = np.random.default_rng(0)
    passes = [rng.permutation(samples) for _ in range(-(-steps * batch_size // samples))]
    return np.concatenate(passes)[: steps * batch_size].reshape(steps, batch_size).astype("int32")


def last_trainable_layer(model: keras.Model) -> keras.layers.Layer:
    """Return the last layer inside `model` with trainable variables of its own: the head of a classifier."""
    return [layer for layer in flatten_layers(model) if own_trainable_variables(layer)][-1]


def inner_positions(model: keras.Model, inner_variables: str) -> list[int]:
    """Return the positions, among the trainable variables, of those that the inner loop updates; see `MetaLearner`."""
    checks.one_of("inner_variables", inner_variables, INNER_VARIABLES)
    variables = model.trainable_variables
    moved = last_trainable_layer(model).trainable_variables if inner_variables == "head" else variables
    fixed = scales_and_offsets(model) if inner_variables == "all_but_batch_norm" else []
    chosen = {id(variable) for variable in moved} - {id(variable) for variable in fixed}
    return [index for index, variable in enumerate(variables) if id(variable) in chosen]


def per_layer(variables: Tensors) -> tuple[list[int], int]:
    """Return the layer's index for each variable, and the number of layers."""
    layers = [variable.path.rpartition("/")[0] for variable in variables]
    order = list(dict.fromkeys(layers))
    return [order.index(layer) for layer in layers], len(order)


def support_batches(support: Tensor, batch_size: int | None, steps: int) -> list[Any]:
    """Return the batch of each inner step."""
    x, y = support
    table = minibatches(x.shape[0], batch_size, steps)
    if table is None:
        return [support] * steps
    return [(ops.take(x, row, axis=0), ops.take(y, row, axis=0)) for row in table]


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
