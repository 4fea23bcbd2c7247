"""Adaptive batch normalization: moving statistics of new samples, in place of those of the training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.primitives.normalization import batch_norms


def adapt_batch_norm(model: keras.Model, x: Any, batch_size: int = 200) -> int:
    """Replace the moving statistics of every batch norm of `model` by those of `x`, which needs no labels.

    Weights stay as they are. The means are averaged over batches, and the variances with that of the means added; no
    unit is dropped meanwhile. Other layers that differ in training are computed as in training.

    Args:
        model: a built Keras model; it is changed.
        x: samples as the model takes them, at least 2.
        batch_size: samples of which statistics are taken at once; a smaller last batch is left out. Defaults to 200.

    Returns:
        The number of batch norms: 0 where there is nothing to adapt.

    Raises:
        TypeError: if `model` is no Keras model.
        ValueError: if `x` is no such array.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(scale=False, center=False)])
    >>> adapt_batch_norm(model, np.array([[3.0], [5.0]]))
    1
    >>> [float(value.numpy()[0]) for value in model.layers[-1].weights]
    [4.0, 1.0]

    Reference:
        Li et al., "Revisiting Batch Normalization for Practical Domain Adaptation", 2016 (arXiv 1603.04779).

    Differences from the paper:
    - The statistics of all layers are taken in one pass, each layer normalized by its batch, where the paper's online
      algorithm does so one neuron at a time.
    """
    checks.instance("model", model, keras.Model, "a Keras model")
    x = checks.array("x", x)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(checks.invalid("x", "at least 2 samples", f"shape {x.shape}"))
    size = min(checks.integer("batch_size", batch_size, 2), len(x))
    layers = batch_norms(model)
    if not layers:
        return 0
    means, variances = [], []
    with _only_this_batch(model, layers):
        for start in range(0, len(x) - size + 1, size):
            model(x[start : start + size], training=True)
            means.append([np.array(keras.ops.convert_to_numpy(layer.moving_mean)) for layer in layers])
            variances.append([np.array(keras.ops.convert_to_numpy(layer.moving_variance)) for layer in layers])
    for index, layer in enumerate(layers):
        own = np.array([one[index] for one in means])
        layer.moving_mean.assign(own.mean(axis=0))
        layer.moving_variance.assign(np.mean([one[index] for one in variances], axis=0) + own.var(axis=0))
    return len(layers)


@contextlib.contextmanager
def _only_this_batch(model: keras.Model, layers: list[Any]) -> Iterator[None]:
    """A context in which moving statistics are those of the last batch, and nothing is dropped."""
    dropping = [layer for layer in flatten_layers(model) if isinstance(getattr(layer, "rate", None), float)]
    momenta, rates = [layer.momentum for layer in layers], [layer.rate for layer in dropping]
    try:
        for layer in layers:
            layer.momentum = 0.0
        for layer in dropping:
            layer.rate = 0.0
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropping, rates, strict=True):
            layer.rate = rate
