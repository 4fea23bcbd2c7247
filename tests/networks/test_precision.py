"""Networks computed in bfloat16: the same network in float32 afterwards."""

import keras
import numpy as np
import pytest

from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.networks.precision import BFLOAT16, FLOAT32, computing, forget
from kerasnas.racing.entrants.contestant import Contestant

RNG = np.random.default_rng(0)
X, Y = RNG.random((32, 8, 8, 3), np.float32), np.arange(32) % 3


def network(layer=keras.layers.Conv2D):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = layer(8, 3)(x) if layer is keras.layers.Conv2D else layer(3)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def policies(model):
    return {layer.dtype_policy.name for layer in flatten_layers(model)}


def test_convolutions_are_computed_in_bfloat16_and_nothing_else_changes():
    model = network()
    exact = np.array(model(X))
    with computing(model, BFLOAT16):
        rough = model(X)
        assert policies(model) == {"mixed_bfloat16", "float32"}
    assert str(rough.dtype) in ("float32", "<dtype: 'float32'>") and policies(model) == {"float32"}
    difference = np.abs(np.array(rough) - exact).max()
    assert 0 < difference < 0.02 * np.abs(exact).max() + 0.01
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)
    np.testing.assert_array_equal(model(X), exact)
    with computing(model, FLOAT32):
        assert policies(model) == {"float32"}


def test_networks_with_depthwise_convolutions_stay_as_they_are():
    model = network(keras.layers.DepthwiseConv2D)
    with computing(model, BFLOAT16):
        assert policies(model) == {"float32"}


def test_a_precision_is_tried_without_a_trace():
    contestant = Contestant(network(), ArrayBatches(X, Y, 16, seed=0), warmup=0)
    contestant.advance(lambda: 0.0, steps=3)
    arrays, record = contestant.state()
    ticks = iter(range(1000))
    assert contestant.seconds_in(BFLOAT16, lambda: next(ticks), steps=4) > 0
    again, found = contestant.state()
    assert found == record and contestant.precision == FLOAT32 and policies(contestant.model) == {"float32"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def test_where_the_loss_is_not_finite_a_precision_is_infinitely_slow():
    contestant = Contestant(network(), ArrayBatches(X, Y, 16, seed=0), warmup=0)
    contestant.advance(lambda: 0.0, steps=1)
    contestant.learning_rate = 1e38
    assert contestant.seconds_in(BFLOAT16, lambda: 0.0, steps=8) == float("inf") and contestant.steps == 1


@pytest.mark.slow
def test_what_is_delivered_is_float32():
    contestant = Contestant(network(), ArrayBatches(X, Y, 16, seed=0), precision=BFLOAT16)
    contestant.advance(lambda: 0.0, steps=8)
    contestant.scores(X, Y)  # traces
    model, fresh = contestant.delivered(), network()
    fresh.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(X, verbose=0), fresh.predict(X, verbose=0))


@pytest.mark.parametrize("precision", [BFLOAT16, pytest.param(FLOAT32, marks=pytest.mark.slow)])
def test_functions_are_traced_anew_when_they_are_forgotten(precision):
    model = network()
    exact = model.predict(X, verbose=0)
    forget(model)
    with computing(model, precision):
        assert np.array_equal(model.predict(X, verbose=0), exact) == (precision == FLOAT32)
