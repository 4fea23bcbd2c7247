"""Reptile: move the initial weights towards the end of the inner loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasnas.annotations import Tensor
from kerasnas.meta.base import MetaLearner
from kerasnas.meta.training import until_fit


@keras.saving.register_keras_serializable(package="kerasnas")
class Reptile(MetaLearner):
    """Reptile: the initial weights move towards those that the inner loop ends with, `w + e mean(w' - w)`.

    It differentiates only the loss of each step, and needs no query: train on episodes with `query_shots=0`.

    Args:
        model: any built Keras model.
        inner_steps: Defaults to the paper's 5 of Omniglot.
        inner_learning_rate: Defaults to 1e-3.
        inner_optimizer: Defaults to `"adam"`, without momentum.
        inner_batch_size: samples of a step. Defaults to 10; None for the whole support set.
        adaptation_steps: steps of `adapt` and `evaluate`. Defaults to the paper's 50.
        adaptation_batch_size: samples of one of these steps. Defaults to 5.
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
        """Gradient descent on `w - mean(w')`: at the rate 1 the initial weights become the mean of the adapted ones."""
        return keras.optimizers.SGD(until_fit(1.0))

    def set_schedule(self, steps: int) -> None:
        """Set the paper's schedule: the step falls linearly from 1 to 0."""
        self.optimizer.learning_rate = keras.optimizers.schedules.PolynomialDecay(1.0, steps, end_learning_rate=0.0)

    def task_gradients(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], episode: Any
    ) -> tuple[tuple[dict[str, Any], list[Any]], list[Any]]:
        """`w - w'`; see `reptile_gradients`."""
        return reptile_gradients(self, trainable, state, episode)


def reptile_gradients(
    learner: MetaLearner, trainable: Sequence[Tensor], state: Sequence[Tensor], episode: Any
) -> tuple[tuple[dict[str, Any], list[Any]], list[Any]]:
    """`w - w'`, with `w'` after the inner loop on the support set; loss and predictions are of its last step."""
    support, _ = episode
    task, results = learner.inner_loop(trainable, state, support, learner.inner_steps, learner.inner_batch_size)
    gradients = [before - after for before, after in zip(learner.start(trainable, state).w, task.w, strict=True)]
    return (results, learner.end(task, state)), gradients
