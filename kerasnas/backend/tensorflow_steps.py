"""Keras' train steps on TensorFlow, on one replica or several: what they compute is written in pure functions."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kerasnas.backend.tensorflow import values
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
    """Keras' train step on TensorFlow for a trainer that writes `architecture_gradients` and `network_gradients`.

    Both are pure functions of lists of tensors; what they return is assigned here. Gradients come summed over replicas.
    """

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        data = _with_batch_size(data, self._batch_size)
        weights, alphas = self.network_weights, self.architecture_parameters
        w, state = values(weights), values(self.non_trainable_variables)
        step = self.architecture_gradients(w, values(alphas), state, data)
        (loss, (predictions, state)), gradients = step

        def learn() -> Any:
            apply_gradients(self.optimizer.inner[1], gradients, alphas)
            return tf.constant(True)

        with _after(data):
            self.by_phase(state, learn, lambda: tf.constant(False))
        (training, state), gradients = self.network_gradients(w, values(alphas), state, data)
        with _after(data):
            apply_gradients(self.optimizer.inner[0], gradients, weights)
            self.optimizer.iterations.assign_add(1)
            assign_state(self.non_trainable_variables, state, _has_samples(data[0]))
            return for_workers(self.update_metrics(data, training, (loss, predictions)))

    def test_step(self: Any, data: Any) -> dict[str, Any]:
        return for_workers(super().test_step(data))  # type: ignore[misc]

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Keras' own averages a batch over the replicas, which several workers cannot: nothing is left to build."""
        if self._compile_metrics is None or not self._compile_metrics.built:
            super()._maybe_symbolic_build(iterator, data_batch)  # type: ignore[misc]


class SharedStep:
    """Keras' train step on TensorFlow for a model whose children share weights: of the global batch, on any replicas.

    Keras' own clips each replica's part of a gradient, and takes parts of different sizes for equal.
    """

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
            self._loss_tracker.update_state(loss, sample_weight=own)
            return for_workers(self.compute_metrics(x, y, predictions, sample_weight=sample_weight))

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Everything is built before the first step."""


class MetaStep:
    """Keras' train step on TensorFlow for a learner that writes `meta_gradients`.

    It is a pure function of lists of tensors; what it returns is assigned here. Gradients come summed over replicas.
    """

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        data = _with_batch_size(data[:2], self._tasks)
        state = values(self.non_trainable_variables)
        (results, state), gradients = self.meta_gradients(values(self.trainable_variables), state, data)
        with _after(data):
            apply_gradients(self.optimizer, gradients, self.trainable_variables)
            assign_state(self.non_trainable_variables, state)
            return for_workers(self.update_metrics(results))

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Everything is built before the first step."""


def _after(data: Any) -> Any:
    """A context for assignments that must not happen where there is no batch.

    Keras finds the end of data by a step that fails; what does not depend on the batch, such as the number of steps or
    of samples, or random state, would move even so.
    """
    return tf.control_dependencies(tf.nest.flatten(data)[:1])


def _has_samples(batch: Any) -> Any:
    """Whether this replica has samples; None where all have, by the shape of their batches."""
    first = tf.nest.flatten(batch)[0]
    return None if first.shape[0] else tf.shape(first)[0] > 0


def _with_batch_size(data: Any, size: int | None) -> Any:
    """Batches of a generator have no static size; with one, the graph is smaller, and XLA can compile it.

    By a reshape: after `tf.ensure_shape`, XLA takes the size for a dynamic one, and aborts in a `switch` (TF 2.21).
    """
    if size is None or size % replicas():
        return data
    return tf.nest.map_structure(lambda x: tf.reshape(x, (size // replicas(), *x.shape[1:])), data)
