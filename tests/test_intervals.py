"""Intervals against SciPy, and how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasnas.intervals import mean_interval, paired_difference, wilson_interval

RNG = np.random.default_rng(0)


def covers(intervals, truth):
    """Return the share of 2,000 intervals, as `(low, high)`, that hold the truth."""
    return np.mean([low <= truth <= high for low, high in intervals])


def test_intervals_of_domains_hold_the_truth():
    """Leads on five domains of three seeds, which differ more between domains than between seeds."""
    leads = 2 + RNG.normal(0, 3, (2000, 5, 1)) + RNG.normal(0, 1, (2000, 5, 3))
    domains = np.repeat(list("abcde"), 3)
    found = [mean_interval(one.ravel(), domains) for one in leads]
    assert 0.93 <= covers([(mean - half, mean + half) for mean, half in found], 2) <= 0.97
    each = [mean_interval(one.ravel()) for one in leads]  # seeds taken for domains
    assert covers([(mean - half, mean + half) for mean, half in each], 2) < 0.85
    assert mean_interval([1.0, 4.0, 4.0, 4.0], ["a", "b", "b", "b"]) == mean_interval([1.0, 4.0])


def test_intervals_of_accuracies_hold_the_truth():
    right = RNG.binomial(200, 0.9, 2000) / 200
    assert 0.93 <= covers([wilson_interval(one, 200) for one in right], 0.9) <= 0.97
    first = RNG.random((2000, 200)) < 0.9
    second = np.where(RNG.random((2000, 200)) < 0.8, first, RNG.random((2000, 200)) < 0.7)  # of the same samples
    found = [paired_difference(*pair) for pair in zip(first, second, strict=True)]
    assert 0.93 <= covers([(lead - 1.96 * error, lead + 1.96 * error) for lead, error in found], 0.04) <= 0.97


@pytest.mark.parametrize("values", [[0.2, 0.5], [3.0, 1.0, 4.0, 1.0, 5.0] * 4])
def test_the_interval_of_a_mean_is_students(values):
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    mean, half = mean_interval(values)
    assert (mean - half, mean + half) == pytest.approx(expected)
    assert mean_interval([7.0]) == mean_interval([6.0, 8.0], "aa") == (7.0, math.inf)


def test_paired_difference_is_that_of_the_t_test():
    rng = np.random.default_rng(1)
    first, second = rng.random(300) < 0.8, rng.random(300) < 0.7
    difference, error = paired_difference(first, second)
    assert difference / error == pytest.approx(stats.ttest_rel(first.astype(float), second.astype(float)).statistic)
    assert paired_difference([True], [False]) == (1.0, math.inf)


def test_wilson_interval_is_that_of_scipy():
    expected_interval = stats.binomtest(87, 100).proportion_ci(0.95, method="wilson")
    assert wilson_interval(0.87, 100) == pytest.approx(tuple(expected_interval), abs=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson_interval(1.2, 10), "`accuracy`"),
        (lambda: wilson_interval(0.5, 0), "`samples`"),
        (lambda: paired_difference([True], [True, False]), "as many as of `first`, 1"),
        (lambda: paired_difference([], []), "`second`"),
        (lambda: mean_interval([]), "`values`"),
        (lambda: mean_interval([1.0, 2.0], ["a"]), "one for each of 2 values"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
