"""The two-sample test of many columns: Kolmogorov-Smirnov distances, their maximum, its threshold by permutation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasnas import checks

FEWEST = 20  # samples that are tested: of fewer, no shift that matters is seen
_LEAST_REFERENCE = 2 * FEWEST
_LEAST_PERMUTATIONS, _PER_ALARM = 1000, 20
_RATES = (0.001, 0.5)


class MaximumTest:
    r"""A test of whether new samples come from where the reference does, over all columns at once.

    The statistic of a column is the two-sample Kolmogorov-Smirnov distance $D$ of its empirical distribution functions,
    scaled by the sizes $n$ of the new samples and $m$ of the reference, $\sqrt{nm/(n+m)} D$; that of the test is the
    largest over the columns. Its threshold is a quantile of what random halvings of the reference give: `size` samples
    against the others, drawn `permutations` times, all columns by the same draw. So that the rate of false alarms is
    that of the whole test, however the columns depend on each other (Westfall and Young's max-T); Bonferroni's bound,
    which forgets that dependence, is never below it. The rate is exact on average over references: one that came out
    unusual has another, less so the larger it is beside the new samples. New samples that are more than half of the
    reference are held to the threshold at half of it, as the scaled statistic has a limit.

    Args:
        reference: `(samples, columns)`, of at least 40 samples.
        false_alarms: the rate of false alarms, from 0.001 to 0.5. Defaults to 0.01.
        permutations: number of random halvings. Defaults to None: 20 for each alarm, at least 1,000.
        seed: of the halvings. Defaults to 0.

    Raises:
        ValueError: if `reference` is no such array, or a number is out of range.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> test = MaximumTest(rng.normal(size=(400, 3)))
    >>> same, shifted = rng.normal(size=(100, 3)), rng.normal([0, 0, 0.8], size=(100, 3))
    >>> threshold = test.threshold(100)
    >>> bool(test.statistics(same).max() > threshold), (test.statistics(shifted) > threshold).tolist()
    (False, [False, False, True])

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
        self.false_alarms = check_rate(false_alarms)
        least = math.ceil(1 / self.false_alarms)
        default = max(_LEAST_PERMUTATIONS, _PER_ALARM * least)
        self.permutations = checks.integer("permutations", default if permutations is None else permutations, least)
        self.seed = checks.seed(seed)
        self._sorted = np.sort(self.reference, axis=0)
        self._nulls: dict[int, np.ndarray] = {}

    def statistics(self, sample: Any) -> np.ndarray:
        """The scaled distance of each column, an array `(columns,)`.

        Args:
            sample: `(samples, columns)`.

        Raises:
            ValueError: if it has other columns, or fewer than 20 samples.
        """
        sample = checks.array("sample", sample, rank=2)
        columns = self.reference.shape[1]
        if sample.shape[1] != columns or len(sample) < FEWEST:
            expected = f"at least {FEWEST} samples of {columns} columns"
            raise ValueError(checks.invalid("sample", expected, f"shape {sample.shape}"))
        distances = [_distance(self._sorted[:, column], sample[:, column]) for column in range(columns)]
        return _scale(len(sample), len(self.reference)) * np.array(distances)

    def threshold(self, size: int) -> float:
        """The value that the largest statistic of `size` samples is above of in at most `false_alarms` of all cases."""
        null = self._null(size)
        return float(null[min(math.ceil((1 - self.false_alarms) * (len(null) + 1)), len(null)) - 1])

    @checks.arguments(statistic=checks.number)
    def p_value(self, statistic: float, size: int) -> float:
        """The probability of so large a statistic of `size` samples where nothing has changed, at least 1/B."""
        null = self._null(size)
        return float((1 + (null >= statistic - 1e-12).sum()) / (1 + len(null)))

    def _null(self, size: int) -> np.ndarray:
        """The largest statistic of each halving, sorted."""
        size = min(checks.integer("size", size, FEWEST), len(self.reference) // 2)
        if size not in self._nulls:
            self._nulls[size] = np.sort(self._drawn(size))
        return self._nulls[size]

    def _drawn(self, size: int) -> np.ndarray:
        samples = len(self.reference)
        rng = np.random.default_rng([self.seed, size])
        order = np.argsort(self.reference, axis=0, kind="stable")
        # Distribution functions differ where they step: at the last of equal values.
        steps = np.vstack([self._sorted[1:] != self._sorted[:-1], np.ones((1, self.reference.shape[1]), bool)])
        pooled = np.arange(1, samples + 1)[:, None] / samples
        found = np.empty(self.permutations)
        for index in range(self.permutations):
            chosen = np.zeros(samples)
            chosen[rng.permutation(samples)[:size]] = 1 / size
            # F_chosen - F_others = (F_chosen - F_pooled) * samples / others
            found[index] = np.abs((np.cumsum(chosen[order], axis=0) - pooled) * steps).max()
        others = samples - size
        return found * samples / others * _scale(size, others)


def _distance(ordered: np.ndarray, sample: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of a sorted array and another."""
    sample = np.sort(sample)
    values = np.concatenate([ordered, sample])
    shares = [np.searchsorted(one, values, side="right") / len(one) for one in (ordered, sample)]
    return float(np.abs(shares[0] - shares[1]).max())


def _scale(first: int, second: int) -> float:
    return math.sqrt(first * second / (first + second))


def check_rate(false_alarms: Any) -> float:
    """Return `false_alarms` if it is a rate from 0.001 to 0.5.

    Raises:
        ValueError: otherwise.
    """
    return checks.number("false_alarms", false_alarms, *_RATES)
