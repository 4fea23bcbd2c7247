"""Intervals and paired differences of accuracies measured on a number of samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kerasnas import checks


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
    error = float(np.std(differences, ddof=1) / math.sqrt(len(differences))) if len(differences) > 1 else math.inf
    return float(np.mean(differences)), error
