"""Training of the winners of a race with what is left of its budget, resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.companions.base import Companion
from kerasnas.companions.joining import Beside
from kerasnas.cost import network_latency
from kerasnas.cost.counting import macs, parameters
from kerasnas.networks.ensemble import ensemble
from kerasnas.networks.views import number_of_views, over_views
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.entrants.slices import FINISH_SECONDS
from kerasnas.racing.race.field import Arrays
from kerasnas.racing.race.stage import Race
from kerasnas.training.loop import EVALUATION_BATCH

_LEAST_DECAY = 0.2  # of `most_epochs`: fewer steps leave the learning rate no time to fall
_DECAY = 0.35  # last part of a winner's training, in which the learning rate falls to 0
STAGE = "searched"
AGAIN = f"{STAGE}/.again"  # in its folder, and no name of a network
_VIEWING = 0.05  # share of the budget that the views of all test samples may take
_PIECES, _LEAST_PIECE = 25, 15.0  # a training is saved so many times, no more often than every 15 seconds


def annealed(part: float) -> float:
    """Return the share of the learning rate after a part of a winner's training: 1, and in the end down to 0."""
    return min(1.0, max(0.0, 1 - part) / _DECAY)


def train_winners(
    race: Race, keep_model: Callable[[keras.Model], Any], companion: Companion | None = None
) -> dict[str, Any]:
    """Train the winners of a race on all data with what is left of its budget, as stage `"searched"`.

    Several share the time equally, one after the other, and become one network: their ensemble. Beside linear models
    they are not trained on what was held out, which says how much each counts; then a single one that counts is trained
    again, from where the race left it, on all data, if there is time for that.

    Args:
        race: it is run first, unless it is finished.
        keep_model: called with the network at its end; its outputs are logits.
        companion: the kind of linear models that join the network, which learn first. Defaults to None: none do.
    """
    found, finished = race.run(), race.stages.stage(STAGE)
    if finished is not None:
        race.contestants.remove()  # where a kill came between
        return finished
    contestants, budget, names = race.contestants, race.budget, found["winners"]
    beside = None if companion is None else _beside(race, companion)
    linear = contestants.progress.get("linear")  # once the winner is trained again
    stage = STAGE if linear is None else AGAIN
    learned = _all_data(race) if beside is None or linear else race.data
    winners = {name: contestants.get(name, race.batches(learned, name), stage) for name in names}
    shape = winners[names[0]].model.input_shape[1:]
    # Measured and planned once: a resumed training ends where it would have ended.
    if "ends" not in contestants.progress:
        test = race.test_samples * sum(_evaluation_seconds(race, one) for one in winners.values() if one.learns)
        views = race.progress["augment"] if race.views and all(winner.learns for winner in winners.values()) else ()
        if number_of_views(views, shape) * test > _VIEWING * budget.seconds:
            views = ()
        reserve = FINISH_SECONDS + number_of_views(views, shape) * test  # for the record
        now = budget.spent()
        each = (budget.seconds - reserve - now) / len(names)
        useful = {name: _useful_seconds(race, name, len(one.batches), one.steps) for name, one in winners.items()}
        shares = {name: min(each, seconds) for name, seconds in useful.items()}
        ends = dict(zip(names, now + np.cumsum([shares[name] for name in names]), strict=True))
        contestants.progress["ends"] = {name: float(end) for name, end in ends.items()}
        contestants.progress |= {"trained": {}, "finished": [], "reserve": reserve, "views": list(views)}
        contestants.write(now)
    for name, winner in winners.items():
        _train(race, name, winner, stage)
    model = _delivered(race, winners)
    if beside is not None:
        if linear is None:
            linear = beside.weigh(model, EVALUATION_BATCH, race.log)
            if len(names) == 1 and linear["weights"][-1] and _begin_again(race, names[0], winners[names[0]], linear):
                _train(race, names[0], winners[names[0]], AGAIN)
                model = _delivered(race, winners)
        model = beside.joined(model, linear["weights"])
    keep_model(model)
    record = {
        "parameters": parameters(model),
        "macs": macs(model),  # of what is handed over: linear models may be beside its networks, or alone
        "latency_ms": network_latency(model),
        "seconds": sum(winner.seconds for winner in winners.values()),
        "spent": budget.spent(),
        "steps": sum(winner.steps for winner in winners.values()),
        "history": winners[names[0]].history,
        "genotype": found["contestants"][names[0]]["genotype"],
        **({"views": views} if (views := number_of_views(_views(race), shape)) > 1 else {}),
        **({"linear": linear} if linear else {}),
    }
    record = race.stages.finish(STAGE, record)  # first: without its progress the race cannot be resumed
    contestants.remove()
    return record


