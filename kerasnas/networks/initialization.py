"""Initial weights of networks, drawn by a seed of their own; names and precisions that every network shares."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np

from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.primitives.base import Stage
from kerasnas.primitives.graph_stages import NearIdentity
from kerasnas.relaxations.base import is_alphas


def head_dtype(policy: keras.DTypePolicy) -> str:
    """Logits stay in the variables' precision: half a precision is too little for a softmax."""
    return policy.variable_dtype


def number_layers(model: keras.Model) -> None:
    """Number the layers and operations of `model` from 0 for each class, whatever was built before in this process.

    TensorFlow's graph optimizer orders sums by name, and `add_100` comes before `add_99`: with Keras' running numbers
    the last bit of a result would depend on the models before.
    """
    made: dict[str, dict[int, Any]] = {}
    for layer in model.operations:  # products of tensors are called as the layer is: "multiply"
        if not isinstance(layer, keras.layers.InputLayer):
            stem, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name).groups()  # type: ignore[union-attr]
            made.setdefault(stem, {})[int(number or 0)] = layer
    for stem, layers in made.items():
        for index, number in enumerate(sorted(layers)):  # in the order in which they were made
            layers[number].name = f"{stem}_{index}" if index else stem


def initialize(model: keras.Model, seed: int) -> None:
    """Draw every kernel of `model`: normal with variance 2 / fan-in, in NumPy; near the identity where a layer says so.

    Neither a global generator nor the backend has a part in it, so that a seed means one network everywhere.
    """
    layers = flatten_layers(model)
    stages = [layer for layer in layers if isinstance(layer, Stage)]
    own = [(layer, getattr(layer, "kernel_initializer", None)) for layer in layers]
    near = {id(layer.kernel): how for layer, how in own if isinstance(how, NearIdentity)}
    copied = {id(variable) for stage in stages for variable in stage.trainable_variables}
    fans = {id(kernel): kernel.shape[0] for kernel in attention_kernels(model)}
    for index, variable in enumerate(model.trainable_variables):
        shape = tuple(variable.shape)
        generator = np.random.default_rng([seed, index])
        if is_alphas(variable):
            variable.assign(1e-3 * generator.standard_normal(shape))
        elif variable.name == "recurrent_kernel":
            variable.assign(orthogonal(shape, generator))
        elif variable.name == "embeddings":
            variable.assign(np.sqrt(1 / shape[-1]) * generator.standard_normal(shape))
        elif len(shape) > 1 and variable.name != "bias":  # of a GRU it has two rows
            fan = fans.get(id(variable)) or fan_in(shape, id(variable) in copied)
            drawn = np.sqrt(2 / fan) * generator.standard_normal(shape)
            variable.assign(near[id(variable)].mixed(drawn) if id(variable) in near else drawn)


def orthogonal(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Recurrent kernels `(..., units, gates * units)` whose square for each gate is orthogonal, as Keras draws them.

    Example:

    >>> one = orthogonal((4, 12), np.random.default_rng(0))[:, 4:8]
    >>> bool(np.allclose(one @ one.T, np.eye(4)))
    True
    """
    units = shape[-2]
    squares = generator.standard_normal((*shape[:-2], shape[-1] // units, units, units))
    return np.concatenate(np.moveaxis(np.linalg.qr(squares)[0], -3, 0), axis=-1)


def attention_kernels(model: keras.Model) -> list[Any]:
    """The kernels `(channels, heads, size)` of queries, keys and values: each value sums over the channels alone."""
    layers = [layer for layer in flatten_layers(model) if isinstance(layer, keras.layers.MultiHeadAttention)]
    return [dense.kernel for layer in layers for dense in (layer.query_dense, layer.key_dense, layer.value_dense)]


def fan_in(shape: tuple[int, ...], copied: bool = True) -> int:
    """The number of input values that each output value of a kernel of this shape sums over.

    Args:
        shape: of the kernel.
        copied: True where three axes are (copies, window, filters) of a primitive's stage, not (length, channels,
            filters) of a standard layer for signals. Defaults to True.

    Example:

    >>> fan_in((4, 9, 8)), fan_in((3, 16, 8), copied=False), fan_in((3, 16, 1), copied=False), fan_in((5, 5, 16, 1))
    (9, 48, 3, 25)
    """
    if len(shape) == 3 and copied:
        return shape[1]
    depthwise = len(shape) in (3, 4) and shape[-1] == 1
    return int(np.prod(shape[: -2 if depthwise else -1]))
