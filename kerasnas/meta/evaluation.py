"""Adaptation of a meta-learner to tasks, and its evaluation on many of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend import map_tasks, traced_once, values
from kerasnas.datasets.tasks import Episode, check_episode
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.intervals import mean_interval
from kerasnas.meta.functional import clone


class Estimate(NamedTuple):
    """A mean over episodes with the half-width of its 95 % confidence interval.

    Example:

    >>> print(Estimate.of([0.8, 1.0, 0.9, 0.9]))
    0.9000 ± 0.1299
    """

    mean: float
    interval: float

    @classmethod
    def of(cls, samples: Any) -> Estimate:
        """Return the estimate from one number per episode; see `kerasnas.intervals.mean_interval`."""
        samples = np.asarray(samples, "float64")
        if samples.ndim != 1 or not len(samples):
            raise ValueError(checks.invalid("samples", "a number for each episode, at least one", samples.shape))
        return cls(*mean_interval(samples))

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.interval:.4f}"


def check_sampler(argument: str, sampler: Any) -> Any:
    """Return `sampler` if it has a `batch`; raises TypeError otherwise."""
    if isinstance(sampler, type) or not callable(getattr(sampler, "batch", None)):
        raise TypeError(checks.invalid(argument, "an `EpisodeSampler`, or another `TaskFamily`", sampler))
    return sampler


class DivergedError(ArithmeticError):
    """Raised if an inner loop ends in values that are not finite."""


class TaskEvaluation:
    """`adapt` and `evaluate` of a compiled `MetaLearner`, and the functions that they are traced to."""

    def __init__(self, learner: Any):
        self.learner = learner
        self._functions: dict[tuple[str, int], Callable] = {}

    def adapt(self, episode: Episode, steps: int | None) -> keras.Model:
        """See `MetaLearner.adapt`."""
        learner = self.learner
        check_episode(episode)
        x, y = (np.asarray(part) for part in episode.support)
        learner.check_task(x.shape[1:], y)
        adapt = self._compiled("adapt", steps)
        w, state = adapt(values(learner.trainable_variables), values(learner.non_trainable_variables), (x, y))
        if not all(np.isfinite(ops.convert_to_numpy(value)).all() for value in w):
            raise DivergedError(
                "The inner loop diverged on this task: adapted weights are not finite. Lower `inner_learning_rate` "
                f"(now {learner.inner_learning_rate}) or `steps`. The learner is as it was."
            )
        model = clone(learner.model)
        for variables, new in ((model.trainable_variables, w), (model.non_trainable_variables, state)):
            for variable, value in zip(variables, new, strict=True):
                variable.assign(value)
        return model

    def evaluate(
        self, sampler: Any, episodes: int, tasks: int, steps: int | None, executor: Executor | None = None
    ) -> dict[str, Estimate]:
        """See `MetaLearner.evaluate`."""
        tasks = min(tasks, episodes)
        executor = Local() if executor is None else executor
        batches = executor.map(_evaluate_batch, range(-(-episodes // tasks)), (self, sampler, tasks, steps))
        return {
            name: Estimate.of(np.concatenate([batch[name] for batch in batches])[:episodes])
            for name in sorted(batches[0])
        }

    def evaluate_batch(self, batch: Any, steps: int | None) -> dict[str, np.ndarray]:
        """Return, by name, one number per task of stacked episodes, on its query after adapting to its support set."""
        learner = self.learner
        labels = np.asarray(batch.query[1])
        learner.check_task(batch.support[0].shape[2:], np.asarray(batch.support[1]), batch.query[0].shape[1])
        trainable, state = values(learner.trainable_variables), values(learner.non_trainable_variables)
        results = self._compiled("evaluate", steps)(trainable, state, (batch.support, batch.query))
        scores = {}
        for kind, (loss, predictions) in results.items():
            scores[f"loss{kind}"] = ops.convert_to_numpy(loss)
            if labels.dtype.kind in "iu":
                correct = ops.convert_to_numpy(predictions).argmax(-1) == labels
                scores[f"accuracy{kind}"] = correct.mean(-1)
        return scores

    def __getstate__(self) -> dict[str, Any]:
        """Leave out traced functions: a worker traces its own."""
        return {"learner": self.learner, "_functions": {}}

    def predictions(self, trainable: Any, state: Any, episode: Any, steps: int) -> dict[str, tuple[Any, Any]]:
        """Return, by suffix, (loss, predictions) on the query of a task after adapting to it."""
        learner, (support, (x, y)) = self.learner, episode
        w, own = learner.adapted(trainable, state, support, steps)
        states = {"": own, "_transductive": learner.function.with_statistics_of(x, w, own)}
        outputs = {kind: learner.function.predict(w, state, x) for kind, state in states.items()}
        return {kind: (learner.task_loss(y, output), output) for kind, output in outputs.items()}

    def _compiled(self, kind: str, steps: int | None) -> Callable:
        """Return the function of `adapt` or `evaluate`, traced once per number of steps."""
        learner = self.learner
        count = checks.size("steps", learner.adaptation_steps or learner.inner_steps if steps is None else steps)
        if (kind, count) not in self._functions:

            def adapt(trainable: Any, state: Any, support: Tensor) -> Any:
                return learner.adapted(trainable, state, support, count)

            def evaluate(trainable: Any, state: Any, episodes: Any) -> Any:
                return map_tasks(lambda task: self.predictions(trainable, state, task, count), episodes)

            self._functions[kind, count] = traced_once({"adapt": adapt, "evaluate": evaluate}[kind])
        return self._functions[kind, count]


def _evaluate_batch(shared: tuple[TaskEvaluation, Any, int, int | None], index: int) -> dict[str, np.ndarray]:
    evaluation, sampler, tasks, steps = shared
    return evaluation.evaluate_batch(sampler.batch(index, tasks), steps)
