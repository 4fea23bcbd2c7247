"""Training of a meta-learner with Keras' `fit`: batches of tasks, metrics, diverged tasks."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend import unscaled
from kerasnas.backend.keras_internals import loss_tracker
from kerasnas.callbacks.checkpoints import FollowEpochs
from kerasnas.distribution.scope import check_global_batch, replicas_of
from kerasnas.meta.evaluation import DivergedError, TaskEvaluation, check_sampler
from kerasnas.trainers import arguments
from kerasnas.trainers.compiling import (
    build_metrics,
    check_compiled,
    compile_trainer,
    default_loss,
    default_metrics,
    num_classes_of,
    sample_shape_of,
)


def until_fit(rate: float) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a constant schedule, a placeholder until `set_schedule` knows the number of steps.

    With a plain number the optimizer would create a variable for it, and a checkpoint taken during `fit` would not fit
    a learner that is restored before its `fit`.
    """
    return keras.optimizers.schedules.PolynomialDecay(rate, 1, end_learning_rate=rate)


class EpisodeBatches(keras.utils.PyDataset):
    """Batches of tasks for `fit`; the tasks of a step depend on its number alone."""

    def __init__(self, sampler: Any, tasks: int, steps_per_epoch: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.sampler, self.tasks, self.steps_per_epoch = sampler, tasks, steps_per_epoch
        self.epoch = self._skipped = 0

    def __len__(self) -> int:
        return self.steps_per_epoch - self._skipped

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        batch = self.sampler.batch(self.epoch * self.steps_per_epoch + self._skipped + index, self.tasks)
        return batch.support, batch.query

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that is read next."""
        self.epoch, self._skipped = epoch, 0

    def skip(self, steps: int) -> None:
        """Skip the first steps of the epoch, to continue an interrupted one."""
        self._skipped = steps


class _Watch(keras.callbacks.Callback):
    """Warns about diverged tasks, stops if all diverged, and evaluates validation tasks after every epoch."""

    def __init__(self, tasks: int, validation_sampler: Any, episodes: int):
        super().__init__()
        self.tasks, self.validation_sampler, self.episodes = tasks, validation_sampler, episodes

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.model.diverged.assign(0.0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        diverged, total = int(ops.convert_to_numpy(self.model.diverged)), self.params["steps"] * self.tasks
        text = (
            f"In {diverged} of {total} tasks of epoch {epoch + 1} the inner loop diverged (a loss or a gradient was "
            "not finite); they were left out. Lower `inner_learning_rate`"
        )
        if diverged == total:
            raise DivergedError(f"{text}: nothing was learned, and the meta-learned weights did not change.")
        if diverged:
            warnings.warn(f"{text} if there are many.", stacklevel=2)
        if self.validation_sampler is not None and logs is not None:
            estimates = self.model.evaluate(self.validation_sampler, self.episodes)
            logs.update({f"val_{name}": estimate.mean for name, estimate in estimates.items()})


class MetaTraining(keras.Model, abc.ABC):
    """Base of `MetaLearner`: `compile`, `fit` and `meta_step`.

    Attributes:
        model: the model that is meta-learned.
        default_tasks: default number of tasks per step.
        needs_query: whether a training step reads the query sets.
        diverged: a variable, the number of tasks of this epoch that were left out.
    """

    model: keras.Model
    default_tasks: int
    needs_query: bool
    diverged: Any
    _outputs: dict[tuple[int, ...], Any]
    _tasks: int | None = None
    _scheduled: bool = True  # the optimizer is the default one

    def outputs_of(self, sample_shape: Sequence[int]) -> Any:
        """Return a `keras.KerasTensor` of the model's outputs for a batch of samples of this shape.

        Cached: on JAX the model has no values to be called with during `fit`.
        """
        shape = tuple(sample_shape)
        if shape not in self._outputs:
            self._outputs[shape] = self.model.compute_output_spec(keras.KerasTensor((None, *shape)))
        return self._outputs[shape]

    def default_optimizer(self) -> Any:
        """Return the optimizer that `compile` uses by default."""
        raise NotImplementedError

    def set_schedule(self, steps: int) -> None:
        """Prepare the default optimizer for a training of `steps` steps."""

    @checks.arguments(**arguments.COMPILE)
    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        jit_compile: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the optimizer of the initialization, the loss of a task, and metrics.

        Args:
            optimizer: Defaults to the paper's.
            loss: of the inner loop and of the query. Defaults to sparse categorical cross-entropy from logits.
            metrics: Defaults to `["accuracy"]`, and to none with a given loss.
            jit_compile: whether to compile with XLA. Defaults to None: on JAX only.
            kwargs: as for `keras.Model.compile`.
        """
        metrics = [] if metrics is None and loss is not None else default_metrics(metrics)
        loss = keras.losses.get(default_loss(loss))
        self._scheduled = optimizer is None
        self.task_loss = TaskLoss(loss)
        self.evaluation = TaskEvaluation(self)
        compile_trainer(self, super().compile, optimizer, self.default_optimizer, loss, metrics, jit_compile, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return {**config, "scheduled": self._scheduled} if config else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = keras.saving.deserialize_keras_object(config)
        scheduled = config.pop("scheduled")
        self.compile(**config)
        self._scheduled = scheduled  # with the default optimizer, a further `fit` has its own schedule

    def check_task(self, shape: tuple[int, ...], labels: np.ndarray, queries: int | None = None) -> None:
        """Raise ValueError if samples of this shape with these labels do not fit the model."""
        expected, classes = sample_shape_of(self.model), num_classes_of(self.model)
        if expected is not None and tuple(shape) != expected:
            raise ValueError(f"Expected tasks with samples of shape {expected}. Received: {tuple(shape)}")
        if labels.dtype.kind in "iu" and classes is not None and labels.max() >= classes:
            raise ValueError(
                f"Expected tasks of at most {classes} classes, the outputs of the model. Received: labels up to "
                f"{labels.max()}"
            )
        if queries == 0:
            raise ValueError("Expected tasks with queries to measure on. Received: `query_shots=0`")

    @checks.arguments(
        **arguments.FIT, sampler=check_sampler, steps=checks.size, tasks=checks.size, validation_episodes=checks.size
    )
    def fit(
        self,
        sampler: Any,
        steps: int = 1000,
        tasks: int | None = None,
        steps_per_epoch: int = 100,
        validation_sampler: Any = None,
        validation_episodes: int = 100,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        initial_epoch: int = 0,
    ) -> keras.callbacks.History:
        """Meta-train. `loss` and metrics are those of the query sets after the inner loop.

        Args:
            sampler: an `EpisodeSampler`, or another object with `batch(index, tasks)`. The tasks of a step depend on
                its number alone, so that a resumed training reads what an uninterrupted one would have read.
            steps: meta-steps. Defaults to 1000.
            tasks: tasks per step, over all replicas. Defaults to None: the paper's number.
            steps_per_epoch: steps that Keras counts as an epoch. Defaults to 100, or `steps` if that is less.
            validation_sampler: tasks to evaluate after every epoch, as `val_accuracy` and so on. Defaults to None.
            validation_episodes: number of validation tasks. Defaults to 100.
            verbose, callbacks: as in Keras.
            initial_epoch: epoch at which to start.

        Raises:
            ValueError: if the tasks do not fit the model, or `steps` is not a multiple of `steps_per_epoch`.
            DivergedError: if all tasks of an epoch diverge; their steps changed nothing.
        """
        check_compiled(self, "fit")
        checks.optional(check_sampler, "validation_sampler", validation_sampler)
        steps_per_epoch = min(steps_per_epoch, steps)
        if steps % steps_per_epoch:
            raise ValueError(
                f"Expected `steps` to be a multiple of `steps_per_epoch`. Received: {steps} and {steps_per_epoch}"
            )
        tasks = self.default_tasks if tasks is None else tasks
        check_global_batch("tasks", tasks, replicas_of(self))
        data = EpisodeBatches(sampler, tasks, steps_per_epoch)
        self._set_tasks(tasks)
        support, query = data[0]
        self.check_task(support[0].shape[2:], np.asarray(support[1]), query[0].shape[1] if self.needs_query else None)
        if self._scheduled:
            self.set_schedule(steps)
        self._build_metrics(support if not query[0].shape[1] else query)
        follow = FollowEpochs(data, callbacks)
        watch = _Watch(tasks, validation_sampler, validation_episodes)
        with follow.quiet():
            return super().fit(
                data,
                epochs=steps // steps_per_epoch,
                verbose=verbose,
                callbacks=[follow, watch, *(callbacks or [])],
                initial_epoch=initial_epoch,
                shuffle=False,
            )

    def meta_step(self, episodes: Any) -> dict[str, float]:
        """Take one step on stacked episodes, as `EpisodeSampler.batch` returns them; return loss and metrics."""
        check_compiled(self, "meta_step")
        self._build_metrics(episodes.query if self.needs_query else episodes.support)
        self._set_tasks(len(episodes.support[0]))
        return self.train_on_batch(episodes.support, episodes.query, return_dict=True)

    def update_metrics(self, results: dict[str, Any]) -> dict[str, Any]:
        """Update all metrics with the results of a step; return their values."""
        finite = ops.cast(results["finite"], keras.backend.floatx())
        loss = ops.where(results["finite"], ops.cast(results["loss"], keras.backend.floatx()), 0.0)
        weight = ops.sum(finite)
        loss_tracker(self).update_state(ops.sum(loss) / ops.maximum(weight, 1.0), sample_weight=weight)
        labels, predictions = results["labels"], results["predictions"]
        flat = [ops.reshape(tensor, (-1, *tensor.shape[2:])) for tensor in (labels, predictions)]
        return self.compute_metrics(None, *flat)

    def _set_tasks(self, tasks: int) -> None:
        """Set the tasks per step, a constant of the step's graph, which is traced again if it changes."""
        if tasks != self._tasks:
            self._tasks, self.train_function = tasks, None

    def _build_metrics(self, batch: Any) -> None:
        """Create the metrics before the first step: created within it, their variables make TensorFlow trace twice."""
        x, y = batch
        build_metrics(self, (None, *y.shape[2:]), self.outputs_of(x.shape[2:]).shape)

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: everything is built before `fit` starts, and Keras' own expects batches `(x, y)`."""


class TaskLoss:
    """The loss of one task: the mean over all its samples if the loss is a function, else the loss' own reduction.

    With several replicas Keras divides losses by their number, as if a task were spread over all of them.
    """

    def __init__(self, loss: Any):
        self.loss = loss
        reduction = getattr(loss, "reduction", None)  # sums are not divided
        self.divided = isinstance(loss, keras.losses.Loss) and reduction not in (None, "none", "sum")

    def __call__(self, labels: Tensor, predictions: Any) -> Any:
        value = self.loss(labels, predictions)
        if isinstance(self.loss, keras.losses.Loss):
            return unscaled(value) if self.divided else value
        return ops.mean(value)
