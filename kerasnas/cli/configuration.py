"""Flags from a file: YAML or JSON that somebody wrote, or the config.json of a run."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from kerasnas.cli.flags import flag_of
from kerasnas.wording import nearest, shortened

_VALUES = (str, int, float, datetime.date)  # all that YAML has besides lists, mappings, nothing and the like
_MOST = 2**16  # bytes of a file of flags
_DEEPEST = 10  # lists and mappings in one another
_LONGEST = 200  # characters of a value that a message shows
_SUFFIXES = (".yaml", ".yml", ".json")


def configure(values: flags.FlagValues, command: str, path: str) -> None:
    """Give the flags of a command the values that a file has for them; those that were typed keep theirs."""
    from kerasnas.runs import trust

    file = Path(path, "config.json") if Path(path).is_dir() else Path(path)
    for name, value in _read(file, command).items():
        if name not in values or name == "config":
            known = [other for other in values if other != "config"]
            raise ValueError(f"{file}: unknown flag '{name}' of `kerasnas {command}`. {nearest(name, known)}")
        if not values[name].present:
            trust.check(name, value, file)
            _set(values[name], value, file)


def _set(flag: flags.Flag, value: Any, file: Path) -> None:
    many = isinstance(value, list)
    values = value if many else [value]
    if not all(isinstance(one, _VALUES) for one in values) or (many and not isinstance(flag.value, list)):
        expected = "a value, or a list of them" if isinstance(flag.value, list) else "a single value"
        raise ValueError(f"{file}: expected {expected} for '{flag.name}'. Received: {shortened(repr(value), _LONGEST)}")
    if many and not value:  # an empty list is not an empty text in one
        flag.value, flag.present = [], 1
        return
    try:
        flag.parse(",".join(map(str, value)) if many else str(value))
    except flags.IllegalFlagValueError:
        kinds = {int: "an integer", float: "a number", bool: "true or false"}
        known = getattr(flag.parser, "enum_values", None)
        expected = nearest(value, known) if known else f"Expected {kinds.get(type(flag.default), 'text')}."
        raise ValueError(f"{file}: invalid value for '{flag.name}'. {expected} Received: {value!r}") from None
    flag.present = 1
    flag.using_default_value = False


def _read(file: Path, command: str) -> dict[str, Any]:
    """Return the flags of a file and their values."""
    from kerasnas.files import untrusted

    if not file.exists():
        raise FileNotFoundError(f"--config={file}: there is no such file.")
    if file.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"--config={file}: expected a file ending in {', '.join(_SUFFIXES)}.")
    try:
        text = untrusted.read_text(file, _MOST)
        record = untrusted.parse_json(text) if file.suffix.lower() == ".json" else _yaml(text)
    except ValueError as error:
        raise ValueError(f"{file} is malformed: {' '.join(str(error).split())}") from None
    if not isinstance(record, Mapping):
        raise ValueError(f"{file}: expected names of flags and their values. Received: {type(record).__name__}")
    if record.get("format") != "kerasnas.run":
        return {str(name).lstrip("-").replace("-", "_"): value for name, value in record.items()}
    import kerasnas.methods  # noqa: F401 (registers the methods)
    from kerasnas import runs
    from kerasnas.runs.settings import method_of

    config = runs.folder.read_config(file, log=print)
    of = method_of(config)
    if of.command != command:
        raise ValueError(f"{file} is the configuration of `kerasnas {of.command}`. Received: `kerasnas {command}`")
    fields = {field.name: flag_of(field) for field in dataclasses.fields(config)}
    method = {"method": of.option} if of.option else {}
    return {**{fields[name]: value for name, value in config.to_dict().items()}, **method}


def _yaml(text: str) -> Any:
    """Return the value of a YAML text; aliases, a few of which can stand for billions of values, are refused."""
    import yaml

    try:
        depth = 0
        for token in yaml.scan(text, yaml.SafeLoader):
            kind = type(token).__name__
            if kind == "AliasToken":
                raise ValueError("expected values themselves. Received: an alias, *name")
            depth += kind.endswith(("SequenceStartToken", "MappingStartToken"))
            depth -= kind.endswith(("SequenceEndToken", "MappingEndToken")) or kind == "BlockEndToken"
            if depth > _DEEPEST:
                raise ValueError("it is nested too deep")
        return yaml.safe_load(text)
    except (yaml.YAMLError, TypeError, AttributeError, KeyError, OverflowError) as error:  # of a wrong !!tag
        raise ValueError(error) from None