def _delivered(race: Race, winners: Mapping[str, Contestant]) -> keras.Model:
    """Return what trained winners become: one network, which answers the mean over the views of a sample."""
    models = [winner.delivered() for winner in winners.values()]
    model = models[0] if len(models) == 1 else ensemble(models)
    return over_views(model, _views(race))


def _views(race: Race) -> Sequence[str]:
    """Return the augmentations over whose views the answers are means, as planned."""
    return race.contestants.progress.get("views", ())


def _all_data(race: Race) -> Arrays:
    """Return what a race learns from, and after it what it holds out."""
    return tuple(np.concatenate(pair) for pair in zip(race.data, race.held_out, strict=True))


def _beside(race: Race, kind: Companion) -> Beside:
    """Return linear models of the data of a race; what it holds out says how much each counts."""
    data = _all_data(race)
    first, second = np.split(np.arange(len(data[0])), [len(race.data[0])])
    return Beside(kind, data, (first, second), race.task, race.num_classes)


def _begin_again(race: Race, name: str, winner: Contestant, linear: dict[str, Any]) -> bool:
    """Let a winner begin again from where the race left it, on all data; False if there is no time for all its epochs.

    `linear` is kept, as what was held out cannot say it again.
    """
    contestants, state, now = race.contestants, race.contestants.state_of(name), race.budget.spent()
    if state is None or not winner.learns:
        return False
    batches = race.batches(_all_data(race), name)
    needed = _useful_seconds(race, name, len(batches), state[1]["steps"])
    if now + needed > race.budget.seconds - contestants.progress["reserve"]:
        return False
    winner.set_state(*state)
    winner.batches = batches
    contestants.progress |= {"linear": linear, "ends": {name: now + needed}, "trained": {}, "finished": []}
    contestants.save(name, now, AGAIN)
    return True


def _train(race: Race, name: str, winner: Contestant, stage: str) -> None:
    """Train one winner until its end in the plan, and save it from time to time."""
    contestants, budget = race.contestants, race.budget
    end, trained = contestants.progress["ends"][name], contestants.progress["trained"]
    if name not in trained:
        trained[name] = 0.0
        left = max(0.0, end - contestants.progress["spent"])
        what = f"Training {name} for {left:.0f} s" if winner.learns else f"Fitting the head of {name}"
        race.log(f"{what} on {len(winner.batches.x):,} {race.samples}.")
    while name not in contestants.progress["finished"]:
        left = end - budget.spent()
        if left > 0:
            done, total = trained[name], trained[name] + left

            def schedule(past: float, done: float = done, total: float = total) -> float:
                return annealed((done + past) / total)

            before = winner.seconds
            winner.advance(budget.clock, min(left, max(_LEAST_PIECE, total / _PIECES)), schedule=schedule)
            trained[name] += winner.seconds - before
        now = budget.spent()
        if now >= end or not winner.learns:
            contestants.progress["finished"].append(name)
        contestants.save(name, now, stage)
        history = {key: values[-1] for key, values in winner.history.items() if key != "steps"}
        race.watch(f"{stage}/{name}", history, winner.steps)


def _useful_seconds(race: Race, name: str, batches: int, steps: int) -> float:
    """Return the seconds of training left until `most_epochs` of so many batches, enough for the rate to fall."""
    most = race.most_epochs * batches
    return max(_LEAST_DECAY * most, most - steps) * race.contestants.entries[name]["step_seconds"]


def _evaluation_seconds(race: Race, contestant: Contestant) -> float:
    """Seconds of the evaluation of one sample."""
    contestant.scores(*race.held_out)  # traces
    start = race.budget.clock()
    contestant.scores(*race.held_out)
    return (race.budget.clock() - start) / len(race.held_out[0])
