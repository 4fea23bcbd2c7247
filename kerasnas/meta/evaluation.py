"""Adapting a learner to tasks, and how well it does on many of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.backend import map_tasks, traced_once, values
from kerasnas.datasets.tasks import Episode, check_episode
from kerasnas.meta.functional import clone


class Estimate(NamedTuple):
    """A mean over episodes, and the half-width of its 95 % confidence interval.

    Example:

    >>> print(Estimate.of([0.8, 1.0, 0.9, 0.9]))
    0.9000 ± 0.0800
    """

    mean: float
    interval: float

    @classmethod
    def of(cls, samples: Any) -> Estimate:
        """Of a number for each episode: `1.96` standard errors."""
        samples = np.asarray(samples, "float64")
        error = samples.std(ddof=1) / math.sqrt(len(samples)) if len(samples) > 1 else math.inf
        return cls(float(samples.mean()), float(1.96 * error))

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.interval:.4f}"


class DivergedError(ArithmeticError):
    """An inner loop ended in values that are not finite."""


class Evaluated:
    """`adapt` and `evaluate` of a `MetaLearner`."""

    def adapt(self: Any, episode: Episode, steps: int | None = None) -> keras.Model:
        """A new model, adapted to the support set of a task. The learner stays as it is.

        Its moving statistics are those of the support set, so that `predict` looks at each sample by itself.

        Args:
            episode: the task; its query is not looked at.
            steps: inner steps. Defaults to None: the learner's `adaptation_steps`.

        Raises:
            ValueError: if support and query overlap, or the episode does not fit the model.
            DivergedError: if the inner loop diverged.
        """
        self.check_compiled("adapt")
        check_episode(episode)
        x, y = (np.asarray(part) for part in episode.support)
        self.check_task(x.shape[1:], y)
        adapt = self._compiled("adapt", checks.size("steps", steps or self._steps_of_adaptation()))
        w, state = adapt(values(self.trainable_variables), values(self.non_trainable_variables), (x, y))
        if not all(np.isfinite(ops.convert_to_numpy(value)).all() for value in w):
            raise DivergedError(
                "The inner loop diverged on this task: adapted weights are not finite. Lower `inner_learning_rate` "
                f"(now {self.inner_learning_rate}) or `steps`. The learner is as it was."
            )
        model = clone(self.model)
        for variable, value in zip(model.trainable_variables, w, strict=True):
            variable.assign(value)
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return model

    def evaluate(
        self: Any, sampler: Any, episodes: int = 600, tasks: int = 20, steps: int | None = None
    ) -> dict[str, Estimate]:
        """How well the learner does on the queries of tasks, after adapting to their support sets.

        `accuracy` and `loss` look at each query sample by itself, with the statistics of the support set in batch norm
        (or, with `per_step_statistics`, those learned). `accuracy_transductive` and `loss_transductive` use those of
        the query set: every prediction then depends on the other samples, as in the published figures of MAML.

        Args:
            sampler: of tasks: an `EpisodeSampler`, or any with `batch(index, tasks)`.
            episodes: how many tasks: those of the sampler from its first. Defaults to 600.
            tasks: how many at a time. Defaults to 20.
            steps: inner steps. Defaults to None: the learner's `adaptation_steps`.

        Returns:
            Name -> `Estimate`, a mean with its 95 % confidence interval. Accuracies where labels are classes.

        Raises:
            ValueError: if the tasks do not fit the model.
        """
        self.check_compiled("evaluate")
        checks.size("episodes", episodes)
        tasks = min(checks.size("tasks", tasks), episodes)
        run = self._compiled("evaluate", checks.size("steps", steps or self._steps_of_adaptation()))
        trainable, state = values(self.trainable_variables), values(self.non_trainable_variables)
        found: dict[str, list[Any]] = {}
        for index in range(-(-episodes // tasks)):
            batch = sampler.batch(index, tasks)
            if index == 0:
                self.check_task(batch.support[0].shape[2:], np.asarray(batch.support[1]), batch.query[0].shape[1])
            results = run(trainable, state, (batch.support, batch.query))
            labels = np.asarray(batch.query[1])
            for kind, (loss, predictions) in results.items():
                found.setdefault(f"loss{kind}", []).append(ops.convert_to_numpy(loss))
                if labels.dtype.kind in "iu":
                    right = ops.convert_to_numpy(predictions).argmax(-1) == labels
                    found.setdefault(f"accuracy{kind}", []).append(right.mean(-1))
        return {name: Estimate.of(np.concatenate(parts)[:episodes]) for name, parts in sorted(found.items())}

    def adapted(self: Any, trainable: Any, state: Any, support: Any, steps: int) -> tuple[list[Any], list[Any]]:
        """Values of the adapted model: of its trainable variables, and of the others, for predictions."""
        batch_size = self.adaptation_batch_size or self.inner_batch_size
        task, _ = self.inner_loop(trainable, state, support, steps, batch_size)
        return task.w, self.function.with_statistics_of(support[0], task.w, task.state)

    def predictions_of(self: Any, trainable: Any, state: Any, episode: Any, steps: int) -> dict[str, tuple[Any, Any]]:
        """Suffix -> (loss, predictions) on the query of a task after adapting to it."""
        support, (x, y) = episode
        w, still = self.adapted(trainable, state, support, steps)
        moved = self.function.with_statistics_of(x, w, still)
        found = {"": still, "_transductive": moved}
        predictions = {kind: self.function.predict(w, own, x) for kind, own in found.items()}
        return {kind: (self._loss(y, outputs), outputs) for kind, outputs in predictions.items()}

    def _steps_of_adaptation(self: Any) -> int:
        return self.adaptation_steps or self.inner_steps

    def _compiled(self: Any, kind: str, steps: int) -> Callable:
        """The functions of `adapt` and `evaluate`, traced once for each number of steps."""
        if (kind, steps) not in self._functions:

            def adapt(trainable: Any, state: Any, support: Any) -> Any:
                return self.adapted(trainable, state, support, steps)

            def evaluate(trainable: Any, state: Any, episodes: Any) -> Any:
                return map_tasks(lambda task: self.predictions_of(trainable, state, task, steps), episodes)

            self._functions[kind, steps] = traced_once({"adapt": adapt, "evaluate": evaluate}[kind])
        return self._functions[kind, steps]
