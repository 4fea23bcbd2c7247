"""The two files of a drift monitor: arrays, and a JSON record with their checksum."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.files import storage, untrusted

ARRAYS, RECORD = "drift.npz", "drift.json"
_FORMAT, _VERSION = "kerasnas.drift", 1


def write(folder: str | os.PathLike, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write `drift.npz`, then `drift.json` with the checksum of the arrays, each atomically."""
    folder = Path(folder)
    with storage.atomic_path(folder / ARRAYS) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    head = {"format": _FORMAT, "version": _VERSION, "checksum": _checksum(arrays)}
    storage.write_json(folder / RECORD, {**head, **record})


def read(folder: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the record that `write` wrote.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one is malformed, of a newer version, or does not belong to the other.
    """
    folder = Path(folder)
    for name in (RECORD, ARRAYS):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder} holds no drift monitor: there is no {name} in it.")
    try:
        record, arrays = untrusted.read_json(folder / RECORD), untrusted.read_arrays(folder / ARRAYS)
        if not isinstance(record, dict) or record.get("format") != _FORMAT:
            raise ValueError(f'it lacks "format": "{_FORMAT}"')
        if type(record["version"]) is not int or record["version"] != _VERSION:
            raise ValueError(f"version {record['version']}; this KerasNAS reads version {_VERSION}")
        if record["checksum"] != _checksum(arrays):
            raise ValueError(f"{ARRAYS} and {RECORD} do not belong together")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"The drift monitor in {folder} cannot be read: {error}. Delete both files.") from None
    return arrays, record


def _checksum(arrays: Mapping[str, np.ndarray]) -> int:
    checksum = 0
    for name in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), checksum))
    return checksum
