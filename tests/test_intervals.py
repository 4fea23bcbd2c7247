"""Intervals against SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasnas.intervals import paired_difference, wilson_interval


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
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
