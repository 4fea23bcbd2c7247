"""File format of the compact tables: one `.npz` of arrays, read with errors that name the file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasnas import checks
from kerasnas.files import untrusted


def read_arrays(path: str | os.PathLike, required: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Read the arrays of the `.npz` file at `path`, or of the one in that folder that has the `required` ones."""
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


def dataset_columns(arrays: Mapping[str, np.ndarray], dataset: str) -> dict[str, np.ndarray]:
    """Return the columns of one data set: accuracies by epochs, and `params` and `flops` if the file has them."""
    names = {name: f"{name}_{dataset}" for name in ("params", "flops")}
    for name in arrays:
        if match := re.fullmatch(rf"{dataset}_((?:valid|test)_\d+)", name):
            names[match[1]] = name
    return {column: arrays[name] for column, name in names.items() if name in arrays}


def _names(path: Path) -> list[str]:
    try:
        return [name.removesuffix(".npy") for name in untrusted.archive_names(path)]
    except ValueError as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None
