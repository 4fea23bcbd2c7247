"""What an initialization gave, and how much of it will be left."""

import numpy as np

from kerasnas.racing.gains import control_of, gain_of
from kerasnas.racing.rungs import advancing, expected, fading


def entry(genotype, accuracies, **recipe):
    rungs = [{"accuracy": one, "steps": 100 * 2**index} for index, one in enumerate(accuracies)]
    return {"genotype": {"cells": genotype}, "rungs": rungs, **recipe}


ENTRIES = {
    "begun": entry("a", [0.8, 0.9], initializer="shelf"),
    "begun+flip": entry("a", [0.8, 0.9], initializer="shelf", augment="flip"),
    "other": entry("b", [0.5]),
    "slow": entry("a", [0.1], learning_rate=0.03),
    "plain+flip": entry("a", [0.1], augment="flip"),
    "plain": entry("a", [0.5]),
    "lonely": entry("c", [0.5], initializer="shelf"),
    "waiting": entry("d", [], initializer="shelf"),
    "drawn": entry("d", [0.4]),
}


def hits(name, rung):
    return np.arange(100) < round(100 * ENTRIES[name]["rungs"][rung]["accuracy"])


def test_the_control_is_the_same_network_by_the_same_recipe():
    assert {name: control_of(ENTRIES, name) for name in ENTRIES if control_of(ENTRIES, name)} == {
        "begun": "plain",
        "waiting": "drawn",
    }


def test_the_gain_is_that_of_the_last_rung_of_both():
    gain = gain_of(ENTRIES, "begun", hits)
    assert (gain["control"], gain["steps"], gain["initializer"]) == ("plain", 100, "shelf")
    assert np.isclose(gain["difference"], 0.3) and gain["error"] > 0
    assert [name for name in ENTRIES if gain_of(ENTRIES, name, hits)] == ["begun"]


def test_a_network_that_will_end_above_is_not_lost_to_a_head_start():
    """At a tenth of the training the initialized network leads by 40 points, most of which will be gone."""
    accuracies = {"begun": 0.80, "plain": 0.40, "better": 0.52}
    correct = {name: np.arange(1000) < 1000 * accuracy for name, accuracy in accuracies.items()}
    faded = fading({"begun": 0.40}, 0.1)
    assert np.isclose(faded["begun"], 0.36)
    now = {name: accuracy - faded.get(name, 0.0) for name, accuracy in accuracies.items()}
    scores = expected(now, {"begun": 0.05}, dict.fromkeys(now, 50), 1000, 0.1)
    assert advancing(correct, scores, 2, 0.1, faded)[0] == "better"
    assert "better" not in advancing(correct, expected(accuracies, {}, dict.fromkeys(now, 50), 1000, 0.1), 2, 0.1)
    # Without a lead there is nothing to lose, and at the end all of it is there.
    assert fading({"begun": -0.2}, 0.1) == {"begun": 0.0} and fading({"begun": 0.4}, 1.0) == {"begun": 0.0}
