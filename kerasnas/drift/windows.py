"""A stream of samples, compared with a reference window by window."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from kerasnas.drift.report import Change, DriftReport
from kerasnas.drift.two_sample import MaximumTest


class WindowedTest:
    """A `MaximumTest` of named columns on consecutive windows.

    Args:
        reference: `(samples, columns)`.
        names: names of the columns.
        kinds: the kind of each column: `"inputs"` or `"outputs"`.
        window: samples per comparison.
        false_alarms, seed: as for `MaximumTest`.

    Attributes:
        waiting: `(samples, columns)`, samples of the next, incomplete window.
    """

    def __init__(
        self,
        reference: np.ndarray,
        names: Sequence[str],
        kinds: Sequence[str],
        window: int,
        false_alarms: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.test = MaximumTest(reference, false_alarms, seed=seed)
        self.names, self.kinds, self.window = tuple(names), tuple(kinds), window
        self.waiting = reference[:0]
        self._means = reference.mean(axis=0)

    def observe(self, columns: np.ndarray) -> DriftReport:
        """Test every full window; return the report of the newest with drift, or else of the newest."""
        waiting, reports = np.concatenate([self.waiting, columns]), []
        while len(waiting) >= self.window:
            reports.append(self.examine(waiting[: self.window]))
            waiting = waiting[self.window :]
        self.waiting = waiting
        drifted = [report for report in reports if report.drift]
        chosen = (drifted or reports or [DriftReport()])[-1]
        return dataclasses.replace(chosen, windows=len(reports), waiting=len(waiting))

    def examine(self, columns: np.ndarray) -> DriftReport:
        """Compare samples with the reference as a single window."""
        statistics, threshold = self.test.statistics(columns), self.test.threshold(len(columns))
        now, largest = columns.mean(axis=0), float(statistics.max())
        above = [int(index) for index in np.argsort(-statistics, kind="stable") if statistics[index] > threshold]
        return DriftReport(
            kinds=tuple(sorted({self.kinds[index] for index in above})),
            statistic=largest,
            threshold=threshold,
            p_value=self.test.p_value(largest, len(columns)),
            changes=tuple(
                Change(self.names[index], float(self._means[index]), float(now[index]), float(statistics[index]))
                for index in above
            ),
            windows=1,
        )
