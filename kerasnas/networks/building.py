"""What every network is built with: checks, start values, names, and the end of a discrete network."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np

from kerasnas import relaxations
from kerasnas.primitives.base import check_size


def check_image_shape(input_shape: Any, halvings: int) -> tuple[int, int, int]:
    """Return the shape as a tuple if it is (height, width, channels) and survives so many halvings."""
    shape = tuple(input_shape)
    if len(shape) != 3 or not all(isinstance(size, int | np.integer) and size > 0 for size in shape):
        raise ValueError(
            "Invalid value received for argument `input_shape`. Expected (height, width, channels) of one image. "
            f"Received: {input_shape!r}"
        )
    if min(shape[:2]) < 2**halvings:
        raise ValueError(
            f"Invalid value received for argument `input_shape`. Expected at least {2**halvings} x {2**halvings} "
            f"pixels, since stem and cells halve the image {halvings} times. Received: {shape[0]} x {shape[1]}"
        )
    height, width, channels = (int(size) for size in shape)
    return height, width, channels


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
    return keras.layers.Dense(check_size("num_classes", num_classes), dtype=head_dtype(policy))(x)


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
    for index, variable in enumerate(model.trainable_variables):
        shape = tuple(variable.shape)
        generator = np.random.default_rng([seed, index])
        if relaxations.is_alphas(variable):
            variable.assign(1e-3 * generator.standard_normal(shape))
        elif len(shape) > 1:
            variable.assign(np.sqrt(2 / fan_in(shape)) * generator.standard_normal(shape))


def fan_in(shape: tuple[int, ...]) -> int:
    """How many values of the input each value of the output of a kernel of this shape sums over."""
    if len(shape) == 3:  # copies, channels, filters
        return shape[1]
    if len(shape) == 4 and shape[-1] == 1:  # a depthwise kernel
        return shape[0] * shape[1]
    return int(np.prod(shape[:-1]))
