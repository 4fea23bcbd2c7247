"""The arithmetic of a race: what a budget affords, and who goes on."""

import numpy as np
import pytest

from kerasnas.racing.rungs import advancing


def test_the_better_half_goes_on_and_the_hopeless_do_not():
    rng = np.random.default_rng(0)
    hits = {f"{p:.2f}": rng.random(1000) < p for p in (0.9, 0.88, 0.86, 0.3)}
    ends = {name: own.mean() for name, own in hits.items()}
    assert advancing(hits, ends, 3, 0.2) == ["0.90", "0.88", "0.86"]
    assert advancing(hits, ends, 4, 0.2) == ["0.90", "0.88", "0.86"]  # there is room, and no hope
    assert advancing(hits, {**ends, "0.30": 0.92}, 4, 0.2)[0] == "0.30"  # whoever is behind now may end ahead
    only = {"only": rng.random(10) < 0.5}
    assert advancing(only, {"only": 0.5}, 2, 0.2) == ["only"]


@pytest.mark.parametrize(("progress", "doubt"), [(0.0, 0.1), (0.75, 0.05), (1.0, 0.0)])
def test_in_doubt_the_favorite_is_the_best(progress, doubt):
    """Leads are off by 0.1 where all of the training is left, by half as much in its last quarter."""
    hits = dict.fromkeys(("first", "second", "third"), np.arange(100) < 50)
    near = {"first": 0.5, "second": 0.5 + 0.99 * doubt, "third": 0.5 + 0.5 * doubt}
    assert advancing(hits, near, 3, progress, "first") == ["first", "second", "third"]
    assert advancing(hits, near, 2, progress, "first") == ["first", "second"]
    clear = {**near, "second": 0.5 + 1.01 * doubt + 1e-3}
    assert advancing(hits, clear, 1, progress, "first") == ["second"]
    assert advancing(hits, near, 1, progress) == ["second" if doubt else "first"]  # of nobody anything is known
    unlike = {**hits, "second": np.arange(100) % 2 == 0}  # chance, as half of the samples differ
    assert advancing(unlike, clear, 1, progress, "first") == ["first"]


@pytest.mark.parametrize(("progress", "behind"), [(0.0, 0.06), (0.75, 0.03), (1.0, 0.0)])
def test_hope_fades_with_the_training_that_is_left(progress, behind):
    """Twice 0.03 is what the whole of it may change, half as much its last quarter."""
    hits = dict.fromkeys(("best", "near", "far"), np.arange(100) < 50)
    ends = {"best": 0.5, "near": 0.5 - 0.99 * behind, "far": 0.5 - 1.01 * behind - 1e-3}
    assert advancing(hits, ends, 3, progress) == ["best", "near"]


@pytest.mark.parametrize(("behind", "names"), [(0.06, ["best", "other"]), (0.07, ["best"])])
def test_at_the_end_chance_alone_is_hope(behind, names):
    """Ten of 100 samples differ, five each way: the standard error of the difference is 0.0318."""
    one = np.arange(100) < 50
    hits = {"best": one, "other": np.where(np.arange(100) % 10 == 0, ~one, one)}
    assert advancing(hits, {"best": 0.9, "other": 0.9 - behind}, 2, 1.0) == names
