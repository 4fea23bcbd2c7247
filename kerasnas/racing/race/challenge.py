"""Challenge: networks made from pretrained ones against the first candidate of a race, at equal time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasnas.racing.curves import extrapolated
from kerasnas.racing.entrants.slices import FAILURES, FINISH_SECONDS, TRACED
from kerasnas.racing.portfolio import Candidate
from kerasnas.racing.race.field import Field
from kerasnas.racing.symmetries import found, kept_accuracies
from kerasnas.starts.adapted import FROZEN, TUNED
from kerasnas.starts.base import STAGES, StartError

PROBES, SLICE = 0.1, 0.06  # shares of the budget: of all probes, and of a tuned network's first training
RATES = (3e-4, 2e-3)  # learning rates of tuned networks: best near to photographs, and far from them
_LEAST_EPOCHS = 4.0  # that a network has to be tuned for, or its images are made smaller
_WARMUP = 10  # steps: these weights are no longer far from where they will be
_STEP = 4.3  # passes forward that a step of training takes the time of
_FIRST = 96  # pixels: the size of images from which others are tried, smaller and larger


def challenge(field: Field) -> None:
    """Let a pretrained network, frozen and tuned, challenge the first candidate; who is expected to end best stands.

    Ridge regression on frozen features says in seconds what each size of images and each head is worth. The best is a
    candidate as it is. With all stages tuned from there, at the largest size that leaves time for it, it is another,
    trained about as long as the first one has been. Their scores at half of that time and at its end are extrapolated
    to the end of the budget by power laws.
    """
    plan = field.progress.setdefault("challenge", {"probes": [], "done": False})
    if plan["done"]:
        return
    if "left" not in plan:
        plan["left"] = field.budget.left() - FINISH_SECONDS
    try:
        _probe(field, plan)
    except StartError as error:
        field.log(f"  No pretrained network takes part: {error}")
    if plan["probes"]:
        _continue(field)
        for candidate in _candidates(field, plan):
            _train(field, plan, candidate)
        _decide(field, plan)
    plan["done"] = True
    field.contestants.write(field.budget.spent())


def _probe(field: Field, plan: dict[str, Any]) -> None:
    """Find out what frozen features are worth: for larger and larger images, while that helps and there is time.

    Smaller ones are tried where the usual size is too slow to be tuned.
    """
    assert field.prober is not None
    space = field.prober.space
    usual = min(space.sizes_of_images, key=lambda size: abs(size - _FIRST))
    larger = [size for size in sorted(space.sizes_of_images) if size >= usual]
    smaller = [size for size in sorted(space.sizes_of_images, reverse=True) if size < usual]
    for name in space.starts:
        tried: dict[int, dict[str, Any]] = {one["size"]: one for one in plan["probes"] if one["start"] == name}
        best = -math.inf
        for size in larger:
            if size not in tried and not _affordable(field, plan, tried, size):
                break
            tried[size] = tried.get(size) or _probed(field, plan, name, size)
            if tried[size]["score"] <= best:
                break
            best = tried[size]["score"]
        for size in smaller:
            spent = sum(one["seconds"] for one in plan["probes"])
            if any(_tunable(field, plan, one) for one in tried.values()) or spent > PROBES * field.budget.seconds:
                break
            tried[size] = tried.get(size) or _probed(field, plan, name, size)


def _affordable(field: Field, plan: dict[str, Any], tried: dict[int, dict[str, Any]], size: int) -> bool:
    """Return True if there is time to probe images of a size, by what smaller ones took; there is for the first."""
    spent = sum(one["seconds"] for one in plan["probes"])
    if not tried:
        return spent < PROBES * field.budget.seconds
    largest = tried[max(tried)]
    pace = largest["pace"] * (size / largest["size"]) ** 2
    seconds = largest["seconds"] + (pace - largest["pace"]) * (len(field.data[0]) + len(field.held_out[0]))
    return spent + seconds <= PROBES * field.budget.seconds


def _tunable(field: Field, plan: dict[str, Any], probe: dict[str, Any]) -> bool:
    """Return True if there is time to tune a network at the size of a probe."""
    return _STEP * _LEAST_EPOCHS * len(field.data[0]) * probe["pace"] <= plan["left"]


def _probed(field: Field, plan: dict[str, Any], name: str, size: int) -> dict[str, Any]:
    """Probe a start for images of a size, and note what it is worth."""
    assert field.prober is not None
    probe = field.prober.probe(name, size, field.data, field.held_out, field.budget.clock)
    plan["probes"].append(probe)
    words = field.task.score_in_words(probe["score"], f"held-out {field.samples}")
    field.log(f"  {name}, frozen, {size}x{size}: {words}, in {probe['seconds']:.1f} s")
    field.contestants.write(field.budget.spent())
    return probe


def _candidates(field: Field, plan: dict[str, Any]) -> list[Candidate]:
    """Return the frozen network of the best probe, and tuned ones of the best that there is time for."""
    assert field.prober is not None
    space, tried = field.prober.space, plan["probes"]
    best = max(tried, key=lambda probe: probe["score"])
    fitting = [probe for probe in tried if _tunable(field, plan, probe)]

    def candidate(probe: dict[str, Any], mode: str, rate: float = 0.0) -> Candidate:
        network = space.network(probe["start"], probe["size"], (mode,) * STAGES, probe["head"])
        name = f"{probe['start']}_{probe['size']}_{mode}" + (f"_{rate:g}" if rate else "")
        return Candidate(name, network, "pretrained", initializer=probe["start"], learning_rate=rate, warmup=_WARMUP)

    tuned = max(fitting, key=lambda probe: probe["score"], default=None)
    return [candidate(best, FROZEN), *(candidate(tuned, TUNED, rate) for rate in RATES if tuned is not None)]


def _continue(field: Field) -> None:
    """Train the first candidate for twice as long as its scouting took, if that is no more than the others get.

    Its curve bends: from the last doubling of the time, and not from the one before, the next ones follow.
    """
    name, steps = field.progress["first"], 2 * field.progress["steps"]
    entry = field.entries[name]
    contestant = field.begun(name)
    if not entry["rungs"]:
        field.note(name, contestant.scores(*field.held_out), contestant.steps, contestant.seconds)
        field.contestants.save(name, field.budget.spent())
    if contestant.steps < steps and steps * entry["step_seconds"] <= 2 * SLICE * field.budget.seconds:
        contestant.advance(field.budget.clock, steps=steps - contestant.steps)
        field.trace(name, contestant)
        field.contestants.save(name, field.budget.spent())


def _train(field: Field, plan: dict[str, Any], candidate: Candidate) -> None:
    """Train one of them for a slice of time in two halves, unless that is done, and note how it does."""
    name = candidate.name
    if name not in field.entries:
        field.contestants.enter(candidate)
    entry = field.entries[name]
    while not entry["outcome"] and not entry["rungs"]:
        before, clock, point = field.budget.spent(), field.budget.clock, len(entry.get("curve", ()))
        try:
            contestant = field.begun(name, _augment(field, plan, name))
            if point == 1:
                contestant.advance(clock, steps=TRACED)
            start, done = clock(), contestant.steps
            if point:
                contestant.advance(clock, SLICE * field.budget.seconds / 2)
                entry["step_seconds"] = (clock() - start) / max(1, contestant.steps - done)
            scores = field.trace(name, contestant)
        except FAILURES as error:
            field.contestants.drop(name, error)
            return
        entry["cost"] = entry.get("cost", 0.0) + field.budget.spent() - before
        entry.setdefault("step_seconds", entry["cost"])  # of a frozen network, its one step is the fit of its head
        if point == 2 or not contestant.learns:
            field.note(name, scores, contestant.steps, contestant.seconds)
        field.contestants.save(name, field.budget.spent())


def _augment(field: Field, plan: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return the augmentations: those that the first frozen network tolerates, unless they were given."""
    if field.augment is not None:
        return field.augment
    if "augment" not in plan:
        x, y = field.held_out
        contestant = field.begun(name, ())
        chance = field.task.chance(np.asarray(y), field.num_classes)
        plan["kept"] = kept_accuracies(contestant.scores, x, y, chance)
        plan["augment"] = ["shift", *found(plan["kept"])] if field.tolerant else list(found(plan["kept"]))
        field.log(f"  Augmentations of pretrained networks: {', '.join(plan['augment']) or 'none'}.")
    return tuple(plan["augment"])


