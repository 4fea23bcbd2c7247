"""Challenge: networks made from pretrained ones against the first candidate of a race, at equal time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasnas.intervals import paired_difference, standard_error
from kerasnas.racing import curves
from kerasnas.racing.entrants.contestant import TRACED
from kerasnas.racing.entrants.contestants import packed
from kerasnas.racing.entrants.slices import FAILURES, FINISH_SECONDS
from kerasnas.racing.portfolio import Candidate
from kerasnas.racing.race.field import Field
from kerasnas.racing.race.ranking import expected_end
from kerasnas.starts.adapted import FROZEN, TUNED
from kerasnas.starts.base import STAGES, StartError
from kerasnas.starts.heads import COMPARED
from kerasnas.starts.probes import MOST

PROBES, SLICE = 0.1, 0.06  # shares of the budget: of all probes, and of a tuned network's first training
_WIDER = 0.2  # share of the budget above which a probe tries no wider head
_HOPED = 0.4  # exponent that a tuned network's curve has on some data
_TUNED = {STAGES: 4.4, 2: 2.9, 1: 2.1}  # last stages that are tuned -> passes forward that a step takes the time of
BATCH = 32  # samples: with 64, a tuned network makes half as many steps, and is worse after the same time
_TWICE = 0.12  # share of the budget that the first candidate may be trained for before the decision
_WHOLE = 0.25  # the same, where that teaches it all there is to learn
_LEAST_STEPS = 100  # of whole batches, also where few samples make small ones: before that, a network is worse
_WARMUP = 10  # steps: these weights are no longer far from where they will be
_TIE = 0.005  # score by which the first candidate, thirty times smaller than a challenger, may be behind
_EPOCHS = 100  # in which few samples teach most of what they can
_DOUBT = 0.5  # standard errors by which it has to be ahead
_FEW = 8  # images of each class, below which last stages alone are not tuned
_WORSE = 2.0  # standard errors by which larger images have to be worse
_ENLARGED = 6  # times the side of the data, to which images may be enlarged where a network is tuned: steps take long
_FIRST, _FIRST_PACE = 128, 5e-3  # pixels: the size of images that is tried first; seconds that one may take


def challenge(field: Field) -> None:
    """Let a pretrained network, frozen and tuned, challenge the first candidate; who is expected to end best stands.

    Ridge regression on frozen features says in seconds what each size of images and each head is worth. The best is a
    candidate as it is. Unless the first candidate is beyond its reach, it is tuned, too, for about as long as that one
    has been trained: all of its stages, or the last ones where there is no time for all. Their scores are extrapolated
    to the end of the budget by power laws. Where the frozen one stands, it sees larger images.
    """
    plan, prober = field.progress.get("challenge"), field.prober
    if plan is None or plan["done"]:  # a race that began without pretrained networks goes on without them
        return
    if prober is None or field.most == 1:
        return
    if "best" not in plan:
        try:
            _probe(field, plan)
        except StartError as error:
            field.log(f"  No pretrained network takes part: {error}")
        plan["best"] = max(plan["probes"], key=lambda probe: probe["merit"], default=None)
    best = plan["best"]
    if best:
        _continue(field)
        _enter_frozen(field, best)
        if "tuned" not in plan:
            plan["tuned"] = _tunable(field, best)
        if plan["tuned"]:
            _tune(field, plan["tuned"], best)
        if "ends" not in plan:
            _decide(field, plan)
        if field.progress["standing"] == [_name(best, tuned=0)]:
            larger = _larger(field, plan, best)  # nothing else takes the time that is left
            if larger is not best:
                field.entries.pop(_name(best, tuned=0), None)
                _enter_frozen(field, larger)
                field.progress["standing"] = [_name(larger, tuned=0)]
    plan["done"] = True
    field.contestants.write(field.budget.spent())


def _probe(field: Field, plan: dict[str, Any]) -> None:
    """Find out what frozen features are worth: for larger and larger images, while that helps and there is time."""
    assert field.prober is not None
    first = _first_size(field)
    most = max(_ENLARGED * max(field.prober.input_shape[:2]), first)
    for name in field.prober.space.starts:
        tried: dict[int, dict[str, Any]] = {one["size"]: one for one in plan["probes"] if one["start"] == name}
        best = -math.inf
        for size in sorted(size for size in field.prober.space.sizes_of_images if first <= size <= most):
            if size not in tried and not _affordable(field, plan, tried, size):
                break
            tried[size] = tried.get(size) or _probed(field, plan, name, size)
            if tried[size]["merit"] <= best:
                break
            best = tried[size]["merit"]


def _first_size(field: Field) -> int:
    """Return the size of images to try first: that of the data, if it is above the usual one, and there is time."""
    assert field.prober is not None
    sizes, side = sorted(field.prober.space.sizes_of_images), max(*field.prober.input_shape[:2], _FIRST)
    seconds = {size: _read(field) * _FIRST_PACE * (size / _FIRST) ** 2 for size in sizes}
    fitting = [size for size in sizes if size <= side and seconds[size] <= PROBES * field.budget.seconds]
    return fitting[-1] if fitting else sizes[0]


def _affordable(field: Field, plan: dict[str, Any], tried: dict[int, dict[str, Any]], size: int) -> bool:
    """Return True if there is time to probe images of a size, by what smaller ones took; there is for the first."""
    spent = sum(one["seconds"] for one in plan["probes"])
    if not tried:
        return spent < PROBES * field.budget.seconds
    return spent + _expected(field, tried, size)[0] <= PROBES * field.budget.seconds


def _expected(field: Field, tried: dict[int, dict[str, Any]], size: int) -> tuple[float, float]:
    """Return the seconds of a probe, and those of the way of one image, by the largest probe so far."""
    largest = tried[max(tried)]
    pace = largest["pace"] * (size / largest["size"]) ** 2
    return largest["seconds"] + (pace - largest["pace"]) * _read(field), pace


def _read(field: Field) -> int:
    """Return the number of images whose features a probe reads."""
    return min(len(field.data[0]), MOST) + len(field.held_out[0])


def _probed(field: Field, plan: dict[str, Any], name: str, size: int) -> dict[str, Any]:
    """Probe a start for images of a size, and note what it is worth."""
    assert field.prober is not None
    limit = _WIDER * field.budget.seconds
    probe = field.prober.probe(name, size, field.data, field.held_out, field.budget.clock, limit)
    probe["error"] = float(np.std(probe["scores"])) / math.sqrt(_read(field))
    probe["scores"] = packed(probe["scores"])
    plan["probes"].append(probe)
    words = field.task.score_in_words(probe["score"], f"held-out {field.samples}")
    field.log(f"  {name}, frozen, {size}x{size}: {words}, in {probe['seconds']:.1f} s")
    field.contestants.write(field.budget.spent())
    return probe


def _larger(field: Field, plan: dict[str, Any], best: dict[str, Any]) -> dict[str, Any]:
    """Return the probe of the largest images that there is time for, or `best` where all of them are worse.

    On most data a frozen network is better so, also where larger images show no more, and few samples do not tell: they
    are worse if it is by two standard errors. All are read again for the final head, and those to test.
    """
    assert field.prober is not None
    later = _read(field) + field.test_samples
    for size in sorted((size for size in field.prober.space.sizes_of_images if size > best["size"]), reverse=True):
        tried = {one["size"]: one for one in plan["probes"] if one["start"] == best["start"]}
        seconds, pace = (0.0, tried[size]["pace"]) if size in tried else _expected(field, tried, size)
        if seconds + later * pace > field.budget.left() - FINISH_SECONDS:
            continue
        probe = tried.get(size) or _probed(field, plan, best["start"], size)
        if probe["merit"] >= best["merit"] - _WORSE * best["error"]:
            return probe
    return best


def _enter(field: Field, probe: dict[str, Any], tuned: int) -> str:
    """Let the network of a probe take part, with so many of its last stages tuned; return its name.

    It begins as good as the probe found it.
    """
    assert field.prober is not None
    modes, name = (FROZEN,) * (STAGES - tuned) + (TUNED,) * tuned, _name(probe, tuned)
    if name not in field.entries:
        genotype = field.prober.space.network(probe["start"], probe["size"], modes, probe["head"])
        recipe: dict[str, Any] = {"warmup": _WARMUP, "batch_size": BATCH, "exponent": curves.TUNED}
        field.contestants.enter(Candidate(name, genotype, "pretrained", probe["start"], **recipe))
        field.entries[name]["curve"] = [{"steps": 0, "accuracy": probe["score"]}]
    return name


def _name(probe: dict[str, Any], tuned: int) -> str:
    """Return the name of the network of a probe with so many of its last stages tuned."""
    kind = {0: FROZEN, STAGES: TUNED}.get(tuned, f"last_{tuned}_{TUNED}")
    return f"{probe['start']}_{probe['size']}_{kind}"


def _enter_frozen(field: Field, probe: dict[str, Any]) -> None:
    """Let the frozen network of a probe take part, which is built only if it wins."""
    entry = field.entries[_enter(field, probe, 0)]
    if not entry["rungs"]:
        entry |= {"cost": probe["seconds"], "step_seconds": probe["seconds"]}
        entry["rungs"].append({**entry["curve"][0], "seconds": probe["seconds"], **probe["scores"]})


def _tunable(field: Field, probe: dict[str, Any]) -> int:
    """Return how many of the last stages of a probe's network to tune: as many as there is time for.

    Returns 0 where there is none, and where even a steep curve would end below that of the first candidate; of few
    images, for the last ones alone: larger images are worth more; and where the head compares quarters, in closed form:
    tuned for as long as there is time, such a network had 37 to 40 % of CIFARTile instead of 50.
    """
    if probe["head"] == COMPARED:
        return 0
    first = field.entries[field.progress["first"]]
    hoped = curves.extrapolated(probe["score"], probe["score"], 0, -math.log2(SLICE), usual=_HOPED)
    least = _LEAST_STEPS * BATCH * probe["pace"]  # for each pass
    left = field.budget.left() - FINISH_SECONDS - SLICE * field.budget.seconds
    if not first["outcome"] and hoped <= expected_end(field, first):
        return 0
    tunable = max((tuned for tuned, passes in _TUNED.items() if passes * least <= left), default=0)
    return tunable if tunable == STAGES or len(field.data[0]) >= _FEW * field.num_classes else 0


def _continue(field: Field) -> None:
    """Train the first candidate for twice as long as its scouting took, if that is no more than the others get.

    Its curve bends: from the last doubling of the time, and not from the one before, the next ones follow. Where it
    learns most of what few samples teach in little more time, it is trained that far: little is extrapolated then.
    """
    name, steps = field.progress["first"], 2 * field.progress["steps"]
    entry = field.entries[name]
    if entry["outcome"]:
        return
    share, step, samples = _TWICE, entry["step_seconds"] / field.budget.seconds, len(field.data[0])
    most = _EPOCHS * samples // field.batch_size_for(samples, entry)
    if most > steps and most * step <= _WHOLE:
        steps, share = most, _WHOLE
    try:
        contestant = field.begun(name)
        if not entry["rungs"]:
            field.note(name, contestant.scores(*field.held_out), contestant.steps, contestant.seconds)
            field.contestants.save(name, field.budget.spent())
        if contestant.steps < steps and steps * step <= share:
            contestant.advance(field.budget.clock, steps=steps - contestant.steps)
            field.trace(name, contestant)
            field.contestants.save(name, field.budget.spent())
    except FAILURES as error:
        field.contestants.drop(name, error)


def _tune(field: Field, tuned: int, probe: dict[str, Any]) -> None:
    """Note how good the network of a probe is after a slice of time with its last stages tuned; unless that is done.

    The learning rate falls to 0 within the slice: at a constant one, a network that knows much is worse at first. Where
    few samples tell the two apart, the frozen network is as good or better on most data: the tuned one has to be
    expected to end better by the standard error of their difference. It is out where its steps turn out to be too slow
    for enough of them, unless it is ahead already.
    """
    name, before = _enter(field, probe, tuned), field.budget.spent()
    entry, clock, seconds = field.entries[name], field.budget.clock, SLICE * field.budget.seconds
    if entry["outcome"] or entry["rungs"]:
        return
    try:
        contestant = field.begun(name)
        contestant.advance(clock, steps=TRACED)
        start, done = clock(), contestant.steps
        contestant.advance(clock, seconds, schedule=lambda past: max(0.0, 1 - past / seconds))
        entry["step_seconds"] = (clock() - start) / max(1, contestant.steps - done)
        scores = field.trace(name, contestant)
    except FAILURES as error:
        field.contestants.drop(name, error)
        return
    entry["cost"] = field.budget.spent() - before
    lead, chance = paired_difference(scores, field.scores(_name(probe, tuned=0), -1))
    entry["handicap"] = min(chance, 1.0)
    field.note(name, scores, contestant.steps, contestant.seconds)
    most = contestant.steps + (field.budget.left() - FINISH_SECONDS) / entry["step_seconds"]
    if most < _LEAST_STEPS and lead < chance:
        entry["outcome"] = f"out after the challenge, with time for only {most:.0f} steps"
        field.log(f"  {name} is out: there is time for only {most:.0f} steps.")
    field.contestants.save(name, field.budget.spent())


def _decide(field: Field, plan: dict[str, Any]) -> None:
    """Let those stand that are expected to end best: the first candidate, or one of those that challenge it.

    In doubt a pretrained network is the better bet, of few images by far: the first one has to be ahead by half a
    standard error, less `_TIE`, as it is small.
    """
    ends = {
        name: expected_end(field, entry)
        for name, entry in field.entries.items()
        if "curve" in entry and not entry["outcome"]
    }
    plan["ends"] = ends
    first = field.progress["first"]
    best = max((name for name in ends if name != first), key=lambda name: ends[name], default=first)
    if first in ends and best != first:
        doubt = _DOUBT * standard_error(field.scores(best, -1))
        if ends[best] + doubt < ends[first] + _TIE:
            best = first
    out = [name for name in ends if name != best]
    if best != first:
        for name in field.progress["waiting"]:
            del field.entries[name]
        steps = field.entries[best]["rungs"][-1]["steps"]
        field.progress |= {"standing": [best], "waiting": [], "rungs": [[len(ends), steps]]}
    for name in out:
        field.entries[name]["outcome"] = f"out after the challenge, expected to end at {ends[name]:.3f}"
    field.contestants.write(field.budget.spent())
    for name in out:
        field.contestants.forget(name)
