"""Flags made from the settings of a command, and settings read from the flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from kerasnas.other_tools import ANSWERS, answer_in_flags, flag_of_word
from kerasnas.wording import nearest


def flag_of(field: dataclasses.Field) -> str:
    """Return the name of the flag of a field of settings."""
    from kerasnas.runs import settings

    return settings.flag_of(field)


def define(name: str, default: Any, help: str, values: flags.FlagValues) -> None:
    """Define a flag by the type of its default; one of a comma-separated list adds to it where it is given again."""
    if isinstance(default, tuple):
        flag = _ListFlag(flags.ListParser(), flags.CsvListSerializer(","), name, list(default), help)
        flags.DEFINE_flag(flag, values)
        return
    makers: dict[type, Callable] = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float}
    makers.get(type(default), flags.DEFINE_string)(name, default, help, flag_values=values)


class _ListFlag(flags.Flag):
    """A flag of a comma-separated list; one that is given again adds to it."""

    value: Any

    def parse(self, argument: Any) -> None:
        before = list(self.value) if self.present else []
        super().parse(argument)
        self.value = [*before, *self.value]


def settings(config: type, values: flags.FlagValues) -> Any:
    """Return the settings of class `config` that the flags give; a flag that is not given leaves the default."""
    return getattr(config, "suited", config)(**given(config, values))


def given(config: type, values: flags.FlagValues) -> dict[str, Any]:
    """Return the fields of the class `config` whose flags are given, with their values."""
    fields = {field.name: values[flag_of(field)] for field in dataclasses.fields(config)}
    return {name: flag.value for name, flag in fields.items() if flag.present}


def parse(values: flags.FlagValues, command: str, arguments: list[str], places: Sequence[str] = ()) -> None:
    """Read the arguments of a command into `values`."""
    try:
        extra = values([f"kerasnas {command}", *(_as_flag(argument, values, places) for argument in arguments)])[1:]
    except flags.UnrecognizedFlagError as error:
        name = error.flagname.lstrip("-")
        answer = answer_in_flags(name) or nearest(name, values)
        raise ValueError(f"Unknown flag --{name} of `kerasnas {command}`. {answer}") from None
    taken = [name for name in places if values[name].present]
    for name in places:
        if extra and name not in taken:
            several = isinstance(values[name], flags.MultiFlag)
            if several:
                values[name].value = [*extra]
            else:
                values[name].parse(extra[0])
            values[name].present = 1
            extra = [] if several else extra[1:]
    if extra:
        what = f"It stands for --{taken[0]}, which is given too." if taken else "Flags are written --name=value."
        raise ValueError(f"Unexpected argument '{extra[0]}'. {what}")


def _as_flag(argument: str, values: flags.FlagValues, places: Sequence[str]) -> str:
    """`--cpu-minutes=5`, and `cpu_minutes=5`, as `--cpu_minutes=5`; words of other tools as the flag they mean."""
    name, equals, value = argument.partition("=")
    changed = name.lstrip("-").replace("-", "_")
    if not name.startswith("--") and not (equals and name.isidentifier()):
        return argument
    if changed not in values and changed.removeprefix("no") not in values:
        known = [one for one in values if one != "output_dir" or one in places]  # no model is where a search writes
        changed = flag_of_word(changed, known) or (changed if changed in ANSWERS else "")
    return f"--{changed}{equals}{value}" if changed else argument
