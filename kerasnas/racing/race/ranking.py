"""Ranking of a race: which contestants advance after a rung, and by how much the winner leads."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas.intervals import paired_difference
from kerasnas.racing.entrants.slices import FINISH_SECONDS
from kerasnas.racing.gains import gain_of
from kerasnas.racing.race.field import Field
from kerasnas.racing.rungs import advancing, expected, fading


def ranked(field: Field, names: list[str], index: int, number: int) -> list[str]:
    """Return the best of `names`, at most `number`, as far as rung `index` tells; their scores are recorded."""
    found = {name: field.scores(name, index) for name in names}
    priors = {name: field.entries[name]["prior"] for name in names}
    left = max(field.budget.left() - FINISH_SECONDS, 0.0)
    ends = {name: field.entries[name]["rungs"][index]["steps"] for name in names}
    slower = field.progress.get("slower", 1.0)  # a worker's steps than those of this process, which trains winners
    totals = {name: ends[name] + slower * left / field.entries[name]["step_seconds"] for name in names}
    samples = len(field.data[0])
    epochs = {name: total * field.batch_size_for(samples) / samples for name, total in totals.items()}
    share = float(np.mean([ends[name] / totals[name] for name in names]))
    accuracies = {name: float(own.mean()) for name, own in found.items()}
    gains = {name: lead["difference"] for name in names if (lead := gain(field, name))}
    faded = fading(gains, share)
    accuracies = {name: accuracy - faded.get(name, 0.0) for name, accuracy in accuracies.items()}
    several = [float(own.std()) for own in found.values() if own.dtype != bool]
    deviation = float(np.mean(several)) if several else None
    scores = expected(accuracies, priors, epochs, len(field.held_out[0]), share, deviation)
    for name, score in scores.items():
        field.entries[name]["rungs"][index] |= {"expected": score, "epochs_at_the_end": epochs[name]}
    return advancing(found, scores, number, share, faded)


def comparison(field: Field, winner: str) -> list[dict[str, Any]]:
    """Return the winner's lead over each other contestant when both had been trained for as many steps."""
    compared = []
    for name, entry in field.entries.items():
        if name == winner or not entry["rungs"]:
            continue
        last = len(entry["rungs"]) - 1
        difference, error = paired_difference(field.scores(winner, last), field.scores(name, last))
        compared.append({"name": name, "rung": last + 1, "difference": difference, "error": error})
    return compared


def gain(field: Field, name: str) -> dict[str, Any] | None:
    """Return the gain of a contestant's initialization; None if it has none, or no control."""
    return gain_of(field.entries, name, field.scores)
