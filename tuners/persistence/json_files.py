"""JSON files of a project: written whole or not at all, with the version before kept beside them."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasnas import storage


def previous(path: str | os.PathLike) -> Path:
    """Where the version before the last one of `path` lies: `oracle.previous.json` for `oracle.json`."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write(path: str | os.PathLike, value: Any, durable: bool = True) -> None:
    """Write `value` to `path` atomically, as JSON; the version that was there is kept as `previous(path)`.

    Args:
        path: the file to write.
        value: made of what JSON knows.
        durable: whether the file is flushed to the disk before it replaces the old one, so that it also survives a
            power cut; that takes milliseconds. Without, it survives a kill. Defaults to True.

    Raises:
        OSError: if the disk is full, say. The file is as it was then.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.json"
    >>> write(path, {"step": 1})
    >>> write(path, {"step": 2})
    >>> read(path), json.loads(previous(path).read_text())
    ({'step': 2}, {'step': 1})
    """
    path = Path(path)
    text = json.dumps(value)  # compact: with an indent Python takes ten times as long
    if durable:
        with storage.atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            _keep(path)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        _keep(path)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: str | os.PathLike, keys: Iterable[str] = ()) -> dict[str, Any] | None:
    """The JSON object in `path`; if that is damaged or gone, the one in `previous(path)`, with a warning.

    Args:
        path: the file to read.
        keys: what the object must have; one without is damaged.

    Returns:
        The object, or None if there is no whole one.
    """
    path, reason = Path(path), ""
    for candidate in (path, previous(path)):
        try:
            value = json.loads(candidate.read_text(encoding="utf-8"))
            missing = [key for key in keys if key not in value] if isinstance(value, dict) else ["{"]
            if missing:
                raise ValueError(f"it lacks {', '.join(map(repr, missing))}")
        except (OSError, ValueError) as error:
            reason = reason or _reason(error)
            continue
        if candidate is not path:
            warnings.warn(
                f"{path} cannot be used ({reason}). Going on from the last good version, {candidate.name}.",
                stacklevel=2,
            )
        return value
    if reason and (path.exists() or previous(path).exists()):
        warnings.warn(f"{path} cannot be used ({reason}), and there is no good version before it.", stacklevel=2)
    return None


def append(path: str | os.PathLike, value: Any, durable: bool = True) -> None:
    """Add `value` to the file as a line of JSON; `durable` as for `write`.

    Raises:
        OSError: if the disk is full, say. A part of the line may be there then.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "events"
    >>> append(path, {"step": 1})
    >>> append(path, {"step": 2})
    >>> read_lines(path)
    [{'step': 1}, {'step': 2}]
    """
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")
        if durable:
            file.flush()
            os.fsync(file.fileno())


def read_lines(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The JSON objects that stand in `path`, one a line, without those that cannot be read: [] if there is no file."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return found


def _keep(path: Path) -> None:
    """Let `previous(path)` be the file that is at `path` now, if there is one, which stays there too."""
    link = path.with_name(f".{path.name}.{os.getpid()}.previous")
    try:
        try:
            os.link(path, link)
        except FileExistsError:  # of a process that was killed
            os.unlink(link)
            os.link(path, link)
        os.replace(link, previous(path))
    except FileNotFoundError:
        return
    except OSError:  # a file system without hard links
        if path.exists():
            os.replace(path, previous(path))


def _reason(error: Exception) -> str:
    return "it is missing" if isinstance(error, FileNotFoundError) else str(error)
