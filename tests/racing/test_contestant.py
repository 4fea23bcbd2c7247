"""A contestant: trained by the clock, compared by its average, resumed bit for bit."""

import keras
import numpy as np
import pytest

from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.training.recipe import TrainingRecipe
from tests.kit import Clock

RNG = np.random.default_rng(0)
Y = np.arange(96) % 3
X = (RNG.random((96, 6, 6, 1)) * 0.5 + Y[:, None, None, None] * 0.3).astype("float32")


def contestant(seed=0, rate=0.1, warmup=4, size=16):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    TrainingRecipe(learning_rate=rate, label_smoothing=0.1).compile_network(model, None)
    return Contestant(model, ArrayBatches(X, Y, size, seed=1), warmup)


def rates(entrant):
    """The learning rate of every step that it takes from now on."""
    seen, take = [], entrant._batch
    entrant._batch = lambda: (seen.append(float(entrant.model.optimizer.learning_rate)), take())[1]
    return seen


def test_it_is_trained_by_the_clock_or_by_steps():
    entrant, clock = contestant(), Clock()
    entrant.advance(clock, seconds=5)
    assert (entrant.steps, entrant.seconds) == (5, 5.0)
    entrant.advance(clock, steps=3)
    assert (entrant.steps, entrant.seconds) == (8, 8.0)
    entrant.advance(clock, seconds=0)
    assert entrant.steps == 8 and entrant.history["steps"] == [5, 8]
    assert list(entrant.history) == ["steps", "loss", "accuracy"] and len(entrant.history["loss"]) == 2


def test_learning_rate_warms_up_stays_and_follows_a_schedule():
    entrant = contestant(rate=0.8, warmup=4)
    seen = rates(entrant)
    entrant.advance(Clock(), steps=6)
    np.testing.assert_allclose(seen, [0.2, 0.4, 0.6, 0.8, 0.8, 0.8], rtol=1e-6)
    del seen[:]
    entrant.advance(Clock(), steps=4, schedule=lambda seconds: 1 - seconds / 4)
    np.testing.assert_allclose(seen, [0.8, 0.6, 0.4, 0.2], rtol=1e-6)


def test_it_resumes_bit_for_bit():
    whole, first = contestant(), contestant()
    whole.advance(Clock(), steps=17)
    for steps in (1, 7, 1):
        first.advance(Clock(), steps=steps)
    again = contestant(seed=7)
    again.set_state(*first.state())
    again.advance(Clock(), steps=8)
    for one, other in zip(whole.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.average.values, again.average.values, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (again.steps, again.seconds, again.history["steps"]) == (17, 17.0, [1, 8, 9, 17])
    assert whole.batches.epoch == again.batches.epoch == 16 // 6


def test_it_is_compared_by_its_average_and_trained_on_from_its_own_weights():
    entrant = contestant()
    entrant.advance(Clock(), steps=60)
    before = [weight.numpy() for weight in entrant.model.weights]
    assert entrant.scores(X, Y).mean() > 0.9
    for value in entrant.average.values:
        value[...] = 0.0
    assert entrant.scores(X, Y).mean() == pytest.approx(1 / 3)  # zeros: always the first class
    for weight, value in zip(entrant.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert not any(weight.numpy().any() for weight in entrant.delivered().weights)


def test_a_network_that_learns_in_closed_form_is_compared_and_delivered_as_it_was_fitted():
    inputs = keras.Input((6, 6, 1))
    head = keras.layers.Dense(3, trainable=False)
    model = keras.Model(inputs, head(keras.layers.Flatten()(inputs)))
    TrainingRecipe().compile_network(model, None)
    fitted = []

    def fit(model, x, y):
        fitted.append(len(x))
        head.set_weights([np.zeros((36, 3)), np.array([0.0, 9.0, 0.0])])

    entrant = Contestant(model, ArrayBatches(X, Y, 16), fit=fit)
    entrant.advance(Clock())
    np.testing.assert_array_equal(entrant.scores(X, Y), Y == 1)
    assert entrant.delivered().get_weights()[1].tolist() == [0, 9, 0] and fitted == [96]


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(NonFiniteError, match="within the first 8 steps"):
        contestant(rate=1e30, warmup=0).advance(Clock(), steps=8)
    entrant = contestant()
    entrant.average.values[-1][...] = np.nan
    with pytest.raises(NonFiniteError, match="outputs"):
        entrant.scores(X, Y)
