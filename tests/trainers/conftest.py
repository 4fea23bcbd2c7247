"""Tiny searches that the tests of this folder share."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, DARTSSpace, MixedOp
from kerasnas.primitives.normalization import BatchNorm

SHAPE, CLASSES = (8, 8, 1), 3
SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "dil_conv_3x3"])


def _images(count, seed):
    rng = np.random.default_rng(seed)
    return rng.random((count, *SHAPE)).astype("float32"), rng.permutation(np.arange(count) % CLASSES)


@pytest.fixture(scope="session")
def data():
    """32 training images with labels."""
    return _images(32, seed=1)


@pytest.fixture(scope="session")
def validation():
    """24 other images with labels."""
    return _images(24, seed=2)


@pytest.fixture(scope="session")
def few(data):
    """16 of the training images: two batches of eight, or one from either half."""
    return tuple(part[:16] for part in data)


@pytest.fixture(scope="session")
def few_held_out(validation):
    """16 of the other images."""
    return tuple(part[:16] for part in validation)


@pytest.fixture
def float64(dtype_policy):
    dtype_policy("float64")


@pytest.fixture(scope="session")
def space():
    return SPACE


@pytest.fixture
def supernet():
    return SPACE.build_supernet(SHAPE, CLASSES)


@pytest.fixture(scope="session")
def make_search():
    """A factory of compiled trainers: arguments of the trainer, and of `compile` as a dictionary.

    Plain ones: without the auxiliary skip connection, which the closed forms know nothing of; of one choice in a
    model, a fifth of the work of a supernet of the space, which is `supernet` where the space has a part in the test.
    """

    def build(seed):
        start = [keras.initializers.GlorotUniform(seed=10 * seed + number) for number in (1, 2)]
        inputs = keras.Input(SHAPE)
        x = BatchNorm()(keras.layers.Conv2D(2, 3, kernel_initializer=start[0])(inputs))
        x = MixedOp(["none", "skip_connect", "avg_pool_3x3"], filters=2, seed=seed)(x)
        outputs = keras.layers.Dense(CLASSES, kernel_initializer=start[1])(keras.layers.Flatten()(x))
        return keras.Model(inputs, outputs)

    def make(seed=0, compile=None, supernet=None, **arguments):
        supernet = build(seed) if supernet is None else supernet
        search = BilevelTrainer(supernet, **{"auxiliary_skip": 0.0, "architecture_warmup_epochs": 0, **arguments})
        search.compile(**{"run_eagerly": True, **(compile or {})})
        return search

    return make


@pytest.fixture(scope="session")
def plain_rates():
    """A factory of `compile` arguments: plain gradient descent at the two given rates."""

    def rates(rate, architecture_rate):
        return {
            "optimizer": keras.optimizers.SGD(rate),
            "architecture_optimizer": keras.optimizers.SGD(architecture_rate),
        }

    return rates


@pytest.fixture(scope="session")
def user_model():
    """A factory of a user's own functional model with two mixed operations, regularizers and dropout in it."""

    def build(dropout=0.5):
        inputs = keras.Input(SHAPE)
        x = keras.layers.Conv2D(2, 3, kernel_initializer=keras.initializers.GlorotUniform(seed=1))(inputs)
        x = MixedOp(["skip_connect", "avg_pool_3x3"], filters=2, name="first_choice")(x)
        x = MixedOp(["none", "skip_connect", "max_pool_3x3"], filters=2, name="second_choice", seed=1)(x)
        x = keras.layers.Flatten()(x)
        x = keras.layers.Dropout(dropout, seed=3)(x)
        outputs = keras.layers.Dense(
            CLASSES,
            kernel_initializer=keras.initializers.GlorotUniform(seed=2),
            kernel_regularizer=keras.regularizers.L2(0.7),
            activity_regularizer=keras.regularizers.L2(0.1),
        )(x)
        return keras.Model(inputs, outputs, name="own_model")

    return build
