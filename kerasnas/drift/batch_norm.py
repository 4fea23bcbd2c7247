"""Adaptive batch normalization: moving statistics of new samples replace those of the training data."""

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
    """Replace the moving statistics of every batch norm of `model` by those of the unlabelled samples `x`.

    Weights do not change. The variance is the mean of the batches' variances plus the variance of their means; the
    variance of a batch is unbiased for `BatchNorm`, as in training. Dropout is off, other layers run in training mode.

    Args:
        model: a built Keras model; changed in place.
        x: at least 2 input samples.
        batch_size: samples per batch; an incomplete last batch is left out. Defaults to 200.

    Returns:
        The number of batch norms: 0 if there is nothing to adapt.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if `x` is not an array of at least 2 samples.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(scale=False, center=False)])
    >>> adapt_batch_norm(model, np.array([[3.0], [5.0]]))
    1
    >>> [float(value.numpy()[0]) for value in model.layers[-1].weights]
    [4.0, 1.0]

    Reference:
        Li et al., "Revisiting Batch Normalization for Practical Domain Adaptation", 2016 (arXiv 1603.04779).

    Differences from the paper:
    - One pass takes the statistics of all layers, each normalized by its batch; the paper's online algorithm handles
      one neuron at a time.
    """
    checks.instance("model", model, keras.Model, "a Keras model")
    x = checks.array("x", x)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(checks.invalid("x", "at least 2 samples", f"shape {x.shape}"))
    size = min(checks.integer("batch_size", batch_size, 2), len(x))
    layers = batch_norms(model)
    means: list[list[np.ndarray]] = [[] for _ in layers]
    variances: list[list[np.ndarray]] = [[] for _ in layers]
    with _statistics_of_one_batch(model, layers):
        for start in range(0, len(x) - size + 1 if layers else 0, size):
            model(x[start : start + size], training=True)
            for layer, mean, variance in zip(layers, means, variances, strict=True):
                mean.append(np.array(keras.ops.convert_to_numpy(layer.moving_mean)))
                variance.append(np.array(keras.ops.convert_to_numpy(layer.moving_variance)))
    for layer, mean, variance in zip(layers, means, variances, strict=True):
        layer.moving_mean.assign(np.mean(mean, axis=0))
        layer.moving_variance.assign(np.mean(variance, axis=0) + np.var(mean, axis=0))
    return len(layers)


@contextlib.contextmanager
def _statistics_of_one_batch(model: keras.Model, layers: list[Any]) -> Iterator[None]:
    """A context in which moving statistics are those of the last batch, and dropout is off."""
    dropping = [layer for layer in flatten_layers(model) if isinstance(getattr(layer, "rate", None), float)]
    settings = [(layer, "momentum") for layer in layers] + [(layer, "rate") for layer in dropping]
    before = [getattr(layer, name) for layer, name in settings]
    try:
        for layer, name in settings:
            setattr(layer, name, 0.0)
        yield
    finally:
        for (layer, name), value in zip(settings, before, strict=True):
            setattr(layer, name, value)
