"""Standard Keras networks trained on faster kernels."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import keras

from kerasnas import backend
from kerasnas.backend.keras_internals import flatten_layers, nodes_of


@contextlib.contextmanager
def fused(model: keras.Model) -> Iterator[keras.Model]:
    """Compute batch norms, depthwise convolutions and crops of `model` with faster kernels within this context.

    Keras' `BatchNormalization` takes five times as long on a CPU as TensorFlow's fused kernel, a quarter of the
    training step of a small CNN; the filters of a `DepthwiseConv2D` of more than 3x3 take twice as long to learn as
    they need, and the gradient of a `Cropping2D`, as in factorized reductions, ten times as long; and a frozen batch
    norm becomes part of the convolution before it, by which a mobile network is tuned in two thirds to four fifths of
    the time. The network keeps its standard layers and variables: nothing is copied or converted. Outputs, gradients
    and moving statistics agree to the last few bits. Functions traced inside stay on the kernels, those traced outside
    on Keras' formulas; `compile` starts afresh.

    Layers nested at any depth take part. What the kernels cannot compute stays as it is: normalization over another
    axis than the last, in double precision, synchronized over replicas or with renormalization, layers not built yet,
    subclasses with a `call` of their own; and everything on JAX, whose compiler fuses the formulas itself. So do other
    frozen layers: the gradient of a batch norm's product and sum is faster.
    """
    calls: dict[keras.layers.Layer, Callable[..., Any]] = {}
    for first, second in _chained(model):
        if "call" not in vars(first) | vars(second) and (both := backend.folded_calls(first, second)):
            calls |= zip((first, second), both, strict=True)
    for layer in flatten_layers(model):
        if layer.trainable and "call" not in vars(layer) and layer not in calls and (call := backend.fused_call(layer)):
            calls[layer] = call
    for layer, call in calls.items():
        layer.call = call
    try:
        yield model
    finally:
        for layer in calls:
            del layer.call


def _chained(model: keras.layers.Layer) -> Iterator[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """Yield pairs of layers, each called once in `model`, of which the second alone reads what the first returns."""
    inner = {layer: nodes_of(layer) for layer in flatten_layers(model)}
    calls = Counter(id(operation) for operation, _, _ in chain.from_iterable(inner.values()))
    for layer, nodes in inner.items():
        readers = Counter(id(x) for _, read, _ in nodes for x in read)
        readers.update(id(x) for x in (layer.outputs if nodes else ()))
        made = {id(outputs[0]): operation for operation, _, outputs in nodes if len(outputs) == 1}
        for second, read, _ in nodes:
            first = made.get(id(read[0])) if len(read) == 1 else None
            if first is not None and readers[id(read[0])] == calls[id(first)] == calls[id(second)] == 1:
                yield first, second
