"""MetaLearner, the base of all meta-learners: adapts to a task in an inner loop, learns the initialization for it."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend import MetaStep, map_tasks, value_and_grad
from kerasnas.datasets import Episode
from kerasnas.distribution.scope import check_scope
from kerasnas.executors import Executor
from kerasnas.meta.evaluation import Estimate, check_sampler
from kerasnas.meta.functional import FunctionalModel, check_trainable, inner_positions, minibatches
from kerasnas.meta.inner_optimizers import INNER_OPTIMIZERS
from kerasnas.meta.task_mean import mean_over_tasks
from kerasnas.meta.training import MetaTraining
from kerasnas.relaxations.base import is_alphas
from kerasnas.trainers.compiling import check_compiled

__all__ = ["MetaLearner", "Task"]


class Task(NamedTuple):
    """The state of the inner loop in a task: values, by the position of their variables.

    Args:
        w: of the model's trainable variables.
        slots: of the inner optimizer.
        state: of the model's variables that are not trained.
    """

    w: list[Any]
    slots: list[Any]
    state: list[Any]


class MetaLearner(MetaStep, MetaTraining):
    """Learns the initialization of a model from many tasks, so that few steps on few samples make it good at the next.

    A subclass writes `task_gradients`. It gets `compile`, `fit`, `adapt`, `evaluate`, saving, and several tasks at a
    time.

    Args:
        model: any built Keras model.
        inner_steps: steps on the support set of a task in training.
        inner_learning_rate: rate of these steps.
        inner_optimizer: `"sgd"`, `"adam"` (without momentum), or an object like them. Defaults to `"sgd"`.
        inner_batch_size: samples of a step. Defaults to None: the whole support set.
        inner_variables: what the inner loop moves: `"all"`; `"head"`, the last layer alone (ANIL); or
            `"all_but_batch_norm"`, all but the scales and offsets of batch norm (MAML++). Defaults to `"all"`.
        architecture_learning_rate: inner rate of architecture parameters, where the model is a supernet. Defaults to
            None: that of everything else.
        adaptation_steps: steps of `adapt` and `evaluate`. Defaults to None: `inner_steps`.
        adaptation_batch_size: samples of one of these. Defaults to None: `inner_batch_size`.

    Raises:
        ValueError: for a number that is not positive, an unknown name, or a model that is not built or has nothing to
            train.
    """

    @checks.arguments(model=keras.Model, adaptation_steps=checks.size)
    def __init__(
        self,
        model: keras.Model,
        inner_steps: int,
        inner_learning_rate: float,
        inner_optimizer: Any = "sgd",
        inner_batch_size: int | None = None,
        inner_variables: str = "all",
        architecture_learning_rate: float | None = None,
        adaptation_steps: int | None = None,
        adaptation_batch_size: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_trainable(model)
        self.model = model
        self.inner_steps = checks.size("inner_steps", inner_steps)
        checks.number("inner_learning_rate", inner_learning_rate, above=0)
        checks.optional(checks.number, "architecture_learning_rate", architecture_learning_rate, above=0)
        self.inner_learning_rate, self.architecture_learning_rate = inner_learning_rate, architecture_learning_rate
        self.inner_optimizer = inner_optimizer
        if not isinstance(inner_optimizer, str) and not callable(getattr(inner_optimizer, "slots", None)):
            raise TypeError(
                checks.invalid("inner_optimizer", "a name, or an `InnerSGD` or `InnerAdam`", inner_optimizer)
            )
        self._step = INNER_OPTIMIZERS[inner_optimizer]() if isinstance(inner_optimizer, str) else inner_optimizer
        sizes = {
            "inner_batch_size": inner_batch_size,
            "adaptation_steps": adaptation_steps,
            "adaptation_batch_size": adaptation_batch_size,
        }
        for name, size in sizes.items():
            if size is not None:
                checks.size(name, size)
        self.inner_batch_size = inner_batch_size
        self.adaptation_steps = adaptation_steps
        self.adaptation_batch_size = adaptation_batch_size
        self.inner_variables = inner_variables
        self._inner = inner_positions(model, inner_variables)
        self._slots = [
            self.add_weight(name=f"slot_{index}", shape=shape, initializer="zeros", trainable=False, aggregation="mean")
            for index, shape in enumerate(
                self._step.slots([tuple(model.trainable_variables[i].shape) for i in self._inner])
            )
        ]
        self._outputs: dict[tuple[int, ...], Any] = {}
        # How often this learner took a step, and how many tasks of this epoch it had to leave out.
        counter = {"shape": (), "initializer": "zeros", "trainable": False, "aggregation": "mean"}
        self.meta_steps = self.add_weight(name="meta_steps", **counter)
        self.diverged = self.add_weight(name="diverged", **counter)
        check_scope(self, model.variables, f"The model '{model.name}'")
        self.built = True

    # What a learner writes ---------------------------------------------------------------------------
    @abc.abstractmethod
    def task_gradients(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], episode: Any
    ) -> tuple[tuple[dict[str, Any], list[Any]], list[Any]]:
        """The gradients of one task at the values of `trainable_variables`.

        Args:
            trainable: those values.
            state: values of `non_trainable_variables`.
            episode: `((support x, support y), (query x, query y))`.

        Returns:
            `((results, new state), gradients)`: results are `loss`, `labels` and `predictions`; one gradient for each
            of `trainable`.
        """

    # What it gets ------------------------------------------------------------------------------------
    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.model(inputs, training=training)

    @property
    def function(self) -> FunctionalModel:
        """Loss and predictions of the model as pure functions."""
        return FunctionalModel(self.model, self.task_loss)

    def values_of(self, variables: Sequence[Tensor], trainable: Sequence[Tensor], state: Sequence[Tensor]) -> list[Any]:
        """The values, among those of all trainable and other variables of this learner, of some of them."""
        own = [*self.trainable_variables, *self.non_trainable_variables]
        lookup = {id(variable): value for variable, value in zip(own, [*trainable, *state], strict=True)}
        return [lookup[id(variable)] for variable in variables]

    def with_values(self, variables: Sequence[Tensor], values: Sequence[Tensor], state: Sequence[Tensor]) -> list[Any]:
        """`state`, with the values of some of its variables replaced."""
        lookup = {id(variable): value for variable, value in zip(variables, values, strict=True)}
        own = self.non_trainable_variables
        return [lookup.get(id(variable), value) for variable, value in zip(own, state, strict=True)]

    def start(self, trainable: Sequence[Tensor], state: Sequence[Tensor]) -> Task:
        """The state at which the inner loop of every task starts."""
        groups = self.model.trainable_variables, self._slots, self.model.non_trainable_variables
        return Task(*(self.values_of(variables, trainable, state) for variables in groups))

    def end(self, task: Task, state: Sequence[Tensor]) -> list[Any]:
        """The values that a task leaves behind in the variables that are not trained."""
        variables = [*self._slots, *self.model.non_trainable_variables]
        return self.with_values(variables, [*task.slots, *task.state], state)

    def inner_rates(self, trainable: Sequence[Tensor], state: Sequence[Tensor], step: Any) -> list[Any]:
        """The rate of each variable that the inner loop moves, in its step `step`."""
        alphas = self.architecture_learning_rate or self.inner_learning_rate
        moved = [self.model.trainable_variables[index] for index in self._inner]
        return [alphas if is_alphas(variable) else self.inner_learning_rate for variable in moved]

    def enter_step(self, task: Task, trainable: Sequence[Tensor], state: Sequence[Tensor], step: Any) -> Task:
        """The task after `step` steps, with what the network has for this number of steps alone; here as it is."""
        return task

    def frozen(self, trainable: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[list[Any], Any]:
        """Variables of the learner and its optimizer that some meta-steps leave as they are, and if this one does."""
        return [], False

    def inner_step(
        self, task: Task, batch: Any, rates: Sequence[Any], step: Any = 0, steps: int = 1, first_order: bool = True
    ) -> tuple[Task, tuple[Any, Any]]:
        """One step of the inner loop: `w' = w - rate grad L(w)`. Returns the new task and `(loss, predictions)` before.

        Args:
            task: where the loop stands.
            batch: `(x, y)`.
            rates: for each variable that is moved.
            step, steps: which of how many; what depends on it overrides this method.
            first_order: whether the gradient is taken as a constant by what differentiates the result.
        """

        def loss(inner: Sequence[Any]) -> tuple[Any, Any]:
            return self.function.loss(self._replaced(task.w, inner), task.state, batch)

        inner = [task.w[index] for index in self._inner]
        (value, (predictions, state)), gradients = value_and_grad(loss)(inner)
        if first_order:
            gradients = [ops.stop_gradient(gradient) for gradient in gradients]
        inner, slots = self._step(inner, gradients, rates, task.slots)
        return Task(self._replaced(task.w, inner), slots, state), (value, predictions)

    def outputs_of(self, sample_shape: Sequence[int]) -> Any:
        """The model's outputs for samples of this shape, as a `keras.KerasTensor` of any number of them.

        Remembered, as on JAX a model has no values to be called with while `fit` is at work.
        """
        shape = tuple(sample_shape)
        if shape not in self._outputs:
            self._outputs[shape] = self.model.compute_output_spec(keras.KerasTensor((None, *shape)))
        return self._outputs[shape]

    def inner_loop(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], support: Tensor, steps: int, batch_size: int | None
    ) -> tuple[Task, dict[str, Any]]:
        """The task after `steps` steps on its support set, and the results of the last one.

        A loop of the graph, whose size does not depend on the number of steps. Gradients do not pass through it.
        """
        x, y = support
        table = minibatches(x.shape[0], batch_size, steps)

        def batch_of(step: Any) -> tuple[Any, Any]:
            if table is None:
                return support
            chosen = ops.take(ops.convert_to_tensor(table), step, axis=0)
            return ops.take(x, chosen, axis=0), ops.take(y, chosen, axis=0)

        def body(step: Any, carry: Any) -> Any:
            rates = self.inner_rates(trainable, state, step)
            task = self.enter_step(Task(*carry[0]), trainable, state, step)
            task, (loss, predictions) = self.inner_step(task, batch_of(step), rates, step, steps)
            return tuple(task), ops.cast(loss, dtype), predictions

        size, dtype = x.shape[0] if table is None else table.shape[1], keras.backend.floatx()
        outputs = self.outputs_of(x.shape[1:])
        before = ops.zeros((), dtype), ops.zeros((size, *outputs.shape[1:]), outputs.dtype)
        task, loss, predictions = ops.fori_loop(0, steps, body, (tuple(self.start(trainable, state)), *before))
        labels = ops.convert_to_tensor(batch_of(steps - 1)[1])
        return Task(*task), {"loss": loss, "labels": labels, "predictions": predictions}

    def meta_gradients(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], data: Any
    ) -> tuple[tuple[dict[str, Any], list[Any]], list[Any]]:
        """`((results, new state), gradients)` of a batch of tasks: the mean over those that did not diverge.

        On several replicas each has some of the tasks: results are of these, all else is the mean over all.
        """

        def one(episode: Any) -> Any:
            (results, new_state), gradients = self.task_gradients(trainable, state, episode)
            return results, new_state, gradients

        results, states, gradients = map_tasks(one, data)
        finite, lost, new_state, means = mean_over_tasks(results["loss"], states, gradients, trainable, state)
        steps, diverged = self.values_of([self.meta_steps, self.diverged], trainable, state)
        counted = [steps + 1, diverged + ops.cast(lost, diverged.dtype)]
        new_state = self.with_values([self.meta_steps, self.diverged], counted, new_state)
        return ({**results, "finite": finite}, new_state), means

    # Adaptation --------------------------------------------------------------------------------------
    @checks.arguments(episode=Episode, steps=checks.size)
    def adapt(self, episode: Episode, steps: int | None = None) -> keras.Model:
        """A new model, adapted to the support set of a task. The learner stays as it is.

        Its moving statistics are those of the support set, so that `predict` looks at each sample by itself.

        Args:
            episode: the task; its query is not looked at.
            steps: inner steps. Defaults to None: the learner's `adaptation_steps`.

        Raises:
            ValueError: if support and query overlap, or the episode does not fit the model.
            DivergedError: if the inner loop diverged.
        """
        check_compiled(self, "adapt")
        return self.evaluation.adapt(episode, steps)

    @checks.arguments(
        sampler=check_sampler, episodes=checks.size, tasks=checks.size, steps=checks.size, executor=Executor
    )
    def evaluate(
        self,
        sampler: Any,
        episodes: int = 600,
        tasks: int = 20,
        steps: int | None = None,
        executor: Executor | None = None,
    ) -> dict[str, Estimate]:
        """Loss and accuracy on the queries of tasks, after adapting to their support sets.

        `accuracy` and `loss` look at each query sample by itself, with the statistics of the support set in batch norm
        (or, with `per_step_statistics`, those learned). `accuracy_transductive` and `loss_transductive` use those of
        the query set: every prediction then depends on the other samples, as in the published results of MAML.

        Args:
            sampler: of tasks: an `EpisodeSampler`, or any with `batch(index, tasks)`.
            episodes: number of tasks: those of the sampler from its first. Defaults to 600.
            tasks: tasks at a time. Defaults to 20.
            steps: inner steps. Defaults to None: the learner's `adaptation_steps`.
            executor: what batches of `tasks` tasks run on. A worker receives learner and sampler once. Defaults to
                None: this process.

        Returns:
            Name -> `Estimate`, a mean with its 95 % confidence interval. Accuracies where labels are classes.

        Raises:
            ValueError: if the tasks do not fit the model.
        """
        check_compiled(self, "evaluate")
        return self.evaluation.evaluate(sampler, episodes, tasks, steps, executor)

    def adapted(self, trainable: Any, state: Any, support: Tensor, steps: int) -> tuple[list[Any], list[Any]]:
        """Values of the adapted model: of its trainable variables, and of the others, for predictions."""
        batch_size = self.adaptation_batch_size or self.inner_batch_size
        task, _ = self.inner_loop(trainable, state, support, steps, batch_size)
        task = self.enter_step(task, trainable, state, steps)
        return task.w, self.function.with_statistics_of(support[0], task.w, task.state)

    def _replaced(self, w: Sequence[Tensor], inner: Sequence[Any]) -> list[Any]:
        """`w` with the values that the inner loop moves replaced."""
        moved = dict(zip(self._inner, inner, strict=True))
        return [moved.get(index, value) for index, value in enumerate(w)]

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": keras.saving.serialize_keras_object(self.model),
            "inner_steps": self.inner_steps,
            "inner_learning_rate": self.inner_learning_rate,
            "inner_optimizer": self.inner_optimizer,
            "inner_batch_size": self.inner_batch_size,
            "inner_variables": self.inner_variables,
            "architecture_learning_rate": self.architecture_learning_rate,
            "adaptation_steps": self.adaptation_steps,
            "adaptation_batch_size": self.adaptation_batch_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**{**config, "model": model})
