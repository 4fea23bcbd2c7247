"""MAML and its variants: differentiate the query's loss through the inner loop."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor, Tensors
from kerasnas.backend import exact_second_order, value_and_grad
from kerasnas.meta.base import MetaLearner, Task, TaskGradients
from kerasnas.meta.functional import per_layer, support_batches
from kerasnas.meta.per_step import StepShifts, StepStatistics
from kerasnas.meta.training import until_fit

LEAST_STEP_WEIGHT = 0.03  # of all steps but the last, times 1 / inner_steps: the end of MAML++'s annealing
OUTER_RATE, LEAST_OUTER_RATE = 1e-3, 1e-5  # Adam's rate in MAML, and the end of MAML++'s cosine


@keras.saving.register_keras_serializable(package="kerasnas")
class MAML(MetaLearner):
    """MAML: an initialization from which a few gradient steps on a task make its query's loss small.

    `min_w  mean over tasks  L_query(w_K)` with `w_{k+1} = w_k - rate grad L_support(w_k)`, differentiated through all
    steps; with `first_order`, as if their gradients were constants (FOMAML); with `inner_variables="head"`, ANIL.
    Keras' normalization layers have wrong second derivatives on TensorFlow; within this learner they are exact.

    Args:
        model: any built Keras model.
        first_order: whether to leave out second derivatives (FOMAML). Defaults to False.
        inner_steps: Defaults to 1, the paper's for Omniglot with 5 classes.
        inner_learning_rate: Defaults to 0.4, the paper's for the same.
        learn_inner_rates: MAML++: whether to learn the inner rates, one per layer and step. Defaults to False.
        multi_step_loss_steps: MAML++: number of meta-steps in which the loss is a mean over all inner steps, whose
            weights move to the last one (`step_weights`). Defaults to 0: only the last inner step counts.
        per_step_statistics: MAML++: whether batch norm has moving statistics for each inner step, and `evaluate`
            predicts with the last ones, learned over tasks, not with the support set's. Defaults to False.
        per_step_scale_offset: MAML++: whether each number of inner steps adds a learned shift to the scale and offset
            of batch norm. Defaults to False.
        first_order_steps: MAML++, derivative-order annealing: number of meta-steps at the start without second
            derivatives. Defaults to 0.
        cosine_annealing: MAML++: whether the learning rate of the default optimizer falls by a cosine, from 1e-3 to
            1e-5, over the meta-steps of `fit`. Defaults to False.
        **kwargs: `inner_optimizer`, `inner_batch_size`, `inner_variables`, `architecture_learning_rate`,
            `adaptation_steps` and `adaptation_batch_size`, as for `MetaLearner`; `name` and others of `keras.Model`.

    Raises:
        ValueError: for a wrong number or boolean, and as `MetaLearner` does.

    Example:

    >>> from kerasnas.datasets.sinusoids import SinusoidTasks
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

    Differences from the paper:
        - MAML++ has one rate for each layer and step here; the original code has one for each kernel and bias.
        - A step's statistics and shifts of batch norm belong to the weights that it starts from, and the query has the
          ones after the last step; in the original code the query shares those of the last step.
        - Shifts are added to one scale and offset of all steps, so that all shifts at 0 are plain MAML. The original
          code has a scale and an offset for each step, which the inner loop does not move: that is
          `inner_variables="all_but_batch_norm"`.
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
        per_step_scale_offset: bool = False,
        first_order_steps: int = 0,
        cosine_annealing: bool = False,
        **kwargs: Any,
    ):
        super().__init__(model, inner_steps, inner_learning_rate, **kwargs)
        self.first_order = checks.boolean("first_order", first_order)
        self.learn_inner_rates = checks.boolean("learn_inner_rates", learn_inner_rates)
        self.multi_step_loss_steps = checks.integer("multi_step_loss_steps", multi_step_loss_steps, least=0)
        self.per_step_statistics = checks.boolean("per_step_statistics", per_step_statistics)
        self.first_order_steps = checks.integer("first_order_steps", first_order_steps, least=0)
        self.per_step_scale_offset = checks.boolean("per_step_scale_offset", per_step_scale_offset)
        self.cosine_annealing = checks.boolean("cosine_annealing", cosine_annealing)
        if first_order and first_order_steps:
            expected = "0 with `first_order`, whose gradients are always of first order"
            raise ValueError(checks.invalid("first_order_steps", expected, first_order_steps))
        self._rates = self._step_statistics = self._step_shifts = None
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
            self._step_statistics = StepStatistics(self)
        if per_step_scale_offset:
            self._step_shifts = StepShifts(self)

    def fit(self, sampler: Any, steps: int = 1000, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Meta-train; see `MetaLearner.fit`.

        Raises:
            ValueError: if a phase would not end within this training, or for `cosine_annealing` with a given optimizer;
                and as `MetaLearner.fit` does.
        """
        total = int(ops.convert_to_numpy(self.meta_steps)) + checks.size("steps", steps)
        for name in ("first_order_steps", "multi_step_loss_steps"):
            if getattr(self, name) > total:
                expected = f"at most the meta-steps of the training, {total}"
                raise ValueError(checks.invalid(name, expected, getattr(self, name)))
        if self.cosine_annealing and not self._scheduled:
            expected = "False with a given optimizer, whose learning rate may be a `CosineDecay`"
            raise ValueError(checks.invalid("cosine_annealing", expected, True))
        return super().fit(sampler, steps, *args, **kwargs)

    def default_optimizer(self) -> Any:
        return keras.optimizers.Adam(until_fit(OUTER_RATE) if self.cosine_annealing else OUTER_RATE)

    def set_schedule(self, steps: int) -> None:
        """Set the schedule: with `cosine_annealing` the rate falls to a hundredth over `steps` further steps."""
        if self.cosine_annealing:
            decay = keras.optimizers.schedules.CosineDecay(OUTER_RATE, steps, alpha=LEAST_OUTER_RATE / OUTER_RATE)
            self.optimizer.learning_rate = decay

    def task_gradients(self, trainable: Tensors, state: Tensors, episode: Any) -> TaskGradients:
        """Return the gradient of the query's loss after the inner loop, by the initial weights and rates."""
        (now,) = self.values_of([self.meta_steps], trainable, state)

        def phase(ends: list[int], at: int) -> Any:
            if not ends:
                return self._gradients(trainable, state, episode, at)
            first, *later = ends
            return ops.cond(now < first, lambda: phase([], at), lambda: phase(later, first))

        return phase(sorted({self.first_order_steps, self.multi_step_loss_steps} - {0}), 0)

    def _gradients(self, trainable: Tensors, state: Tensors, episode: Any, at: int) -> Any:
        """Return the gradients of the phase that meta-step `at` is in."""
        first_order, multi_step = self.first_order or at < self.first_order_steps, at < self.multi_step_loss_steps

        def loss(values: Tensors) -> tuple[Any, Any]:
            return self._query_loss(values, state, episode, first_order, multi_step)

        with exact_second_order():
            (value, (predictions, new_state)), gradients = value_and_grad(loss)(trainable)
        labels = ops.convert_to_tensor(episode[1][1])
        return ({"loss": value, "labels": labels, "predictions": predictions}, new_state), gradients

    def _query_loss(
        self, trainable: Tensors, state: Tensors, episode: Any, first_order: bool, multi_step: bool
    ) -> tuple[Any, Any]:
        support, query = episode
        last, states, total = self.inner_steps, [], 0.0
        weights = self.step_weights(*self.values_of([self.meta_steps], trainable, state))
        task = self.enter_step(self.start(trainable, state), trainable, state, 0)
        for step, batch in enumerate(support_batches(support, self.inner_batch_size, last)):
            rates = self.inner_rates(trainable, state, step)
            task, _ = self.inner_step(task, batch, rates, step, last, first_order)
            states.append(task.state)
            task = self.enter_step(task, trainable, state, step + 1)
            if step == last - 1 or multi_step:
                value, (predictions, after) = self.function.loss(task.w, task.state, query)
                weight = ops.convert_to_tensor(weights[step], value.dtype) if multi_step else 1.0
                total = total + weight * value
        new = self.end(Task(task.w, task.slots, after), state)
        if self._step_statistics is not None:
            new = self._step_statistics.kept([*states, after], new)
        return total, (predictions, new)

    def step_weights(self, meta_steps: Any) -> list[Any]:
        """Return the weights of the query's loss after each inner step, in meta-step `meta_steps` (number or tensor).

        All steps but the last weigh `max(1 - t / multi_step_loss_steps, 0.03) / inner_steps`, the last one the rest of
        1; from meta-step `multi_step_loss_steps` on, only the last one counts.

        Example:

        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> learner = MAML(model, inner_steps=2, multi_step_loss_steps=100)
        >>> [[round(float(weight), 3) for weight in learner.step_weights(step)] for step in (0, 50, 99, 100)]
        [[0.5, 0.5], [0.25, 0.75], [0.015, 0.985], [0.0, 1.0]]

        Reference:
            Antoniou et al., "How to Train Your MAML", 2019 (arXiv 1810.09502), section 4, multi-step loss optimization;
            the formula is that of the original code.
        """
        count, until = self.inner_steps, self.multi_step_loss_steps
        if not until:
            return [0.0] * (count - 1) + [1.0]
        steps = ops.convert_to_tensor(meta_steps, "float32")
        other = ops.where(steps < until, ops.maximum(1 - steps / until, LEAST_STEP_WEIGHT) / count, 0.0)
        return [other] * (count - 1) + [1 - (count - 1) * other]

    def inner_rates(self, trainable: Tensors, state: Tensors, step: Any) -> list[Any]:
        """Return the learned or constant rates; beyond the inner steps of training, those of the last step."""
        if self._rates is None:
            return super().inner_rates(trainable, state, step)
        (table,) = self.values_of([self._rates], trainable, state)
        rates = ops.take(table, ops.minimum(step, self.inner_steps - 1), axis=0)
        return [rates[layer] for layer in self._layer_of]

    def enter_step(self, task: Task, trainable: Tensors, state: Tensors, step: Any) -> Task:
        """Return the task after `step` steps, with the statistics and shifts of batch norm that belong to them."""
        if self._step_shifts is not None:
            task = task._replace(w=self._step_shifts.moved(task.w, trainable, state, step))
        if self._step_statistics is not None:
            statistics = self._step_statistics.at(task.state, trainable, state, ops.minimum(step, self.inner_steps))
            task = task._replace(state=statistics)
        return task

    def adapted(self, trainable: Tensors, state: Tensors, support: Tensor, steps: int) -> tuple[list[Any], list[Any]]:
        """See `MetaLearner.adapted`; with `per_step_statistics`, the learned ones replace the support set's."""
        w, values = super().adapted(trainable, state, support, steps)
        if self._step_statistics is not None:
            values = self._step_statistics.at(values, trainable, state, self.inner_steps)
        return w, values

    def get_config(self) -> dict[str, Any]:
        names = (
            *("first_order", "learn_inner_rates", "multi_step_loss_steps", "per_step_statistics"),
            *("per_step_scale_offset", "first_order_steps", "cosine_annealing"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
