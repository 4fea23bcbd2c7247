"""The rungs of a race through an executor: what is given to workers, and what comes back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kerasnas.executors import WorkerLostError
from kerasnas.racing.slices import FINISH_SECONDS, TIMED, Slice, Trained, Work, train_slice

if TYPE_CHECKING:
    from kerasnas.racing.stage import Race


def train_elsewhere(race: Race, names: Iterable[str], index: int, steps: int) -> None:
    """Train contestants of a race in the workers of its executor, and compare them, unless that is done.

    Checkpoints and progress are written here alone: a worker needs no folder. A contestant that each worker was lost
    with, most likely for want of memory, is out of the race.

    Args:
        race: whose executor it is.
        names: of the contestants; the next one is taken when there is room for it.
        index: of the rung.
        steps: up to which they are trained.
    """
    size = race.batch_size_for(len(race.data[0]))
    work = Work(race.build, race.data, race.held_out, size, race.seed, race.task, race.name)
    names, left = iter(names), list[str]()
    while True:
        taken: list[str] = []
        slices = _slices(race, itertools.chain(left, names), taken, index, steps)
        try:
            for number, trained in race.executor.completed(train_slice, slices, work):
                _note(race, taken[number], trained)
            return
        except WorkerLostError as error:
            if error.number is None:
                raise
            race.contestants.drop(taken[error.number], error)
            left = taken  # those that are done are not repeated


def _slices(race: Race, names: Iterable[str], taken: list[str], index: int, steps: int) -> Iterator[Slice]:
    """The slices of those of `names` that have not come so far; `taken` gets the name of each."""
    for name in names:
        entry = race.contestants.entries[name]
        if entry["outcome"] or len(entry["rungs"]) > index:
            continue
        order = Slice(name, entry, race.augment_of(name), steps, race.contestants.state_of(name), 0.0)
        if order.state is None and entry.get("initializer"):  # which is known here
            order.state = race.begun(name).state()
        order.seconds = max(0.0, 0.9 * (race.budget.left() - FINISH_SECONDS))
        order.until = time.time() + order.seconds
        order.standing = tuple(race.progress["standing"])
        if name == race.progress["first"]:
            order.timed = TIMED
        elif index == 0:
            order.most, order.pace = race.most_seconds, race.pace()
        taken.append(name)
        yield order


def _note(race: Race, name: str, trained: Trained) -> None:
    """Take over what came of a slice."""
    entry = race.contestants.entries[name]
    entry |= trained.costs
    if trained.too_slow:
        race.progress["standing"].remove(name)
        race.leave_out(name)
    elif trained.failure:
        race.contestants.drop(name, RuntimeError(trained.failure))
    else:
        assert trained.state is not None and trained.scores is not None
        steps, seconds = int(trained.state[1]["steps"]), float(trained.state[1]["seconds"])
        step = trained.step_seconds
        if step is not None and name == race.progress["first"]:
            race.progress.setdefault("slower", step / entry["step_seconds"])
        if step is not None or "step_seconds" not in entry:
            entry["step_seconds"] = step or trained.seconds / max(1, steps)
        entry["cost"] = entry.get("cost", 0.0) + trained.seconds
        race.note(name, trained.scores, steps, seconds)
        race.contestants.keep(name, trained.state, race.budget.spent())
