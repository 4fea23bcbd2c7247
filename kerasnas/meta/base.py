"""MetaLearner, the base of all meta-learners: an inner loop adapts to a task, an outer loop learns where it starts."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple, TypeAlias

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor, Tensors
from kerasnas.backend import MetaStep, map_tasks, value_and_grad
from kerasnas.datasets.tasks import Episode
from kerasnas.distribution.scope import check_scope
from kerasnas.executors import Executor
from kerasnas.meta.evaluation import Estimate, check_sampler
from kerasnas.meta.functional import FunctionalModel, check_trainable, inner_positions, mean_over_tasks, minibatches
from kerasnas.meta.inner_optimizers import INNER_OPTIMIZERS
from kerasnas.meta.training import MetaTraining
from kerasnas.relaxations.base import is_alphas
from kerasnas.trainers.compiling import check_compiled

TaskGradients: TypeAlias = tuple[tuple[dict[str, Any], list[Any]], list[Any]]
"""`((results, new state), gradients)`: `loss`, `labels` and `predictions`; a gradient per trainable variable."""


class Task(NamedTuple):
    """State of the inner loop: values of the model's weights, the inner optimizer's slots, the other variables."""

    w: list[Any]
    slots: list[Any]
    state: list[Any]


class MetaLearner(MetaStep, MetaTraining):
    """Learns an initialization from many tasks, such that few steps on few samples adapt a model to the next task.

    A subclass writes `task_gradients`, and gets `compile`, `fit`, `adapt`, `evaluate`, saving and batches of tasks.

    Args:
        model: any built Keras model.
        inner_steps: training steps on a task's support set.
        inner_learning_rate: learning rate of these steps.
        inner_optimizer: `"sgd"`, `"adam"` (without momentum), or an object like them. Defaults to `"sgd"`.
        inner_batch_size: samples per step. Defaults to None: the whole support set.
        inner_variables: variables that the inner loop updates: `"all"`; `"head"`, the last layer (ANIL); or
            `"all_but_batch_norm"`, without the scales and offsets of batch norm (MAML++). Defaults to `"all"`.
        architecture_learning_rate: inner learning rate of a supernet's alphas. Defaults to None:
            `inner_learning_rate`.
        adaptation_steps: steps of `adapt` and `evaluate`. Defaults to None: `inner_steps`.
        adaptation_batch_size: samples per such step. Defaults to None: `inner_batch_size`.

    Raises:
        ValueError: for a number that is not positive, an unknown name, or a model without trainable variables.
    """

    @checks.arguments(
        model=keras.Model,
        inner_steps=checks.size,
        inner_learning_rate=checks.positive,
        architecture_learning_rate=checks.positive,
        inner_batch_size=checks.size,
        adaptation_steps=checks.size,
        adaptation_batch_size=checks.size,
    )
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
        self.inner_steps, self.inner_batch_size = int(inner_steps), inner_batch_size
        self.inner_learning_rate, self.architecture_learning_rate = inner_learning_rate, architecture_learning_rate
        self.adaptation_steps, self.adaptation_batch_size = adaptation_steps, adaptation_batch_size
        self.inner_optimizer, self.inner_variables = inner_optimizer, inner_variables
        if not isinstance(inner_optimizer, str) and not callable(getattr(inner_optimizer, "slots", None)):
            expected = "a name, or an `InnerSGD` or `InnerAdam`"
            raise TypeError(checks.invalid("inner_optimizer", expected, inner_optimizer))
        self._step = INNER_OPTIMIZERS[inner_optimizer]() if isinstance(inner_optimizer, str) else inner_optimizer
        self._inner = inner_positions(model, inner_variables)
        counter = {"initializer": "zeros", "trainable": False, "aggregation": "mean"}
        shapes = self._step.slots([tuple(model.trainable_variables[i].shape) for i in self._inner])
        self._slots = [
            self.add_weight(name=f"slot_{index}", shape=shape, **counter) for index, shape in enumerate(shapes)
        ]
        self._outputs = {}
        # Steps of this learner, and tasks of this epoch that were left out.
        self.meta_steps = self.add_weight(name="meta_steps", shape=(), **counter)
        self.diverged = self.add_weight(name="diverged", shape=(), **counter)
        check_scope(self, model.variables, f"The model '{model.name}'")
        self.built = True

    # What a learner writes ---------------------------------------------------------------------------
    @abc.abstractmethod
    def task_gradients(self, trainable: Tensors, state: Tensors, episode: Any) -> TaskGradients:
        """Return the gradients of one task.

        Args:
            trainable: values of `trainable_variables`.
            state: values of `non_trainable_variables`.
            episode: `((support x, support y), (query x, query y))`.
        """

    # What it gets ------------------------------------------------------------------------------------
    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.model(inputs, training=training)

    @property
    def function(self) -> FunctionalModel:
        """Loss and predictions of the model as pure functions."""
        return FunctionalModel(self.model, self.task_loss)

    def values_of(self, variables: Tensors, trainable: Tensors, state: Tensors) -> list[Any]:
        """Return the values of `variables` among those of all variables of this learner."""
        every = [*self.trainable_variables, *self.non_trainable_variables]
        lookup = {id(variable): value for variable, value in zip(every, [*trainable, *state], strict=True)}
        return [lookup[id(variable)] for variable in variables]

    def with_values(self, variables: Tensors, values: Tensors, state: Tensors) -> list[Any]:
        """Return `state` with the values of `variables` replaced."""
        lookup = {id(variable): value for variable, value in zip(variables, values, strict=True)}
        pairs = zip(self.non_trainable_variables, state, strict=True)
        return [lookup.get(id(variable), value) for variable, value in pairs]

    def start(self, trainable: Tensors, state: Tensors) -> Task:
        """Return the state at which the inner loop of every task starts."""
        groups = self.model.trainable_variables, self._slots, self.model.non_trainable_variables
        return Task(*(self.values_of(variables, trainable, state) for variables in groups))

    def end(self, task: Task, state: Tensors) -> list[Any]:
        """Return the learner's `state` after a task."""
        variables = [*self._slots, *self.model.non_trainable_variables]
        return self.with_values(variables, [*task.slots, *task.state], state)

    def inner_rates(self, trainable: Tensors, state: Tensors, step: Any) -> list[Any]:
        """Return the learning rate of each variable that the inner loop updates, in its step `step`."""
        alphas = self.architecture_learning_rate or self.inner_learning_rate
        moved = [self.model.trainable_variables[index] for index in self._inner]
        return [alphas if is_alphas(variable) else self.inner_learning_rate for variable in moved]

    def enter_step(self, task: Task, trainable: Tensors, state: Tensors, step: Any) -> Task:
        """Return the task after `step` steps with the values that belong to this number of steps; here unchanged."""
        return task

    def frozen(self, trainable: Tensors, state: Tensors) -> tuple[list[Any], Any]:
        """Return variables that some meta-steps do not change, and whether this meta-step is one of them."""
        return [], False

    def inner_step(
        self, task: Task, batch: Any, rates: Tensors, step: Any = 0, steps: int = 1, first_order: bool = True
    ) -> tuple[Task, tuple[Any, Any]]:
        """Take one step of the inner loop, `w' = w - rate grad L(w)`.

        Args:
            task: state before the step.
            batch: `(x, y)`.
            rates: a learning rate for each variable that is updated.
            step, steps: index of the step and number of steps, for learners that depend on them.
            first_order: whether the gradient counts as a constant when the result is differentiated.

        Returns:
            The new task, and `(loss, predictions)` before the step.
        """

        def loss(inner: Tensors) -> tuple[Any, Any]:
            return self.function.loss(self._replaced(task.w, inner), task.state, batch)

        inner = [task.w[index] for index in self._inner]
        (value, (predictions, state)), gradients = value_and_grad(loss)(inner)
        if first_order:
            gradients = [ops.stop_gradient(gradient) for gradient in gradients]
        inner, slots = self._step(inner, gradients, rates, task.slots)
        return Task(self._replaced(task.w, inner), slots, state), (value, predictions)

    def inner_loop(
        self, trainable: Tensors, state: Tensors, support: Tensor, steps: int, batch_size: int | None
    ) -> tuple[Task, dict[str, Any]]:
        """Return the task after `steps` steps on its support set, and the results of the last step.

        A loop in the graph, so that its size does not grow with the steps. Gradients do not pass through it.
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

    def meta_gradients(self, trainable: Tensors, state: Tensors, data: Any) -> TaskGradients:
        """Return the mean results of a batch of tasks, over those that did not diverge.

        With several replicas, `results` are of this replica's tasks, state and gradients the mean over all replicas.
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

    @checks.arguments(episode=Episode, steps=checks.size)
    def adapt(self, episode: Episode, steps: int | None = None) -> keras.Model:
        """Return a new model, adapted to the support set of a task. The learner does not change.

        The moving statistics are those of the support set, so that `predict` treats each sample independently.

        Args:
            episode: the task; its query is not read.
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
        """Estimate loss and accuracy on the queries of tasks, after adapting to their support sets.

        `accuracy` and `loss` treat query samples independently: batch norm uses the support set's statistics (with
        `per_step_statistics`, the learned ones). `accuracy_transductive` and `loss_transductive` use the query set's:
        each prediction then depends on the other samples, as in the published results of MAML.

        Args:
            sampler: an `EpisodeSampler`, or another object with `batch(index, tasks)`.
            episodes: number of tasks, the sampler's first ones. Defaults to 600.
            tasks: tasks per batch. Defaults to 20.
            steps: inner steps. Defaults to None: the learner's `adaptation_steps`.
            executor: where batches are evaluated; a worker receives learner and sampler once. Defaults to None: this
                process.

        Returns:
            Name -> `Estimate`, a mean with its 95 % confidence interval; accuracies only if labels are classes.

        Raises:
            ValueError: if the tasks do not fit the model.
        """
        check_compiled(self, "evaluate")
        return self.evaluation.evaluate(sampler, episodes, tasks, steps, executor)

    def adapted(self, trainable: Tensors, state: Tensors, support: Tensor, steps: int) -> tuple[list[Any], list[Any]]:
        """Return the adapted model's values, of its trainable variables and of the others, for predictions."""
        batch_size = self.adaptation_batch_size or self.inner_batch_size
        task, _ = self.inner_loop(trainable, state, support, steps, batch_size)
        task = self.enter_step(task, trainable, state, steps)
        return task.w, self.function.with_statistics_of(support[0], task.w, task.state)

    def _replaced(self, w: Tensors, inner: Tensors) -> list[Any]:
        """Return `w` with the values that the inner loop updates replaced."""
        moved = dict(zip(self._inner, inner, strict=True))
        return [moved.get(index, value) for index, value in enumerate(w)]

    def get_config(self) -> dict[str, Any]:
        names = (
            *("name", "inner_steps", "inner_learning_rate", "inner_optimizer", "inner_batch_size", "inner_variables"),
            *("architecture_learning_rate", "adaptation_steps", "adaptation_batch_size"),
        )
        model = keras.saving.serialize_keras_object(self.model)
        return {"model": model, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**{**config, "model": model})
