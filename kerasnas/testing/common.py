"""Helpers of the contract checks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasnas.primitives.base import takes_training

SIZES = {1: ((6,), (7,)), 2: ((6, 6), (7, 5))}
"""An even and an odd size of signals (rank 1) and of images (rank 2)."""
POLICIES = ("float32", "mixed_bfloat16")


def require(condition: Any, message: str) -> None:
    """Raise AssertionError with `message` unless `condition` holds."""
    if not condition:  # not `assert`, which Python's -O switch removes
        raise AssertionError(message)


@contextlib.contextmanager
def no_error(what: str) -> Iterator[None]:
    """Make an AssertionError, which begins with `what`, of the errors that a member raises within the context."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error


def refuses(call: Callable[[], Any], message: str) -> None:
    """Raise AssertionError with `message` unless `call` raises ValueError."""
    with contextlib.suppress(ValueError):
        call()
        raise AssertionError(message)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Set Keras' dtype policy to `name` within the context."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def noise(size: tuple[int, ...], channels: int) -> np.ndarray:
    """Return two images `(height, width)`, or two signals `(length,)`, of noise."""
    return np.random.default_rng(0).standard_normal((2, *size, channels)).astype("float32")


def training_argument(layer: keras.layers.Layer, training: bool) -> dict[str, bool]:
    """Return the argument `training` for layers that take one."""
    return {"training": training} if takes_training(layer) else {}


def scatter(variables: list[Any]) -> None:
    """Move variables away from their initialization, whose zeros could hide a fault; variances stay positive."""
    rng = np.random.default_rng(0)
    for variable in variables:
        variable.assign_add(rng.uniform(0.1, 0.5, tuple(variable.shape)))


def remade(what: str, thing: Any, deserialize: Callable[[Any], Any]) -> Any:
    """Return `thing` after a round trip through Keras' serialization and JSON, which must recreate it."""
    with no_error(f"{what}: Keras cannot serialize and deserialize it"):
        again = deserialize(json.loads(json.dumps(keras.saving.serialize_keras_object(thing))))
    require(
        type(again) is type(thing) and again.get_config() == thing.get_config(),
        f"{what}: its configuration recreates another one. Expected {thing.get_config()}. "
        f"Received: {again.get_config()}",
    )
    return again
