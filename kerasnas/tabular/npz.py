"""The compact tables' file format: one `.npz` of arrays, read with errors that name the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasnas import checks
from kerasnas.files import untrusted


def read_arrays(path: str | os.PathLike, required: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Read all arrays of the `.npz` file at `path`, or of the one `.npz` file in the folder at `path` that has them.

    Args:
        path: a file, or a folder.
        required: names of the arrays that make a file such a table.
        what: name of the table, for messages.

    Raises:
        TypeError: if `path` is not a path.
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, damaged, or not this table.
    """
    path = checks.path("path", path)
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        fitting = [file for file in files if not set(required) - set(_names(file))]
        if len(fitting) != 1:
            raise FileNotFoundError(f"{path}: expected one .npz file with {what} in it. Found: {len(fitting)}")
        (path,) = fitting
    elif not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file. Expected {what} as .npz.")
    missing = sorted(set(required) - set(_names(path)))
    if missing:
        raise ValueError(f"{path} is not {what}: it lacks {', '.join(missing)}.")
    try:
        return untrusted.read_arrays(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from None


def _names(path: Path) -> list[str]:
    try:
        return [name.removesuffix(".npy") for name in untrusted.archive_names(path)]
    except ValueError as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None
