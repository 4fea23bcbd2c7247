"""Standard Keras networks whose convolutions are computed in bfloat16."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras
from keras import layers

from kerasnas import backend
from kerasnas.backend.keras_internals import flatten_layers

AUTO, FLOAT32, BFLOAT16 = PRECISIONS = ("auto", "float32", "bfloat16")
_COMPUTED = (
    layers.Conv2D,
    layers.BatchNormalization,
    layers.Activation,
    layers.ReLU,
    layers.Add,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
)
_SLOW = (layers.DepthwiseConv2D, layers.SeparableConv2D)  # in bfloat16, on a processor
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def computes_bfloat16() -> bool:
    """Return True if this machine has instructions for bfloat16: an accelerator, or a processor that says so."""
    if not backend.devices().startswith("CPU"):
        return True
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and any(name in cpuinfo.read_text(encoding="utf-8") for name in _INSTRUCTIONS)


def dense(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of `model` that bfloat16 makes faster: none of a network with depthwise convolutions."""
    found = flatten_layers(model)
    if any(isinstance(layer, _SLOW) for layer in found) or not any(type(layer) is layers.Conv2D for layer in found):
        return []
    return [layer for layer in found if type(layer) in _COMPUTED and layer.dtype_policy.name == FLOAT32]


@contextlib.contextmanager
def computing(model: keras.Model, precision: str) -> Iterator[keras.Model]:
    """Compute the convolutions of `model`, and what is between them, in a precision within this context.

    The network keeps its layers and its variables, which stay float32, as do its outputs. Functions traced inside stay
    as they are; see `forget`. In bfloat16, a step of networks of 3x3 convolutions takes half of the time on processors
    with instructions for it; networks with depthwise convolutions, of which those are none, stay in float32.
    """
    changed = dense(model) if precision == BFLOAT16 else []
    for layer in changed:
        layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    try:
        yield model
    finally:
        for layer in changed:
            layer.dtype_policy = keras.DTypePolicy(FLOAT32)


def forget(model: keras.Model) -> None:
    """Forget the functions that were traced of `model`, so that they are traced in another precision."""
    model.make_train_function(force=True)
    model.make_predict_function(force=True)
