"""The page of the command line, made of the same settings as the flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kerasnas.cli.commands import COMMANDS

_INTRODUCTION = """\
# Command line

Every command and every flag, generated from the settings that the flags are made of; `kerasnas COMMAND --help`
prints the same. Flags may be written with dashes (`--cpu-minutes`), lists are separated by commas, `--noflag` turns a
boolean off, and `--config=FILE` reads flags from YAML or JSON: a file of yours, the `config.json` of a run, or its
folder. What is typed wins.
`kerasnas completion bash` (or `zsh`, `fish`) prints a script for the Tab key.

The exit status is 0 when a command is done, 2 after an error, which is one line, and 130 after Ctrl-C.
"""


def page() -> str:
    """The page, as Markdown."""
    lines = [_INTRODUCTION]
    for name, command in COMMANDS.items():
        lines += [f"## kerasnas {name}", "", command.summary[0].upper() + command.summary[1:], "", command.teaching, ""]
        values, known = command.flags(), command.known_values()
        for title, names in command._groups(values).items():
            lines += _table(title, sorted(set(names) & set(values)), values, known)
    return "\n".join(lines)


def _table(title: str, names: Iterable[str], values: Any, known: Mapping[str, list[str]]) -> list[str]:
    rows = [_row(name, values[name], known.get(name, [])) for name in names]
    return [f"**{title}**", "", "| flag | default | |", "|---|---|---|", *rows, ""] if rows else []


def _row(name: str, flag: Any, known: list[str]) -> str:
    default = flag.default
    if isinstance(default, (list, tuple)):
        default = ",".join(map(str, default))
    default = "" if default in (None, "") else f"`{default}`"
    text = " ".join(flag.help.split()).replace("|", "\\|").replace("<", "&lt;")
    listed = [value for value in known if value not in ("true", "false")]
    if listed and not all(value in text for value in listed):
        text += f" One of {', '.join(f'`{value}`' for value in listed)}."
    return f"| `--{name}` | {default} | {text} |"
