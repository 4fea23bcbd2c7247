"""The recipe's optimizer and loss, in closed form."""

import json

import keras
import numpy as np
import pytest

from kerasnas.tasks.classification import SmoothedCrossentropy
from kerasnas.training.recipe import TrainingRecipe


def network():
    inputs = keras.Input((3,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(2)(inputs))
    return keras.Model(inputs, keras.layers.Dense(4)(x))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_loss_is_the_cross_entropy_against_smoothed_labels(smoothing):
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)(
        np.eye(4)[labels], logits
    )
    for shape in ((6,), (6, 1)):
        found = SmoothedCrossentropy(smoothing)(labels.reshape(shape), logits)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    again = keras.losses.deserialize(keras.losses.serialize(SmoothedCrossentropy(smoothing)))
    assert again.label_smoothing == smoothing


def test_weights_decay_but_biases_and_batch_norm_do_not():
    """With gradients of zero a step takes learning rate times decay off each weight."""
    model = TrainingRecipe(learning_rate=0.1, weight_decay=0.5).compile_network(network(), None)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    model.optimizer.apply([np.zeros(v.shape, "float32") for v in model.trainable_variables], model.trainable_variables)
    for variable in model.trainable_variables:
        expected = 1 - 0.1 * 0.5 if variable.path.endswith("kernel") else 1.0
        np.testing.assert_allclose(variable, np.full(variable.shape, expected), rtol=1e-6, err_msg=variable.path)


def test_without_a_number_of_steps_the_learning_rate_is_set_by_whoever_trains():
    model = TrainingRecipe(learning_rate=0.3).compile_network(network(), None)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.3)
    model.optimizer.learning_rate.assign(0.2)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    scheduled = TrainingRecipe(learning_rate=0.3).compile_network(network(), 10)
    assert float(scheduled.optimizer.learning_rate) == pytest.approx(0.3)
    scheduled.optimizer.iterations.assign(10)
    assert float(scheduled.optimizer.learning_rate) == pytest.approx(0.0)


def test_the_settings_of_a_result_are_json():
    record = TrainingRecipe(3, 8, 0.2, weight_decay=0.1).settings()
    assert record == json.loads(json.dumps(record)) and record == TrainingRecipe(**record).settings()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        *(({name: value}, ValueError) for name, value in (("epochs", 0), ("batch_size", 2.5), ("learning_rate", 0))),
        *(({name: value}, ValueError) for name, value in (("weight_decay", -1), ("label_smoothing", "much"))),
        ({"label_smoothing": 1.0}, ValueError),
        *(({name: name}, TypeError) for name in ("augment", "compile")),
    ],
)
def test_bad_input(wrong, error):
    with pytest.raises(error, match=f"`{next(iter(wrong))}`"):
        TrainingRecipe(**wrong)
