"""A slice of a race as an item of an executor: a contestant trained from its checkpoint in a worker, and evaluated."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.backend import OUT_OF_MEMORY
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.cost.counting import macs, parameters
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.genotypes import Genotype, of_entry
from kerasnas.modalities.augmentations import AUGMENTATIONS, compose
from kerasnas.networks.precision import FLOAT32
from kerasnas.racing.entrants.contestant import TRACED, Contestant
from kerasnas.tasks import Task

FAILURES: tuple[type[BaseException], ...] = (NonFiniteError, *OUT_OF_MEMORY)
"""What ends one candidate, and not the race."""
TIMED = 20
"""Steps that are timed."""
FINISH_SECONDS = 5.0
"""Seconds of a budget that are left to save, to plot and to report."""

State = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


def batches_of(data: tuple[Any, ...], size: int, seed: int, augment: tuple[str, ...]) -> ArrayBatches:
    """Batches of `data` for a training, to whose images the named augmentations are done."""
    functions = [AUGMENTATIONS[name] for name in augment]
    x, y, *weights = data
    own = {"sample_weight": weights[0]} if weights else {}
    return ArrayBatches(x, y, size, seed=seed, augment=compose(*functions), **own)


def network_of(entry: Mapping[str, Any], build: Callable[[Genotype], keras.Model]) -> keras.Model:
    """Return the network of a contestant as new, with the learning rate that it has of its own."""
    model = build(of_entry(entry["genotype"]))
    if entry.get("learning_rate"):
        model.optimizer.learning_rate.assign(entry["learning_rate"])
    return model


@dataclasses.dataclass
class Work:
    """Common part of all slices of a race.

    Args:
        build, data, held_out, seed, task: as for `Race`.
        batch_size: that fits the data.
        race: a name that no other has.
    """

    build: Callable[[Genotype], keras.Model]
    data: tuple[Any, ...]
    held_out: tuple[Any, ...]
    batch_size: int
    seed: int
    task: Task

    race: str


@dataclasses.dataclass
class Slice:
    """Training of one contestant up to `steps` steps.

    Args:
        name: of the contestant.
        entry: what is known of it; its genotype and its learning rate count here.
        augment: names of augmentations.
        steps: to which it is trained.
        state: what it continues from, or None from its start.
        seconds: that it may take.
        until: when it must have ended, by `time.time()`: a worker may begin late, or again what was lost with another.
        most_macs: multiply-adds of its network, with more of which it would be too slow to start. Defaults to any.
        timed: further steps that are timed and not kept, where there is nothing to train. Defaults to 0.
        standing: names of those that may come again.
        precision: as for `Contestant`.
    """

    name: str
    entry: Mapping[str, Any]
    augment: tuple[str, ...]
    steps: int
    state: State | None
    seconds: float
    until: float = math.inf
    most_macs: float = math.inf
    timed: int = 0
    standing: tuple[str, ...] = ()
    precision: str = FLOAT32


@dataclasses.dataclass
class Trained:
    """Result of a slice.

    Attributes:
        costs: multiply-adds and parameters of the network, as the contestant's entry has them.
        too_slow: True where it did not start.
        failure: why it failed, or nothing.
        state: what it continues from.
        scores: of the held-out samples.
        step_seconds: of a step, or None where none was timed.
        seconds: in the worker, of everything.
    """

    costs: dict[str, float]
    too_slow: bool = False
    failure: str = ""
    state: State | None = None
    scores: np.ndarray | None = None
    step_seconds: float | None = None
    seconds: float = 0.0


_living: dict[str, Contestant] = {}  # in a worker: those of the race that it is at, by name
_race: list[str] = []


def train_slice(work: Work, order: Slice) -> Trained:
    """Train a contestant for a slice of the race, and evaluate it."""
    clock = time.perf_counter
    begin, seconds = clock(), min(order.seconds, order.until - time.time())
    if _race != [work.race]:
        _race[:] = [work.race]
        _living.clear()
    for name in set(_living) - {*order.standing, order.name}:
        del _living[name]
    done = Trained({})
    try:
        contestant = _contestant(work, order)
        done.costs = {"parameters": parameters(contestant.model), "macs": macs(contestant.model)}
        if done.costs["macs"] > order.most_macs:
            del _living[order.name]
            return dataclasses.replace(done, too_slow=True)
        if not contestant.steps:
            contestant.advance(clock, steps=TRACED)
        start, before = clock(), contestant.steps
        contestant.advance(clock, max(0.0, seconds - (start - begin)), order.steps - before)
        if contestant.steps > before:
            done.step_seconds = (clock() - start) / (contestant.steps - before)
        done.scores = contestant.scores(*work.held_out)
        done.state = contestant.state()
        done.seconds = clock() - begin
        if done.step_seconds is None and order.timed:
            done.step_seconds = _living.pop(order.name).seconds_a_step(clock, order.timed)
    except FAILURES as error:
        _living.pop(order.name, None)
        done.failure = str(error).strip() or type(error).__name__
    return done


def _contestant(work: Work, order: Slice) -> Contestant:
    """Return the living one, if it is as far as the order says, or one from the state of the order."""
    steps = 0 if order.state is None else order.state[1]["steps"]
    living = _living.get(order.name)
    if living is None or living.steps != steps:
        model = network_of(order.entry, work.build)
        batches = batches_of(work.data, work.batch_size, work.seed, order.augment)
        living = Contestant(model, batches, task=work.task, precision=order.precision)
        if order.state is not None:
            living.set_state(*order.state)
        _living[order.name] = living
    return living
