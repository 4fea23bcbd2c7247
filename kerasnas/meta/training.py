"""Training a meta-learner with Keras' `fit`: batches of tasks, metrics, and what happens where tasks diverge."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Sequence
from typing import Any, cast

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend import unscaled
from kerasnas.backend.keras_internals import loss_tracker
from kerasnas.callbacks.checkpoints import FollowEpochs
from kerasnas.distribution.scope import check_global_batch, replicas_of
from kerasnas.meta.evaluation import Adaptable, DivergedError, TaskEvaluation, check_sampler
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
    """A constant schedule, in whose place `set_schedule` puts the one that knows the number of steps.

    With a plain number the optimizer would have a variable for it until then, and a checkpoint that is taken in `fit`
    would not be one of the learner that is restored before its `fit`.
    """
    return keras.optimizers.schedules.PolynomialDecay(rate, 1, end_learning_rate=rate)


class EpisodeBatches(keras.utils.PyDataset):
    """Batches of tasks for `fit`: which tasks come in a step is a function of its number alone.

    Args:
        sampler: with `batch(index, tasks)`.
        tasks: of a step.
        steps_per_epoch: steps of an epoch.
    """

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
        """Leave out the first steps of the epoch: where an interrupted one continues."""
        self._skipped = steps


class _Watch(keras.callbacks.Callback):
    """Warns when tasks diverged, stops where all did, and measures on validation tasks after every epoch."""

    def __init__(self, tasks: int, validation_sampler: Any, episodes: int):
        super().__init__()
        self.tasks, self.validation_sampler, self.episodes = tasks, validation_sampler, episodes

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.model.diverged.assign(0.0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        diverged, total = int(ops.convert_to_numpy(self.model.diverged)), self.params["steps"] * self.tasks
        said = (
            f"In {diverged} of {total} tasks of epoch {epoch + 1} the inner loop diverged (a loss or a gradient was "
            "not finite); they were left out. Lower `inner_learning_rate`"
        )
        if diverged == total:
            raise DivergedError(f"{said}: nothing was learned, and the meta-learned weights are as they were.")
        if diverged:
            warnings.warn(f"{said} if there are many.", stacklevel=2)
        if self.validation_sampler is not None and logs is not None:
            found = self.model.evaluate(self.validation_sampler, self.episodes)
            logs.update({f"val_{name}": estimate.mean for name, estimate in found.items()})


class MetaTraining(keras.Model, abc.ABC):
    """Base of `MetaLearner`: `compile`, `fit` and `meta_step`.

    Attributes:
        model: the model that is meta-learned.
        default_tasks: tasks of a step, where `fit` is given no number.
        needs_query: whether a training step reads the query sets.
        diverged: a variable: the tasks of this epoch that were left out.
    """

    model: keras.Model
    default_tasks: int
    needs_query: bool
    diverged: Any
    _tasks: int | None = None
    _scheduled: bool = True  # the optimizer is the default one

    @abc.abstractmethod
    def outputs_of(self, sample_shape: Sequence[int]) -> Any:
        """The model's outputs for samples of this shape, as a `keras.KerasTensor` of any number of them."""

    def default_optimizer(self) -> Any:
        """The optimizer of the initialization, where `compile` is given none."""
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
            metrics: Defaults to `["accuracy"]`, and to none with a loss of your own.
            jit_compile: whether to compile with XLA. Defaults to None: on JAX alone.
            kwargs: as for `keras.Model.compile`.
        """
        metrics = [] if metrics is None and loss is not None else default_metrics(metrics)
        loss = keras.losses.get(default_loss(loss))
        self._scheduled = optimizer is None
        self.task_loss = TaskLoss(loss)
        self.evaluation = TaskEvaluation(cast(Adaptable, self))

        def given_or_default() -> Any:
            return self.default_optimizer() if optimizer is None else optimizer

        compile_trainer(self, super().compile, given_or_default, loss, metrics, jit_compile, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return {**config, "scheduled": self._scheduled} if config else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = keras.saving.deserialize_keras_object(config)
        scheduled = config.pop("scheduled")
        self.compile(**config)
        self._scheduled = scheduled  # a further `fit` has its own course where the optimizer is the default one

    def check_task(self, shape: tuple[int, ...], labels: np.ndarray, queries: int | None = None) -> None:
        """Raise where samples of this shape and these labels do not fit the model.

        Raises:
            ValueError: says what was expected.
        """
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
        """Meta-train. `loss` and metrics are of the query sets after the inner loop.

        Args:
            sampler: of tasks: an `EpisodeSampler`, or any with `batch(index, tasks)`. Which tasks come in a step is a
                function of its number, so that a resumed training reads what an uninterrupted one would have.
            steps: meta-steps. Defaults to 1000.
            tasks: tasks of a step, over all replicas together. Defaults to None: the paper's number.
            steps_per_epoch: how many steps Keras calls an epoch. Defaults to 100, or all if `steps` are fewer.
            validation_sampler: tasks to measure on after every epoch, as `val_accuracy` and so on. Defaults to None.
            validation_episodes: how many of these. Defaults to 100.
            verbose, callbacks: as in Keras.
            initial_epoch: epoch at which to start.

        Raises:
            ValueError: if the tasks do not fit the model, or `steps` is no multiple of `steps_per_epoch`.
            DivergedError: if all tasks of an epoch diverge; their steps have changed nothing.
        """
        check_compiled(self, "fit")
        checks.optional(check_sampler, "validation_sampler", validation_sampler)
        steps_per_epoch = min(checks.size("steps_per_epoch", steps_per_epoch), checks.size("steps", steps))
        if steps % steps_per_epoch:
            raise ValueError(
                f"Expected `steps` to be a multiple of `steps_per_epoch`. Received: {steps} and {steps_per_epoch}"
            )
        tasks = self.default_tasks if tasks is None else checks.size("tasks", tasks)
        check_global_batch("tasks", tasks, replicas_of(self))
        data = EpisodeBatches(sampler, tasks, steps_per_epoch)
        self._set_tasks(tasks)
        support, query = data[0]
        self.check_task(support[0].shape[2:], np.asarray(support[1]), query[0].shape[1] if self.needs_query else None)
        if self._scheduled:
            self.set_schedule(steps)
        self._build_metrics(support if not query[0].shape[1] else query)
        follow = FollowEpochs(data, callbacks)
        own = [follow, _Watch(tasks, validation_sampler, validation_episodes)]
        with follow.quiet():
            return super().fit(
                data,
                epochs=steps // steps_per_epoch,
                verbose=verbose,
                callbacks=[*own, *(callbacks or [])],
                initial_epoch=initial_epoch,
                shuffle=False,
            )

    def meta_step(self, episodes: Any) -> dict[str, float]:
        """One step on stacked episodes, as `EpisodeSampler.batch` gives them; returns loss and metrics."""
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
        """A constant of the step's graph: it is traced again where it changes."""
        if tasks != self._tasks:
            self._tasks, self.train_function = tasks, None

    def _build_metrics(self, batch: Any) -> None:
        """Make the metrics before the first step: made in it, their variables have TensorFlow trace it twice."""
        x, y = batch
        build_metrics(self, (None, *y.shape[2:]), self.outputs_of(x.shape[2:]).shape)

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Everything is built before `fit` starts; Keras' own takes the data for a batch `(x, y)`."""


class TaskLoss:
    """The loss of one task: the mean over all its samples, where a loss is a function, and else what the loss makes.

    On several replicas Keras divides losses by their number, as if a task lay on all of them.
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
