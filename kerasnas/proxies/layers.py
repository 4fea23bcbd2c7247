"""The layers of a network, as proxies read them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.backend.keras_internals import flatten_layers


def computing_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of `model` that compute something, at any depth: no inputs, and no nested models."""
    return [layer for layer in flatten_layers(model) if not isinstance(layer, (keras.Model, keras.layers.InputLayer))]


def is_relu(layer: keras.layers.Layer) -> bool:
    """Return True for a ReLU, as a layer or as an `Activation`, with or without an upper bound."""
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.relu, keras.activations.relu6)
    return isinstance(layer, keras.layers.ReLU)


def check_samples(argument: str, samples: Any, model: keras.Model) -> None:
    """Raise ValueError unless `samples` are a non-empty batch of inputs of `model`."""
    shape, expected = tuple(np.shape(samples)), tuple(model.inputs[0].shape[1:])
    if not shape or not shape[0] or shape[1:] != expected:
        raise ValueError(checks.invalid(argument, f"samples of shape {expected}, at least one", f"shape {shape}"))
