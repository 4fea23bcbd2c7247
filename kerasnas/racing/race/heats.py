"""Heats: where a race has no room for rungs of several candidates, they run short ones on small samples."""

from __future__ import annotations

from kerasnas.cost.counting import macs, parameters
from kerasnas.networks.precision import FLOAT32
from kerasnas.racing.entrants.contestant import TRACED, Contestant
from kerasnas.racing.entrants.slices import FAILURES, FINISH_SECONDS, network_of
from kerasnas.racing.race.field import Field

_SHARE, _STEPS = 0.1, 100  # of the budget that all heats may take; of a heat
_ROOM = 0.1  # of the budget that the first rung of the best of them may take
MOST_SHARE = _SHARE + _ROOM
"""Share of a budget that heats and the rung after them may take."""
_LEAST = 120.0  # seconds of a budget: heats take a third of a minute, and there cost a point (docs/results/images.md)
_USUAL = 4  # candidates that a first rung is to have room for, beside the first; else there are heats


def heats(field: Field, steps: int, allowance: float) -> None:
    """Let those that wait train for a hundred steps on small samples; the best of them goes on.

    A step takes a quarter of the time at half the size, or less, and of five networks the best there is among the best
    at full size (on CIFAR-10, Caltech-101, satellite scenes and PACS). There are none where a first rung of so many
    `steps` has room for several candidates, in budgets below two minutes, and where the start of a budget has left too
    little of it. One that would take too long at full size does not start.

    Args:
        field: with small networks.
        steps: of a first rung.
        allowance: seconds for all candidates but the first.
    """
    if _USUAL * steps * field.entries[field.progress["first"]]["step_seconds"] <= allowance:
        return
    if field.budget.seconds < _LEAST:
        return
    if field.budget.left() - FINISH_SECONDS < 2 * MOST_SHARE * field.budget.seconds:  # a winner needs the rest
        return
    waiting, run = field.progress["waiting"], list[str]()
    for name in waiting:
        entry = field.entries[name]
        if entry["kind"] == "given":
            continue
        spent = sum(other["heat"]["seconds"] for other in field.entries.values() if "heat" in other)
        if "heat" not in entry and spent < _SHARE * field.budget.seconds:
            _heat(field, name, steps)
        if "heat" in entry:
            run.append(name)
    best = max(run, key=lambda name: field.entries[name]["heat"]["accuracy"], default="")
    field.progress["waiting"] = [name for name in waiting if name == best or field.entries[name]["kind"] == "given"]
    for name in set(waiting) - set(field.progress["waiting"]):
        entry = field.entries[name]
        if "heat" in entry:
            score = field.task.score_in_words(entry["heat"]["accuracy"], f"held-out {field.samples}")
            entry["outcome"] = f"out after its heat, with {score}"
        elif not entry["outcome"]:
            del field.entries[name]
    field.contestants.write(field.budget.spent())


def _heat(field: Field, name: str, steps: int) -> None:
    """Train a candidate on small samples, and note how good it is; unless it is too slow for what would follow."""
    assert field.small is not None
    entry, first = field.entries[name], field.entries[field.progress["first"]]
    before = field.budget.spent()
    try:
        model = network_of(entry, field.small.build)
        entry |= {"parameters": parameters(model), "macs": round(field.small.area * macs(model))}
        if steps * first["step_seconds"] * entry["macs"] / first["macs"] > _ROOM * field.budget.seconds:
            field.leave_out(name)
            return
        batches = field.batches(field.data, name)
        precision = field.progress.get("precision", FLOAT32)
        contestant = Contestant(model, batches, task=field.task, precision=precision)
        contestant.advance(field.budget.clock, steps=TRACED)
        contestant.advance(field.budget.clock, steps=_STEPS - TRACED)
        accuracy = float(contestant.scores(*field.held_out).mean())
    except FAILURES as error:
        field.contestants.drop(name, error)
        return
    except ValueError:  # it halves images more often than these can be halved
        return
    entry["cost"] = seconds = field.budget.spent() - before
    entry["heat"] = {"steps": _STEPS, "accuracy": accuracy, "seconds": seconds}
    words = field.task.score_in_words(accuracy, f"held-out {field.samples}")
    field.log(f"  {name}, on small {field.samples}: {words} after {_STEPS} steps, in {seconds:.1f} s")
    field.contestants.write(field.budget.spent())
