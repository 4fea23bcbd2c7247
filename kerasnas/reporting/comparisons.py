"""Comparison that a report makes: of a race, of a mixture, or of the searched network with random ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.records import Record
from kerasnas.registry import Registry
from kerasnas.reporting.tables import Table

COMPARISONS = Registry("comparison")
"""The comparisons by the entry of the record that they are about; one of your own may be registered."""
RANDOM = "random"


class Comparison:
    """Report and model-card text on one entry of the record; `COMPARISONS[name]()` is one.

    Attributes:
        title: of its section.
        limits: what it does not show, as a sentence of the card.
    """

    title: str
    limits: str

    def sentences(self, record: Record) -> list[str]:
        """Return the verdict, in plain words."""
        raise NotImplementedError

    def table(self, record: Record) -> Table:
        """Return the networks that were compared."""
        raise NotImplementedError

    def standings(self, record: Record) -> list[dict[str, Any]]:
        """Return the candidates, the winner first, as `leaderboard` of an estimator has them. Here: none."""
        return []

    def leaderboard(self, record: Record) -> Table:
        """Return the candidates for a terminal, the best first. Defaults to `table`."""
        return self.table(record)

    def chart(self, record: Record) -> str:
        """A chart for the page; empty for none."""
        return ""

    def training(self, record: Record) -> str:
        """Describe the origin of the network's weights, as part of a sentence."""
        return "its weights were then trained from scratch"


def comparison_of(record: Record) -> Comparison:
    """Return the main comparison of a record: the one whose entry it has; else that with random networks."""
    return next(iter(comparisons_in(record)))


def comparisons_in(record: Record) -> list[Comparison]:
    """All comparisons whose entries the record has; that with random networks, if it has no other."""
    names = [name for name in COMPARISONS if record.get(name)]
    names.sort(key=lambda name: name == RANDOM)  # the main one is first
    return [COMPARISONS[name]() for name in names or [RANDOM]]


@checks.reading("result", "the record of a run, as `kerasnas.records` describes it")
def verdict(result: Mapping[str, Any]) -> str:
    """Say in plain words where the searched network stands against the random ones, or the others of its race.

    Of a mixture it says what that and its parts reach.

    Args:
        result: the record of a run; see `kerasnas.records`.

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
