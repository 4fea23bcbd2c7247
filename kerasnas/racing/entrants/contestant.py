"""A network of a race: trained for a slice of time, evaluated by its averaged weights, trained on from there."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.callbacks.state import restore, snapshot
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.modalities.lazy_images import predicted
from kerasnas.networks.fused import fused
from kerasnas.networks.precision import FLOAT32, computing, forget
from kerasnas.racing.entrants.averaging import WeightAverage
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.training import loop as training_loop

WARMUP = 50  # steps, of networks with drawn weights
TRACED = 2  # steps that are not like the others
_AVERAGE = "average-"  # what the names of the averaged weights begin with in a state


class Contestant:
    """A compiled network, and how far its training has come.

    The learning rate rises in the first `warmup` steps and is constant from there, unless `advance` is given a
    schedule. At a constant learning rate the average of the weights is about as accurate as the network would be if its
    learning rate were annealed now: candidates can be compared at any time, and none has to be trained again.

    Args:
        model: compiled, with an optimizer whose learning rate can be set.
        batches: what it is trained on. Other batches may take their place between two calls of `advance`.
        warmup: steps. Defaults to 50.
        task: what the network predicts. Defaults to classification.
        precision: in which it is computed, `"float32"` or `"bfloat16"`. Defaults to the former.
        fit: called with a network without trainable variables, samples, labels and weights, if there are any: what it
            learns, it learns in closed form. Defaults to None: there is none such.

    Attributes:
        steps: how many it has been trained for.
        seconds: how long that took, by the clock of `advance`.
        latest: logs of the latest step, within a call of `advance`; empty otherwise.
        history: loss and metrics on the training batches of each call of `advance`, and `"steps"` at its end.

    Example:

        contestant = Contestant(model, ArrayBatches(x, y, 64))
        contestant.advance(budget.clock, seconds=10)
        np.mean(contestant.scores(x_val, y_val))
    """

    def __init__(
        self,
        model: keras.Model,
        batches: ArrayBatches,
        warmup: int = WARMUP,
        task: Task = CLASSIFICATION,
        fit: Callable[..., Any] | None = None,
        precision: str = FLOAT32,
    ):
        self.model, self.batches, self.warmup = model, batches, warmup
        self.task, self.fit, self.precision = task, fit, precision
        self.learning_rate = float(model.optimizer.learning_rate)
        self.steps, self.seconds = 0, 0.0
        self.latest: Mapping[str, Any] = {}
        self.history: dict[str, list[float]] = {}
        if self.learns:
            training_loop.prepare(model, batches)
        self.average = WeightAverage(model)

    @property
    def learns(self) -> bool:
        """True if the network learns by steps; otherwise it learns in closed form, at once."""
        return bool(self.model.trainable_variables)

    def advance(
        self,
        clock: Callable[[], float],
        seconds: float = math.inf,
        steps: float = math.inf,
        schedule: Callable[[float], float] = lambda seconds: 1.0,
    ) -> None:
        """Train until `seconds` have passed by `clock`, or `steps` steps are made.

        Args:
            clock: returns seconds.
            seconds: Defaults to infinity.
            steps: Defaults to infinity.
            schedule: seconds since the call -> share of the learning rate. Defaults to a constant 1.

        Raises:
            NonFiniteError: if the loss is not finite at the end.
        """
        start, past, done = clock(), 0.0, 0
        if not self.learns:
            self._fit(clock)
            return
        self.model.reset_metrics()
        with self._computing():
            step = training_loop.stepper(self.model)
            while past < seconds and done < steps:
                warm = min(1.0, (self.steps + 1) / self.warmup) if self.warmup else 1.0
                self.model.optimizer.learning_rate.assign(self.learning_rate * warm * schedule(past))
                self.latest = step(self._batch())
                self.steps += 1
                done += 1
                self.average.update(self.steps)
                past = clock() - start
        self.seconds += past
        logs, self.latest = self.latest, {}
        if not done:
            return
        self.history.setdefault("steps", []).append(self.steps)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        if not math.isfinite(float(logs["loss"])):
            raise NonFiniteError(f"The training loss stopped being finite within the first {self.steps} steps.")

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        with computing(self.model, self.precision), fused(self.model):
            yield

    def seconds_a_step(self, clock: Callable[[], float], steps: int) -> float:
        """Train for so many steps after those that are traced; return the seconds of one."""
        self.advance(clock, steps=TRACED)
        start = clock()
        self.advance(clock, steps=steps)
        return (clock() - start) / steps

    def seconds_in(self, precision: str, clock: Callable[[], float], steps: int) -> float:
        """Return the seconds of a step in another precision; what the network learns meanwhile is forgotten.

        Infinity where its loss is not finite there.
        """
        state, before = self.state(), self.precision
        self.precision = precision
        forget(self.model)
        try:
            return self.seconds_a_step(clock, steps)
        except NonFiniteError:
            return math.inf
        finally:
            self.set_state(*state)
            self.precision = before
            forget(self.model)

    def delivered(self) -> keras.Model:
        """Return the network with its averaged weights, in float32."""
        self.average.apply()
        if self.precision != FLOAT32:
            forget(self.model)
        return self.model

    def _fit(self, clock: Callable[[], float]) -> None:
        """Learn in closed form what the samples of the batches teach."""
        start = clock()
        if self.fit is not None:
            self.fit(self.model, *self.batches.arrays)
        self.average = WeightAverage(self.model)
        self.seconds += clock() - start

    def _batch(self) -> tuple[Any, ...]:
        epoch, index = divmod(self.steps, len(self.batches))
        if self.batches.epoch != epoch:
            self.batches.set_epoch(epoch)
        return self.batches[index]

    def scores(self, x: Any, y: Any, weights: np.ndarray | None = None) -> np.ndarray:
        """For each sample, how right the network of the averaged weights is: `metric_scores` of the task.

        Raises:
            NonFiniteError: if an output is not finite.
        """
        with self.average.applied(), self._computing():
            outputs = predicted(self.model, x, training_loop.EVALUATION_BATCH)
        if not np.isfinite(outputs).all():
            raise NonFiniteError(f"The outputs stopped being finite within the first {self.steps} steps.")
        return self.task.metric_scores(outputs, np.asarray(y), weights)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that the training resumes from: arrays, and a JSON-serializable record."""
        averages = {f"{_AVERAGE}{index:05d}": value for index, value in enumerate(self.average.values)}
        record = {"steps": self.steps, "seconds": self.seconds, "history": self.history}
        return {**snapshot(self.model), **averages}, record

    def set_state(self, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            ValueError: if it is of another network.
        """
        averages = sorted(name for name in arrays if name.startswith(_AVERAGE))
        restore(self.model, {name: value for name, value in arrays.items() if name not in averages})
        self.average.values = [np.array(arrays[name]) for name in averages]
        self.steps, self.seconds = int(record["steps"]), float(record["seconds"])
        self.history = {name: list(values) for name, values in record["history"].items()}
