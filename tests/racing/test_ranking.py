"""By how much contestants lead others, and what an initialization gave."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerasnas.racing.entrants.slices import FINISH_SECONDS
from kerasnas.racing.race.ranking import comparison, control_of, gain, ranked


def entry(genotype, accuracies, **recipe):
    rungs = [{"accuracy": one, "steps": 100 * 2**index} for index, one in enumerate(accuracies)]
    return {"genotype": {"cells": genotype}, "rungs": rungs, **recipe}


ENTRIES = {
    "begun": entry("a", [0.8, 0.9], initializer="shelf"),
    "level": entry("c", [0.8, 0.9]),
    "other": entry("b", [0.5]),
    "slow": entry("a", [0.1], learning_rate=0.03),
    "plain": entry("a", [0.5]),
    "lonely": entry("f", [0.5], initializer="shelf"),
    "waiting": entry("d", [], initializer="shelf"),
    "drawn": entry("d", [0.4]),
    "ahead": entry("e", [0.5], initializer="shelf"),
    "too slow": entry("e", []),
}


def hits(name, rung):
    return np.arange(100) < round(100 * ENTRIES[name]["rungs"][rung]["accuracy"])


FIELD = SimpleNamespace(entries=ENTRIES, scores=hits)


def test_the_control_is_the_same_network_by_the_same_recipe():
    assert {name: control_of(ENTRIES, name) for name in ENTRIES if control_of(ENTRIES, name)} == {
        "begun": "plain",
        "waiting": "drawn",
        "ahead": "too slow",
    }


def test_the_gain_is_that_of_the_last_rung_of_both():
    found = gain(FIELD, "begun")
    assert (found["control"], found["steps"], found["initializer"]) == ("plain", 100, "shelf")
    assert np.isclose(found["difference"], 0.3) and found["error"] > 0
    assert [name for name in ENTRIES if gain(FIELD, name)] == ["begun"]


def test_contestants_are_compared_after_the_last_rung_of_both():
    found = {one["name"]: one for one in comparison(FIELD, "begun")}
    assert (found["level"]["rung"], found["plain"]["rung"]) == (2, 1)
    assert np.isclose(found["level"]["difference"], 0) and np.isclose(found["plain"]["difference"], 0.3)


@pytest.mark.parametrize(
    ("favorite", "left", "winner"), [(False, 3000, "other"), (True, 3000, "first"), (True, 0, "other")]
)
def test_a_favorite_wins_while_much_of_the_training_is_left(favorite, left, winner):
    """By two points of a thousand samples, all alike but these: certain now, and not what is to come."""

    def raced(accuracy, **recipe):
        rung = {"accuracy": accuracy, "steps": 100}
        return {
            "curve": [{"steps": 50, "accuracy": accuracy}, rung],
            "rungs": [dict(rung)],
            "step_seconds": 1.0,
            **recipe,
        }

    entries = {"first": raced(0.5, favorite=favorite), "other": raced(0.52)}
    field = SimpleNamespace(
        entries=entries,
        progress={},
        budget=SimpleNamespace(left=lambda: left + FINISH_SECONDS),
        held_out=(np.zeros(1000),),
        scores=lambda name, rung: np.arange(1000) < round(1000 * entries[name]["rungs"][rung]["accuracy"]),
    )
    assert ranked(field, ["first", "other"], 0, 1) == [winner]
    assert entries["other"]["rungs"][0]["expected"] >= 0.52
