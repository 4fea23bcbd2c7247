"""Batch norm on the fused kernel, with a scale that can carry a mixing weight."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.primitives.base import Stage

MOMENTUM, EPSILON = 0.9, 1e-5  # of the published PyTorch networks, whose `momentum` is 1 - 0.9


@keras.saving.register_keras_serializable(package="kerasnas")
class BatchNorm(Stage):
    """Batch normalization over all axes but the last, exact to second order.

    Keras' `BatchNormalization` has wrong second-order gradients on TensorFlow (a stopped gradient in its moments), and
    takes five times as long on a CPU. This layer is computed by `kerasnas.backend.batch_norm` and has neither fault.

    Args:
        affine: whether to learn a scale (gamma) and an offset (beta). Defaults to True.
        synchronized: whether the statistics of a batch are those of all replicas of a `tf.distribute` strategy, as on
            one device, instead of each replica's part alone. Not possible inside a path that a sampling relaxation
            picks. On JAX they are always those of the global batch. Defaults to False.

    Call arguments:
        inputs: tensor `(batch, ..., channels)`.
        scale: optional tensor `(channels,)` that multiplies the result: `scale * (gamma * x + beta)`.
            A mixing weight that enters here needs no pass over the data of its own.
        training: whether to use the batch's statistics and update the moving ones.
    """

    momentum = MOMENTUM  # fraction of a moving statistic that a step keeps; the name of Keras' layer
    keeps_zeros = False

    def __init__(self, affine: bool = True, synchronized: bool = False, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # a float32 `scale` must stay float32
        self.affine = checks.boolean("affine", affine)
        self.synchronized = checks.boolean("synchronized", synchronized)

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        # With `autocast`, Keras would read them in half precision where this layer is the outermost one called.
        options = {"shape": (inputs_shape[-1],), "autocast": False}
        if self.affine:
            self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
            self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        options |= {"trainable": False, "aggregation": "mean"}
        self.moving_mean = self.add_weight(name="moving_mean", initializer="zeros", **options)
        self.moving_variance = self.add_weight(name="moving_variance", initializer="ones", **options)

    def call(self, inputs: Tensor, scale: Tensor = None, training: bool | None = None) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        mean, variance = ops.convert_to_tensor(self.moving_mean), ops.convert_to_tensor(self.moving_variance)
        if self.affine:
            gamma, beta = ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta)
            if scale is not None:
                gamma, beta = gamma * scale, beta * scale
        else:
            gamma = ops.convert_to_tensor(np.ones(mean.shape), mean.dtype) if scale is None else scale
            beta = ops.convert_to_tensor(np.zeros(mean.shape), mean.dtype)
        outputs, mean, variance = backend.batch_norm(
            inputs, gamma, beta, mean, variance, self.momentum, EPSILON, bool(training), self.synchronized
        )
        if training:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return outputs

    def standard(self) -> list[keras.layers.Layer]:
        return [
            keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, center=self.affine, scale=self.affine)
        ]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "affine": self.affine, "synchronized": self.synchronized}


def batch_norms(model: keras.Model) -> list[Any]:
    """Return every batch norm in `model`: `BatchNorm` and Keras' own. Each has `momentum` and two moving statistics."""
    kinds = BatchNorm, keras.layers.BatchNormalization
    return [layer for layer in flatten_layers(model) if isinstance(layer, kinds)]


def synchronize_batch_norm(model: keras.Model) -> None:
    """Make every batch norm in `model` use the statistics of all replicas in training."""
    for layer in batch_norms(model):
        layer.synchronized = True
