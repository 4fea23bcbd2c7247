"""Settings as frozen dataclasses: each field is a flag of the command line, with its range and its help."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from kerasnas.constraints import Interval, asking, plain
from kerasnas.registry import Registry
from kerasnas.runs import plugins, trust
from kerasnas.wording import invalid, nearest

METHODS = Registry("method")
"""The methods of a run by name; `METHODS.register` adds one, `METHODS[name]()` is one."""
_LARGEST = sys.maxsize  # of a number: what can be indexed, and counted in steps and seconds
_WORDS = {"least": "at least", "above": "above", "below": "below"}


def setting(
    default: Any,
    help: str,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    known: Registry | Iterable[str] | None = None,
    flag: str | None = None,
    right: Callable[[Any], bool] | None = None,
    expected: str = "",
) -> Any:
    """A field of settings."""
    metadata = {"help": help, "least": least, "above": above, "below": below, "known": known, "flag": flag}
    return dataclasses.field(default=default, metadata={**metadata, "right": right, "expected": expected})


def flag_of(field: dataclasses.Field) -> str:
    """Return the name of the flag of a field."""
    return field.metadata["flag"] or field.name


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of the settings of every command: checked as their fields say, and written as JSON.

    What several commands share stands in mixins (`kerasnas.runs.shared_settings`); `Settings` is the first base.

    Attributes:
        retired: names of settings that records of earlier versions hold, and that nothing reads any more.

    Raises:
        ValueError: for a setting of another type, or out of its range; and where modules to import fail.
    """

    retired: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        fields = dataclasses.fields(self)
        for field in fields:
            value = getattr(self, field.name)
            with asking(field.name, type(field.default).__name__, value, what="setting"):
                object.__setattr__(self, field.name, _typed(field, plain(value)))
        if any(field.name == "imports" for field in fields):  # before any name is looked up
            object.__setattr__(self, "imports", plugins.load(self.imports))  # type: ignore[attr-defined]
        for field in fields:
            self._check_bounds(field)
            if field.metadata["known"] is not None:
                self._check_names(field)
            if (right := field.metadata["right"]) is not None:
                self._check(field.name, right(getattr(self, field.name)), field.metadata["expected"])

    def _check_bounds(self, field: dataclasses.Field) -> None:
        bounds = {name: field.metadata[name] for name in _WORDS if field.metadata[name] is not None}
        if not bounds:
            return
        value, given = getattr(self, field.name), [f"{_WORDS[name]} {bound}" for name, bound in bounds.items()]
        if value > _LARGEST:
            given.append(f"at most {_LARGEST}")
        right = Interval(type(value), most=_LARGEST, **bounds).accepts(value)
        self._check(field.name, right, " and ".join(given))

    def _check_names(self, field: dataclasses.Field) -> None:
        value, known = getattr(self, field.name), field.metadata["known"]
        for name in value if isinstance(value, tuple) else [value]:
            if not name and (name == field.default or isinstance(value, tuple)):
                continue
            if isinstance(known, Registry):
                known[name]
            elif name not in known:
                raise ValueError(invalid(field.name, "a known name", name, nearest(name, known), what="setting"))

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise ValueError(invalid(name, expected, getattr(self, name), what="setting"))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a JSON-serializable mapping."""
        record = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], file: Path | None = None) -> Any:
        """Return the inverse of `to_dict`, of what `trust.admit` admits; an error names the nearest known setting."""
        record = {name: value for name, value in trust.admit(record, file).items() if name not in cls.retired}
        known = [field.name for field in dataclasses.fields(cls)]
        for name in record:
            if name not in known:
                raise ValueError(f"Unknown setting {name!r}. {nearest(name, known)}")
        return cls(**record)

    def changed(self) -> dict[str, Any]:
        """Return the settings that are not at their default."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def flags(self) -> list[str]:
        """Return the flags of the settings that are not at their default, as they are typed."""
        names = {field.name: flag_of(field) for field in dataclasses.fields(self)}
        texts = {name: ",".join(map(str, v)) if isinstance(v, tuple) else v for name, v in self.changed().items()}
        return [f"--{names[name]}={text}" for name, text in texts.items()]


def _typed(field: dataclasses.Field, value: Any) -> Any:
    """`value` as the type of the field's default: a sequence as a tuple, a whole number as a float."""
    if isinstance(field.default, tuple):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            raise ValueError(invalid(field.name, "a sequence of texts", value, what="setting"))
        texts = tuple(value)
        if not all(isinstance(text, (str, os.PathLike)) and str(text) for text in texts):
            raise ValueError(invalid(field.name, "a sequence of names or texts", value, what="setting"))
        return texts
    if isinstance(field.default, float) and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _LARGEST:
            raise ValueError(invalid(field.name, f"at most {_LARGEST}", value, what="setting"))
        return float(value)
    if type(value) is not type(field.default):
        raise ValueError(invalid(field.name, type(field.default).__name__, value, what="setting"))
    return value


def method_of(settings: Settings) -> Any:
    """Return the method that has such settings."""
    for name in METHODS:
        if (method := METHODS[name]()).settings is type(settings):
            return method
    raise TypeError(f"Expected the settings of a method of a run: {', '.join(METHODS)}. Received: {settings!r}")
