"""Gain of an initialization in a race: the lead over the same network with drawn weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasnas.intervals import paired_difference


def control_of(entries: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """The contestant that is the same network by the same recipe with drawn weights; empty where there is none."""
    entry = entries[name]
    if not entry.get("initializer") or entry.get("augment"):
        return ""
    same = {"genotype": entry["genotype"], "initializer": None, "augment": None, "learning_rate": None}
    return next((other for other, own in entries.items() if {key: own.get(key) for key in same} == same), "")


def gain_of(
    entries: Mapping[str, Mapping[str, Any]], name: str, scores: Callable[[str, int], np.ndarray]
) -> dict[str, Any] | None:
    """Return the lead of a contestant over its control, after the last rung that both have had."""
    control = control_of(entries, name)
    rungs = min(len(entries[name]["rungs"]), len(entries[control]["rungs"])) if control else 0
    if not rungs:
        return None
    difference, error = paired_difference(scores(name, rungs - 1), scores(control, rungs - 1))
    found = {"initializer": entries[name]["initializer"], "name": name, "control": control}
    return {**found, "steps": entries[name]["rungs"][rungs - 1]["steps"], "difference": difference, "error": error}
