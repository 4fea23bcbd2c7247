"""Flags in words, kept in a file: help and completion read them without importing the settings, and Keras with them.

`python -m kerasnas.cli.commands` writes the file again; a test fails when that is due.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("flags.json")

Description = dict[str, dict[str, dict[str, Any]]]
"""Title of a group -> flag -> its `help`, its `default` as text, and its `known` values."""


def read(command: str) -> Description:
    """Return the description of a command's flags."""
    text = FILE.read_text(encoding="utf-8")
    return json.loads(text)[command]


def in_words(default: Any) -> str:
    """Write the default of a flag; nothing for none."""
    if default in (None, "", []):
        return ""
    return ",".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)


def write(descriptions: Mapping[str, Description]) -> None:
    """Write the descriptions of all commands."""
    FILE.write_text(json.dumps(descriptions, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
