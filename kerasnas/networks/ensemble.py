"""Several networks as one: the mean of their answers."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from kerasnas import checks


def ensemble(models: Sequence[keras.Model]) -> keras.Model:
    """Return a network whose outputs are the means of those of `models`, or the model itself if it is one.

    It shares their layers, and adds standard ones. The models are functional, of one input shape and of the same
    outputs; ValueError otherwise.

    Reference:
        Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017
        (arXiv 1612.01474), section 2.4, without adversarial training. There, probabilities are averaged; here, logits.
    """
    shapes = {(tuple(model.input_shape), tuple(model.output_shape)) for model in models}
    if len(shapes) != 1:
        found = sorted(map(str, shapes))
        raise ValueError(checks.invalid("models", "networks of one input and output shape", found))
    if len(models) == 1:
        return models[0]
    inputs = keras.Input(models[0].input_shape[1:], name="inputs")
    members = [
        keras.Model(model.inputs[0], model.outputs[0], name=f"member_{i}") for i, model in enumerate(models, start=1)
    ]
    return keras.Model(inputs, keras.layers.Average()([member(inputs) for member in members]), name="ensemble")
