"""The contract of a method of a run, and the registry of methods."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

from kerasnas.registry import Registry
from kerasnas.runs.settings import Settings

NETWORK = (
    *("imports", "space", "num_nodes", "primitives", "stem_strides", "retrain_filters", "retrain_cells"),
    *("text_words", "text_length", "tokens"),
)
"""The settings that decide what the network of a genotype is."""
METHODS = Registry("method")
"""The methods of a run by name; `METHODS.register` adds one, `METHODS[name]()` is one."""


class Method(abc.ABC):
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
    settings: ClassVar[type[Settings]]
    command: ClassVar[str] = "search"
    option: ClassVar[str] = ""
    way: ClassVar[str] = ""
    data: ClassVar[tuple[str, ...]] = ("dataset",)

    def flags(self, settings: Any) -> list[str]:
        """The flags of the command that starts a run of these settings."""
        return settings.flags()

    def suits(self, space: str | None, dataset: str) -> bool:
        """Whether `kerasnas search` chooses this method for a space (None if none is given) and a data set."""
        return False

    def check_space(self, space: str | None) -> None:  # noqa: B027 (most methods take any)
        """Raise ValueError for a space that `--method` asks this method to search, and that it cannot."""

    def check(self, settings: Any) -> None:  # noqa: B027 (most methods have nothing to check)
        """Raise ValueError for settings that fail on any data, before a folder is made."""

    def network_settings(self, settings: Any) -> dict[str, Any]:
        """The settings of `kerasnas retrain` that build the networks of a run of these settings."""
        names = {field.name for field in dataclasses.fields(settings)}
        return {name: getattr(settings, name) for name in NETWORK if name in names}


def method_of(settings: Settings) -> Method:
    """The method that has such settings.

    Raises:
        TypeError: if none has.

    Example:

    >>> from kerasnas import methods
    >>> method_of(methods.RaceConfig()).words
    'a race'
    """
    for name in METHODS:
        if (method := METHODS[name]()).settings is type(settings):
            return method
    raise TypeError(f"Expected the settings of a method of a run: {', '.join(METHODS)}. Received: {settings!r}")
