"""synflow: the signal that flows through all weights of a network, without data."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.proxies.layers import computing_layers

_SCALES = (0, -15, -30)  # powers of ten for input and output, tried in turn until float32 holds the gradients
_BATCH = 8  # equal inputs: oneDNN's gradient of strided 1x1 convolutions crashes the process on a single one
_LINEAR = (
    *(keras.layers.Dense, keras.layers.BatchNormalization, keras.layers.Add, keras.layers.Average),
    *(keras.layers.Concatenate, keras.layers.Identity, keras.layers.Flatten, keras.layers.Reshape),
    keras.layers.Dropout,
    *(
        getattr(keras.layers, f"{name}{rank}D")
        for rank in (1, 2)
        for name in (
            *("Conv", "DepthwiseConv", "SeparableConv", "SpatialDropout", "Cropping", "ZeroPadding"),
            *("AveragePooling", "MaxPooling", "GlobalAveragePooling", "GlobalMaxPooling"),
        )
    ),
)


def synflow(model: keras.Model) -> float:
    """Return the logarithm of the synaptic flow: `log sum_w |w dR/dw|`, `R` the network's output for an input of ones.

    Every weight is replaced by its absolute value, biases by 0, and batch norms by the identity; their scales are not
    weights here. Higher is better.

    Args:
        model: a network of convolutions, dense layers, ReLU, batch norms, pools, sums and concatenations. It is not
            changed.

    Returns:
        The score; minus infinity if nothing flows, infinity above a flow of about 10^65.

    Raises:
        ValueError: if positive values do not flow in proportion through some layers; names them.

    Reference:
        Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", 2020 (arXiv
        2006.05467), equation 4; as a score of architectures: Abdelfattah et al., "Zero-Cost Proxies for Lightweight
        NAS", 2021 (arXiv 2101.08134).

    Differences from the paper:
        - The logarithm, so that deep networks do not overflow; the order is the same.
        - Batch norms are left out; Abdelfattah et al. keep them, which distorts the scores of cells with many inputs.
    """
    checks.instance("model", model, keras.Model)
    unfit = [layer for layer in computing_layers(model) if not _proportional(layer)]
    if unfit:
        names = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in unfit[:3])
        more = f" and {len(unfit) - 3} more" if len(unfit) > 3 else ""
        raise ValueError(f"The proxy 'synflow' needs {_NEEDED}. Network '{model.name}' has others: {names}{more}.")
    trainable: list[Any] = []
    weights: list[int] = []
    for variable in model.trainable_variables:
        value = ops.cast(ops.abs(ops.convert_to_tensor(variable)), "float32")
        if len(variable.shape) < 2:  # a bias, or scale or center of a batch norm
            value = ops.ones_like(value) if variable.path.endswith("gamma") else ops.zeros_like(value)
        else:
            weights.append(len(trainable))
        trainable.append(value)
    kernels = [trainable[position] for position in weights]
    state = _identity_statistics(model)
    shape = (_BATCH, *model.input_shape[1:])
    for power in _SCALES:
        scale = 10.0**power

        def flow(kernels: list[Any], scale: float = scale) -> tuple[Any, None]:
            values = list(trainable)
            for position, kernel in zip(weights, kernels, strict=True):
                values[position] = kernel
            outputs, _ = model.stateless_call(values, state, ops.full(shape, scale, "float32"), training=False)
            return scale * ops.sum(ops.cast(outputs, "float32")) / _BATCH, None

        _, gradients = backend.value_and_grad(flow)(kernels)
        products = [np.abs(ops.convert_to_numpy(w * g)) for w, g in zip(kernels, gradients, strict=True)]
        total = sum(float(np.sum(product, dtype="float64")) for product in products)
        if math.isfinite(total):
            return math.log(total) - 2 * power * math.log(10) if total > 0 else -math.inf
    return math.inf


_NEEDED = "layers through which positive values flow in proportion: convolutions, dense ones, ReLU, batch norm, pools"


def _proportional(layer: keras.layers.Layer) -> bool:
    """Return True if doubled positive inputs double the outputs, for any positive weights of the layer."""
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.relu, keras.activations.linear)
    if isinstance(layer, keras.layers.Rescaling):  # an edge without a primitive is multiplied by 0
        return not np.any(layer.offset) and bool(np.all(np.asarray(layer.scale) >= 0))
    plain = getattr(layer, "activation", None) in (None, keras.activations.linear, keras.activations.relu)
    return isinstance(layer, _LINEAR) and plain


def _identity_statistics(model: keras.Model) -> list[Any]:
    """Return the non-trainable variables, with moving statistics that make batch norms the identity."""
    values = {id(variable): ops.convert_to_tensor(variable) for variable in model.non_trainable_variables}
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = layer.moving_mean, layer.moving_variance
            values[id(mean)] = ops.zeros(mean.shape)
            values[id(variance)] = ops.full(variance.shape, 1 - layer.epsilon)
    return [values[id(variable)] for variable in model.non_trainable_variables]
