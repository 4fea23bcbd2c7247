"""The arithmetic of a race: what a budget affords, and who goes on."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasnas.racing.rungs import FIDELITY, SPREAD, advancing, expected, first_steps


def test_a_longer_budget_has_longer_first_rungs():
    steps = [first_steps(seconds) for seconds in (10, 60, 300, 600, 1200, 4800)]
    assert steps == [150, 150, 150, 212, 300, 600]


def test_expected_accuracy_is_the_posterior_mean():
    """Of two candidates against brute force on a grid: a normal prior, a normal measurement."""
    accuracies, priors, samples, progress = {"a": 0.80, "b": 0.84}, {"a": 0.01, "b": 0.0}, 200, 0.25
    found = expected(accuracies, priors, {"a": 1e9, "b": 1e9}, samples, progress)
    p = 0.82
    sigma = math.sqrt(p * (1 - p) / samples + FIDELITY**2 * (1 - progress))
    grid = np.linspace(0.5, 1.1, 60001)
    for name in accuracies:
        prior_mean = 0.82 + priors[name] - 0.005
        density = stats.norm.pdf(grid, prior_mean, SPREAD) * stats.norm.pdf(accuracies[name], grid, sigma)
        assert found[name] == pytest.approx((grid * density).sum() / density.sum(), abs=1e-6)


def test_a_narrow_lead_does_not_beat_the_prior_and_a_clear_one_does():
    def best(lead, samples):
        epochs = {"known": 50, "new": 50}
        scores = expected({"known": 0.8, "new": 0.8 + lead}, {"known": 0.01}, epochs, samples, 0.5)
        return max(scores, key=scores.get)

    assert best(0.01, 100) == "known" and best(0.10, 100) == "new"
    assert best(0.015, 100) == "known" and best(0.015, 2000) == "new"  # the same lead, measured better
    assert expected({"a": 1.0, "b": 1.0}, {}, {"a": 1e9, "b": 1e9}, 10, 1.0) == pytest.approx({"a": 1.0, "b": 1.0})


def test_a_slow_network_is_worth_what_its_epochs_leave_of_it():
    """Level at equal steps: with few epochs the fast one is expected to end ahead, with many the two are level."""

    def lead(slow, fast):
        scores = expected({"slow": 0.8, "fast": 0.8}, {}, {"slow": slow, "fast": fast}, 10_000, 1.0)
        return scores["fast"] - scores["slow"]

    assert lead(2, 4) == pytest.approx(0.96 * 0.4 / 4, rel=0.05) and 0 < lead(100, 200) < 0.0021
    assert lead(0.1, 0.2) == 0.0  # of less than an epoch nothing is known


def test_the_better_half_goes_on_and_the_hopeless_do_not():
    rng = np.random.default_rng(0)
    hits = {f"{p:.2f}": rng.random(1000) < p for p in (0.9, 0.88, 0.86, 0.3)}
    epochs = dict.fromkeys([*hits, "only"], 50.0)

    def scores(correct):
        accuracies = {name: own.mean() for name, own in correct.items()}
        return expected(accuracies, {}, epochs, len(next(iter(correct.values()))), 0.2)

    assert advancing(hits, scores(hits), 3, 0.2) == ["0.90", "0.88", "0.86"]
    assert advancing(hits, scores(hits), 4, 0.2) == ["0.90", "0.88", "0.86"]  # there is room, and no hope
    only = {"only": rng.random(10) < 0.5}
    assert advancing(only, scores(only), 2, 0.2) == ["only"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: first_steps(-1), "`seconds`"),
        (lambda: expected({}, {}, {}, 10, 0.5), "at least one candidate"),
        (lambda: expected({"a": 0.5}, {}, {"a": 9}, 0, 0.5), "`samples`"),
        (lambda: expected({"a": 0.5}, {}, {"a": 9}, 10, 1.5), "`progress`"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
