"""The layers of a network, as proxies see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.backend.keras_internals import flatten_layers


def computing_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of `model` that compute something, at any depth: no inputs, and no models that hold others."""
    found = flatten_layers(model, include_self=False)
    return [layer for layer in found if not isinstance(layer, (keras.Model, keras.layers.InputLayer))]


def is_relu(layer: keras.layers.Layer) -> bool:
    """True for a ReLU, as a layer of its own or as an `Activation`, also one that is cut off, as ReLU6 is."""
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.relu, keras.activations.relu6)
    return isinstance(layer, keras.layers.ReLU)


def check_layers(proxy: str, model: keras.Model, fits: Callable[[keras.layers.Layer], bool], needed: str) -> None:
    """Raise ValueError, naming the layers, where `proxy` is not defined for some of the model's.

    Args:
        proxy: its name.
        model: the network.
        fits: layer -> whether the proxy is defined for it.
        needed: what it needs of a layer, for the message.
    """
    unfit = [layer for layer in computing_layers(model) if not fits(layer)]
    if unfit:
        names = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in unfit[:3])
        more = f" and {len(unfit) - 3} more" if len(unfit) > 3 else ""
        raise ValueError(f"The proxy '{proxy}' needs {needed}. Network '{model.name}' has others: {names}{more}.")


def check_samples(argument: str, samples: Any, model: keras.Model) -> None:
    """Raise ValueError unless `samples` are a batch, not empty, of what `model` takes."""
    shape, expected = tuple(np.shape(samples)), tuple(model.inputs[0].shape[1:])
    if not shape or not shape[0] or shape[1:] != expected:
        raise ValueError(checks.invalid(argument, f"samples of shape {expected}, at least one", f"shape {shape}"))
