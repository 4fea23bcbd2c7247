"""The tests of accuracy: exact run lengths, the sum of errors by hand, Fisher's test against SciPy's."""

import math

import numpy as np
import pytest

from kerasnas.drift.accuracy import AccuracyTest, ErrorSum, error_run_length
from kerasnas.drift.report import DriftReport


def test_run_length_in_closed_form():
    assert error_run_length(0.2, 1, 1, 1) == pytest.approx(5)  # the first error
    p, q = 0.3, 0.7  # two more errors than hits: L0 = 1 + q L0 + p L1, L1 = 1 + q L0
    assert error_run_length(p, 1, 1, 2) == pytest.approx((1 + p) / p**2)
    # Errors in a row, as a hit takes everything: a classical formula.
    assert error_run_length(p, 9, 1, 3) == pytest.approx((1 - p**3) / (q * p**3))


@pytest.mark.parametrize("rate", [0.2, 0.4, 0.7])
def test_run_length_is_that_of_a_simulation(rate):
    """At low error rates, where an error counts for more than a hit, and at high ones."""
    rng, lengths = np.random.default_rng(0), []
    errors = ErrorSum(rate, 0.15, run_length=100)
    up, down, threshold = errors.up, errors.down, errors.threshold
    for _ in range(400):
        value = number = 0
        while value < threshold:
            value, number = (value + up if rng.random() < rate else max(0, value - down)), number + 1
        lengths.append(number)
    expected = error_run_length(rate, down, up, threshold)
    assert expected >= 100 > error_run_length(rate, down, up, threshold - 1)
    assert np.mean(lengths) == pytest.approx(expected, abs=4 * np.std(lengths) / math.sqrt(400))


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.1, 0.25, 0.35, 0.4, 0.5, 0.6, 0.75, 0.9])
def test_steps_are_the_log_likelihood_ratios(rate):
    errors = ErrorSum(rate, 0.05, 1_000)
    ratio = math.log((rate + 0.05) / rate) / math.log((1 - rate) / (0.95 - rate))
    assert errors.up / errors.down == pytest.approx(ratio, rel=0.05)
    assert rate * errors.up < (1 - rate) * errors.down  # the sum falls where nothing has changed
    assert (rate + 0.05) * errors.up > (0.95 - rate) * errors.down
    assert error_run_length(rate, errors.down, errors.up, errors.threshold) >= 1_000


def test_sum_of_errors_by_hand():
    errors, seen = ErrorSum(0.1, 0.1, 1000), []
    for wrong in (False, True, False, True, False):
        errors.observe([wrong])
        seen.append(errors.value)
    assert (errors.up, errors.down, seen) == (6, 1, [0, 6, 5, 11, 10])
    assert ErrorSum(0.1, 0.1, 1000).observe([True] * 6) == 5  # 36 is above 31
    assert ErrorSum(0.1, 0.1, 1000).observe([True] * 5) is None


def test_a_rise_is_found_soon_and_the_sum_begins_again():
    rng, errors, first = np.random.default_rng(1), ErrorSum(0.05, 0.05, run_length=10_000), []
    for _ in range(30):
        errors.value = 0
        first.append(next(n for n in range(500) if errors.observe([bool(rng.random() < 0.3)]) is not None))
        assert errors.value == 0
    assert np.mean(first) < 40


def test_error_rate_is_held_to_what_the_reference_leaves_open():
    """A reference without a single error does not promise that there is none."""
    test = AccuracyTest(0, 50, false_alarms=0.01, window=100, rise=0.05)
    assert 0.04 < test.errors.error < 0.07 and test.accuracy == 1 and test.errors.run_length == 10_000
    assert test.examine(DriftReport(), 3, 100).kinds == () and test.examine(DriftReport(), 20, 100).drift
    hopeless = AccuracyTest(40, 40, 0.01, 100, 0.05)  # all wrong: nothing to lose
    assert hopeless.errors is None and not hopeless.observe(DriftReport(), np.ones(500, bool)).drift


def test_bad_input():
    for call, message in (
        (lambda: ErrorSum(0.0), "`error`"),
        (lambda: ErrorSum(0.5, 0.5), r"`rise`.*below 0.5"),
        (lambda: ErrorSum(0.1, 0.1, 1), "`run_length`"),
        (lambda: ErrorSum(0.1, 0.1, 1000).observe([1, 0]), "`errors`.*booleans"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
