"""State of a trainer: its and its optimizer's variables, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def snapshot(search: keras.Model) -> dict[str, np.ndarray]:
    """Return every variable of a trainer and its optimizer (weights, alphas, statistics, random state, slots)."""
    return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in _variables(search).items()}


def restore(search: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Restore `snapshot`; raise ValueError with the differences if it was taken of another trainer."""
    variables = _variables(search)
    if variables.keys() != arrays.keys():
        raise ValueError(
            "This state belongs to another search: expected "
            f"{len(variables)} variables, received {len(arrays)}; only in one of the two: "
            f"{sorted(variables.keys() ^ arrays.keys())[:4]}"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise ValueError(
                f"This state belongs to another search: expected shape {tuple(variable.shape)} for {name}, "
                f"received {arrays[name].shape}"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(search: keras.Model) -> dict[str, Any]:
    # Paths repeat (unnamed layers), so the position leads; it is fixed by the order of construction.
    named = {f"model-{index:05d}": variable for index, variable in enumerate(search.variables)}
    optimizer = getattr(search, "optimizer", None)
    slots = [] if optimizer is None else optimizer.variables
    return {**named, **{f"optimizer-{index:05d}": variable for index, variable in enumerate(slots)}}
