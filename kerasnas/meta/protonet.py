"""Prototypical networks: an embedding in which each query is nearest to the mean of its class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.annotations import Tensor, Tensors
from kerasnas.backend import value_and_grad
from kerasnas.meta.base import MetaLearner, TaskGradients
from kerasnas.meta.functional import last_trainable_layer
from kerasnas.networks.few_shot import prototype_head


@keras.saving.register_keras_serializable(package="kerasnas")
class ProtoNet(MetaLearner):
    """Prototypical networks: features in which the nearest class mean (prototype) of a support set classifies queries.

    The inner loop of other meta-learners is a closed form here: the linear head whose logits are the negative squared
    Euclidean distances to the prototypes, `prototype_head`. `adapt` returns the model with that head, so that networks,
    tasks, evaluation and saved initializations are those of `MAML` and `Reptile`; steps of `adapt` and `evaluate` have
    no effect. Training may use more classes than testing (the paper's "ways"), up to the outputs of the model: outputs
    without support samples are never predicted.

    In training, support and query are one batch for batch norm; predictions use its moving statistics, learned over
    all tasks. `accuracy_transductive` normalizes queries by their own statistics, prototypes by the learned ones.

    Args:
        model: a functional model that ends in a `Dense` layer with a bias and without activation.
        **kwargs: `name` and others of `keras.Model`.

    Raises:
        ValueError: if the model does not end in such a layer, and as `MetaLearner` does.

    Example:

    >>> from kerasnas.datasets import EpisodeSampler, glyphs
    >>> from kerasnas.networks import few_shot_network
    >>> characters = glyphs(classes=8)
    >>> learner = ProtoNet(few_shot_network((28, 28, 1), num_classes=6, filters=2))
    >>> learner.compile(run_eagerly=True)
    >>> training = EpisodeSampler(characters.x, characters.y, ways=6, shots=1, query_shots=1)
    >>> history = learner.fit(training, steps=1, tasks=1, verbose=0)
    >>> adapted = learner.adapt(EpisodeSampler(characters.x, characters.y, ways=3, query_shots=2).episode(0))
    >>> adapted.output_shape
    (None, 6)

    Reference:
        Snell et al., "Prototypical Networks for Few-shot Learning", 2017 (arXiv 1703.05175), algorithm 1.

    Differences from the paper:
        - The learning rate of the default optimizer is constant; the paper halves it every 2,000 episodes.
    """

    default_tasks = 1
    needs_query = True

    def __init__(self, model: keras.Model, **kwargs: Any):
        super().__init__(model, inner_steps=1, inner_learning_rate=1.0, inner_variables="head", **kwargs)
        head = last_trainable_layer(model)
        linear = isinstance(head, keras.layers.Dense) and head.use_bias and head.activation is keras.activations.linear
        if not linear or [id(output) for output in getattr(model, "outputs", ())] != [id(head.output)]:
            raise ValueError(
                "Expected a functional model that ends in a `Dense` layer with a bias and without activation, whose "
                f"place the prototypes take. Received: {model.name}, whose last trainable layer is {head.name}"
            )

    def default_optimizer(self) -> Any:
        return keras.optimizers.Adam(1e-3)

    def check_task(self, shape: tuple[int, ...], labels: np.ndarray, queries: int | None = None) -> None:
        super().check_task(shape, labels, queries)
        if labels.dtype.kind not in "iu":
            raise ValueError(f"Expected tasks with classes as integer labels. Received: labels of type {labels.dtype}")

    def task_gradients(self, trainable: Tensors, state: Tensors, episode: Any) -> TaskGradients:
        """Return the gradient of the query's loss with respect to the embedding, through the prototypes."""
        (x, y), (x_query, y_query) = episode

        def loss(values: Tensors) -> tuple[Any, Any]:
            both = ops.concatenate([x, x_query])
            features, new_state, added = self._features(values, state, both, training=True)
            kernel, bias = prototype_head(features[: x.shape[0]], y, self.model.output_shape[-1])
            logits = ops.matmul(features[x.shape[0] :], kernel) + bias
            value = self.task_loss(y_query, logits)
            return value + ops.cast(added, value.dtype), (logits, new_state)

        (value, (logits, new_state)), gradients = value_and_grad(loss)(trainable)
        results = {"loss": value, "labels": ops.convert_to_tensor(y_query), "predictions": logits}
        return (results, new_state), gradients

    def adapted(self, trainable: Tensors, state: Tensors, support: Tensor, steps: int) -> tuple[list[Any], list[Any]]:
        """See `MetaLearner.adapted`: the head is that of the support set's prototypes."""
        features, _, _ = self._features(trainable, state, support[0], training=False)
        task = self.start(trainable, state)
        return self._replaced(task.w, prototype_head(features, support[1], self.model.output_shape[-1])), task.state

    def _features(self, trainable: Tensors, state: Tensors, x: Tensor, training: bool) -> tuple[Any, list[Any], Any]:
        """Return what the head reads of `x`, the learner's new state, and the sum of the embedding's own losses."""
        head = last_trainable_layer(self.model)
        embedding = keras.Model(self.model.inputs, head.input)
        variables = embedding.trainable_variables, embedding.non_trainable_variables
        w, own = (self.values_of(group, trainable, state) for group in variables)
        features, own, losses = embedding.stateless_call(w, own, x, training=training, return_losses=True)
        return ops.cast(features, head.variable_dtype), self.with_values(variables[1], own, state), sum(losses)

    def get_config(self) -> dict[str, Any]:
        return {"model": keras.saving.serialize_keras_object(self.model), "name": self.name}
