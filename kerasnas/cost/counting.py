"""Counting of a Keras model: parameters and multiply-adds."""

from __future__ import annotations

import math

import keras

from kerasnas import checks
from kerasnas.backend.keras_internals import calls_of, flatten_layers, own_trainable_variables
from kerasnas.relaxations.base import is_alphas


@checks.arguments(model=keras.Model)
def parameters(model: keras.Model) -> int:
    """The number of trainable parameters of `model`, architecture parameters left out.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> parameters(keras.Model(inputs, keras.layers.Conv2D(8, 3)(inputs)))
    224
    """
    return sum(math.prod(variable.shape) for variable in model.trainable_variables if not is_alphas(variable))


@checks.arguments(model=keras.Model)
def macs(model: keras.Model) -> int:
    """The multiply-adds of one image's way through `model`, as the field counts them (its "FLOPs").

    Each entry of a convolution's kernel is used once at each pixel of the layer's output (borders are counted like the
    inside), each entry of a dense kernel once, and so is each bias. Recurrent layers use each entry at each step,
    embeddings look up, and attention multiplies each pair of places that it compares twice in each head, beside its
    dense kernels. Norms, pools, activations and sums are left out.
    What counts is the work that the primitives are defined by: zeros that are multiplied only because that is faster
    are no part of it. The counts of NAS-Bench-201's cells are the published ones.

    Args:
        model: a built model whose layers with kernels are convolutions, dense, recurrent and attention layers, the
            recurrent ones on sequences of a known length. One that a functional model calls several times counts as
            often.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> outputs = keras.layers.Conv2D(8, 3, padding="same", strides=2, use_bias=False)(inputs)
    >>> macs(keras.Model(inputs, outputs))  # (3 x 3 x 3 x 8 entries) x (2 x 2 pixels)
    864
    """
    total, counted, calls = 0, set(), calls_of(model)
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.RNN | keras.layers.MultiHeadAttention):
            counted |= set(map(id, flatten_layers(layer)))
            each = _recurrent_macs(layer) if isinstance(layer, keras.layers.RNN) else _attention_macs(layer)
            total += max(1, calls[id(layer)]) * each
        if id(layer) in counted or isinstance(layer, keras.layers.Embedding):
            continue
        own = [variable for variable in own_trainable_variables(layer) if not is_alphas(variable)]
        if any(len(variable.shape) > 1 for variable in own):
            outputs = layer.compute_output_shape(layer.get_build_config()["input_shape"])
            each = sum(math.prod(variable.shape) for variable in own) * math.prod(outputs[1:-1])
            total += max(1, calls[id(layer)]) * each
    return total


def _attention_macs(layer: keras.layers.MultiHeadAttention) -> int:
    """The multiply-adds of an attention layer: four dense kernels, and every pair of places twice in each head."""
    shapes, config = layer.get_build_config()["shapes_dict"], layer.get_config()
    places, others = (shapes[name] for name in ("query_shape", "value_shape"))
    axes = config["attention_axes"] or range(1, len(others) - 1)
    pairs = math.prod(places[1:-1]) * math.prod(others[axis] for axis in axes)
    total = pairs * config["num_heads"] * (config["key_dim"] + (config["value_dim"] or config["key_dim"]))
    for variable in layer.trainable_variables:
        reads_values = any(f"/{name}/" in f"/{variable.path}" for name in ("key", "value"))
        total += math.prod(variable.shape) * math.prod((others if reads_values else places)[1:-1])
    return total


def _recurrent_macs(layer: keras.layers.RNN) -> int:
    """The multiply-adds of a recurrent layer: each entry of its kernels at each step."""
    return (
        sum(math.prod(variable.shape) for variable in layer.trainable_variables)
        * layer.get_build_config()["input_shape"][1]
    )
