"""MAML and its variants: differentiate the query's loss through the inner loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.backend import exact_second_order, value_and_grad
from kerasnas.meta.base import MetaLearner, Task
from kerasnas.meta.functional import per_layer, support_batches
from kerasnas.primitives.normalization import batch_norms

LEAST_STEP_WEIGHT = 0.03  # of a step that is not the last, times 1 / inner_steps: the end of MAML++'s annealing


@keras.saving.register_keras_serializable(package="kerasnas")
class MAML(MetaLearner):
    """MAML: an initialization from which few gradient steps on a task make its query's loss small.

    `min_w  mean over tasks  L_query(w_K)` with `w_{k+1} = w_k - rate grad L_support(w_k)`, differentiated through all
    steps; with `first_order`, as if their gradients were constants (FOMAML); with `inner_variables="head"`, ANIL.
    Keras' own normalization layers have wrong second derivatives on TensorFlow; within this learner they are exact.

    Args:
        model: any built Keras model.
        first_order: whether second derivatives are left out (FOMAML). Defaults to False.
        inner_steps: Defaults to 1, the paper's for Omniglot with 5 classes.
        inner_learning_rate: Defaults to 0.4, the paper's for the same.
        learn_inner_rates: MAML++: whether the inner rates are learned, one for each layer and step. Defaults to False.
        multi_step_loss_steps: MAML++: number of meta-steps during which the loss is a mean over all inner steps, whose
            weights move to the last one. Defaults to 0: only the last inner step counts.
        per_step_statistics: MAML++: whether batch norm keeps moving statistics for each inner step, and `evaluate`
            predicts with the last ones, learned over tasks, instead of the support set's. Defaults to False.
        **kwargs: `inner_optimizer`, `inner_batch_size`, `inner_variables`, `architecture_learning_rate`,
            `adaptation_steps` and `adaptation_batch_size`, as for `MetaLearner`; `name` and others of `keras.Model`.

    Raises:
        ValueError: for a wrong number or boolean, and as `MetaLearner` does.

    Example:

    >>> from kerasnas.datasets import SinusoidTasks
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
    >>> learner = MAML(model, inner_learning_rate=0.01)
    >>> learner.compile(loss="mse", run_eagerly=True)
    >>> tasks = SinusoidTasks(shots=10, query_shots=10)
    >>> history = learner.fit(tasks, steps=2, tasks=2, verbose=0)
    >>> sorted(learner.evaluate(tasks, episodes=4))
    ['loss', 'loss_transductive']

    Reference:
        Finn et al., "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", 2017 (arXiv 1703.03400),
        algorithm 1. Raghu et al., "Rapid Learning or Feature Reuse?", 2020 (arXiv 1909.09157): ANIL. Antoniou et al.,
        "How to Train Your MAML", 2019 (arXiv 1810.09502): MAML++.
    """

    default_tasks = 16
    needs_query = True

    def __init__(
        self,
        model: keras.Model,
        first_order: bool = False,
        inner_steps: int = 1,
        inner_learning_rate: float = 0.4,
        learn_inner_rates: bool = False,
        multi_step_loss_steps: int = 0,
        per_step_statistics: bool = False,
        **kwargs: Any,
    ):
        super().__init__(model, inner_steps, inner_learning_rate, **kwargs)
        self.first_order = checks.boolean("first_order", first_order)
        self.learn_inner_rates = checks.boolean("learn_inner_rates", learn_inner_rates)
        self.multi_step_loss_steps = checks.integer("multi_step_loss_steps", multi_step_loss_steps, least=0)
        self.per_step_statistics = checks.boolean("per_step_statistics", per_step_statistics)
        self._rates = self._step_statistics = None
        if learn_inner_rates:
            moved = [model.trainable_variables[index] for index in self._inner]
            self._layer_of, count = per_layer(moved)
            constant = dict(zip(self._layer_of, super().inner_rates([], [], 0), strict=True))
            initial = [[constant[layer] for layer in range(count)]] * inner_steps
            self._rates = self.add_weight(
                name="inner_rates",
                shape=(inner_steps, count),
                initializer=lambda shape, dtype: ops.cast(initial, dtype),
            )
        if per_step_statistics:
            self._step_statistics = [
                self.add_weight(
                    name=f"statistics_{index}",
                    shape=(inner_steps + 1, *variable.shape),
                    trainable=False,
                    initializer=lambda shape, dtype, v=variable: ops.broadcast_to(ops.cast(v, dtype), shape),
                    aggregation="mean",
                )
                for index, variable in enumerate(self._statistics_variables())
            ]

    def default_optimizer(self) -> Any:
        """The paper's."""
        return keras.optimizers.Adam(1e-3)

    def task_gradients(
        self, trainable: Sequence[Any], state: Sequence[Any], episode: Any
    ) -> tuple[tuple[dict[str, Any], list[Any]], list[Any]]:
        """The gradient of the query's loss after the inner loop, with respect to the initial weights and rates."""

        def loss(values: Sequence[Any]) -> tuple[Any, Any]:
            return self._query_loss(values, state, episode)

        with exact_second_order():
            (value, (predictions, new_state)), gradients = value_and_grad(loss)(trainable)
        labels = ops.convert_to_tensor(episode[1][1])
        return ({"loss": value, "labels": labels, "predictions": predictions}, new_state), gradients

    def _query_loss(self, trainable: Sequence[Any], state: Sequence[Any], episode: Any) -> tuple[Any, Any]:
        support, query = episode
        task, last = self.start(trainable, state), self.inner_steps
        weights = self._step_weights(*self.values_of([self.meta_steps], trainable, state))
        statistics, total = [], 0.0
        for step, batch in enumerate(support_batches(support, self.inner_batch_size, last)):
            task = task._replace(state=self._at_step(task.state, trainable, state, step))
            rates = self.inner_rates(trainable, state, step)
            task, _ = self.inner_step(task, batch, rates, step, last, self.first_order)
            statistics.append(task.state)
            if step == last - 1 or self.multi_step_loss_steps:
                before = self._at_step(task.state, trainable, state, last)
                value, (predictions, after) = self.function.loss(task.w, before, query)
                total = total + ops.convert_to_tensor(weights[step], value.dtype) * value
        return total, (predictions, self._kept(Task(task.w, task.slots, after), [*statistics, after], state))

    def _step_weights(self, steps: Any) -> list[Any]:
        """The weight of the query's loss after each inner step (MAML++, section 4, multi-step loss optimization)."""
        count, until = self.inner_steps, self.multi_step_loss_steps
        if not until:
            return [0.0] * (count - 1) + [1.0]
        least = LEAST_STEP_WEIGHT / count
        other = ops.maximum((1 - steps / until) / count, least)
        return [other] * (count - 1) + [1 - (count - 1) * other]

    def inner_rates(self, trainable: Sequence[Any], state: Sequence[Any], step: Any) -> list[Any]:
        """The learned or constant rates; beyond the inner steps of training, those of the last one."""
        if self._rates is None:
            return super().inner_rates(trainable, state, step)
        (table,) = self.values_of([self._rates], trainable, state)
        rates = ops.take(table, ops.minimum(step, self.inner_steps - 1), axis=0)
        return [rates[layer] for layer in self._layer_of]

    # Statistics for each step --------------------------------------------------------------------------
    def _statistics_variables(self) -> list[Any]:
        return [
            variable for layer in batch_norms(self.model) for variable in (layer.moving_mean, layer.moving_variance)
        ]

    def _at_step(self, own: list[Any], trainable: Sequence[Any], state: Sequence[Any], step: int) -> list[Any]:
        """The model's state `own`, with the moving statistics of a step."""
        if self._step_statistics is None:
            return own
        tables = self.values_of(self._step_statistics, trainable, state)
        rows = dict(zip(map(id, self._statistics_variables()), (table[step] for table in tables), strict=True))
        variables = self.model.non_trainable_variables
        return [rows.get(id(variable), value) for variable, value in zip(variables, own, strict=True)]

    def _kept(self, task: Task, states: Sequence[list[Any]], state: Sequence[Any]) -> list[Any]:
        """`state` after a task: its slots, the model's state after the query, and the statistics of each step."""
        new = self.end(task, state)
        if self._step_statistics is None:
            return new
        position = {id(variable): index for index, variable in enumerate(self.model.non_trainable_variables)}
        columns = [position[id(variable)] for variable in self._statistics_variables()]
        tables = [ops.stack([own[column] for own in states]) for column in columns]
        return self.with_values(self._step_statistics, tables, new)

    def adapted(self, trainable: Any, state: Any, support: Any, steps: int) -> tuple[list[Any], list[Any]]:
        """As `MetaLearner.adapted`; with `per_step_statistics`, the learned ones replace the support set's."""
        w, own = super().adapted(trainable, state, support, steps)
        return w, self._at_step(own, trainable, state, self.inner_steps)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "first_order": self.first_order,
            "learn_inner_rates": self.learn_inner_rates,
            "multi_step_loss_steps": self.multi_step_loss_steps,
            "per_step_statistics": self.per_step_statistics,
        }