def _decide(field: Field, plan: dict[str, Any]) -> None:
    """Let those stand that are expected to end best: the first candidate, or one of those that challenge it."""
    ends = {
        name: _end(field, entry) for name, entry in field.entries.items() if "curve" in entry and not entry["outcome"]
    }
    plan["ends"] = ends
    best, first = max(ends, key=lambda name: ends[name]), field.progress["first"]
    out = [name for name in ends if name not in (best, first)]
    if best != first:
        out.append(first)
        for name in field.progress["waiting"]:
            del field.entries[name]
        steps = field.entries[best]["rungs"][-1]["steps"]
        field.progress |= {"standing": [best], "waiting": [], "rungs": [[len(ends), steps]]}
        field.progress |= {"augment": plan["augment"], "kept": plan["kept"]} if "augment" in plan else {}
    for name in out:
        field.entries[name]["outcome"] = f"out after the challenge, expected to end at {ends[name]:.3f}"
    field.contestants.write(field.budget.spent())
    for name in out:
        field.contestants.forget(name)


def _end(field: Field, entry: dict[str, Any]) -> float:
    """Return the score that a network is expected to end with."""
    *_, last = curve = entry["curve"]
    learned = [point for point in curve if point["steps"]]
    if len(learned) < 2:
        return last["accuracy"]
    early, late = learned[-2:]
    left = max(field.budget.left() - FINISH_SECONDS, 0.0) / entry["step_seconds"]
    return extrapolated(
        early["accuracy"],
        late["accuracy"],
        math.log2(late["steps"] / early["steps"]),
        math.log2(1 + left / late["steps"]),
    )
