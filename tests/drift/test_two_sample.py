"""The two-sample test: its statistic against SciPy's, its threshold, its rate of false alarms, its power."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasnas.drift.two_sample import MaximumTest


def test_statistic_is_the_scaled_distance_of_kolmogorov_and_smirnov_with_ties_too():
    rng = np.random.default_rng(0)
    reference = np.column_stack([rng.normal(size=80), rng.integers(0, 4, 80), np.zeros(80)])
    sample = np.column_stack([rng.normal(size=30) + 0.5, rng.integers(0, 6, 30), np.ones(30)])
    expected = [stats.ks_2samp(reference[:, one], sample[:, one]).statistic for one in range(3)]
    found = MaximumTest(reference).statistics(sample)
    np.testing.assert_allclose(found, math.sqrt(80 * 30 / 110) * np.array(expected))


def test_each_halving_is_the_distance_of_its_samples_from_the_others():
    """The distribution that the threshold is taken from, drawn by hand."""
    rng = np.random.default_rng(1)
    reference = np.column_stack([rng.normal(size=60), rng.integers(0, 3, 60)])
    test = MaximumTest(reference, false_alarms=0.5, permutations=7, seed=3)
    draw, found = np.random.default_rng([3, 20]), []
    for _ in range(7):
        rows = draw.permutation(60)
        first, others = reference[rows[:20]], reference[rows[20:]]
        distances = [stats.ks_2samp(first[:, one], others[:, one]).statistic for one in range(2)]
        found.append(math.sqrt(20 * 40 / 60) * max(distances))
    assert test.threshold(20) == pytest.approx(sorted(found)[3])  # of 8 places, at most half are above
    assert test.p_value(max(found), 20) == pytest.approx(2 / 8) and test.p_value(9.0, 20) == pytest.approx(1 / 8)


def test_threshold_of_one_column_is_kolmogorovs_and_that_of_copies_of_it_too():
    """Ten copies of a column are one test, not ten: the threshold stays, where Bonferroni's bound would rise."""
    column = np.random.default_rng(0).normal(size=(1000, 1))
    one, ten = (MaximumTest(np.repeat(column, number, axis=1), 0.05).threshold(200) for number in (1, 10))
    assert one == pytest.approx(stats.kstwobign.isf(0.05), rel=0.06) and ten == one
    apart = MaximumTest(np.random.default_rng(0).normal(size=(1000, 10)), 0.05).threshold(200)
    assert apart == pytest.approx(stats.kstwobign.isf(0.005), rel=0.06)  # of ten independent ones, Bonferroni's


@pytest.mark.parametrize(("samples", "window"), [(200, 50), (100, 200)])
def test_rate_of_false_alarms(samples, window):
    """Over many references, within a binomial bound of four standard deviations; windows larger than those too."""
    rng, alarms, windows = np.random.default_rng(5), 0, 0
    for seed in range(60):
        mixing = rng.normal(size=(4, 4))  # columns that depend on each other
        test = MaximumTest(rng.normal(size=(samples, 4)) @ mixing, 0.1, permutations=199, seed=seed)
        threshold = test.threshold(window)
        for _ in range(5):
            alarms += test.statistics(rng.normal(size=(window, 4)) @ mixing).max() > threshold
            windows += 1
    # Windows that share a reference are not independent: five of them count as one at worst.
    assert abs(alarms / windows - 0.1) < 4 * math.sqrt(0.1 * 0.9 / windows) + 0.02


def test_power():
    """A shift of half a deviation in one column of ten is found in nearly all windows of 100."""
    rng = np.random.default_rng(0)
    test = MaximumTest(rng.normal(size=(500, 10)), 0.01)
    shift = 0.7 * (np.arange(10) == 4)
    found = [test.statistics(rng.normal(size=(100, 10)) + shift) > test.threshold(100) for _ in range(50)]
    assert np.mean([one[4] for one in found]) > 0.9 and np.mean([np.delete(one, 4).any() for one in found]) < 0.1


def test_bad_input():
    reference = np.zeros((40, 2))
    for call, message in (
        (lambda: MaximumTest(reference[:39]), r"`reference`\. Expected at least 40 samples.*\(39, 2\)"),
        (lambda: MaximumTest(reference, 0), "`false_alarms`"),
        (lambda: MaximumTest(reference, 0.01, permutations=99), "`permutations`.*at least 100"),
        (lambda: MaximumTest(reference * np.nan), "`reference`.*all finite"),
        (lambda: MaximumTest(reference).statistics(reference[:19]), "`sample`.*at least 20 samples of 2 columns"),
        (lambda: MaximumTest(reference).statistics(reference[:, :1]), r"`sample`.*\(40, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
