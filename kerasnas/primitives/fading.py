"""FadingDropout: dropout whose rate changes while a network is trained."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor


@keras.saving.register_keras_serializable(package="kerasnas")
class FadingDropout(keras.layers.Layer):
    """Dropout at a rate that is a variable: `rate` is set between steps, and traces nothing anew.

    Args:
        first: rate at the start, from 0 on and below 1.
        seed: of the draws. Defaults to 0.

    Call arguments:
        inputs: any floating-point tensor.
        training: whether values are dropped; the others are divided by the share that is left.
    """

    def __init__(self, first: float, seed: int | None = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.first, self.seed = checks.number("first", first, least=0, below=1), seed
        self.draws = keras.random.SeedGenerator(seed)
        self.rate = self.add_weight(
            name="rate",
            shape=(),
            initializer=keras.initializers.Constant(first),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not training:
            return inputs
        left = 1 - ops.convert_to_tensor(self.rate)
        kept = keras.random.uniform(ops.shape(inputs), seed=self.draws) < left
        return ops.where(kept, inputs / ops.cast(left, inputs.dtype), ops.zeros_like(inputs))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "first": self.first, "seed": self.seed}
