"""JSON files of a project: written atomically, with a checksum, and with the previous version next to them."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kerasnas.files import leftovers, storage

_CHECKSUM = "checksum"  # the last key of an object, over all others; KerasTuner's own files have none


def previous(path: str | os.PathLike) -> Path:
    """Return the path of the version before the last one: `oracle.previous.json` for `oracle.json`."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write(path: str | os.PathLike, value: Mapping[str, Any], durable: bool = True) -> None:
    """Write `value` to `path` atomically, as JSON; the version that was there is kept as `previous(path)`.

    If `durable`, the file is flushed to the disk before it replaces the old one, so that it also survives a power cut;
    that takes milliseconds. Otherwise it survives a kill. On an OSError (a full disk) the file is unchanged.
    """
    with storage.atomic_path(path, durable) as temporary:
        temporary.write_text(encode(value), encoding="utf-8")
        _keep(Path(path))


def read(path: str | os.PathLike, keys: Iterable[str] = ()) -> dict[str, Any] | None:
    """Read the JSON object in `path`; if that is damaged or gone, the one in `previous(path)`, with a warning.

    One that lacks any of `keys` counts as damaged. Returns None if there is no whole one.
    """
    path, reason = Path(path), ""
    for candidate in (path, previous(path)):
        try:
            value = decode(candidate.read_bytes())
            missing = [key for key in keys if key not in value]
            if missing:
                raise ValueError(f"it lacks {', '.join(map(repr, missing))}")
        except (OSError, ValueError) as error:
            reason = reason or _reason(error)
            continue
        if candidate is not path:
            warnings.warn(
                f"{path} cannot be used ({reason}). Resuming from the last good version, {candidate.name}.",
                stacklevel=2,
            )
        return value
    if reason and (path.exists() or previous(path).exists()):
        warnings.warn(f"{path} cannot be used ({reason}), and there is no good version before it.", stacklevel=2)
    return None


def append(path: str | os.PathLike, value: Mapping[str, Any], durable: bool = True) -> None:
    """Append `value` as a line of JSON; `durable` as for `write`. On an OSError part of the line may be written.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "events"
    >>> append(path, {"step": 1})
    >>> append(path, {"step": 2})
    >>> read_lines(path)
    [{'step': 1}, {'step': 2}]
    """
    with open(path, "a", encoding="utf-8") as file:
        file.write(encode(value) + "\n")
        if durable:
            file.flush()
            os.fsync(file.fileno())


def read_lines(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Read the JSON objects in `path`, one a line, without those that are damaged: [] if there is no file."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError:
        return []
    values = []
    for line in lines:
        with contextlib.suppress(ValueError):
            values.append(decode(line))
    return values


def encode(value: Mapping[str, Any]) -> str:
    """Encode `value` as one line of JSON that ends in a checksum."""
    text = json.dumps(value)  # compact: with an indent Python takes ten times as long
    return f'{text[:-1]}{", " if len(text) > 2 else ""}"{_CHECKSUM}": {zlib.crc32(text.encode())}}}'


def decode(text: bytes) -> dict[str, Any]:
    """Decode what `encode` made, or JSON without a checksum; raises ValueError for a damaged text."""
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
        checksum = value.pop(_CHECKSUM, None)
        if checksum is not None and checksum != zlib.crc32(json.dumps(value).encode()):
            raise ValueError("its checksum does not match")
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value


def _keep(path: Path) -> None:
    """Make `previous(path)` the file that is at `path` now, if there is one, which stays there too."""
    link = leftovers.name_temporary(path.parent, path.stem, path.suffix)
    try:
        os.link(path, link)
        os.replace(link, previous(path))
        link.unlink(missing_ok=True)  # replacing does nothing where both are one file, as after a kill before the write
    except FileNotFoundError:
        return
    except OSError:  # a file system without hard links
        if path.exists():
            os.replace(path, previous(path))


def _reason(error: Exception) -> str:
    return "it is missing" if isinstance(error, FileNotFoundError) else str(error)
