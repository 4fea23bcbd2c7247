"""Fitting an initialization to a network, variable by variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.meta.functional import last_trainable_layer
from kerasnas.relaxations.base import is_alphas

_SIZES = ("input_shape", "num_classes", "seed", "name", "trainable", "dtype")  # may differ between data sets


def assign(model: keras.Model, source: keras.Model) -> str:
    """Assign the values of `source` to the variables of `model` that they fit, in place.

    The head keeps its values if the numbers of classes differ, and so do layers of `model` between the last layer of
    `source` and the head. A first kernel for another number of channels is adapted by `rechannel`.

    Returns:
        A sentence that states which variables start from the initialization, and which from scratch.

    Raises:
        ValueError: if the networks differ; states the difference.
    """
    mine, other = _by_position(model), _by_position(source)
    values = {name: ops.convert_to_numpy(variable) for name, variable in other.items()}
    stem = next((name for name in mine if "kernel" in name), "")
    adapted = stem in values and _differ_in_channels(values[stem].shape, mine[stem].shape)
    if adapted:
        values[stem] = rechannel(values[stem], mine[stem].shape[-2])
    fresh = [name for name, variable in mine.items() if name not in values or values[name].shape != variable.shape]
    heads = _head(model), _head(source)
    body = [name for name in other if name not in heads[1]]
    foreign = [name for name in body if name not in mine or name in fresh]
    deeper = bool(body) and list(mine)[: len(body)] == body and not heads[0] & set(body)
    if not deeper:  # then further variables of `model` do not belong to a head
        foreign = foreign or [name for name in mine if name not in other]
    if type(model) is not type(source) or foreign:
        raise ValueError(_difference(model, source, foreign, mine, other))
    assigned = [name for name in mine if name not in fresh]
    for name in assigned:
        mine[name].assign(values[name])
    text = f"{len(assigned)} of {len(mine)} variables start from the initialization"
    text += f", {_short(stem)} adapted to {mine[stem].shape[-2]} channels" if adapted else ""
    return text + (f"; initialized from scratch: {', '.join(map(_short, fresh))}" if fresh else "")


def rechannel(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return a kernel `(height, width, channels, filters)` for another number of channels, with the same sum over them.

    On images whose channels are equal it computes the same: a kernel for colors applies to grayscale images.
    """
    total = kernel.sum(axis=-2, keepdims=True)
    return np.repeat(total / channels, channels, axis=-2)


def _differ_in_channels(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return True if two kernels of 2D convolutions differ in their input channels only."""
    same = (*shape[:-2], shape[-1]) == (*other[:-2], other[-1])
    return len(shape) == len(other) == 4 and same and shape != other


def _by_position(model: keras.Model) -> dict[str, Any]:
    """Return weights, alphas and moving statistics by position and name: paths depend on what else was built."""
    named = {}
    for index, variable in enumerate(model.variables):
        if "seed" not in variable.path and variable.name != "temperature":
            kind = "alphas" if is_alphas(variable) else "/".join(_plain(part) for part in variable.path.split("/")[-2:])
            named[f"{index}:{kind}"] = variable
    return named


def _plain(part: str) -> str:
    """Return a layer's name without the number that Keras appends."""
    stem, _, number = part.rpartition("_")
    return stem if stem and number.isdigit() else part


def _short(name: str) -> str:
    return name.partition(":")[2]


def _head(model: keras.Model) -> set[str]:
    """Return the names of the head's variables, which depend on the number of classes."""
    classifier = getattr(model, "classifier", None) or last_trainable_layer(model)
    variables = {id(variable) for variable in classifier.variables}
    return {name for name, variable in _by_position(model).items() if id(variable) in variables}


def _settings(model: keras.Model) -> dict[str, Any]:
    """Return a model's settings; a supernet's include those of its space."""
    config = model.get_config()
    if isinstance(space := config.get("space"), dict):
        config |= {"space": space["class_name"], **space["config"]}
    return config


def _difference(model: Any, source: Any, foreign: Sequence[str], mine: Any, other: Any) -> str:
    """Describe the difference between two models."""
    if type(model) is not type(source):
        return f"This initialization is of a {type(source).__name__}, the search has a {type(model).__name__}"
    first, second = _settings(model), _settings(source)
    settings = [
        f"{key} {second.get(key)!r}, expected {first[key]!r}"
        for key in first
        if key not in _SIZES and "layers" not in key and first[key] != second.get(key)
    ]
    if settings:
        return f"This initialization is of another space: it has {'; '.join(settings)}"
    place, _, name = foreign[0].partition(":")
    expected = _at(place, mine).removeprefix(f"{name} ")  # its shape alone, where only that differs
    return f"This initialization is of another network: it has {_at(place, other)}, expected {expected}"


def _at(place: str, variables: dict[str, Any]) -> str:
    """Describe the variable at a place of a model, as `_by_position` names it."""
    found = (f"{_short(name)} {one.shape}" for name, one in variables.items() if name.partition(":")[0] == place)
    return next(found, "nothing more")
