"""The terms of each level's gradient, against an independent tape; and the two steps in closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import BilevelTrainer
from tests.trainers.kit import halves, same, state_of


def independent(model, batch, variables, decay, add_losses=False):
    """Loss and decayed gradient by a plain tape on the model's own variables."""
    x, y = batch
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True))
        if add_losses:
            loss += tf.add_n(model.losses)
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return loss, [g + decay * tf.convert_to_tensor(v) for g, v in zip(gradients, variables, strict=True)]


def assert_close(received, expected, dtype="float32"):
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-6}
    assert len(received) == len(expected) > 0
    for first, second in zip(received, expected, strict=True):
        np.testing.assert_allclose(np.asarray(first), np.asarray(second), **tolerance)


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_gradients_equal_an_independent_tape(dtype_policy, precision, space, data, validation):
    dtype_policy(precision)
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 3), weight_decay=0.05, architecture_weight_decay=0.5)
    search.compile()
    training, held_out = batch = halves(data, validation, dtype=precision)
    state = state_of(search)
    assert {value.dtype.name for value in state[0] + state[1]} == {precision}
    (val_loss, _), alpha_gradients = search.architecture_gradients(*state, batch)
    ((loss, _), _), weight_gradients = search.network_gradients(*state, batch)

    twin = space.build_supernet((8, 8, 1), 3)
    expected_val_loss, expected = independent(twin, held_out, twin.architecture_parameters, 0.5)
    assert_close(alpha_gradients, expected, precision)
    assert_close([val_loss], [expected_val_loss], precision)
    expected_loss, expected = independent(twin, training, twin.network_weights, 0.05)
    assert_close(weight_gradients, expected, precision)
    assert_close([loss], [expected_loss], precision)


def test_regularizers_of_a_users_layers_count(user_model, data, validation):
    """Both the kernel's and the activity's: their gradient is part of either level's."""
    search = BilevelTrainer(user_model(dropout=0.0), weight_decay=0.0, architecture_weight_decay=0.0)
    search.compile()
    training, held_out = batch = halves(data, validation)
    state = state_of(search)
    (_, _), alpha_gradients = search.architecture_gradients(*state, batch)
    ((loss, _), _), weight_gradients = search.network_gradients(*state, batch)
    twin = user_model(dropout=0.0)
    weights = [v for v in twin.trainable_variables if "alphas" not in v.path]
    alphas = [v for v in twin.trainable_variables if "alphas" in v.path]
    expected_loss, expected = independent(twin, training, weights, 0.0, add_losses=True)
    assert_close([loss], [expected_loss])
    assert_close(weight_gradients, expected)
    assert_close(alpha_gradients, independent(twin, held_out, alphas, 0.0, add_losses=True)[1])
    plain = independent(twin, training, weights, 0.0)[1]
    assert not np.allclose(np.asarray(weight_gradients[-2]), np.asarray(plain[-2]), atol=1e-2)


def test_each_level_reads_its_own_half_only(make_search, data, validation):
    search = make_search()
    training, held_out = halves(data, validation)
    other = tuple(tensor[::-1] for tensor in halves(validation, data)[0])
    state = state_of(search)

    def alpha_gradients(*batch):
        return search.architecture_gradients(*state, batch)[1]

    def weight_gradients(*batch):
        return search.network_gradients(*state, batch)[1]

    assert same(alpha_gradients(training, held_out), alpha_gradients(other, held_out))
    assert not same(alpha_gradients(training, held_out), alpha_gradients(training, other))
    assert same(weight_gradients(training, held_out), weight_gradients(training, other))
    assert not same(weight_gradients(training, held_out), weight_gradients(other, held_out))


def test_step_in_closed_form(make_search, plain_rates, data, validation, space, supernet):
    """Alphas first, then the weights at the new alphas; the moving statistics of the training pass alone."""
    rate, architecture_rate = 0.5, 2.0
    decays = {"weight_decay": 0.05, "architecture_weight_decay": 0.5}
    search = make_search(supernet=supernet, compile=plain_rates(rate, architecture_rate), **decays)
    training, held_out = batch = halves(data, validation)
    search.train_step(batch)

    twin = space.build_supernet((8, 8, 1), 3)
    statistics = [v.numpy() for v in twin.non_trainable_variables]
    gradients = independent(twin, held_out, twin.architecture_parameters, 0.5)[1]
    for variable, gradient in zip(twin.architecture_parameters, gradients, strict=True):
        variable.assign_sub(architecture_rate * gradient)
    for variable, value in zip(twin.non_trainable_variables, statistics, strict=True):
        variable.assign(value)  # the tape's pass over the validation data moved them
    gradients = independent(twin, training, twin.network_weights, 0.05)[1]
    for variable, gradient in zip(twin.network_weights, gradients, strict=True):
        variable.assign_sub(rate * gradient)
    assert_close(search.architecture_parameters, twin.architecture_parameters)
    assert_close(search.network_weights, twin.network_weights)
    assert_close(search.supernet.non_trainable_variables, twin.non_trainable_variables)
    own = zip(twin.non_trainable_variables, statistics, strict=True)
    moved = [np.array_equal(v.numpy(), s) for v, s in own if "moving" in v.path]
    assert not any(moved)


def test_partition_and_merge_are_inverse(make_search):
    search = make_search()
    numbers = list(range(len(search.trainable_variables)))
    weights, alphas = search.partition(numbers)
    assert len(alphas) == len(search.architecture_parameters) == 1
    assert search.merge(weights, alphas) == numbers
    together = [*search.network_weights, *search.architecture_parameters]
    assert {id(v) for v in together} == {id(v) for v in search.trainable_variables}
