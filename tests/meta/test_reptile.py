"""Reptile and its inner optimizers: closed forms, the published step, and what carries over from task to task."""

import keras
import numpy as np
import pytest

from kerasnas.datasets.tasks import Episode
from kerasnas.meta import Reptile
from kerasnas.meta.functional import minibatches
from tests.meta.kit import arrays, gradients_of


def test_one_step_of_gradient_descent_is_joint_training(dtype_policy, make_network, image_tasks):
    """`w - w' = rate grad L`: the mean over tasks is the gradient of the mean loss, times the rate."""
    import tensorflow as tf

    dtype_policy("float64")
    network, tasks = make_network(), image_tasks(query_shots=0, dtype="float64").batch(0, 3)
    learner = Reptile(network, inner_steps=1, inner_optimizer="sgd", inner_learning_rate=0.25, inner_batch_size=None)
    learner.compile(run_eagerly=True)
    received = gradients_of(learner, tasks)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        joint = sum(loss(y, network(x, training=True)) for x, y in zip(*tasks.support, strict=True)) / 3
    for mine, gradient in zip(received.values(), tape.gradient(joint, network.trainable_variables), strict=True):
        np.testing.assert_allclose(mine, 0.25 * gradient, rtol=1e-9, atol=1e-12)


def test_a_step_moves_the_start_to_the_mean_of_the_adapted_weights(make_network, image_tasks):
    network, tasks = make_network(), image_tasks(query_shots=0)
    learner = Reptile(network, inner_optimizer="sgd", inner_learning_rate=0.1, inner_batch_size=None)
    learner.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    before = arrays(network.trainable_variables)
    adapted = [arrays(learner.adapt(tasks.episode(i), steps=5).trainable_variables) for i in range(2)]
    learner.meta_step(tasks.batch(0, 2))
    for old, first, second, new in zip(before, *adapted, arrays(network.trainable_variables), strict=True):
        np.testing.assert_allclose(new, old + 0.5 * ((first + second) / 2 - old), rtol=1e-4, atol=1e-6)
        assert np.abs(new - old).max() > 1e-7 or np.abs(first - old).max() < 1e-6  # but a bias before batch norm


def test_second_moments_carry_over(make_network, image_tasks):
    learner = Reptile(make_network(), inner_steps=3, inner_batch_size=None)
    learner.compile(run_eagerly=True)
    for count in (1, 2):
        learner.meta_step(image_tasks(query_shots=0).batch(count, 2))
        assert float(learner._slots[0]) == 3 * count
    assert all(np.isfinite(slot).all() and slot.max() > 0 for slot in arrays(learner._slots[1:]))


def test_the_step_falls_to_zero(make_network, image_tasks):
    learner = Reptile(make_network(), inner_steps=2)
    learner.compile(run_eagerly=True)
    learner.fit(image_tasks(shots=5, query_shots=0), steps=2, tasks=1, steps_per_epoch=1, verbose=0)
    assert float(learner.optimizer.learning_rate) == 0.0 and int(learner.meta_steps) == 2


@pytest.mark.parametrize("samples, size, steps", [(50, 10, 5), (5, 2, 7), (4, 3, 1)])
def test_minibatches_go_through_all_samples(samples, size, steps):
    table = minibatches(samples, size, steps)
    assert table.shape == (steps, size)
    flat = table.reshape(-1)
    for start in range(0, len(flat) - samples + 1, samples):
        assert sorted(flat[start : start + samples]) == list(range(samples))
    assert minibatches(samples, None, steps) is None


def test_small_batches_use_different_samples(make_network, image_tasks):
    """With one sample a step and three steps, changing a sample that no step sees changes nothing."""
    seen = set(minibatches(8, 1, 3).reshape(-1).tolist())
    tasks = image_tasks(shots=4, query_shots=0)
    results = []
    for changed in (None, next(iter(seen)), next(iter(set(range(8)) - seen))):
        batch = tasks.batch(0, 1)
        x, y = batch.support
        if changed is not None:
            x = x.copy()
            x[0, changed] += 1
        learner = Reptile(make_network(), inner_steps=3, inner_batch_size=1, inner_optimizer="sgd")
        learner.compile(run_eagerly=True)
        learner.meta_step(Episode((x, y), batch.query))
        results.append(np.concatenate([v.ravel() for v in arrays(learner.trainable_variables)]))
    assert np.abs(results[0] - results[1]).max() > 0
    np.testing.assert_array_equal(results[0], results[2])
