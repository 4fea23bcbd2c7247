"""Seals: checksums of the finished files of a trial, so that damage is noticed, and repaired where possible."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasnas.files import storage
from tuners.persistence import json_files

NAME = "files.json"


class DamagedFileError(ValueError):
    """A file of a project differs from what was written, and cannot be repaired."""


def seal(folder: str | os.PathLike, names: Iterable[str]) -> None:
    """Record length and checksum of a trial's files, and the text of JSON files, in the folder's `files.json`.

    Names of missing files are skipped.
    """
    path = Path(folder, NAME)
    entries = _entries(folder)
    for name in names:
        if (file := Path(folder, name)).exists():
            content = file.read_bytes()
            entries[name] = {"bytes": len(content), "checksum": zlib.crc32(content)}
            if file.suffix == ".json":
                entries[name]["text"] = content.decode("utf-8")
    for old in (path, json_files.previous(path)):
        old.unlink(missing_ok=True)  # an earlier seal is of other files
    if entries:
        json_files.write(path, {"files": entries})


def whole(folder: str | os.PathLike, name: str) -> Path:
    """Return the path of a file as it was sealed; a damaged JSON file is rewritten, with a warning.

    A file that is not sealed is not checked. Raises `DamagedFileError`, with the next step, for other damaged files.
    """
    path, entry = Path(folder, name), _entries(folder).get(name)
    if entry is None:
        return path
    try:
        content = path.read_bytes()
        same = len(content) == entry["bytes"] and zlib.crc32(content) == entry["checksum"]
        damage = "" if same else f"it has not the {entry['bytes']} bytes that were written"
    except FileNotFoundError:
        damage = "it is missing"
    if damage and "text" in entry:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_text(path, entry["text"])
        warnings.warn(f"{path} cannot be used ({damage}). It is written again from {NAME}.", stacklevel=2)
    elif damage:
        raise DamagedFileError(
            f"{path} cannot be used: {damage}. Restore it from a copy, or train the network of this trial again, from "
            "its genotype or hyperparameters: they are kept, and so is its score."
        )
    return path


def sealed_names(folder: str | os.PathLike) -> list[str]:
    """Return the names of a folder's sealed files."""
    return list(_entries(folder))


def _entries(folder: str | os.PathLike) -> dict[str, dict[str, Any]]:
    path = Path(folder, NAME)
    return (json_files.read(path, ("files",)) or {"files": {}})["files"] if path.exists() else {}
