"""FunctionalStage: a step of a primitive that is written as standard Keras layers alone."""

from __future__ import annotations

import keras

from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Stage, apply_standard


class FunctionalStage(Stage):
    """A stage whose `standard()` is all that there is of it: it computes by a functional model of those layers.

    The model is made for the shape of the first input.
    """

    def build(self, inputs_shape: tuple) -> None:
        inputs = keras.Input(inputs_shape[1:])
        self.model = keras.Model(inputs, apply_standard([self], inputs))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.model(inputs, training=training)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], *self.model.output_shape[1:]) if self.built else inputs_shape
