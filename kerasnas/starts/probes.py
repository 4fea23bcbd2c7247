"""Probes: what the frozen features of a start are worth on the data at hand, in closed form, within seconds."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from kerasnas.companions.kernels import ridge
from kerasnas.companions.linear import mix
from kerasnas.starts.adapted import FEATURES, HEAD, LAST, QUARTERS
from kerasnas.tasks import Task

_NORM = 100.0  # squared length of standardized features: the head learns at the network's learning rate
_FLOOR = 0.01  # added to the deviation of each feature
_SCALE, _SCALE_STRENGTH = 3.0, 1.0  # of outputs fitted to -1 and 1, as logits: the usual one; in samples
_BATCH = 100
_MOST = 4000  # samples that a head is fitted to: the time of the fit grows with the cube of their number


@dataclasses.dataclass(frozen=True)
class Head:
    """A linear model of the features of a network, by ridge regression.

    Features are standardized; the penalty is the one that is best where each sample is left out; outputs become logits
    by a factor, chosen likewise.

    Attributes:
        mean, deviation: of each feature.
        weights: of each feature, as it is, for each output.
        bias: of each output.
        left_out: for each sample, the outputs of the regression on all others: evidence that costs nothing.
    """

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    left_out: np.ndarray

    @classmethod
    def fitted(cls, features: np.ndarray, y: np.ndarray, task: Task, outputs: int) -> Head:
        """Return the head that is fitted to features `(samples, features)` and labels."""
        mean, deviation = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float) + _FLOOR
        weights, bias, left_out = ridge(features, task.ridge_targets(task.targets(y, outputs)))
        scale = float(mix(task, [left_out], y, [_SCALE if task.logits else 1.0], _SCALE_STRENGTH)[0])
        return cls(mean, deviation, scale * weights, scale * bias, scale * left_out)

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Return the outputs for features of other samples."""
        return features @ self.weights + self.bias

    def give(self, model: keras.Model) -> None:
        """Make this the head of a network that `AdaptationSpace` builds."""
        standardize, head = model.get_layer(FEATURES), model.get_layer(HEAD)
        spread = self.deviation * math.sqrt(len(self.mean) / _NORM)
        standardize.set_weights([self.mean, spread**2])
        spread = np.sqrt(spread**2 + standardize.epsilon)
        head.set_weights([self.weights * spread[:, None], self.bias + self.mean @ self.weights])


def features_of(model: keras.Model, x: Any) -> np.ndarray:
    """Return what the head of a network reads of images, `(samples, features)`.

    Args:
        model: as `AdaptationSpace` builds it.
        x: images from 0 to 1.
    """
    reader = keras.Model(model.input, model.get_layer(FEATURES).input)
    reader.compile(jit_compile=False)
    return reader.predict(x, batch_size=_BATCH, verbose=0)


def widths(model: keras.Model) -> dict[str, int]:
    """Return, for each head, how many of the features it reads that `"grid"` reads, the model's own head: the first."""
    width = model.get_layer(FEATURES).input.shape[-1]
    quarters = model.get_layer(QUARTERS).output.shape[-1]
    return {"last": model.get_layer(LAST).output.shape[-1], "stages": width - quarters, "grid": width}


def begin(model: keras.Model, x: Any, y: np.ndarray, task: Task) -> Head:
    """Give a network the head that ridge regression finds on its features, as they are.

    A tuned network that begins so keeps what its start knows: a drawn head would first destroy some of it.

    Args:
        model: as `AdaptationSpace` builds it.
        x: images to learn from, from 0 to 1; beyond 4000, that many evenly spread.
        y: their labels.
        task: what they are.

    Returns:
        The head.

    Example:

        model = space.build_network(genotype, input_shape=(32, 32, 3), num_classes=10)
        head = kerasnas.starts.begin(model, x, y, kerasnas.tasks.task("classification"))

    Reference:
        Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022 (arXiv
        2202.10054); the linear model is logistic there.
    """
    if len(x) > _MOST:
        kept = np.linspace(0, len(x) - 1, _MOST).astype(int)
        x, y = x[kept], np.asarray(y)[kept]
    head = Head.fitted(features_of(model, x), y, task, model.get_layer(HEAD).units)
    head.give(model)
    return head
