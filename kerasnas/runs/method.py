"""The contract of a method of a run, and the registry of methods."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from kerasnas.registry import Registry
from kerasnas.runs.settings import Settings

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
        data: the names of the settings that are data sets.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    settings: ClassVar[type[Settings]]
    command: ClassVar[str] = "search"
    option: ClassVar[str] = ""
    data: ClassVar[tuple[str, ...]] = ("dataset",)

    def flags(self, settings: Any) -> list[str]:
        """The flags of the command that starts a run of these settings."""
        return settings.flags()

    def suits(self, space: str | None, dataset: str) -> bool:
        """Whether `kerasnas search` chooses this method for a space (None if none is given) and a data set."""
        return False

    def check(self, settings: Any) -> None:
        """Raise ValueError for settings that fail on any data, before a folder is made."""


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
