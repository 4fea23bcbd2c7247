"""Standard Keras networks trained on faster kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from kerasnas import backend
from kerasnas.backend.keras_internals import flatten_layers


@contextlib.contextmanager
def fused(model: keras.Model) -> Iterator[keras.Model]:
    """Compute batch norms and depthwise convolutions of `model` with faster kernels within this context.

    Keras' `BatchNormalization` takes five times as long on a CPU as TensorFlow's fused kernel, a quarter of the
    training step of a small CNN; the filters of a `DepthwiseConv2D` of more than 3x3 take twice as long to learn as
    they need. The network keeps its standard layers and variables: nothing is copied or converted. Outputs, gradients
    and moving statistics agree to the last few bits. Functions traced inside stay on the kernel, those traced outside
    on Keras' formula; `compile` starts afresh.

    Layers nested at any depth take part. What the kernels cannot compute stays as it is: normalization over another
    axis than the last, in double precision, synchronized over replicas or with renormalization, layers not built yet,
    subclasses with a `call` of their own; and everything on JAX, whose compiler fuses the formula itself. So do frozen
    layers: the gradient of a batch norm's product and sum is faster.
    """
    layers = [layer for layer in flatten_layers(model) if layer.trainable]
    calls = [(layer, call) for layer in layers if "call" not in vars(layer) and (call := backend.fused_call(layer))]
    for layer, call in calls:
        layer.call = call
    try:
        yield model
    finally:
        for layer, _ in calls:
            del layer.call
