"""Comparison that a report makes: of a race, of a mixture, or of the searched network with random ones."""

from __future__ import annotations

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
        plot: the name of its plot in the run's folder, without its ending.
        limits: what it does not show, as a sentence of the card.
    """

    title: str
    plot = ""
    limits: str

    def sentences(self, record: Record) -> list[str]:
        """Return the verdict, in plain words."""
        raise NotImplementedError

    def table(self, record: Record) -> Table:
        """Return the networks that were compared."""
        raise NotImplementedError

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
