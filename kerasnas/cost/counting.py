"""Counting of a Keras model: parameters and multiply-adds."""

from __future__ import annotations

import math

import keras

from kerasnas.backend.keras_internals import flatten_layers, own_trainable_variables
from kerasnas.relaxations import is_alphas


def parameters(model: keras.Model) -> int:
    """The number of trainable parameters of `model`, architecture parameters left out.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> parameters(keras.Model(inputs, keras.layers.Conv2D(8, 3)(inputs)))
    224
    """
    return sum(math.prod(variable.shape) for variable in model.trainable_variables if not is_alphas(variable))


def macs(model: keras.Model) -> int:
    """The multiply-adds of one image's way through `model`, as the field counts them (its "FLOPs").

    Each entry of a convolution's kernel is used once at each pixel of the layer's output (borders are counted like the
    inside), each entry of a dense kernel once, and so is each bias. Norms, pools, activations and sums are left out.
    Recurrent layers use each entry at each step, attention has the products of steps with steps beside its kernels, and
    embeddings look up. What counts is the work that the primitives are defined by: zeros that are multiplied only
    because that is faster are no part of it. The counts of NAS-Bench-201's cells are the published ones.

    Args:
        model: a built model whose layers with kernels are convolutions, dense, recurrent and attention layers, each
            called once, on sequences of a known length.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> outputs = keras.layers.Conv2D(8, 3, padding="same", strides=2, use_bias=False)(inputs)
    >>> macs(keras.Model(inputs, outputs))  # (3 x 3 x 3 x 8 entries) x (2 x 2 pixels)
    864
    """
    total, counted = 0, set()
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.RNN | keras.layers.MultiHeadAttention):
            total += _of_sequence(layer)
            counted |= {id(inner) for inner in flatten_layers(layer)}
        if id(layer) in counted or isinstance(layer, keras.layers.Embedding):
            continue
        own = [variable for variable in own_trainable_variables(layer) if not is_alphas(variable)]
        if any(len(variable.shape) > 1 for variable in own):
            outputs = layer.compute_output_shape(layer.get_build_config()["input_shape"])
            total += sum(math.prod(variable.shape) for variable in own) * math.prod(outputs[1:-1])
    return total


def _of_sequence(layer: keras.layers.Layer) -> int:
    """The multiply-adds of a recurrent layer, or of self-attention."""
    kernels = sum(math.prod(variable.shape) for variable in layer.trainable_variables)
    if isinstance(layer, keras.layers.RNN):
        return int(kernels * layer.get_build_config()["input_shape"][1])
    _, heads, size = layer.query_dense.kernel.shape
    length = layer.query_dense.get_build_config()["input_shape"][1]
    return int(kernels * length + 2 * length**2 * heads * size)
