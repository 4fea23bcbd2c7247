"""Training of the winner of a race with what is left of its budget, several times, resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas.companions.base import Companion
from kerasnas.companions.joining import Beside
from kerasnas.cost import network_latency
from kerasnas.cost.counting import macs, parameters
from kerasnas.networks.ensemble import mean
from kerasnas.networks.views import number_of_views, over_views
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.entrants.slices import FINISH_SECONDS, network_of
from kerasnas.racing.race.field import Arrays
from kerasnas.racing.race.stage import Race
from kerasnas.training.loop import EVALUATION_BATCH

_LEAST_DECAY = 0.2  # of `most_epochs`: fewer steps leave the learning rate no time to fall
_DECAY = 0.35  # last part of a training, in which the learning rate falls to 0
_STEPS, _EPOCHS = 2500, 20  # of a training, after which another one is worth more than its going on
STAGE = "searched"
AGAIN = f"{STAGE}/.again"  # in its folder, and no name of a network
_ANSWERING = 0.05  # share of the budget that the answers to all views of all test samples may take
_LAYER = 0.015  # seconds for each layer of a further call of the network: to trace, convert and write it
_PIECES, _LEAST_PIECE = 25, 15.0  # a training is saved so many times, no more often than every 15 seconds


def annealed(part: float) -> float:
    """Return the share of the learning rate after a part of a training: 1, and in the end down to 0."""
    return min(1.0, max(0.0, 1 - part) / _DECAY)


def train_winner(
    race: Race, keep_model: Callable[[keras.Model], Any], companion: Companion | None = None
) -> dict[str, Any]:
    """Train the winner of a race on all data with what is left of its budget, as stage `"searched"`.

    Where there is time for several trainings, each begins where the race left the winner, and sees the samples in an
    order of its own; their networks become one, an ensemble. Beside linear models the winner is trained once, and not
    on what was held out, which says how much each counts; then, if it counts and there is time, again on all data.

    Args:
        race: it is run first, unless it is finished.
        keep_model: called with the network at its end; its outputs are logits.
        companion: the kind of linear models that join the network, which learn first. Defaults to None: none do.
            Those that must lead join it only where they are ahead of it at the end of the race.
    """
    found, finished = race.run(), race.stages.stage(STAGE)
    if finished is not None:
        race.contestants.remove()  # where a kill came between
        return finished
    name, contestants, data = found["winner"], race.contestants, _all_data(race)
    winner, plan = contestants.get(name, race.batches(race.data, name)), contestants.progress
    begun = _state(race, name)[1]
    beside = None if companion is None or plan.get("alone") else _beside(race, companion, data)
    if "ends" not in plan:
        if beside and beside.must_lead and not beside.leads(winner.scores(*race.held_out)):
            plan["alone"], beside = True, None
        batches = len(race.batches(race.data if beside else data, name))
        _plan(race, name, winner, batches, 1 if beside else race.trainings)
    for stage in plan["ends"]:
        _train(race, name, winner, stage, race.data if beside and stage != AGAIN else data)
    linear: Any = plan.get("linear")  # once the winner is trained again
    if beside is not None and linear is None:
        linear = beside.weigh(_delivered(race, name, winner), EVALUATION_BATCH, race.log)
        if linear["weights"][-1] and _begin_again(race, name, winner, linear, data):
            _train(race, name, winner, AGAIN, data)
    model = _delivered(race, name, winner)
    if beside is not None:
        model = beside.joined(model, linear["weights"])
    keep_model(model)
    record = _record(race, model, begun, [_state(race, name, stage)[1] for stage in plan["ends"]])
    record |= {"genotype": found["contestants"][name]["genotype"]} | ({"linear": linear} if linear else {})
    record = race.stages.finish(STAGE, record)  # first: without its progress the race cannot be resumed
    contestants.remove()
    return record


def _record(race: Race, model: keras.Model, begun: dict[str, Any], ended: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the model costs that is handed over, and how it was trained, from one beginning to each end."""
    views = number_of_views(race.contestants.progress["views"], model.input_shape[1:])
    return {
        "parameters": parameters(model),
        "macs": macs(model),  # of what is handed over: linear models may be beside its network, or alone
        "latency_ms": network_latency(model),
        **{key: begun[key] + sum(end[key] - begun[key] for end in ended) for key in ("seconds", "steps")},
        "spent": race.budget.spent(),
        "history": ended[0]["history"],
        **({"trainings": len(ended)} if len(ended) > 1 else {}),
        **({"views": views} if views > 1 else {}),
    }


