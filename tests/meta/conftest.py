"""Tiny models and tasks that the tests of this folder share."""

import keras
import numpy as np
import pytest

from kerasnas.datasets import TaskFamily
from kerasnas.datasets.tasks import Episode
from kerasnas.primitives.normalization import BatchNorm


class Images(TaskFamily):
    """Two classes of noisy 6x6 images: a random template each."""

    input_shape = (6, 6, 1)

    def __init__(self, shots=2, query_shots=3, seed=0, dtype="float32"):
        super().__init__(seed)
        self.shots, self.query_shots, self.dtype = shots, query_shots, dtype

    def draw(self, rng):
        templates = rng.standard_normal((2, *self.input_shape))
        parts = []
        for shots in (self.shots, self.query_shots):
            y = np.repeat(np.arange(2), shots).astype("int32")
            x = templates[y] + 0.3 * rng.standard_normal((len(y), *self.input_shape))
            parts.append((x.astype(self.dtype), y))
        return Episode(*parts)


@pytest.fixture
def image_tasks():
    return Images


@pytest.fixture
def make_network():
    """A factory of a convolution, a normalization and a linear head; smooth, for finite differences."""

    def make(normalization=BatchNorm, classes=2, activation="tanh"):
        inputs = keras.Input(Images.input_shape)
        x = keras.layers.Conv2D(3, 3, strides=2, kernel_initializer=keras.initializers.GlorotUniform(1))(inputs)
        x = keras.layers.Activation(activation)(normalization()(x))
        x = keras.layers.Flatten()(x)
        return keras.Model(
            inputs, keras.layers.Dense(classes, kernel_initializer=keras.initializers.GlorotUniform(2))(x)
        )

    return make
