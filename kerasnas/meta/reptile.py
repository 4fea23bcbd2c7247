"""Reptile: move the initial weights towards the end of the inner loop."""

from __future__ import annotations

from typing import Any

import keras

from kerasnas.annotations import Tensors
from kerasnas.meta.base import MetaLearner, TaskGradients
from kerasnas.meta.training import until_fit


def reptile_gradients(learner: MetaLearner, trainable: Tensors, state: Tensors, episode: Any) -> TaskGradients:
    """Return `w - w'`, with `w'` after the inner loop on the support set; results are those of its last step."""
    support, _ = episode
    task, results = learner.inner_loop(trainable, state, support, learner.inner_steps, learner.inner_batch_size)
    gradients = [before - after for before, after in zip(learner.start(trainable, state).w, task.w, strict=True)]
    return (results, learner.end(task, state)), gradients


@keras.saving.register_keras_serializable(package="kerasnas")
class Reptile(MetaLearner):
    """Reptile: the initial weights move towards those that the inner loop ends with, `w + e mean(w' - w)`.

    Only the loss of each step is differentiated, and no query is read: train on episodes with `query_shots=0`.

    Args:
        model: any built Keras model.
        inner_steps: Defaults to 5, the paper's for Omniglot.
        inner_learning_rate: Defaults to 1e-3.
        inner_optimizer: Defaults to `"adam"`, without momentum.
        inner_batch_size: samples per step; None for the whole support set. Defaults to 10.
        adaptation_steps: steps of `adapt` and `evaluate`. Defaults to 50, the paper's.
        adaptation_batch_size: samples per such step. Defaults to 5.
        **kwargs: `inner_variables` and `architecture_learning_rate`, as for `MetaLearner`; `name` and others of
            `keras.Model`.

    Example:

    >>> from kerasnas.datasets.sinusoids import SinusoidTasks
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
    >>> learner = Reptile(model, inner_optimizer="sgd", inner_learning_rate=0.02)
    >>> learner.compile(loss="mse", run_eagerly=True)
    >>> history = learner.fit(SinusoidTasks(shots=10, query_shots=0), steps=2, tasks=2, verbose=0)
    >>> adapted = learner.adapt(SinusoidTasks(shots=10, query_shots=10).episode(7))
    >>> adapted.output_shape
    (None, 1)

    Reference:
        Nichol et al., "On First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999), algorithm 2.
    """

    default_tasks = 5
    needs_query = False

    def __init__(
        self,
        model: keras.Model,
        inner_steps: int = 5,
        inner_learning_rate: float = 1e-3,
        inner_optimizer: Any = "adam",
        inner_batch_size: int | None = 10,
        adaptation_steps: int | None = 50,
        adaptation_batch_size: int | None = 5,
        **kwargs: Any,
    ):
        super().__init__(
            model,
            inner_steps,
            inner_learning_rate,
            inner_optimizer,
            inner_batch_size,
            adaptation_steps=adaptation_steps,
            adaptation_batch_size=adaptation_batch_size,
            **kwargs,
        )

    def default_optimizer(self) -> Any:
        """Return gradient descent on `w - mean(w')`, which at rate 1 sets the mean of the adapted weights."""
        return keras.optimizers.SGD(until_fit(1.0))

    def set_schedule(self, steps: int) -> None:
        """Set the paper's schedule: the step falls linearly from 1 to 0."""
        self.optimizer.learning_rate = keras.optimizers.schedules.PolynomialDecay(1.0, steps, end_learning_rate=0.0)

    task_gradients = reptile_gradients
