"""AdaptationHyperModel: heads in closed form, stock tuners and our oracles, models that come back."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.starts import AdaptationSpace
from kerasnas.starts.adapted import FROZEN, TUNED
from kerasnas.starts.heads import HEAD
from tests.starts.kit import tiny_start
from tuners import AdaptationHyperModel

SHAPE, CLASSES = (16, 16, 1), 3


@pytest.fixture(autouse=True)
def space():
    sizes = {"sizes": (32,), "depths": (2, 3), "modes": (FROZEN, TUNED), "heads": ("last", "stages")}
    with tiny_start():
        yield AdaptationSpace(starts=["tiny"], **sizes)


def images(number, seed=0):
    """Three classes, one brighter than the other."""
    y = np.arange(number) % CLASSES
    return 0.3 * (np.random.default_rng(seed).random((number, *SHAPE), np.float32) + y[:, None, None, None]), y


X, Y = images(30)
HELD_OUT = images(12, seed=1)


def chosen(hypermodel, *modes):
    hp = keras_tuner.HyperParameters()
    hypermodel.genotype(hp)
    hp.values |= {"head": "stages", "stages": str(len(modes))}
    hp.values |= {f"stage/{number}": mode for number, mode in enumerate(modes, start=1)}
    return hp


@pytest.mark.usefixtures("eagerly")
def test_the_head_is_fitted_to_the_training_samples_alone(space):
    """Of a frozen network it stays, so that it is seen after the training: with Keras' split, and with a dataset."""
    hypermodel = AdaptationHyperModel(space, SHAPE, CLASSES)
    hp, wrong = chosen(hypermodel, FROZEN, FROZEN), (Y + 1) % CLASSES
    whole = hypermodel.build(hp)
    history = hypermodel.fit(hp, whole, X, Y, validation_data=HELD_OUT, epochs=5, verbose=0)
    assert history.epoch == [0] and history.history["val_accuracy"][0] > 0.9  # more epochs would say the same
    split = hypermodel.build(hp)
    x, y = np.concatenate([X, X[:15]]), np.concatenate([Y, wrong[:15]])
    hypermodel.fit(hp, split, x, y, validation_split=1 / 3, epochs=1, verbose=0)
    read = hypermodel.build(hp)
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(30).batch(7)
    hypermodel.fit(hp, read, batches, epochs=1, shuffle=False, verbose=0)
    for model in (split, read):
        np.testing.assert_allclose(model.predict(X, verbose=0), whole.predict(X, verbose=0), atol=1e-3)


def test_a_network_that_was_trained_keeps_its_head(space):
    hypermodel = AdaptationHyperModel(space, SHAPE, CLASSES)
    hp = chosen(hypermodel, FROZEN, FROZEN)
    model = hypermodel.build(hp)
    head = model.get_layer(HEAD)
    head.kernel.assign_add(np.ones(head.kernel.shape, np.float32))
    history = hypermodel.fit(hp, model, X, Y, initial_epoch=2, epochs=4, verbose=0)
    assert history.epoch == [2] and np.all(head.kernel == 1)


def test_it_is_compiled_as_suits_the_space(space):
    hypermodel = AdaptationHyperModel(space, SHAPE, CLASSES)
    hp = chosen(hypermodel, TUNED, FROZEN)
    model = hypermodel.build(hp)
    assert type(model.optimizer) is keras.optimizers.Adam
    assert float(model.optimizer.learning_rate) == pytest.approx(space.defaults["learning_rate"])
    own = AdaptationHyperModel(space, SHAPE, CLASSES, lambda model, hp: model.compile("sgd", "mse"))
    assert own.build(hp).optimizer.name.startswith("sgd")


def test_bad_input_is_an_error_that_ends_the_search(space):
    hypermodel = AdaptationHyperModel(space, SHAPE, CLASSES)
    hp = chosen(hypermodel, FROZEN, FROZEN)
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"images from 0 to 1\. Received: 'values up to 255'"):
        hypermodel.fit(hp, hypermodel.build(hp), np.full_like(X, 255), Y, verbose=0)
    with pytest.raises((TypeError, ValueError), match="`space`"):
        AdaptationHyperModel("adaptation", SHAPE, CLASSES)
