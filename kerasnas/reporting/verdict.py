"""Verdict of a run in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.records import Record
from kerasnas.reporting.comparisons import comparison_of


@checks.reading("result", "the record of a run, as `kerasnas.reporting` describes it")
def verdict(result: Mapping[str, Any]) -> str:
    """Say in plain words where the searched network stands against the random ones, or the others of its race.

    Of a mixture it says what that and its parts reach.

    Args:
        result: the record of a run; see `kerasnas.reporting`.

    Returns:
        One to three sentences: the difference of the means in percentage points with the rank; whether that is more
        than chance, by the same samples where the record has them, else by the spread of the random networks; and a
        warning if skip connections dominate.

    Raises:
        ValueError: if a required key is missing.

    Example:

    >>> import json
    >>> from kerasnas.genotypes import Genotype
    >>> genotype = json.loads(Genotype("toy", {"normal": [("sep_conv_3x3", 0, 2)]}).to_json())
    >>> random = [{"test_accuracy": accuracy} for accuracy in (0.88, 0.89, 0.90)]
    >>> print(verdict({"genotype": genotype, "searched": {"test_accuracy": 0.92}, "random": random}))
    The searched network reaches 92.00 % test accuracy, 3.00 points above the mean of the random networks \
(89.00 %, n=3), and ranks 1st of 4. The lead is more than one standard deviation of the random networks (1.00 points).
    """
    record = Record.of(result, "genotype")
    return " ".join(comparison_of(record).sentences(record))
