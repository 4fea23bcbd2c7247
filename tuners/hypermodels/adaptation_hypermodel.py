"""AdaptationHyperModel: how to begin with a pretrained network, as KerasTuner hyperparameters."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.errors import FatalValueError

from kerasnas import checks
from kerasnas.starts import AdaptationSpace, begin
from kerasnas.starts.heads import HEAD
from kerasnas.training.recipe import TrainingRecipe
from tuners.hypermodels.genotype_hypermodel import GenotypeHyperModel
from tuners.tuners.trial_inputs import arrays_of, is_dataset

_NOTHING_LEARNS = "The model does not have any trainable weights"  # of a frozen network, as it should be


class AdaptationHyperModel(GenotypeHyperModel):
    """Pretrained networks and how much of them to tune, as KerasTuner hyperparameters.

    A network begins with the head that ridge regression finds on its features (`kerasnas.starts.begin`), fitted to the
    training samples alone. Where all stages are frozen that is the best head, nothing is left to train, and one epoch
    reports the metrics.

    Args:
        space: the pretrained networks, and what may become of them.
        input_shape: `(height, width, channels)` of one image; pixels are from 0 to 1.
        num_classes: number of classes.
        compile: function that compiles the model it is given, `(model, hp) -> None`. Defaults to Adam at the learning
            rate of `AdaptationSpace.defaults`, with loss and metrics of the task.
        kwargs: as for `GenotypeHyperModel`: `batch_size`, `epochs`, `name`, `task`, and `seed` of what is drawn.

    Raises:
        TypeError: if `space` is not an `AdaptationSpace`.
        ValueError: as `GenotypeHyperModel` does.

    Example:

    >>> from kerasnas.starts import AdaptationSpace
    >>> space = AdaptationSpace(starts=["efficientnet_lite0"], sizes=(96, 128))
    >>> hypermodel = AdaptationHyperModel(space, input_shape=(32, 32, 3), num_classes=10)
    >>> print(hypermodel.genotype(keras_tuner.HyperParameters())["network"][0].primitive)
    efficientnet_lite0_96
    """

    @checks.arguments(space=AdaptationSpace)
    def __init__(
        self,
        space: AdaptationSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        compile: Callable[[keras.Model, Any], Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(space, input_shape, num_classes, compile or self._suited, **kwargs)

    def _suited(self, model: keras.Model, hp: keras_tuner.HyperParameters) -> None:
        TrainingRecipe(**self.space.defaults, task=self.task).compile_network(model, None)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Fit the head of a network that has none, in closed form; then train it. Returns the `History`."""
        arguments = self.fit_arguments(hp, kwargs)
        if not np.any(model.get_layer(HEAD).kernel):  # one that continues a trial has its head
            begin(model, *_samples(*args, **kwargs), self.task)
        if not model.trainable_variables:
            arguments["epochs"] = arguments.get("initial_epoch", 0) + 1
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _NOTHING_LEARNS)
            return model.fit(*args, **arguments)


def _samples(x: Any = None, y: Any = None, *others: Any, **kwargs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what `fit` with these arguments learns from, without the share that it validates on: the last, in Keras.

    Raises:
        FatalValueError: for images that are not from 0 to 1.
    """
    x, y = arrays_of("x", x) if is_dataset(x) else (np.asarray(x), np.asarray(y))
    if (largest := float(np.max(x))) > 1:
        raise FatalValueError(checks.invalid("x", "images from 0 to 1", f"values up to {largest:g}"))
    kept = math.floor(len(x) * (1 - (kwargs.get("validation_split") or 0.0)))
    return x[:kept], y[:kept]
