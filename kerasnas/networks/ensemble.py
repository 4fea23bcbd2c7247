"""Several networks as one: the mean of their probabilities, or of their outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import ops

from kerasnas import checks


def ensemble(models: Sequence[keras.Model]) -> keras.Model:
    """Return a network whose probabilities are the mean of those of `models`.

    Its outputs are logits, like theirs: the logarithm of that mean. It shares their layers, and consists of standard
    layers if they do. The models are functional classifiers of one input shape and of the same classes; ValueError
    otherwise.

    Reference:
        Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017
        (arXiv 1612.01474), section 2.4, without adversarial training.
    """
    inputs, outputs = _side_by_side(models)
    logs = ops.stack([ops.log_softmax(output, axis=-1) for output in outputs], axis=-1)
    return keras.Model(inputs, ops.logsumexp(logs, axis=-1) - math.log(len(models)), name="ensemble")


def mean(models: Sequence[keras.Model]) -> keras.Model:
    """Return a network whose outputs, logits or numbers, are the means of those of `models`; of one, the model itself.

    As accurate as `ensemble`, of which runtimes for small devices lack the logarithms; otherwise like it.
    """
    if len(models) == 1:
        return models[0]
    inputs, outputs = _side_by_side(models)
    return keras.Model(inputs, keras.layers.Average()(outputs), name="ensemble")


def _side_by_side(models: Sequence[keras.Model]) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Return an input, and what each of the models makes of it."""
    shapes = {(tuple(model.input_shape), tuple(model.output_shape)) for model in models}
    if len(shapes) != 1:
        found = sorted(map(str, shapes))
        raise ValueError(checks.invalid("models", "networks of one input and output shape", found))
    inputs = keras.Input(models[0].input_shape[1:], name="inputs")
    members = [
        keras.Model(model.inputs[0], model.outputs[0], name=f"member_{i}") for i, model in enumerate(models, start=1)
    ]
    return inputs, [member(inputs) for member in members]
