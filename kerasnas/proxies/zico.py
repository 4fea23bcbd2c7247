"""ZiCo: how large the gradients of an untrained network are, and how similar from batch to batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.proxies.layers import check_samples
from kerasnas.tasks.known import task_of_targets


def zico(model: keras.Model, batches: Sequence[tuple[Any, Any]]) -> float:
    """Return `sum_layers log( sum_weights mean|g| / std|g| )`, `g` the gradients on each of the batches.

    Batch norm uses the batch's statistics. Only kernels count; those whose gradient is the same on all batches are left
    out. Higher is better.

    Args:
        model: a network that returns logits.
        batches: two or more `(x, y)` of images and class numbers, or tables of labels or of numbers.

    Returns:
        The score; minus infinity if no gradient differs between batches.

    Raises:
        ValueError: for fewer than two batches.

    Reference:
        Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", 2023 (arXiv 2301.11300),
        equation 15.

    Differences from the paper:
        - None from the equation. The original code takes the deviation of `g`, not of `|g|`.
    """
    checks.instance("model", model, keras.Model)
    if len(batches) < 2:
        raise ValueError(checks.invalid("batches", "two or more", len(batches)))
    for x, _ in batches:
        check_samples("batches", x, model)
    state = backend.values(model.non_trainable_variables)
    values = backend.values(model.trainable_variables)
    kernels = [position for position, value in enumerate(values) if len(value.shape) > 1]
    magnitudes = []
    task = task_of_targets(np.asarray(batches[0][1]))
    for x, y in batches:

        def loss(parameters: list[Any], x: Tensor = x, y: Tensor = y) -> tuple[Any, None]:
            logits, _ = model.stateless_call(parameters, state, ops.convert_to_tensor(x), training=True)
            return task.loss()(np.asarray(y), ops.cast(logits, "float32")), None

        _, gradients = backend.value_and_grad(loss)(values)
        magnitudes.append([np.abs(ops.convert_to_numpy(gradients[position])) for position in kernels])
    total, counted = 0.0, False
    for by_batch in zip(*magnitudes, strict=True):
        mean, deviation = np.mean(by_batch, axis=0, dtype="float64"), np.std(by_batch, axis=0, dtype="float64")
        ratio = float(np.sum(mean[deviation > 0] / deviation[deviation > 0]))
        if ratio > 0:
            total, counted = total + math.log(ratio), True
    return total if counted else -math.inf
