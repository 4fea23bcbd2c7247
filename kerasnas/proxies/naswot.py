"""NASWOT: how differently an untrained network's ReLUs respond to different images."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.proxies.layers import check_samples, computing_layers, is_relu


def naswot(model: keras.Model, images: Tensor) -> float:
    """Return the logarithm of the determinant of the kernel of binary activation codes.

    An image's code has a bit for every ReLU in the network, whether it is on; an entry of the kernel is the number of
    ReLUs on which two images agree. Batch norm uses the batch's statistics. Higher is better.

    Args:
        model: a network with ReLU layers.
        images: `(batch, ...)`, all different; about 64.

    Returns:
        The score; minus infinity if two images have the same code.

    Raises:
        ValueError: for a network without a ReLU layer.

    Reference:
        Mellor et al., "Neural Architecture Search without Training", 2021 (arXiv 2006.04647), section 3.

    Differences from the paper:
        - None.
    """
    checks.instance("model", model, keras.Model)
    check_samples("images", images, model)
    relus = [layer for layer in computing_layers(model) if is_relu(layer)]
    if not relus:
        present = ", ".join(sorted({type(layer).__name__ for layer in computing_layers(model)}))
        raise ValueError(f"The proxy 'naswot' needs ReLU layers. Network '{model.name}' has: {present}.")
    codes = keras.Model(model.inputs, [layer.output for layer in relus])(ops.convert_to_tensor(images), training=True)
    count = len(images)
    kernel = np.zeros((count, count))
    for outputs in codes if isinstance(codes, (list, tuple)) else [codes]:
        on = (ops.convert_to_numpy(outputs).reshape(count, -1) > 0).astype("float32")
        kernel += on @ on.T + (1 - on) @ (1 - on).T
    sign, logarithm = np.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else -math.inf
