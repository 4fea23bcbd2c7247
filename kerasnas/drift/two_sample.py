"""A two-sample test of many columns: the maximum of Kolmogorov-Smirnov distances, its threshold by permutation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.constraints import Interval

FEWEST = 20  # fewer samples do not reveal a relevant shift
_LEAST_REFERENCE = 2 * FEWEST
_LEAST_PERMUTATIONS, _PER_ALARM = 1000, 20
rate: Callable[..., float] = Interval(least=0.001, most=0.5)  # of false alarms


class MaximumTest:
    r"""A test of whether new samples have the reference's distribution, over all columns at once.

    The statistic of a column is the two-sample Kolmogorov-Smirnov distance $D$ of its empirical distribution functions,
    scaled by the sizes $n$ of the new samples and $m$ of the reference, $\sqrt{nm/(n+m)} D$; that of the test is the
    largest over the columns. Its threshold is a quantile over random halvings of the reference: `size` samples against
    the others, drawn `permutations` times, all columns by the same draw. The rate of false alarms is thus that of the
    whole test, whatever the dependence of the columns (Westfall and Young's max-T); Bonferroni's bound ignores it, and
    is never lower. The rate is exact on average over references; an unusual reference has another, less so the larger
    it is compared with the new samples. New samples of more than half the reference's size have the threshold at half
    of it, as the scaled statistic has a limit.

    Args:
        reference: `(samples, columns)`, at least 40 samples.
        false_alarms: the rate of false alarms, from 0.001 to 0.5. Defaults to 0.01.
        permutations: number of random halvings. Defaults to None: 20 per expected alarm, at least 1,000.
        seed: seed of the halvings. Defaults to 0.

    Reference:
        Westfall and Young, "Resampling-Based Multiple Testing", 1993; Rabanser et al., "Failing Loudly: An Empirical
        Study of Methods for Detecting Dataset Shift", 2019 (arXiv 1810.11953).

    Differences from the paper:
    - Rabanser et al. compare each column with Bonferroni's bound; here the maximum over the columns is calibrated.
    """

    def __init__(
        self, reference: Any, false_alarms: float = 0.01, permutations: int | None = None, seed: int = 0
    ) -> None:
        self.reference = checks.array("reference", reference, rank=2)
        if len(self.reference) < _LEAST_REFERENCE or not self.reference.shape[1]:
            expected = f"at least {_LEAST_REFERENCE} samples of at least one column"
            raise ValueError(checks.invalid("reference", expected, f"shape {self.reference.shape}"))
        self.false_alarms = rate("false_alarms", false_alarms)
        least = math.ceil(1 / self.false_alarms)
        default = max(_LEAST_PERMUTATIONS, _PER_ALARM * least)
        self.permutations = checks.integer("permutations", default if permutations is None else permutations, least)
        self.seed = checks.seed(seed)
        self._sorted = np.sort(self.reference, axis=0)
        self._nulls: dict[int, np.ndarray] = {}

    def statistics(self, sample: Any) -> np.ndarray:
        """Return the scaled distance of each column, `(columns,)`, for at least 20 samples `(samples, columns)`."""
        sample = checks.array("sample", sample, rank=2)
        columns = self.reference.shape[1]
        if sample.shape[1] != columns or len(sample) < FEWEST:
            expected = f"at least {FEWEST} samples of {columns} columns"
            raise ValueError(checks.invalid("sample", expected, f"shape {sample.shape}"))
        distances = [_distance(self._sorted[:, column], sample[:, column]) for column in range(columns)]
        return _scale(len(sample), len(self.reference)) * np.array(distances)

    def threshold(self, size: int) -> float:
        """Return the value that the largest statistic of `size` samples exceeds at the rate `false_alarms` at most."""
        null = self._null(size)
        return float(null[min(math.ceil((1 - self.false_alarms) * (len(null) + 1)), len(null)) - 1])

    def p_value(self, statistic: float, size: int) -> float:
        """Return the probability of at least this statistic of `size` samples without change, at least 1/B."""
        null = self._null(size)
        return float((1 + (null >= statistic - 1e-12).sum()) / (1 + len(null)))

    def _null(self, size: int) -> np.ndarray:
        """Return the largest statistic of each halving, sorted."""
        size = min(checks.integer("size", size, FEWEST), len(self.reference) // 2)
        if size not in self._nulls:
            self._nulls[size] = np.sort(self._drawn(size))
        return self._nulls[size]

    def _drawn(self, size: int) -> np.ndarray:
        samples = len(self.reference)
        rng = np.random.default_rng([self.seed, size])
        order = np.argsort(self.reference, axis=0, kind="stable")
        # Distribution functions are compared at their steps, the last of equal values.
        steps = np.vstack([self._sorted[1:] != self._sorted[:-1], np.ones((1, self.reference.shape[1]), bool)])
        pooled = np.arange(1, samples + 1)[:, None] / samples
        distances = np.empty(self.permutations)
        for index in range(self.permutations):
            chosen = np.zeros(samples)
            chosen[rng.permutation(samples)[:size]] = 1 / size
            # F_chosen - F_others = (F_chosen - F_pooled) * samples / others
            distances[index] = np.abs((np.cumsum(chosen[order], axis=0) - pooled) * steps).max()
        others = samples - size
        return distances * samples / others * _scale(size, others)


def _distance(ordered: np.ndarray, sample: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of a sorted array and another."""
    sample = np.sort(sample)
    values = np.concatenate([ordered, sample])
    first, second = (np.searchsorted(rows, values, side="right") / len(rows) for rows in (ordered, sample))
    return float(np.abs(first - second).max())


def _scale(first: int, second: int) -> float:
    return math.sqrt(first * second / (first + second))
