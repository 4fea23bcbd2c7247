"""A subcommand: its words, its flags, its help."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from kerasnas.cli.configuration import configure
from kerasnas.cli.flags import define, flag_of

NO_FOLDER = ("leaderboard", "compare", "list", "time", "experience", "doctor", "completion")
"""The commands that leave nothing behind."""
MOST_FLAGS = 15
"""The number of flags up to which `--help` shows all of them."""
DESCRIBED = Path(__file__).with_name("flags.json")
"""Flags in words: help and completion read them without importing the settings, and Keras with them.

`python -m kerasnas.cli.commands` writes the file again; a test fails when that is due.
"""
Description = dict[str, dict[str, dict[str, Any]]]
"""Title of a group -> flag -> its `help`, its `default` as text, and its `known` values."""


@dataclasses.dataclass(frozen=True)
class OwnFlag:
    """A flag that belongs to no settings.

    Args:
        name: what is typed after `--`.
        default: its value unless given: text, None, a tuple for a list, a number, or a bool.
        help: a sentence.
        known: the values that are right; they are checked when the flag is read. Defaults to any.
        required: True where the command does nothing without it. Defaults to False.
        several: True for one that may be given again, each time with one value. Defaults to False.
    """

    name: str
    default: Any
    help: str
    known: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    required: bool = False
    several: bool = False

    def names(self) -> list[str]:
        """The values that are right."""
        return [*(self.known() if callable(self.known) else self.known)]

    def define(self, values: flags.FlagValues) -> None:
        """Add the flag to `values`."""
        if self.several:
            flags.DEFINE_multi_string(self.name, list(self.default), self.help, flag_values=values)
        elif self.known and not isinstance(self.default, tuple):
            flags.DEFINE_enum(self.name, self.default, self.names(), self.help, flag_values=values)
        else:
            define(self.name, self.default, self.help, values)


_IMPORT = OwnFlag(
    "import",
    (),
    "Modules to import first, comma-separated, which the network of the run needs: names, or paths of .py files.",
)
_CONFIG = OwnFlag(
    "config",
    None,
    "A file of flags and their values, YAML or JSON: one that you wrote, the config.json of a run, or its folder. "
    "Flags on the command line take precedence; modules, trackers and addresses of clusters are given only there.",
)


@dataclasses.dataclass(frozen=True)
class Command:
    """A subcommand: its words, its flags, and the function that runs it, its `action`.

    The fields of its settings are flags: of a command that starts runs (`starts_runs`) those of its methods, of another
    one those of the dataclass of `kerasnas.diagnostics` that `diagnostic` names, as in `"doctor:DoctorConfig"`; they
    are imported when needed. Where two have a field in common, the flag is that of the first. A `timed` command is also
    told how many seconds of its process have passed. `places` are the flags that may be given by their value alone, in
    this order; `own` are its flags that are no settings; `shown` are those that `--help` has, where there are more than
    `MOST_FLAGS`.
    """

    name: str
    summary: str
    teaching: str
    action: Callable[..., Any]
    diagnostic: str = ""
    starts_runs: bool = False
    timed: bool = False
    places: tuple[str, ...] = ()
    own: tuple[OwnFlag, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def has_settings(self) -> bool:
        """True if some flags are fields of settings."""
        return self.starts_runs or bool(self.diagnostic)

    def settings(self) -> dict[str, Any]:
        """The settings dataclasses, by the words for what they are settings of."""
        if self.starts_runs:
            from kerasnas.methods import METHODS

            methods = [METHODS[name]() for name in METHODS]
            return {method.words: method.settings for method in methods if method.command == self.name}
        if not self.diagnostic:
            return {}
        module, _, name = self.diagnostic.partition(":")
        return {self.name: getattr(importlib.import_module(f"kerasnas.diagnostics.{module}"), name)}

    def complete(self, values: flags.FlagValues) -> None:
        """Import modules, read the file of `--config`, and choose the folder of a new search, if none is given.

        Raises:
            OSError, ValueError: if the file cannot be read, or another command lacks its folder or a flag.
        """
        if "import" in values and values["import"].value:
            from kerasnas.runs import plugins

            plugins.load(values["import"].value)  # before a name of theirs is looked up
        if "config" in values and values["config"].value is not None:
            configure(values, self.name, values["config"].value)
        for own in self.own:
            if own.required and values[own.name].value is None:
                raise ValueError(f"Missing flag --{own.name}: {own.help[0].lower()}{own.help[1:]}")
        if "output_dir" not in values or values["output_dir"].value is not None:
            return
        if self.name != "search":
            raise ValueError(f"Missing flag --output_dir: the folder of the run. For example: {self._example()}")
        from kerasnas.runs.folder import is_free

        name = Path(values["dataset"].value).resolve().name.removesuffix(".npz") or "search"
        number = 1
        while not is_free(folder := Path("runs", f"{name}-{number}")):
            number += 1
        values["output_dir"].value = str(folder)

    def _example(self) -> str:
        lines = (line.strip() for line in self.teaching.splitlines())
        return next((line for line in lines if line.startswith("kerasnas ")), f"kerasnas {self.name} runs/first")

    def flags(self, arguments: Sequence[str] = ()) -> flags.FlagValues:
        """The flags of the command, none of them given yet; modules that the arguments import may register methods."""
        values = flags.FlagValues()
        if self.starts_runs:
            from kerasnas.runs import plugins

            given = [text.removeprefix("--import=") for text in arguments if text.startswith("--import=")]
            plugins.load([name for names in given for name in names.split(",") if name])
        if self.name not in NO_FOLDER:
            chosen = " Default: runs/NAME-1, -2, ..., with the name of the dataset." if self.name == "search" else ""
            OwnFlag("output_dir", None, f"The folder of the run.{chosen}").define(values)
        if self.has_settings:
            for words, settings in self.settings().items():
                for field in dataclasses.fields(settings):
                    if flag_of(field) not in values:
                        define(flag_of(field), field.default, field.metadata["help"], values)
                    elif (other := field.metadata["help"]) not in (flag := values[flag_of(field)]).help:
                        default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
                        flag.help += f" In {words}: {other} Default there: {default}."
            _CONFIG.define(values)
        elif "output_dir" in values:
            _IMPORT.define(values)
        for own in self.own:
            own.define(values)
        return values

    def known_values(self) -> dict[str, list[str]]:
        """The values that a shell can offer, by the flag: names of what is registered, of choices, true and false."""
        known = {own.name: own.names() or ["true", "false"] for own in self.own if own.known or own.default is False}
        for settings in reversed(self.settings().values()):
            for field in dataclasses.fields(settings):
                if field.metadata["known"] is not None:
                    flag = flag_of(field)
                    known[flag] = list(dict.fromkeys([*field.metadata["known"], *known.get(flag, ())]))
                elif isinstance(field.default, bool):
                    known[flag_of(field)] = ["true", "false"]
        return known

    def description(self) -> Description:
        """The flags in groups, in words. Of a command with settings they are read from a file: no Keras is imported."""
        if not self.has_settings:
            return self.describe()
        text = DESCRIBED.read_text(encoding="utf-8")
        return json.loads(text)[self.name]

    def describe(self) -> Description:
        """Describe the flags in groups; imports the settings that they are made of."""
        values, known = self.flags(), self.known_values()

        def describe(name: str) -> dict[str, Any]:
            flag = values[name]
            default = "" if flag.default is None or "Default:" in flag.help else flag.default
            default = ",".join(map(str, default)) if isinstance(default, list) else str(default)
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
        kinds = {words: {flag_of(field) for field in dataclasses.fields(one)} for words, one in self.settings().items()}
        if len(kinds) < 2:
            return {"Flags": set(values)}
        first, second, *_ = kinds.values()
        groups = {"Flags": (first & second) | set(values).difference(*kinds.values())}
        for words, names in kinds.items():
            groups[f"Flags of {words}"] = names.difference(*groups.values())
        return groups
