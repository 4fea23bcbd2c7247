"""Tests of whether a classifier has become less accurate: a CUSUM of its errors, and Fisher's exact test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.drift.report import DriftReport
from kerasnas.intervals import wilson_interval

_MOST_STATES = 4096
_SURE = 1.645  # of a one-sided 95 % bound


def error_run_length(error: float, weight: int, threshold: int) -> float:
    """The average number of labels until a `ErrorSum` raises an alarm: exact, by its Markov chain.

    The sum is in one of the states 0 to `threshold` - 1. A hit lowers it by 1, not below 0, and an error raises it by
    `weight` - 1.

    Args:
        error: probability of an error, strictly between 0 and 1.
        weight: of an error, at least 2.
        threshold: the sum at which there is an alarm, at least 1.

    Raises:
        ValueError: for a number out of range.

    Example:

    >>> error_run_length(0.25, 2, 1)  # the first error
    4.0

    Reference:
        Reynolds and Stoumbos, "A CUSUM Chart for Monitoring a Proportion When Inspecting Continuously", 1999.
    """
    error = checks.number("error", error, above=0, below=1)
    weight, threshold = checks.integer("weight", weight, 2), checks.integer("threshold", threshold, 1, _MOST_STATES)
    states = np.arange(threshold)
    stays = np.zeros((threshold, threshold))
    np.add.at(stays, (states, np.maximum(states - 1, 0)), 1 - error)
    higher = states + weight - 1
    inside = higher < threshold
    np.add.at(stays, (states[inside], higher[inside]), error)
    return float(np.linalg.solve(np.eye(threshold) - stays, np.ones(threshold))[0])


class ErrorSum:
    r"""A CUSUM of errors: raises an alarm where a classifier errs more often than it did.

    For each label, $S \leftarrow \max(0, S + w e - 1)$ with $e$ 1 for an error and 0 for a hit: the log-likelihood
    ratio of the error rates $p_1$ = `error` + `rise` and $p_0$ = `error`, divided by what a hit takes off, with the
    weight $w$ rounded to an integer. The threshold is the least whose average run length at the error rate $p_0$, which
    is known exactly, is `run_length`. After an alarm it begins at 0.

    Args:
        error: the usual error rate, strictly between 0 and 1.
        rise: the rise that is to be found as fast as possible, above 0; `error` + `rise` is below 1. Larger ones are
            found faster, smaller ones later. Defaults to 0.05.
        run_length: average number of labels between false alarms, at least 2. Defaults to 10,000.

    Raises:
        ValueError: for a number out of range.

    Attributes:
        value: the sum.
        weight, threshold: integers.

    Example:

    >>> errors = ErrorSum(0.1, rise=0.1, run_length=1000)
    >>> errors.weight, errors.threshold
    (7, 31)
    >>> [errors.observe([wrong] * 3) for wrong in (False, True, True)]
    [None, None, 2]

    Reference:
        Page, "Continuous Inspection Schemes", 1954; Reynolds and Stoumbos, as for `error_run_length`.
    """

    def __init__(self, error: float, rise: float = 0.05, run_length: float = 10_000.0) -> None:
        self.error = checks.number("error", error, above=0, below=1)
        self.rise = checks.number("rise", rise, above=0, below=1 - self.error)
        self.run_length = checks.number("run_length", run_length, least=2)
        before, after = self.error, self.error + self.rise
        taken = math.log((1 - before) / (1 - after))  # by a hit, in nats
        self.weight = max(2, round(1 + math.log(after / before) / taken))
        self.threshold = self._least_threshold()
        self.value = 0

    def observe(self, errors: Any) -> int | None:
        """Count labels in the order in which they came.

        Args:
            errors: `(labels,)`, True for each error.

        Returns:
            The index of the last label at which there was an alarm, or None.
        """
        alarm = None
        for index, wrong in enumerate(checks.array("errors", errors, rank=1, kinds="b")):
            self.value = max(0, self.value + self.weight * int(wrong) - 1)
            if self.value >= self.threshold:
                alarm, self.value = index, 0
        return alarm

    def _least_threshold(self) -> int:
        low, high = 0, 1  # at `low` too soon, at `high` late enough
        while error_run_length(self.error, self.weight, high) < self.run_length:
            low, high = high, 2 * high
            if high > _MOST_STATES:
                expected = f"a number that a CUSUM of at most {_MOST_STATES} states reaches"
                raise ValueError(checks.invalid("run_length", expected, self.run_length))
        while high - low > 1:
            middle = (low + high) // 2
            late = error_run_length(self.error, self.weight, middle) >= self.run_length
            low, high = (low, middle) if late else (middle, high)
        return high


def fisher_p_value(errors: int, labels: int, reference_errors: int, reference_labels: int) -> float:
    """The probability of at least so many errors among new labels where the error rate is the old one.

    Fisher's exact test, one-sided: all errors of both are spread at random over all labels.

    Args:
        errors: among the new labels.
        labels: number of new labels, at least 1.
        reference_errors, reference_labels: the same of the reference.

    Raises:
        ValueError: for a number out of range.

    Example:

    >>> round(fisher_p_value(3, 4, 1, 4), 4)  # the tea-tasting lady
    0.2429

    Reference:
        Fisher, "The Design of Experiments", 1935.
    """
    labels = checks.integer("labels", labels, 1)
    reference_labels = checks.integer("reference_labels", reference_labels, 1)
    errors = checks.integer("errors", errors, 0, labels)
    every = errors + checks.integer("reference_errors", reference_errors, 0, reference_labels)
    counts = range(errors, min(labels, every) + 1)
    all_ways = _log_choose(labels + reference_labels, every)
    found = [
        math.exp(_log_choose(labels, count) + _log_choose(reference_labels, every - count) - all_ways)
        for count in counts
        if every - count <= reference_labels
    ]
    return min(1.0, math.fsum(found))


class AccuracyTest:
    """The two tests of accuracy of a drift monitor, against what the model got wrong of the reference.

    Args:
        wrong: number of errors among the labels of the reference.
        labels: number of labels of the reference.
        false_alarms, window, rise: as for `DriftMonitor`.

    Attributes:
        errors: the `ErrorSum` of the stream, at the upper end of the one-sided 95 % interval of the error rate.

    Example:

    >>> test = AccuracyTest(5, 100, false_alarms=0.01, window=50, rise=0.05)
    >>> round(test.errors.error, 3)
    0.101
    >>> test.examine(DriftReport(), wrong=20, labels=50).kinds
    ('accuracy',)
    """

    def __init__(self, wrong: int, labels: int, false_alarms: float, window: int, rise: float) -> None:
        self.wrong, self.labels, self.false_alarms = wrong, labels, false_alarms
        usual = 1 - wilson_interval(1 - wrong / labels, labels, _SURE)[0]
        usual = min(max(usual, 1e-6), 1 - 1e-6)
        self.errors = ErrorSum(usual, min(rise, (1 - usual) / 2), window / false_alarms)

    @property
    def accuracy(self) -> float:
        """The accuracy on the reference."""
        return 1 - self.wrong / self.labels

    def observe(self, report: DriftReport, errors: np.ndarray) -> DriftReport:
        """The report of a stream, with what its CUSUM says of further labels, True for each error."""
        alarm = self.errors.observe(errors) is not None
        return report.with_accuracy(
            alarm,
            accuracy=float(1 - errors.mean()) if len(errors) else None,
            reference_accuracy=self.accuracy,
            accuracy_statistic=float(self.errors.value),
            accuracy_threshold=float(self.errors.threshold),
        )

    def examine(self, report: DriftReport, wrong: int, labels: int) -> DriftReport:
        """The report of a single window, with what Fisher's exact test says of its labels."""
        p_value = fisher_p_value(wrong, labels, self.wrong, self.labels)
        return report.with_accuracy(
            p_value <= self.false_alarms,
            accuracy=1 - wrong / labels,
            reference_accuracy=self.accuracy,
            accuracy_statistic=p_value,
            accuracy_threshold=self.false_alarms,
        )


def _log_choose(number: int, chosen: int) -> float:
    return math.lgamma(number + 1) - math.lgamma(chosen + 1) - math.lgamma(number - chosen + 1)
