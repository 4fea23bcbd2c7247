"""The standardization that a deployed model starts with, read from its layers."""

import keras
import numpy as np
import pytest

from kerasnas.export.classifier import with_preprocessing
from kerasnas.modalities.fronts import Levels, Padding, Scaling
from kerasnas.networks.standardization import Standardization

LEVELS = Levels([1000.0, -1.0], [5.0, 0.5])
X = np.array([[[990.0, 0.5], [1010.0, -2.0], [np.nan, np.nan]]], "float32")
Rescaling, nan_to_num = keras.layers.Rescaling, keras.ops.nan_to_num


def deployed(front):
    inputs = keras.Input((3, 2))
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    return with_preprocessing(network, front=front)


@pytest.mark.parametrize("front", [LEVELS, Padding(LEVELS)])
@pytest.mark.parametrize("saved", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_levels_are_read_from_a_model(front, saved, tmp_path):
    model = deployed(front)
    if saved:
        model.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
    found = Standardization.of(model)
    assert found.offset == (1000.0, -1.0) and found.scale == (5.0, 0.5)
    np.testing.assert_allclose(found.apply(X), [[[-2, 3], [2, -2], [0, 0]]], rtol=1e-6)
    whole = X[:, :2].repeat(2, axis=1)[:, :3]
    answers = found.network.predict(found.apply(whole), verbose=0)
    np.testing.assert_allclose(answers, model.predict(whole, verbose=0), atol=1e-6)


def test_padding_alone_shifts_and_scales_nothing():
    found, model = Standardization.of(deployed(Padding())), deployed(Padding())
    assert found.offset == (0.0, 0.0) and found.scale == (1.0, 1.0)
    assert [type(one).__name__ for one in found.network.operations] == [
        type(one).__name__ for one in model.operations if type(one).__name__ != "NanToNum"
    ]


def test_numbers_of_each_channel_are_joined_in_their_order():
    """3 * ((x + 1) * 2 + 4) of the first channel is 6 * (x + 3)."""
    inputs = keras.Input((3, 2))
    x = Rescaling(3.0, [0.0, 1.0])(Rescaling([2.0, 1.0], [4.0, 0.0])(Rescaling(1.0, [1.0, 0.0])(inputs)))
    model = keras.Model(inputs, keras.layers.Flatten()(x))
    found = Standardization.of(model)
    np.testing.assert_allclose(found.offset, [-3, -1 / 3], rtol=1e-12)
    np.testing.assert_allclose(found.scale, [1 / 6, 1 / 3], rtol=1e-12)
    x = np.arange(6.0).reshape(1, 3, 2)
    np.testing.assert_allclose(found.apply(x).reshape(1, 6), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("layers", "operations"),
    [
        (lambda x: Rescaling(0.5)(x), None),  # of all channels
        (lambda x: keras.layers.ReLU()(x), None),
        (lambda x: Rescaling([0.5, 2.0])(x) + x, None),  # something else reads raw samples
        (lambda x: Rescaling([0.5, 2.0])(nan_to_num(x)), ["Rescaling", "Flatten"]),  # NaN is not 0 behind it
        (lambda x: keras.layers.ReLU()(Rescaling([0.5, 2.0])(x)), ["ReLU", "Flatten"]),
    ],
)
def test_a_model_starts_with_no_more_than_its_standardization(layers, operations):
    inputs = keras.Input((3, 2))
    found = Standardization.of(keras.Model(inputs, keras.layers.Flatten()(layers(inputs))))
    names = None if found is None else [type(one).__name__ for one in found.network.operations][1:]
    assert names == operations


def test_a_model_of_several_inputs_has_none():
    inputs, others = keras.Input((3, 2)), keras.Input((3, 2))
    x = keras.layers.Add()([Rescaling([0.5, 2.0])(inputs), others])
    assert Standardization.of(keras.Model([inputs, others], x)) is None


def test_what_makes_the_answers_stays():
    inputs = keras.Input((2,))
    assert Standardization.of(keras.Model(inputs, Rescaling([0.5, 2.0])(inputs))) is None
    assert Standardization.of(deployed(Scaling(255))) is None
