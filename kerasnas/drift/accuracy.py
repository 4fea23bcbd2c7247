"""Tests of whether a classifier has become less accurate: a CUSUM of its errors, and Fisher's exact test."""

from __future__ import annotations

import bisect
import functools
import math
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.drift.report import DriftReport
from kerasnas.intervals import wilson_interval

_MOST_STATES, _MOST_DOWN, _NEAR = 2048, 64, 0.05
_SURE = 1.645  # quantile of a one-sided 95 % bound
_HOPELESS = 0.9  # error rate above which there is no accuracy to lose


def error_run_length(error: float, down: int, up: int, threshold: int) -> float:
    """Return the average number of labels until an `ErrorSum` raises an alarm: exact, by its Markov chain.

    The sum is in one of the states 0 to `threshold` - 1. A hit lowers it by `down`, not below 0, and an error raises it
    by `up`.

    Args:
        error: probability of an error, strictly between 0 and 1.
        down, up: at least 1.
        threshold: the sum that raises an alarm, from 1 to 2,048.

    Reference:
        Brook and Evans, "An Approach to the Probability Distribution of CUSUM Run Length", 1972.
    """
    error = checks.number("error", error, above=0, below=1)
    down, up = checks.integer("down", down, 1), checks.integer("up", up, 1)
    states = np.arange(checks.integer("threshold", threshold, 1, _MOST_STATES))
    moves = np.zeros((threshold, threshold))
    moves[states, np.maximum(states - down, 0)] = 1 - error
    inside = states[states + up < threshold]
    moves[inside, inside + up] = error
    return float(np.linalg.solve(np.eye(threshold) - moves, np.ones(threshold))[0])


class ErrorSum:
    r"""A CUSUM of errors: raises an alarm if a classifier errs more often than it did.

    The sum goes up with each error and down with each hit, not below 0, in the proportion of the log-likelihood ratios
    of the error rates $p_1$ = `error` + `rise` and $p_0$ = `error`, $\log(p_1 / p_0)$ and $\log((1 - p_0) / (1 -
    p_1))$, approximated by small integers. The threshold is the least whose average run length at the error rate $p_0$,
    known exactly (`error_run_length`), is `run_length`. After an alarm the sum restarts at 0.

    Args:
        error: the usual error rate, strictly between 0 and 1.
        rise: the rise to detect as fast as possible, above 0; `error` + `rise` is below 1. Larger ones are detected
            faster, smaller ones later. Defaults to 0.05.
        run_length: average number of labels between false alarms, at least 2. Defaults to 10,000.

    Attributes:
        value: the sum.
        up, down, threshold: integers.

    Reference:
        Page, "Continuous Inspection Schemes", 1954; Reynolds and Stoumbos, "A CUSUM Chart for Monitoring a Proportion
        When Inspecting Continuously", 1999.
    """

    def __init__(self, error: float, rise: float = 0.05, run_length: float = 10_000.0) -> None:
        self.error = checks.number("error", error, above=0, below=1)
        self.rise = checks.number("rise", rise, above=0, below=1 - self.error)
        self.run_length = checks.number("run_length", run_length, least=2)
        self.up, self.down = self._steps()
        self.threshold = self._least_threshold()
        self.value = 0

    def observe(self, errors: Any) -> int | None:
        """Count labels in the order of their arrival.

        Args:
            errors: `(labels,)`, True for each error.

        Returns:
            The index of the last label that raised an alarm, or None.
        """
        alarm = None
        for index, wrong in enumerate(checks.array("errors", errors, rank=1, kinds="b")):
            self.value = self.value + self.up if wrong else max(0, self.value - self.down)
            if self.value >= self.threshold:
                alarm, self.value = index, 0
        return alarm

    def _steps(self) -> tuple[int, int]:
        """Return the least integers whose proportion is nearly that of the log-likelihood ratios."""
        before, after = self.error, self.error + self.rise
        ratio = math.log(after / before) / math.log((1 - before) / (1 - after))
        for down in range(1, _MOST_DOWN):
            up = max(1, round(ratio * down))
            # On average the sum must fall without drift, and rise with it.
            signs = before * up < (1 - before) * down and after * up > (1 - after) * down
            if signs and abs(up / down - ratio) <= _NEAR * ratio:
                return up, down
        expected = f"a rise that a CUSUM of small integers can distinguish from an error rate of {before:g}"
        raise ValueError(checks.invalid("rise", expected, self.rise))

    def _least_threshold(self) -> int:
        length = functools.partial(error_run_length, self.error, self.down, self.up)
        high = 1
        while length(high) < self.run_length:
            high *= 2
            if high > _MOST_STATES:
                expected = f"a number that a CUSUM of at most {_MOST_STATES} states reaches"
                raise ValueError(checks.invalid("run_length", expected, self.run_length))
        return bisect.bisect_left(range(high), self.run_length, high // 2 + 1, key=length)


class AccuracyTest:
    """The two tests of accuracy of a drift monitor, against the model's errors on the reference.

    Args:
        wrong: number of errors among the labels of the reference.
        labels: number of labels of the reference.
        false_alarms, window, rise: as for `DriftMonitor`.

    Attributes:
        errors: the `ErrorSum` of the stream, at the upper end of the one-sided 95 % interval of the error rate; None
            if that is above 0.9, when there is no accuracy to lose.
    """

    def __init__(self, wrong: int, labels: int, false_alarms: float, window: int, rise: float) -> None:
        self.wrong, self.labels, self.false_alarms = wrong, labels, false_alarms
        usual = 1 - wilson_interval(1 - wrong / labels, labels, _SURE)[0]
        hopeless = usual > _HOPELESS
        self.errors = None if hopeless else ErrorSum(usual, min(rise, (1 - usual) / 2), window / false_alarms)

    @property
    def accuracy(self) -> float:
        """The accuracy on the reference."""
        return 1 - self.wrong / self.labels

    def observe(self, report: DriftReport, errors: np.ndarray) -> DriftReport:
        """Return a stream's report with the CUSUM of further labels, True for each error."""
        alarm = self.errors is not None and self.errors.observe(errors) is not None
        return report.with_accuracy(
            alarm,
            accuracy=float(1 - errors.mean()) if len(errors) else None,
            reference_accuracy=self.accuracy,
            accuracy_statistic=None if self.errors is None else float(self.errors.value),
            accuracy_threshold=None if self.errors is None else float(self.errors.threshold),
        )

    def examine(self, report: DriftReport, wrong: int, labels: int) -> DriftReport:
        """Return a window's report with Fisher's exact test of its labels."""
        from scipy.stats import fisher_exact

        counts = [[wrong, labels - wrong], [self.wrong, self.labels - self.wrong]]
        p_value = float(fisher_exact(counts, "greater").pvalue)
        return report.with_accuracy(
            p_value <= self.false_alarms,
            accuracy=1 - wrong / labels,
            reference_accuracy=self.accuracy,
            accuracy_statistic=p_value,
            accuracy_threshold=self.false_alarms,
        )
