"""The arithmetic of a race: what a budget affords, and who goes on."""

import numpy as np
import pytest

from kerasnas.racing.rungs import advancing, first_steps


def test_a_longer_budget_has_longer_first_rungs():
    steps = [first_steps(seconds) for seconds in (10, 60, 300, 600, 1200, 4800)]
    assert steps == [150, 150, 150, 212, 300, 600]


def test_the_better_half_goes_on_and_the_hopeless_do_not():
    rng = np.random.default_rng(0)
    hits = {f"{p:.2f}": rng.random(1000) < p for p in (0.9, 0.88, 0.86, 0.3)}
    ends = {name: own.mean() for name, own in hits.items()}
    assert advancing(hits, ends, 3, 0.2) == ["0.90", "0.88", "0.86"]
    assert advancing(hits, ends, 4, 0.2) == ["0.90", "0.88", "0.86"]  # there is room, and no hope
    assert advancing(hits, {**ends, "0.30": 0.92}, 4, 0.2)[0] == "0.30"  # whoever is behind now may end ahead
    only = {"only": rng.random(10) < 0.5}
    assert advancing(only, {"only": 0.5}, 2, 0.2) == ["only"]


def test_a_first_rung_has_at_least_no_seconds():
    with pytest.raises(ValueError, match="`seconds`"):
        first_steps(-1)
