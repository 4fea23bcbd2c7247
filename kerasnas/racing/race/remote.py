"""Rungs of a race through an executor: what is given to workers, and what comes back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator

from kerasnas.executors.base import WorkerLostError
from kerasnas.racing.entrants.slices import FINISH_SECONDS, TIMED, Slice, Trained, Work, train_slice
from kerasnas.racing.race.field import Field


def train_remotely(field: Field, names: Iterable[str], index: int, steps: int) -> None:
    """Train contestants of a race in the workers of its executor, and compare them, unless that is done.

    Checkpoints and progress are written here alone: a worker needs no folder. A contestant that each worker was lost
    with, most likely for want of memory, is out of the field.
    """
    size = field.batch_size_for(len(field.data[0]))
    work = Work(field.build, field.data, field.held_out, size, field.seed, field.task, field.name)
    names, left = iter(names), list[str]()
    while True:
        taken: list[str] = []
        slices = _slices(field, itertools.chain(left, names), taken, index, steps)
        try:
            for number, trained in field.executor.completed(train_slice, slices, work):
                _note(field, taken[number], trained)
            return
        except WorkerLostError as error:
            if error.number is None:
                raise
            field.contestants.drop(taken[error.number], error)
            left = taken  # those that are done are not repeated


def _slices(field: Field, names: Iterable[str], taken: list[str], index: int, steps: int) -> Iterator[Slice]:
    """Return the slices of those of `names` that have not come so far; `taken` gets the name of each."""
    for name in names:
        entry = field.entries[name]
        if entry["outcome"] or len(entry["rungs"]) > index:
            continue
        order = Slice(name, entry, tuple(field.progress["augment"]), steps, field.contestants.state_of(name), 0.0)
        if order.state is None and entry.get("initializer"):  # which is known here
            order.state = field.begun(name).state()
        order.seconds = max(0.0, 0.9 * (field.budget.left() - FINISH_SECONDS))
        order.until = time.time() + order.seconds
        order.standing = tuple(field.progress["standing"])
        order.precision = field.progress.get("precision", order.precision)
        if name == field.progress["first"]:
            order.timed = TIMED
        elif index == 0 and (pace := field.pace()):
            order.most_macs = field.most_seconds / (steps * pace)
        taken.append(name)
        yield order


def _note(field: Field, name: str, trained: Trained) -> None:
    """Take over what came of a slice."""
    entry = field.entries[name]
    entry |= trained.costs
    if trained.too_slow:
        field.progress["standing"].remove(name)
        field.leave_out(name)
    elif trained.failure:
        field.contestants.drop(name, RuntimeError(trained.failure))
    else:
        assert trained.state is not None and trained.scores is not None
        steps, seconds = int(trained.state[1]["steps"]), float(trained.state[1]["seconds"])
        step = trained.step_seconds
        if step is not None and name == field.progress["first"]:
            field.progress.setdefault("slower", step / entry["step_seconds"])
        if step is not None or "step_seconds" not in entry:
            entry["step_seconds"] = step or trained.seconds / max(1, steps)
        entry["cost"] = entry.get("cost", 0.0) + trained.seconds
        field.note(name, trained.scores, steps, seconds)
        field.contestants.keep(name, trained.state, field.budget.spent())
