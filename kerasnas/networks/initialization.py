"""Initial weights of networks, drawn from a seed of their own; names and precisions that every network shares."""

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
    """Return the precision of logits, that of the variables: half precision is too little for a softmax."""
    return policy.variable_dtype


def number_layers(model: keras.Model) -> None:
    """Number the layers and operations of `model` from 0 for each class, independent of other models in this process.

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
    """Draw every kernel of `model`: normal with variance 2 / fan-in; near the identity if the layer asks for it.

    No global generator and no backend takes part, so that a seed means one network everywhere.
    """
    layers = flatten_layers(model)
    stages = [layer for layer in layers if isinstance(layer, Stage)]
    initializers = [(layer, getattr(layer, "kernel_initializer", None)) for layer in layers]
    near = {id(layer.kernel): how for layer, how in initializers if isinstance(how, NearIdentity)}
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
        elif len(shape) > 1 and variable.name != "bias":  # a GRU's has two rows
            fan = fans.get(id(variable)) or fan_in(shape, id(variable) in copied)
            drawn = np.sqrt(2 / fan) * generator.standard_normal(shape)
            variable.assign(near[id(variable)].mixed(drawn) if id(variable) in near else drawn)


def orthogonal(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return recurrent kernels `(..., units, gates * units)` whose square for each gate is orthogonal, as in Keras."""
    units = shape[-2]
    squares = generator.standard_normal((*shape[:-2], shape[-1] // units, units, units))
    return np.concatenate(np.moveaxis(np.linalg.qr(squares)[0], -3, 0), axis=-1)


def attention_kernels(model: keras.Model) -> list[Any]:
    """Return the kernels `(channels, heads, size)` of attention, whose outputs sum over channels alone."""
    layers = [layer for layer in flatten_layers(model) if isinstance(layer, keras.layers.MultiHeadAttention)]
    return [dense.kernel for layer in layers for dense in (layer.query_dense, layer.key_dense, layer.value_dense)]


def fan_in(shape: tuple[int, ...], copied: bool = True) -> int:
    """Return the number of input values that each output value of a kernel of this shape sums over.

    If `copied`, three axes are (copies, window, filters) of a primitive's stage, not (length, channels, filters) of a
    standard layer for signals.
    """
    if len(shape) == 3 and copied:
        return shape[1]
    depthwise = len(shape) in (3, 4) and shape[-1] == 1
    return int(np.prod(shape[: -2 if depthwise else -1]))
