"""Ranking of a race: which contestants advance after a rung, and by how much one leads another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasnas.intervals import paired_difference
from kerasnas.racing.curves import USUAL, extrapolated
from kerasnas.racing.entrants.slices import FINISH_SECONDS
from kerasnas.racing.race.field import Field
from kerasnas.racing.rungs import advancing


def ranked(field: Field, names: list[str], index: int, number: int) -> list[str]:
    """Return the best of `names`, at most `number`, as far as rung `index` tells; their expected ends are recorded."""
    found = {name: field.scores(name, index) for name in names}
    favorite = next((name for name in names if field.entries[name].get("favorite")), "")
    ends, progress = {}, []
    for name in names:
        entry = field.entries[name]
        entry["rungs"][index]["expected"] = ends[name] = expected_end(field, entry)
        steps = entry["rungs"][index]["steps"]
        progress.append(steps / (steps + _steps_left(field, entry)))
    return advancing(found, ends, number, float(np.mean(progress)), favorite)


def expected_end(field: Field, entry: dict[str, Any]) -> float:
    """Return the score that a network is expected to end with, if it gets what is left of the budget.

    By the last two looks at it and its kind's curves on other data; by these alone where there is one. Less its
    handicap, if it has one.
    """
    curve = entry["curve"]
    best, learned = max(point["accuracy"] for point in curve), [point for point in curve if point["steps"]]
    if not learned:
        return best
    late, usual = learned[-1], entry.get("exponent", USUAL)
    left = math.log2(1 + _steps_left(field, entry) / late["steps"])
    if len(learned) < 2:  # a tuned network is worse at first than as it was
        end = extrapolated(best, best, 0, left, usual)
    else:
        doublings, samples = math.log2(late["steps"] / learned[-2]["steps"]), len(field.held_out[0])
        end = extrapolated(learned[-2]["accuracy"], late["accuracy"], doublings, left, usual, samples)
    return end - entry.get("handicap", 0.0)


def _steps_left(field: Field, entry: dict[str, Any]) -> float:
    """Return the steps that what is left of the budget has room for."""
    slower = field.progress.get("slower", 1.0)  # a worker's steps than those of this process, which trains winners
    return slower * max(field.budget.left() - FINISH_SECONDS, 0.0) / entry["step_seconds"]


def comparison(field: Field, winner: str) -> list[dict[str, Any]]:
    """Return the winner's lead over each other contestant after the last rung that both have run."""
    compared = []
    for name, entry in field.entries.items():
        if name != winner and entry["rungs"]:
            rung, lead = _lead(field, winner, name)
            compared.append({"name": name, "rung": rung + 1, **lead})
    return compared


def control_of(entries: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """The contestant that is the same network by the same recipe with drawn weights; empty where there is none."""
    entry = entries[name]
    if not entry.get("initializer"):
        return ""
    same = {"genotype": entry["genotype"], "initializer": None, "learning_rate": None}
    return next((other for other, own in entries.items() if {key: own.get(key) for key in same} == same), "")


def gain(field: Field, name: str) -> dict[str, Any] | None:
    """Return the gain of a contestant's initialization, its lead over its control; None where none was measured."""
    entry, control = field.entries[name], control_of(field.entries, name)
    if not control or not entry["rungs"] or not field.entries[control]["rungs"]:
        return None
    rung, lead = _lead(field, name, control)
    found = {"initializer": entry["initializer"], "name": name, "control": control}
    return {**found, "steps": entry["rungs"][rung]["steps"], **lead}


def _lead(field: Field, first: str, second: str) -> tuple[int, dict[str, float]]:
    """Return the last rung that both have run, and the lead of the first after it."""
    rung = min(len(field.entries[name]["rungs"]) for name in (first, second)) - 1
    difference, error = paired_difference(field.scores(first, rung), field.scores(second, rung))
    return rung, {"difference": difference, "error": error}
