"""The arithmetic of a race: what a budget affords, and who goes on."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kerasnas.pipeline.racing import advancing, expected, plan_rungs
from kerasnas.pipeline.racing.rungs import FIDELITY, MOST, SHARE, SPREAD


@pytest.mark.parametrize("seconds", [30, 60, 120, 300, 900, 3600])
def test_a_race_takes_its_share_and_leaves_the_winner_the_most(seconds):
    rungs = plan_rungs(seconds, slice_seconds=7, overhead=1.5)
    spent = sum(rung.number * rung.seconds for rung in rungs) + (1.5 * rungs[0].number if rungs else 0)
    assert spent <= SHARE * seconds * (1 + 1e-9)
    if not rungs:
        return
    assert spent == pytest.approx(SHARE * seconds) and rungs[0].seconds >= 7 and rungs[-1].number == 2
    for before, after in itertools.pairwise(rungs):
        assert after.number == math.ceil(before.number / 2) and after.seconds == pytest.approx(2 * before.seconds)
    won = sum(rung.seconds for rung in rungs)
    assert (seconds - spent + won) / seconds >= 0.6


def test_more_time_never_means_fewer_candidates():
    numbers = [len(r) and r[0].number for r in (plan_rungs(seconds, 7, 1.5) for seconds in range(10, 4000, 50))]
    assert numbers == sorted(numbers) and numbers[0] == 0 and numbers[-1] == MOST
    assert plan_rungs(4000, 7, most=3)[0].number == 3
    assert plan_rungs(4000, 7, most=1) == []


def test_expected_accuracy_is_the_posterior_mean():
    """Of two candidates against brute force on a grid: a normal prior, a normal measurement."""
    accuracies, priors, samples, progress = {"a": 0.80, "b": 0.84}, {"a": 0.01, "b": 0.0}, 200, 0.25
    found = expected(accuracies, priors, samples, progress)
    p = 0.82
    sigma = math.sqrt(p * (1 - p) / samples + FIDELITY**2 * (1 - progress))
    grid = np.linspace(0.5, 1.1, 60001)
    for name in accuracies:
        prior_mean = 0.82 + priors[name] - 0.005
        density = stats.norm.pdf(grid, prior_mean, SPREAD) * stats.norm.pdf(accuracies[name], grid, sigma)
        assert found[name] == pytest.approx((grid * density).sum() / density.sum(), abs=1e-6)


def test_a_narrow_lead_does_not_beat_the_prior_and_a_clear_one_does():
    def best(lead, samples):
        scores = expected({"known": 0.8, "new": 0.8 + lead}, {"known": 0.01}, samples, 0.5)
        return max(scores, key=scores.get)

    assert best(0.01, 100) == "known" and best(0.10, 100) == "new"
    assert best(0.04, 100) == "known" and best(0.04, 2000) == "new"  # the same lead, measured better
    assert expected({"a": 1.0, "b": 1.0}, {}, 10, 1.0) == {"a": 1.0, "b": 1.0}


def test_the_better_half_goes_on_and_the_hopeless_do_not():
    rng = np.random.default_rng(0)
    hits = {f"{p:.2f}": rng.random(1000) < p for p in (0.9, 0.88, 0.86, 0.3)}
    assert advancing(hits, {}, 3, 0.2) == ["0.90", "0.88", "0.86"]
    assert advancing(hits, {}, 4, 0.2) == ["0.90", "0.88", "0.86"]  # there is room, and no hope
    assert advancing({"only": rng.random(10) < 0.5}, {}, 2, 0.2) == ["only"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan_rungs(-1, 7), "`seconds`"),
        (lambda: plan_rungs(100, 0), "`slice_seconds`"),
        (lambda: plan_rungs(100, 7, most=0), "`most`"),
        (lambda: expected({}, {}, 10, 0.5), "at least one candidate"),
        (lambda: expected({"a": 0.5}, {}, 0, 0.5), "`samples`"),
        (lambda: expected({"a": 0.5}, {}, 10, 1.5), "`progress`"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
