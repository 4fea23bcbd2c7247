"""Re-adaptation: further training of a deployed network on its current data, within a budget."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from scipy.special import stdtrit

from kerasnas import checks
from kerasnas.drift import DriftMonitor, adapt_batch_norm
from kerasnas.drift.view import ModelView, answers
from kerasnas.intervals import paired_difference
from kerasnas.meta.functional import clone
from kerasnas.networks.fused import fused
from kerasnas.racing.budget import Budget
from kerasnas.tasks import Task
from kerasnas.tasks.base import task_class
from kerasnas.tasks.splits import stratified_split
from kerasnas.training.loop import stepper
from kerasnas.training.recipe import TrainingRecipe

_LEAST = 20  # samples
_LOOKS, _PATIENCE = 10, 5  # evaluations on the held-out share; how many without improvement end the training
_CHANCE = 0.05  # of adopting a model that is no better
_DECAY = 5e-4  # of weights
Arrays = tuple[Any, Any]


@dataclasses.dataclass(frozen=True)
class Readaptation:
    """Result of `readapt`.

    Args:
        model: the adapted model; the given one if it is not `adopted`.
        adopted: True if the adapted model is shown to be better.
        reason: why it was adopted or not.
        before: mean score of the task on the new samples that decide, such as accuracy; without labels, the distance of
            the outputs from those of the reference.
        after: the same for the adapted model, adopted or not.
        steps: number of training steps.
        seconds: time taken.
        held_out: indices of the new samples that were not trained on; empty without labels.
    """

    model: keras.Model
    adopted: bool
    reason: str
    before: float
    after: float
    steps: int
    seconds: float
    held_out: np.ndarray = dataclasses.field(repr=False)


def readapt(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    seconds: float = 60.0,
    replay: Arrays | None = None,
    monitor: DriftMonitor | None = None,
    validation_split: float = 0.25,
    learning_rate: float = 0.1,
    batch_size: int = 64,
    most_steps: int | None = None,
    cpu: bool = False,
    seed: int = 0,
    clock: Callable[[], float] | None = None,
    task: str = "classification",
) -> Readaptation:
    """Adapt a deployed model to new samples, starting from its weights; the given model is never changed.

    With labels, it is trained by SGD with Nesterov momentum and a cosine schedule over the budget. With `replay`, half
    of each batch is drawn from earlier samples, against forgetting. A share of the new samples is held out: one half of
    it for early stopping, the other, which nothing was chosen by, for the decision. The best state is adopted if the
    mean score on the latter, minus the loss on a held-out share of `replay`, rises by more than chance explains
    (Student's t of the paired difference, one-sided 95 %); otherwise the given model is returned. So wrong labels do
    harm only by chance (in one of 20 cases), or if they are wrong in the same way everywhere, which looks like a change
    of the concept.

    Without labels only the statistics of batch normalization are replaced (`adapt_batch_norm`), and adopted if the
    outputs come nearer to those of the monitor's reference. That helps if the inputs changed and the proportions of
    the classes did not; otherwise it can cost accuracy, which cannot be measured without labels.

    Args:
        model: a built Keras model that answers `(samples, outputs)`: probabilities or logits of classes, or what its
            task has.
        x: new samples as the model takes them, at least 20.
        y: their class numbers; for other tasks `(samples, outputs)`. Defaults to None: no labels.
        seconds: budget, above 0. A step or an evaluation that has started is finished. Defaults to 60.
        replay: `(x, y)`, earlier samples, at least 20; leave it out if `DriftReport.concept` reports that labels have a
            new meaning. Defaults to None.
        monitor: of the model; required without labels. Defaults to None.
        validation_split: held-out share of the samples, half of it to stop by and half to decide. Defaults to 0.25.
        learning_rate: the largest; lower it for networks that were trained at a lower one. Defaults to 0.1.
        batch_size: Defaults to 64.
        most_steps: maximum number of training steps, over which the cosine runs if it comes first. Defaults to None.
        cpu: count CPU time, not wall-clock time. Defaults to False.
        seed: of the split and of the batches. Defaults to 0.
        clock: as for a race's budget. Defaults to None.
        task: name of the task in `kerasnas.tasks.TASKS`. Defaults to `"classification"`.

    Raises:
        TypeError, ValueError: if the samples do not fit the model, a class is unknown, the budget is not above 0, or a
            number is out of range.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> layer = keras.layers.Dense(2, activation="softmax", kernel_initializer="zeros")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> x = rng.normal(size=(400, 2))
    >>> found = readapt(model, x, (x[:, 0] > 0).astype(int), most_steps=40, learning_rate=0.1)
    >>> found.adopted, found.after > 0.9
    (True, True)

    Reference:
        Rolnick et al., "Experience Replay for Continual Learning", 2019 (arXiv 1811.11682); Li et al., "Revisiting
        Batch Normalization for Practical Domain Adaptation", 2016 (arXiv 1603.04779).
    """
    view = ModelView(model, task=task)
    x = view.samples("x", x, least=_LEAST)
    budget = Budget(checks.number("seconds", seconds, above=0) / 60, cpu, clock=clock)
    checks.optional(checks.instance, "monitor", monitor, DriftMonitor)
    if not view.modality.adapts:
        raise ValueError(checks.invalid("model", "one of numbers: what reads strings is not trained on", model.name))
    if y is None:
        if monitor is None:
            raise ValueError(checks.invalid("monitor", "a `DriftMonitor`, as there are no labels", monitor))
        return _by_statistics(model, x, monitor, budget)
    labels = view.reading.labels
    new = x, labels("y", y, len(x))
    training = _Training(
        view,
        task_class(task).fitted(new[1]),
        checks.number("validation_split", validation_split, above=0, below=1),
        checks.number("learning_rate", learning_rate, above=0),
        checks.size("batch_size", batch_size),
        checks.optional(checks.size, "most_steps", most_steps),
        checks.seed(seed),
    )
    old = None
    if replay is not None:
        if not isinstance(replay, (tuple, list)) or len(replay) != 2:
            raise ValueError(checks.invalid("replay", "a pair (x, y) of earlier samples", type(replay)))
        earlier = view.samples("replay", replay[0], least=_LEAST)
        old = earlier, labels("replay", replay[1], len(earlier))
    return training.run(new, old, budget)


def _by_statistics(model: keras.Model, x: np.ndarray, monitor: DriftMonitor, budget: Budget) -> Readaptation:
    """Adapt the statistics of batch normalization."""
    before, adapted = monitor.output_distance(x, model), _copy(model)
    layers = adapt_batch_norm(adapted, x)
    after = monitor.output_distance(x, adapted) if layers else before
    adopted = after < before
    reason = "the network has no batch normalization, and there are no labels to train it on"
    if layers:
        nearer = "nearer to" if adopted else "no nearer to"
        reason = f"with new statistics of batch normalization the outputs are {nearer} those before the drift"
    chosen = adapted if adopted else model
    return Readaptation(chosen, adopted, reason, before, after, 0, budget.spent(), np.arange(0))


class _Training:
    """Training on new and earlier samples; its settings are those of `readapt`."""

    def __init__(
        self, view: ModelView, task: Task, split: float, rate: float, batch: int, most_steps: int | None, seed: int
    ) -> None:
        self.view, self.task, self.split, self.rate = view, task, split, rate
        self.batch, self.most_steps, self.seed = batch, most_steps, seed

    def run(self, new: Arrays, old: Arrays | None, budget: Budget) -> Readaptation:
        """Train, and adopt the result if it is better."""
        model = self.view.model
        fit, held = self._parts(new)
        order = np.random.default_rng([self.seed, 2]).permutation(held)
        halves = np.split(order, [len(order) // 2])  # what chose a state cannot judge it
        stopping, (x_held, y_held) = (_some(new, half) for half in halves)
        lessons, before = [_some(new, fit)], self.view.outputs(x_held)
        if old is not None:
            old_fit, old_held = self._parts(old)
            lessons.append(_some(old, old_fit))
        adapted = _copy(model)
        optimizer = TrainingRecipe(learning_rate=self.rate, weight_decay=_DECAY).optimizer(None)
        adapted.compile(optimizer, self.task.answer_loss(before), jit_compile=False)
        with fused(adapted):
            steps = self._train(adapted, lessons, stopping, budget)
            after = self.view.outputs(x_held, adapted)
            scores = [self.task.answer_scores(one, y_held) for one in (after, before)]
            lost = None
            if old is not None:
                x_old, y_old = _some(old, old_held)
                lost = paired_difference(
                    *(self.task.answer_scores(self.view.outputs(x_old, one), y_old) for one in (model, adapted))
                )
        final = _copy(adapted, compiled_like=model)  # without functions that were traced on the fused kernel
        adopted, reason = _verdict(paired_difference(*scores), lost, len(y_held))
        after_mean, before_mean = (float(one.mean()) for one in scores)
        chosen = final if adopted else model
        return Readaptation(chosen, adopted, reason, before_mean, after_mean, steps, budget.spent(), held)

    def _parts(self, data: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices to train on, and those held out."""
        strata = self.task.strata(data[1])
        if np.bincount(strata).max() < 2:  # no class to have on both sides
            order = np.random.default_rng(self.seed).permutation(len(strata))
            number = max(2, round(self.split * len(order)))
            return np.sort(order[number:]), np.sort(order[:number])
        return stratified_split(strata, self.split, self.seed)

    def _train(self, adapted: keras.Model, lessons: Sequence[Arrays], held_out: Arrays, budget: Budget) -> int:
        """Train until the budget is spent or the held-out scores stop rising; restore the best state."""
        rng, take = np.random.default_rng([self.seed, 1]), stepper(adapted)
        best, state, waited, steps, looks = self._standing(adapted, held_out), adapted.get_weights(), 0, 0, 1
        while waited < _PATIENCE:
            spent = budget.spent() / budget.seconds
            done = spent if self.most_steps is None else max(spent, steps / self.most_steps)
            if done < 1:
                adapted.optimizer.learning_rate.assign(self.rate * 0.5 * (1 + math.cos(math.pi * done)))
                take(self._batch(lessons, rng))
                steps += 1
            if done >= looks / _LOOKS or done >= 1:
                looks = math.floor(done * _LOOKS) + 1
                found = self._standing(adapted, held_out)
                waited += 1
                if found > best:
                    best, state, waited = found, adapted.get_weights(), 0
            if done >= 1:
                break
        adapted.set_weights(state)
        return steps

    def _batch(self, lessons: Sequence[Arrays], rng: np.random.Generator) -> Arrays:
        """Draw a batch, half of it from earlier samples if there are some."""
        number = self.batch if len(lessons) == 1 else self.batch // 2 or 1
        sizes = zip(lessons, (number, max(1, self.batch - number)), strict=False)
        drawn = [_some(own, rng.choice(len(own[0]), size, replace=size > len(own[0]))) for own, size in sizes]
        x, y = map(np.concatenate, zip(*drawn, strict=True))
        return x, y

    def _standing(self, model: keras.Model, held_out: Arrays) -> tuple[float, float]:
        """Return the sum of the held-out scores, and the negative loss, which breaks ties."""
        found = answers(model, held_out[0])
        if not np.isfinite(found).all():  # the training diverged: never the best
            return -math.inf, -math.inf
        loss = float(np.mean(keras.ops.convert_to_numpy(self.task.answer_loss(found)(held_out[1], found))))
        return float(self.task.answer_scores(found, held_out[1]).sum()), -loss


def _verdict(gained: tuple[float, float], lost: tuple[float, float] | None, samples: int) -> tuple[bool, str]:
    """Return whether to adopt the model, and why; `samples` are those that the gain was measured on."""
    loss, error = (0.0, 0.0) if lost is None else (max(0.0, lost[0]), lost[1])
    forgets = f", and loses {100 * loss:.1f} on earlier ones" if loss else ""
    what = f"{100 * gained[0]:.1f} points on the held-out samples{forgets}"
    error = math.hypot(max(gained[1], 1 / samples), error)  # no mean of so few is known better than by one of them
    if gained[0] - loss > stdtrit(max(1, samples - 1), 1 - _CHANCE) * error:
        return True, f"it gains {what}"
    return False, f"it gains {what}: that may be chance" if gained[0] > loss else f"it gains {what}: it is no better"


def _some(data: Arrays, rows: np.ndarray) -> Arrays:
    return data[0][rows], data[1][rows]


def _copy(model: keras.Model, compiled_like: keras.Model | None = None) -> keras.Model:
    """Return a model with the same weights, compiled like another one if that is compiled."""
    copy = clone(model)
    config = None if compiled_like is None or not compiled_like.compiled else compiled_like.get_compile_config()
    if config:
        copy.compile_from_config(config)
    return copy
