"""Heads of networks made from a start: their layers, and how they are fitted to frozen features."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasnas.companions.base import Weights
from kerasnas.companions.kernels import ridge_logits
from kerasnas.intervals import standard_error
from kerasnas.tasks import Task

HEADS = ("last", "stages", "grid")
"""What the linear head reads: means of the last map; of every readout; of every readout, and of each quarter."""
COMPARED = "compared"
"""The head that compares the quarters of an image, each of which the network sees alone; and a layer of it."""
FEATURES, HEAD, LAST, QUARTERS = "features", "logits", "last", "quarters"
"""Names of the layers that standardize features, of the last one, and of two parts of what it reads."""
_PARTS = 4  # quarters of an image
_PROJECTION = "projection"  # name of the layer that learns which features matter
_DIMENSIONS, _DROPOUT = 64, 0.8  # of what is compared; share of the features that a step leaves out
_RATE, _DECAY, _BATCH = 1e-3, 1e-3, 64
_STEPS, _EPOCHS = 3000, 80  # at most
_PACE = 8e-6  # seconds of a step, for each feature of a quarter
_NORM = 100.0  # squared length of standardized features: the head learns at the network's learning rate
_FLOOR = 0.01  # added to the deviation of each feature


def linear(maps: Sequence[Any], head: str, outputs: int, learns: bool) -> Any:
    """Return the outputs of a linear head, which is zero, for the maps that it may read, the last one last."""
    features = [layers.GlobalAveragePooling2D(name=LAST)(maps[-1])]  # heads read what heads before them read
    if head != "last":
        features += [layers.GlobalAveragePooling2D()(x) for x in maps[:-1]]
    if head == "grid":
        quarter = [math.ceil(side / 2) for side in maps[-1].shape[1:3]]
        features.append(layers.Flatten(name=QUARTERS)(layers.AveragePooling2D(quarter, padding="same")(maps[-1])))
    x = _standardized(layers.Concatenate()(features) if len(features) > 1 else features[0])
    return layers.Dense(outputs, kernel_initializer="zeros", dtype="float32", name=HEAD, trainable=learns)(x)


def comparing(last: Any, outputs: int, learns: bool) -> Any:
    """Return the outputs of a head that compares, for the last maps of the quarters of each image, one after another.

    Standardized features are projected; the six cosines of each two projections, in ascending order, pass a dense
    layer. What it finds does not depend on the order of the quarters.
    """
    x = layers.GlobalAveragePooling2D(name=LAST)(last)
    return _compared(ops.reshape(x, (-1, _PARTS * x.shape[-1])), outputs, learns)


def _compared(x: Any, outputs: int, learns: bool) -> Any:
    x = layers.Reshape((_PARTS, x.shape[-1] // _PARTS))(_standardized(x))
    x = layers.Dropout(_DROPOUT, seed=0)(x)
    x = layers.Dense(_DIMENSIONS, use_bias=False, name=_PROJECTION, trainable=learns)(x)
    x = layers.UnitNormalization()(x)
    pairs = itertools.combinations(range(_PARTS), 2)
    cosines = layers.Concatenate()([ops.sum(x[:, i] * x[:, j], axis=-1, keepdims=True) for i, j in pairs])
    x = layers.BatchNormalization(name=COMPARED, trainable=learns)(ops.sort(cosines, axis=-1))
    return layers.Dense(outputs, dtype="float32", name=HEAD, trainable=learns)(x)


def _standardized(x: Any) -> Any:
    return layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, trainable=False, name=FEATURES)(x)


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
    def fitted(cls, features: np.ndarray, y: np.ndarray, task: Task, outputs: int, weights: Weights = None) -> Head:
        """Return the head that is fitted to features `(samples, features)` and labels, which count by their weights."""
        mean, deviation = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float) + _FLOOR
        return cls(mean, deviation, *ridge_logits(features, y, task, outputs, weights))

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Return the outputs for features of other samples."""
        return features @ self.weights + self.bias

    def merit(self, task: Task, held_out: np.ndarray, y: np.ndarray, weights: Weights = None) -> float:
        """Return the mean score of the samples held out, given theirs, and of those to learn from, labeled `y`."""
        return float(np.concatenate([task.metric_scores(self.left_out, y, weights), held_out]).mean())

    def give(self, model: keras.Model) -> None:
        """Make this the head of a network that `AdaptationSpace` builds."""
        standardize, head = model.get_layer(FEATURES), model.get_layer(HEAD)
        spread = self.deviation * math.sqrt(len(self.mean) / _NORM)
        standardize.set_weights([self.mean, spread**2])
        spread = np.sqrt(spread**2 + standardize.epsilon)
        head.set_weights([self.weights * spread[:, None], self.bias + self.mean @ self.weights])


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A head that compares, fitted to features by gradient descent: that has no closed form.

    Attributes:
        model: from the features of all quarters, `(samples, 4 * features)`, to outputs.
    """

    model: keras.Model

    @classmethod
    def fitted(
        cls, features: np.ndarray, y: np.ndarray, task: Task, outputs: int, weights: Weights = None
    ) -> Comparison:
        """Return the head that is fitted to features and labels, which count by their weights."""
        inputs, rng = keras.Input(features.shape[1:]), np.random.default_rng(0)
        model = keras.Model(inputs, _compared(inputs, outputs, learns=True))
        for name in (_PROJECTION, HEAD):
            kernel = model.get_layer(name).kernel
            kernel.assign(rng.standard_normal(kernel.shape) / math.sqrt(kernel.shape[0]))
        each = features.reshape(len(features) * _PARTS, -1)
        spread = np.tile([each.mean(axis=0), (each.std(axis=0) + _FLOOR) ** 2], _PARTS)
        model.get_layer(FEATURES).set_weights(list(spread))
        steps = _steps(len(features))
        rate = keras.optimizers.schedules.CosineDecay(_RATE, steps)
        model.compile(keras.optimizers.AdamW(rate, weight_decay=_DECAY), task.loss(), jit_compile=False)
        rounds = -(-steps * _BATCH // len(features))
        rows = np.concatenate([rng.permutation(len(features)) for _ in range(rounds)])
        for batch in rows[: steps * _BATCH].reshape(steps, _BATCH):
            model.train_on_batch(features[batch], y[batch], None if weights is None else weights[batch])
        return cls(model)

    @staticmethod
    def seconds(samples: int, features: int) -> float:
        """Return about how long a fit takes, for so many features of each quarter."""
        return _steps(samples) * features * _PACE

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Return the outputs for features of other samples."""
        return np.asarray(self.model.predict_on_batch(features))

    def merit(self, task: Task, held_out: np.ndarray, y: np.ndarray, weights: Weights = None) -> float:
        """Return the mean score of the samples held out, less its standard error; see `Head.merit`."""
        return float(held_out.mean()) - standard_error(held_out)

    def give(self, model: keras.Model) -> None:
        """Make this the head of a network that `AdaptationSpace` builds."""
        for name in (FEATURES, _PROJECTION, COMPARED, HEAD):
            model.get_layer(name).set_weights(self.model.get_layer(name).get_weights())


FittedHead = Head | Comparison


def kind_of_head(model: keras.Model) -> type[FittedHead]:
    """Return the class of the heads that are fitted to the features of a network."""
    return Comparison if any(layer.name == COMPARED for layer in model.layers) else Head


def _steps(samples: int) -> int:
    return min(_STEPS, -(-_EPOCHS * samples // _BATCH))
