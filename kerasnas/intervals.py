"""Intervals of means over runs, of accuracies on samples, and of their paired differences."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from kerasnas import checks


def mean_interval(
    values: Sequence[float] | np.ndarray, groups: Sequence[Hashable] | None = None
) -> tuple[float, float]:
    """Return the mean of measurements and the half-width of its 95 % interval, by Student's t.

    Args:
        values: the measurements, such as the leads of one method over another; for a single one, or a single group, the
            half-width is infinite.
        groups: of each value, what it was measured on, such as the name of the data set. Values of one group are
            averaged first: more seeds on the same data say nothing about other data. Defaults to None: each value is
            independent of the others.
    """
    found = checks.array("values", values, rank=1, kinds="biuf", finite=False).astype(float)
    if not len(found):
        raise ValueError(checks.invalid("values", "at least one number", values))
    if groups is not None:
        if len(groups) != len(found):
            raise ValueError(checks.invalid("groups", f"one for each of {len(found)} values", f"{len(groups)}"))
        rows = {name: [row for row, other in enumerate(groups) if other == name] for name in groups}
        found = np.array([found[own].mean() for own in rows.values()])
    if len(found) < 2:
        return float(found[0]), math.inf
    from scipy.special import stdtrit  # here: the package is imported in a fraction of the time that SciPy takes

    return float(found.mean()), float(stdtrit(len(found) - 1, 0.975)) * standard_error(found)


def standard_error(values: np.ndarray) -> float:
    """Return the standard error of the mean of values that are independent; infinite for a single one."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def wilson_interval(accuracy: float, samples: int, z: float = 1.96) -> tuple[float, float]:
    """Return the ends of the interval of an accuracy measured on a number of samples.

    `z` is the quantile of the normal distribution, 1.96 for 95 %.

    Reference:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    """
    accuracy = checks.number("accuracy", accuracy, least=0, most=1)
    samples, z = checks.size("samples", samples), checks.number("z", z, above=0, most=100)
    center = (accuracy + z * z / (2 * samples)) / (1 + z * z / samples)
    half = z / (1 + z * z / samples) * math.sqrt(accuracy * (1 - accuracy) / samples + (z / (2 * samples)) ** 2)
    return center - half, center + half


def paired_difference(first: Sequence[bool] | np.ndarray, second: Sequence[bool] | np.ndarray) -> tuple[float, float]:
    """Return the difference of two accuracies on the same samples, and its standard error.

    `first` and `second` have one boolean for each sample, whether the prediction was right. For a single sample, the
    error is infinite.
    """
    one, other = (
        checks.array(name, value, kinds="biuf").astype(float) for name, value in (("first", first), ("second", second))
    )
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        expected = f"as many as of `first`, {len(one) if one.ndim == 1 else one.shape}"
        raise ValueError(checks.invalid("second", expected, f"shape {other.shape}"))
    differences = one - other
    return float(np.mean(differences)), standard_error(differences)
