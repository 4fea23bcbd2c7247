"""Counts of a Keras model: parameters and multiply-adds."""

from __future__ import annotations

import math

import keras

from kerasnas.backend.keras_internals import calls_of, flatten_layers, own_trainable_variables
from kerasnas.relaxations.base import is_alphas


def parameters(model: keras.Model) -> int:
    """Return the number of parameters of `model`, frozen ones included, without architecture parameters."""
    own = {id(one): one for layer in flatten_layers(model) for one in own_trainable_variables(layer)}
    return sum(math.prod(variable.shape) for variable in own.values() if not is_alphas(variable))


def macs(model: keras.Model) -> int:
    """Return the multiply-adds of `model` for one sample, as the field counts them (its "FLOPs").

    Each entry of a convolution's kernel counts once for each pixel of the layer's output (borders like the inside),
    each entry of a dense kernel once, and so does each bias. Recurrent layers use each entry at each step, embeddings
    cost nothing, and attention multiplies each pair of places twice in each head, in addition to its dense kernels.
    Norms, pools, activations and sums are not counted. Zeros that are multiplied only because that is faster do not
    count either. The counts of NAS-Bench-201's cells are the published ones.

    The model must be built; recurrent layers must read sequences of a known length. A layer that a functional model
    calls several times counts as often.
    """
    total, counted, calls = 0, set(), calls_of(model)
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.RNN | keras.layers.MultiHeadAttention):
            counted |= set(map(id, flatten_layers(layer)))
            each = _recurrent_macs(layer) if isinstance(layer, keras.layers.RNN) else _attention_macs(layer)
            total += max(1, calls[id(layer)]) * each
        if id(layer) in counted or isinstance(layer, keras.layers.Embedding):
            continue
        variables = [variable for variable in own_trainable_variables(layer) if not is_alphas(variable)]
        if any(len(variable.shape) > 1 for variable in variables):
            outputs = layer.compute_output_shape(layer.get_build_config()["input_shape"])
            each = sum(math.prod(variable.shape) for variable in variables) * math.prod(outputs[1:-1])
            total += max(1, calls[id(layer)]) * each
    return total


def _attention_macs(layer: keras.layers.MultiHeadAttention) -> int:
    """Count four dense kernels, and every pair of places twice in each head."""
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
    """Count each entry of the kernels at each step."""
    steps = layer.get_build_config()["input_shape"][1]
    return steps * sum(math.prod(variable.shape) for variable in layer.trainable_variables)
