"""What every network is built with: checks, start values, names, and the end of a discrete network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks, relaxations
from kerasnas.primitives.base import Stage

_AXES = {"image": "(height, width, channels)", "signal": "(length, channels)"}


def check_input_shape(input_shape: Any, halvings: int, kinds: Sequence[str] = ("image", "signal")) -> tuple[int, ...]:
    """Return the shape as a tuple if it is one of the `kinds` and survives so many halvings.

    Args:
        input_shape: `(height, width, channels)` of one image, or `(length, channels)` of one signal.
        halvings: how often the network halves it.
        kinds: what it may be of, "image" or "signal". Defaults to both.

    Raises:
        ValueError: saying what shape is expected.

    Example:

    >>> check_input_shape([128, 1], halvings=2)
    (128, 1)
    """
    shape = tuple(input_shape)
    rank = {2: "signal", 3: "image"}.get(len(shape))
    if rank not in kinds or not all(isinstance(size, int | np.integer) and size > 0 for size in shape):
        expected = ", or ".join(f"{_AXES[kind]} of one {kind}" for kind in kinds)
        raise ValueError(
            f"Invalid value received for argument `input_shape`. Expected {expected}. Received: {input_shape!r}"
        )
    least, sizes = 2**halvings, shape[:-1]
    if min(sizes) < least:
        expected = f"{least} x {least} pixels" if rank == "image" else f"{least} steps"
        raise ValueError(
            f"Invalid value received for argument `input_shape`. Expected at least {expected}, since stem and cells "
            f"halve the {rank} {halvings} times. Received: {' x '.join(map(str, sizes))}"
        )
    return tuple(int(size) for size in shape)


def check_image_shape(input_shape: Any, halvings: int) -> tuple[int, ...]:
    """`check_input_shape` of networks that take images only."""
    return check_input_shape(input_shape, halvings, ("image",))


def check_drop_path(probability: float) -> float:
    """Return `probability` if it is at least 0 and below 1."""
    if not 0 <= probability < 1:
        raise ValueError(
            f"Invalid value received for argument `drop_path`. Expected at least 0, below 1. Received: {probability}"
        )
    return probability


def head_dtype(policy: keras.DTypePolicy) -> str:
    """Logits stay in the variables' precision: half a precision is too little for a softmax."""
    return policy.variable_dtype


def classify(x: Any, num_classes: int) -> Any:
    """The logits of features, as a standard Keras layer."""
    policy = keras.config.dtype_policy()
    return keras.layers.Dense(checks.size("num_classes", num_classes), dtype=head_dtype(policy))(x)


def discrete_model(inputs: Any, outputs: Any, seed: int) -> keras.Model:
    """The functional model of a discrete network, its layers numbered from 0 and its kernels drawn by `seed`."""
    model = keras.Model(inputs, outputs, name="discrete_network")
    number_layers(model)
    initialize(model, seed)
    return model


def number_layers(model: keras.Model) -> None:
    """Number the layers of `model` from 0 for each class, whatever was built before it in this process.

    TensorFlow's graph optimizer orders sums by name, and `add_100` comes before `add_99`: with Keras' running numbers
    the last bit of a result would depend on the models before.
    """
    made: dict[str, dict[int, keras.layers.Layer]] = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            stem, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name).groups()  # type: ignore[union-attr]
            made.setdefault(stem, {})[int(number or 0)] = layer
    for stem, layers in made.items():
        for index, number in enumerate(sorted(layers)):  # in the order in which they were made
            layers[number].name = f"{stem}_{index}" if index else stem


def initialize(model: keras.Model, seed: int) -> None:
    """Draw every kernel of `model` afresh: normal with variance 2 / fan-in, in NumPy.

    Neither a global generator nor the backend has a part in it, so that a seed means one network everywhere.
    """
    stages = [layer for layer in model._flatten_layers() if isinstance(layer, Stage)]  # `layers` has the first level
    copied = {id(variable) for stage in stages for variable in stage.trainable_variables}
    for index, variable in enumerate(model.trainable_variables):
        shape = tuple(variable.shape)
        generator = np.random.default_rng([seed, index])
        if relaxations.is_alphas(variable):
            variable.assign(1e-3 * generator.standard_normal(shape))
        elif len(shape) > 1:
            variable.assign(np.sqrt(2 / fan_in(shape, id(variable) in copied)) * generator.standard_normal(shape))


def fan_in(shape: tuple[int, ...], copied: bool = True) -> int:
    """How many values of the input each value of the output of a kernel of this shape sums over.

    Args:
        shape: of the kernel.
        copied: whether three axes are (copies, window, filters) of a primitive's stage, not (length, channels,
            filters) of a standard layer for signals. Defaults to True.

    Example:

    >>> fan_in((4, 9, 8)), fan_in((3, 16, 8), copied=False), fan_in((3, 16, 1), copied=False), fan_in((5, 5, 16, 1))
    (9, 48, 3, 25)
    """
    if len(shape) == 3 and copied:
        return shape[1]
    depthwise = len(shape) in (3, 4) and shape[-1] == 1
    return int(np.prod(shape[: -2 if depthwise else -1]))
