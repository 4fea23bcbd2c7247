"""Contract of a method of a run."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Generic

from kerasnas.files.stages import Stages
from kerasnas.racing import Budget
from kerasnas.records import Record
from kerasnas.runs.context import Context, D, S

NETWORK = (
    *("imports", "space", "num_nodes", "primitives", "stem_strides", "retrain_filters", "retrain_cells"),
    *("text_words", "text_length", "tokens"),
)
"""The settings that decide what the network of a genotype is."""


class Method(abc.ABC, Generic[S, D]):
    """A method of a run: what its settings ask for, from the plan to the record.

    Attributes:
        name: in `config.json`.
        words: the method in a sentence, such as `"a race"`.
        settings: the class of its settings, which no other method has.
        command: the command that starts it.
        option: its value of `--method`, or "" if the command has one method for such data.
        way: how the command line gets to it, as a sentence.
        data: the names of the settings that are data sets.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    settings: type[S]
    command: ClassVar[str] = "search"
    option: ClassVar[str] = ""
    way: ClassVar[str] = ""
    data: ClassVar[tuple[str, ...]] = ("dataset",)

    @abc.abstractmethod
    def load(self, settings: S) -> D:
        """Return the data of the settings, checked; their `notes`, if they have some, are logged."""

    @abc.abstractmethod
    def plan(self, context: Context[S, D]) -> str:
        """What a run of these settings does, in a few lines."""

    @abc.abstractmethod
    def run(self, context: Context[S, D]) -> Mapping[str, Any]:
        """Do what is left of a run, and return its record."""

    def budget(self, settings: S, stages: Stages, spent: float) -> Budget | None:
        """Return the budget of a run, of which this process has spent `spent` seconds; None for a run without one."""
        return None

    def finished(self, context: Context[S, D]) -> Mapping[str, Any] | None:
        """Return the record of a finished run; None before its end."""
        return context.finished()

    def conclude(self, context: Context[S, D], record: Mapping[str, Any]) -> None:
        """Print what came out."""
        context.conclude(Record.of(record))

    def flags(self, settings: S) -> list[str]:
        """Return the flags of the command that starts a run of these settings."""
        return settings.flags()

    def suits(self, space: str | None, dataset: str) -> bool:
        """Whether `kerasnas search` chooses this method for a space (None if none is given) and a data set."""
        return False

    def check_space(self, space: str | None) -> None:
        """Raise ValueError for a space that `--method` asks this method to search, and that it cannot."""

    def check(self, settings: S) -> None:
        """Raise ValueError for settings that fail on any data, before a folder is made."""

    def network_settings(self, settings: S) -> dict[str, Any]:
        """Return the settings of `kerasnas retrain` that build the networks of a run of these settings."""
        names = {field.name for field in dataclasses.fields(settings)}
        return {name: getattr(settings, name) for name in NETWORK if name in names}
