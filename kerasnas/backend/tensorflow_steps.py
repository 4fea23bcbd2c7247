"""Keras' train steps on TensorFlow, for any number of replicas, around pure functions that compute the gradients."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasnas.backend.keras_internals import loss_tracker, metrics_are_built
from kerasnas.backend.tensorflow import accelerators, values
from kerasnas.backend.tensorflow_internals import gradients_of_their_graphs, pruned_only
from kerasnas.backend.tensorflow_replicas import (
    all_reduce,
    apply_gradients,
    assign_state,
    for_workers,
    replicas,
    share,
    unscaled,
)


class TrainStep:
    """Keras' train step on TensorFlow for a trainer with `architecture_gradients` and `network_gradients`.

    Both are pure functions of lists of tensors; their results are assigned here. Gradients are summed over replicas.
    """

    train_function: Any

    @gradients_of_their_graphs()
    def train_step(self: Any, data: Any) -> dict[str, Any]:
        with self.one_pass():
            return self._step(_with_batch_size(data, self._batch_size))

    def _step(self: Any, data: Any) -> dict[str, Any]:
        weights, alphas = self.network_weights, self.architecture_parameters
        w, state = values(weights), values(self.non_trainable_variables)
        before = values(alphas)
        masks = self.drawn(before, state)
        step = self.architecture_gradients(w, before, state, data)
        (loss, (predictions, state)), gradients = step

        def learn() -> Any:
            apply_gradients(self.optimizer.inner[1], gradients, alphas)
            if any(mask is not None for mask in masks):
                assign_state(alphas, self.after_architecture_step(before, values(alphas), masks))
            return tf.constant(True)

        with _after(data):
            self.architecture_warmup.choose(self.active_in(state), learn, lambda: tf.constant(False))
        (training, state), gradients = self.network_gradients(w, values(alphas), state, data)
        with _after(data):
            apply_gradients(self.optimizer.inner[0], gradients, weights)
            self.optimizer.iterations.assign_add(1)
            assign_state(self.non_trainable_variables, state, _has_samples(data[0]))
            return for_workers(self.update_metrics(data, training, (loss, predictions)))

    def make_train_function(self: Any, force: bool = False) -> None:
        """Make Keras' function of a step, with a shorter first call on the CPU."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)  # type: ignore[misc]
        if self.distribute_strategy.num_replicas_in_sync == 1 and not accelerators():
            self.train_function = pruned_only(self.train_function)
        self.train_function = _without_collector(self.train_function)

    @gradients_of_their_graphs()
    def test_step(self: Any, data: Any) -> dict[str, Any]:
        return for_workers(super().test_step(data))  # type: ignore[misc]

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Skip Keras' own if all is built: it averages a batch over the replicas, which several workers cannot."""
        if not metrics_are_built(self):
            super()._maybe_symbolic_build(iterator, data_batch)  # type: ignore[misc]


class SharedStep:
    """Keras' train step on TensorFlow for weight sharing; equals the global batch's on any number of replicas.

    Keras' own clips each replica's part of a gradient, and weighs parts of different sizes equally.
    """

    @gradients_of_their_graphs()
    def train_step(self: Any, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(_with_batch_size(data, self._batch_size))
        variables, (size, rest) = self.trainable_variables, divmod(self._batch_size or 1, replicas())
        own, every = share(tf.shape(tf.nest.flatten(x)[0])[0] if rest or self._batch_size is None else size)
        with tf.GradientTape() as tape:
            predictions = self(x, training=True)
            loss = unscaled(self.compute_loss(x=x, y=y, y_pred=predictions, sample_weight=sample_weight))
            part = loss * (tf.cast(own, loss.dtype) / tf.cast(every, loss.dtype))
            scaled = self.optimizer.scale_loss(part)
        moved = [variable.value for variable in variables]
        gradients = tape.gradient(scaled, moved, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = all_reduce(gradients)
        with _after(data):
            apply_gradients(self.optimizer, gradients, variables)
            loss_tracker(self).update_state(loss, sample_weight=own)
            return for_workers(self.compute_metrics(x, y, predictions, sample_weight=sample_weight))

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: everything is built before the first step."""


class MetaStep:
    """Keras' train step on TensorFlow for a learner with `meta_gradients`.

    It is a pure function of lists of tensors; its results are assigned here. Gradients are summed over replicas.
    """

    @gradients_of_their_graphs()
    def train_step(self: Any, data: Any) -> dict[str, Any]:
        data = _with_batch_size(data[:2], self._tasks)
        trainable, state = values(self.trainable_variables), values(self.non_trainable_variables)
        variables, frozen = self.frozen(trainable, state)
        (results, state), gradients = self.meta_gradients(trainable, state, data)
        with _after(data):
            before = values(variables)
            apply_gradients(self.optimizer, gradients, self.trainable_variables)
            if variables:  # restored, because a branch cannot apply gradients on several replicas
                pairs = zip(before, values(variables), strict=True)
                assign_state(variables, [tf.where(frozen, old, new) for old, new in pairs])
            assign_state(self.non_trainable_variables, state)
            return for_workers(self.update_metrics(results))

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: everything is built before the first step."""


def _without_collector(function: Callable) -> Callable:
    """Run `function` with Python's garbage collector paused.

    A trace makes a million objects, all of them needed; scanning them repeatedly takes a sixth of the time.
    """

    def run(*arguments: Any) -> Any:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return function(*arguments)
        finally:
            if enabled:
                gc.enable()

    return run


def _after(data: Any) -> Any:
    """A context for assignments that must not happen without a batch.

    Keras detects the end of the data by a step that fails; variables that do not depend on the batch, such as the
    number of steps or random state, would still be updated.
    """
    return tf.control_dependencies(tf.nest.flatten(data)[:1])


def _has_samples(batch: Any) -> Any:
    """Return a boolean tensor, True if this replica has samples; None if all have, by their static batch size."""
    first = tf.nest.flatten(batch)[0]
    return None if first.shape[0] else tf.shape(first)[0] > 0


def _with_batch_size(data: Any, size: int | None) -> Any:
    """Give `data` a static batch size, which a generator's batches lack: smaller graphs, which XLA can compile.

    By a reshape: after `tf.ensure_shape`, XLA treats the size as dynamic and aborts in a `switch` (TF 2.21).
    """
    if size is None or size % replicas():
        return data
    return tf.nest.map_structure(lambda x: tf.reshape(x, (size // replicas(), *x.shape[1:])), data)