def _plan(race: Race, name: str, winner: Contestant, batches: int, most: int) -> None:
    """Plan how often the winner is trained, until when each time, and over which views it answers.

    Measured and planned once: a resumed training ends where it would have ended.
    """
    budget, contestants, entry = race.budget, race.contestants, race.entries[name]
    views, test = (), 0.0
    if winner.learns:
        test = race.test_samples * _evaluation_seconds(race, winner)
        views = tuple(race.progress["augment"]) if race.views else ()
    number, answering = number_of_views(views, winner.model.input_shape[1:]), _ANSWERING * budget.seconds
    if number * test > answering:
        views, number = (), 1
    now = budget.spent()
    steps = min(race.most_epochs * batches, max(_STEPS, _EPOCHS * batches))
    time = budget.seconds - FINISH_SECONDS - number * test - now
    room = min(time / (steps * entry["step_seconds"]), answering / (number * test or 1)) if winner.learns else 1
    trainings = max(1, min(most, int(room)))
    calls = number * trainings
    reserve = FINISH_SECONDS + calls * test + (calls - 1) * len(winner.model.layers) * _LAYER
    each = min((budget.seconds - reserve - now) / trainings, _useful_seconds(race, name, batches, winner.steps))
    stages = [STAGE, *(f"{STAGE}/.{index}" for index in range(2, trainings + 1))]
    ends = {stage: float(now + index * each) for index, stage in enumerate(stages, start=1)}
    contestants.progress |= {"ends": ends, "trained": {}, "finished": [], "reserve": reserve, "views": views}
    contestants.write(now)


def _delivered(race: Race, name: str, winner: Contestant) -> keras.Model:
    """Return what the trained winner becomes: one network, which answers the mean over the views of a sample."""
    *others, last = race.contestants.progress["ends"]
    models = []
    for stage in others:
        winner.set_state(*_state(race, name, stage))
        models.append(network_of(race.entries[name], race.build))
        with winner.average.applied():
            models[-1].set_weights(winner.model.get_weights())
    winner.set_state(*_state(race, name, last))
    models.append(winner.delivered())
    return over_views(mean(models), race.contestants.progress["views"])


def _state(race: Race, name: str, stage: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return how far the winner has come in a stage; at its beginning, or without one, how the race left it."""
    state = race.contestants.state_of(name, stage) or race.contestants.state_of(name)
    assert state is not None  # the race has saved it
    return state


def _all_data(race: Race) -> Arrays:
    """Return what a race learns from, and after it what it holds out."""
    return tuple(np.concatenate(pair) for pair in zip(race.data, race.held_out, strict=True))


def _beside(race: Race, kind: Companion, data: Arrays) -> Beside:
    """Return linear models of the data of a race; what it holds out says how much each counts."""
    first, second = np.split(np.arange(len(data[0])), [len(race.data[0])])
    return Beside(kind, data, (first, second), race.task, race.num_classes)


def _begin_again(race: Race, name: str, winner: Contestant, linear: dict[str, Any], data: Arrays) -> bool:
    """Let a winner begin again from where the race left it, on all data; False if there is no time for all its epochs.

    `linear` is kept, as what was held out cannot say it again.
    """
    contestants, now = race.contestants, race.budget.spent()
    if not winner.learns:
        return False
    batches, begun = len(race.batches(data, name)), _state(race, name)[1]
    needed = _useful_seconds(race, name, batches, begun["steps"])
    if now + needed > race.budget.seconds - contestants.progress["reserve"]:
        return False
    contestants.progress |= {"linear": linear, "ends": {AGAIN: now + needed}, "trained": {}, "finished": []}
    contestants.write(now)
    return True


def _train(race: Race, name: str, winner: Contestant, stage: str, data: Arrays) -> None:
    """Train the winner from where the race left it until the end of a stage in the plan; save it from time to time."""
    contestants, budget, plan = race.contestants, race.budget, race.contestants.progress
    end, trained, index = plan["ends"][stage], plan["trained"], list(plan["ends"]).index(stage)
    winner.set_state(*_state(race, name, stage))
    winner.batches = race.batches(data, name, index)
    if stage not in trained:
        trained[stage] = 0.0
        left = max(0.0, end - plan["spent"])
        what = f"Training {name} for {left:.0f} s" if winner.learns else f"Fitting the head of {name}"
        again = f", {index + 1} of {len(plan['ends'])}" if len(plan["ends"]) > 1 else ""
        race.log(f"{what} on {len(winner.batches.x):,} {race.samples}{again}.")
    while stage not in plan["finished"]:
        left = end - budget.spent()
        if left > 0:
            done, total = trained[stage], trained[stage] + left

            def schedule(past: float, done: float = done, total: float = total) -> float:
                return annealed((done + past) / total)

            before = winner.seconds
            winner.advance(budget.clock, min(left, max(_LEAST_PIECE, total / _PIECES)), schedule=schedule)
            trained[stage] += winner.seconds - before
        now = budget.spent()
        if now >= end or not winner.learns:
            plan["finished"].append(stage)
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
