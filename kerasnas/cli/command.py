"""A subcommand: its words, its flags, its help."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from absl import flags

from kerasnas.cli.configuration import configure
from kerasnas.cli.described import Description, in_words, read
from kerasnas.cli.flags import define, define_list, flag_of

NO_FOLDER = ("time", "experience", "doctor", "completion")
"""The commands that leave nothing behind."""
MOST_FLAGS = 15
"""The number of flags up to which `--help` shows all of them."""


@dataclasses.dataclass(frozen=True)
class OwnFlag:
    """A flag that belongs to no settings.

    Args:
        name: what is typed after `--`.
        default: its value unless given: text, None, a tuple for a list, or a bool.
        help: a sentence.
        known: the values that are right; they are checked when the flag is read. Defaults to any.
        required: True where the command does nothing without it. Defaults to False.
        several: True for one that may be given again, each time with one value. Defaults to False.
    """

    name: str
    default: Any
    help: str
    known: tuple[str, ...] = ()
    required: bool = False
    several: bool = False

    def define(self, values: flags.FlagValues) -> None:
        """Add the flag to `values`."""
        if self.several:
            flags.DEFINE_multi_string(self.name, list(self.default), self.help, flag_values=values)
        elif isinstance(self.default, tuple):
            define_list(self.name, list(self.default), self.help, values)
        elif isinstance(self.default, bool):
            flags.DEFINE_boolean(self.name, self.default, self.help, flag_values=values)
        elif self.known:
            flags.DEFINE_enum(self.name, self.default, list(self.known), self.help, flag_values=values)
        else:
            flags.DEFINE_string(self.name, self.default, self.help, flag_values=values, required=False)


_CONFIG = OwnFlag(
    "config",
    None,
    "A file of flags and their values, YAML or JSON: one that you wrote, the config.json of a run, or its folder. "
    "Flags on the command line take precedence.",
)


class Command:
    """A subcommand: its words, its flags, and the function that runs it.

    `settings` names the dataclasses of `kerasnas.methods` whose fields are flags; they are imported when needed. Where
    two have a field in common, the flag is that of the first. A `timed` command is also told how many seconds of its
    process have passed. `places` are the flags that may be given by their value alone, in this order; `own` are its
    flags that are no settings; `shown` are those that `--help` has, where there are more than `MOST_FLAGS`.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        teaching: str,
        run: Callable[..., Any],
        *settings: str,
        timed: bool = False,
        places: tuple[str, ...] = (),
        own: tuple[OwnFlag, ...] = (),
        shown: tuple[str, ...] = (),
    ):
        self.places, self.own, self.shown = places, own, shown
        self.name, self.summary, self.teaching, self.settings = name, summary, teaching, settings
        self._run, self._timed = run, timed

    def run(self, values: flags.FlagValues, spent: float) -> None:
        """Do what the command is for."""
        if self._timed:
            self._run(values, spent)
        else:
            self._run(values)

    def complete(self, values: flags.FlagValues) -> None:
        """Read the file of `--config`, and choose the folder of a new search, if none is given.

        Raises:
            OSError, ValueError: if the file cannot be read, or another command lacks its folder or a flag.
        """
        if "config" in values and values["config"].value is not None:
            configure(values, self.name, values["config"].value)
        for own in self.own:
            if own.required and values[own.name].value is None:
                raise ValueError(f"Missing flag --{own.name}: {own.help[0].lower()}{own.help[1:]}")
        if "output_dir" not in values or values["output_dir"].value is not None or self.name == "plot":
            return
        if self.name != "search":
            raise ValueError(f"Missing flag --output_dir: the folder of the run. For example: {self._example()}")
        name = Path(values["dataset"].value).resolve().name.removesuffix(".npz") or "search"
        number = 1
        while (folder := Path("runs", f"{name}-{number}")).exists():
            number += 1
        values["output_dir"].value = str(folder)

    def _example(self) -> str:
        lines = (line.strip() for line in self.teaching.splitlines())
        return next((line for line in lines if line.startswith("kerasnas ")), f"kerasnas {self.name} runs/first")

    def flags(self) -> flags.FlagValues:
        """The flags of the command, none of them given yet."""
        values = flags.FlagValues()
        if self.name not in NO_FOLDER:
            chosen = " Default: runs/NAME-1, -2, ..., with the name of the dataset." if self.name == "search" else ""
            OwnFlag("output_dir", None, f"The folder of the run.{chosen}").define(values)
        if self.settings:
            for name in self.settings:
                for field in dataclasses.fields(_settings(name)):
                    if flag_of(field) not in values:
                        define(field, values)
                    elif (other := field.metadata["help"]) not in (flag := values[flag_of(field)]).help:
                        default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
                        flag.help += f" In a gradient search: {other} There by default: {default}."
            _CONFIG.define(values)
        for own in self.own:
            own.define(values)
        return values

    def known_values(self) -> dict[str, list[str]]:
        """The values that a shell can offer, by the flag: names of what is registered, of choices, true and false."""
        known = {own.name: [*own.known] or ["true", "false"] for own in self.own if own.known or own.default is False}
        for name in reversed(self.settings):
            for field in dataclasses.fields(_settings(name)):
                if field.metadata["known"] is not None:
                    known[flag_of(field)] = list(field.metadata["known"])
                elif isinstance(field.default, bool):
                    known[flag_of(field)] = ["true", "false"]
        return known

    def description(self) -> Description:
        """The flags in groups, in words. Of a command with settings they are read from a file: no Keras is imported."""
        return read(self.name) if self.settings else self.describe()

    def describe(self) -> Description:
        """Describe the flags in groups; imports the settings that they are made of."""
        values, known = self.flags(), self.known_values()

        def describe(name: str) -> dict[str, Any]:
            flag = values[name]
            default = "" if "Default:" in flag.help else in_words(flag.default)
            return {"help": flag.help, "default": default, "known": known.get(name, [])}

        return {
            title: {name: describe(name) for name in sorted(names, key=lambda name: (name != "output_dir", name))}
            for title, names in self._groups(values).items()
        }

    def help(self, everything: bool = False) -> str:
        """The text of `kerasnas COMMAND --help`, or of `--help=all`, which has every flag, in groups."""
        lines = [f"kerasnas {self.name}: {self.summary}", "", self.teaching]
        groups = self.description()
        flags = {name: flag for group in groups.values() for name, flag in group.items()}
        brief = not everything and len(flags) > MOST_FLAGS
        for title, group in {"Flags": {name: flags[name] for name in self.shown}}.items() if brief else groups.items():
            lines += ["", f"{title}:"]
            for name, flag in group.items():
                default = f" Default: {flag['default']}." if flag["default"] else ""
                lines += [f"  --{name}", f"      {flag['help']}{default}"]
        if brief:
            lines += ["", f"All {len(flags)} flags: kerasnas {self.name} --help=all"]
        return "\n".join(lines)

    def _groups(self, values: Iterable[str]) -> dict[str, set[str]]:
        """The flags by the kind of settings, where there are several."""
        if len(self.settings) < 2:
            return {"Flags": set(values)}
        kinds = [{flag_of(field) for field in dataclasses.fields(_settings(name))} for name in self.settings]
        first, second, third = kinds
        return {
            "Flags": (first & second) | (set(values) - first - second - third),
            "Flags of a race": first - second,
            "Flags of a gradient search": second - first,
            "Flags of a search on a graph": third - first - second,
        }


def _settings(name: str) -> Any:
    """Import the settings dataclass of this name."""
    from kerasnas import diagnostics, methods

    return getattr(methods if hasattr(methods, name) else diagnostics, name)
