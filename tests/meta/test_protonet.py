"""ProtoNet: closed forms, finite differences, what adaptation returns, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.datasets.sinusoids import SinusoidTasks
from kerasnas.datasets.tasks import Episode
from kerasnas.meta import ProtoNet, ReptileInitializer
from kerasnas.networks.few_shot import prototype_head
from tests.meta.kit import arrays, assert_central_differences, assert_saved_whole, gradients_of, same, state_of


def test_logits_are_negative_squared_distances_but_for_a_constant_of_each_query():
    """Means (2, 0) and (0, 1); the query (1, 1) has squared distances 2 and 1: logits 0 and 1, a difference of 1."""
    kernel, bias = prototype_head(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(kernel, [[4, 0], [0, 2]])
    np.testing.assert_allclose(bias, [-4, -1])
    np.testing.assert_allclose(np.array([1.0, 1.0]) @ ops.convert_to_numpy(kernel) + bias, [0, 1])


def test_a_class_without_samples_is_never_predicted_and_its_weights_are_finite():
    kernel, bias = (ops.convert_to_numpy(part) for part in prototype_head(np.full((2, 3), 1e3), np.array([0, 2]), 4))
    assert np.isfinite(kernel).all() and np.isfinite(bias).all()
    logits = np.full(3, -1e3) @ kernel + bias
    assert set(np.argsort(logits)[:2]) == {1, 3}


@pytest.fixture
def linear(dtype_policy):
    """A linear embedding in float64, and its learner."""
    dtype_policy("float64")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False), keras.layers.Dense(2)])
    model.layers[0].kernel.assign(np.eye(2))
    learner = ProtoNet(model)
    learner.compile(run_eagerly=True)
    return learner


def test_the_loss_of_two_classes_by_hand(linear):
    """Distances 0 and 5 of the first query, 8 and 5 of the second one, whose nearest mean is of the other class."""
    support = np.array([[0.0, 0.0], [1.0, 2.0]])[None], np.array([[0, 1]])
    query = np.array([[0.0, 0.0], [2.0, 2.0]])[None], np.array([[0, 0]])
    (results, _), _ = linear.meta_gradients(*state_of(linear), (support, query))
    np.testing.assert_allclose(results["loss"][0], (np.log1p(np.exp(-5)) + np.log1p(np.exp(7))) / 2)


@pytest.mark.parametrize("classes", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_gradients_are_slopes_through_prototypes_and_batch_norm(dtype_policy, make_network, image_tasks, classes):
    dtype_policy("float64")
    learner, tasks = ProtoNet(make_network(classes=classes)), image_tasks(dtype="float64").batch(0, 2)
    tasks = Episode(tasks.support, (tasks.query[0], 1 - tasks.query[1]))  # wrong, so that the loss is not near 0
    learner.compile(run_eagerly=True)
    received = gradients_of(learner, tasks)
    assert_central_differences(learner, tasks, received, ("conv", "norm"))
    assert all(not np.any(part) for name, part in received.items() if "dense" in name)  # prototypes take their place


def test_the_loss_of_the_networks_own_layers_counts():
    penalty = keras.regularizers.L2(0.5)
    embedding = keras.layers.Dense(2, kernel_regularizer=penalty, kernel_initializer="identity")
    learner = ProtoNet(keras.Sequential([keras.Input((2,)), embedding, keras.layers.Dense(2)]))
    learner.compile(run_eagerly=True)
    same_images = np.zeros((1, 2, 2)), np.array([[0, 1]])
    (results, _), _ = learner.meta_gradients(*state_of(learner), (same_images, same_images))
    np.testing.assert_allclose(results["loss"][0], np.log(2) + 0.5 * 2, rtol=1e-6)


@pytest.fixture
def learner(make_network):
    made = ProtoNet(make_network(classes=3))
    made.compile()
    return made


def test_adaptation_does_not_depend_on_the_order_of_the_support_set_or_on_steps(learner, image_tasks):
    episode, order = image_tasks().episode(0), [2, 0, 3, 1]
    (x, y), query = episode.support, episode.query
    first, second = (learner.adapt(Episode((x[rows], y[rows]), query)) for rows in (slice(None), order))
    for one, other in zip(arrays(first.variables), arrays(second.variables), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    same(arrays(first.variables), arrays(learner.adapt(episode, steps=7).variables))


@pytest.mark.usefixtures("eagerly")
def test_an_adapted_model_predicts_the_class_of_the_nearest_mean(learner, image_tasks):
    """Two of the three outputs have samples; evaluation counts what the adapted model predicts."""
    learner.fit(image_tasks(), steps=1, tasks=1, verbose=0)
    episode = image_tasks(query_shots=8).episode(5)
    model, (x, y), (queries, labels) = learner.adapt(episode), episode.support, episode.query
    features = keras.Model(model.inputs, model.layers[-1].input)
    means = np.stack([features.predict(x[y == label], verbose=0).mean(axis=0) for label in range(2)])
    np.testing.assert_allclose(model.layers[-1].kernel[:, :2], 2 * means.T, rtol=1e-4, atol=1e-5)
    distances = ((features.predict(queries, verbose=0)[:, None] - means) ** 2).sum(axis=-1)
    predicted = model.predict(queries, verbose=0).argmax(axis=-1)
    np.testing.assert_array_equal(predicted, distances.argmin(axis=-1))
    sampler = image_tasks(query_shots=8)
    sampler.seed, sampler.draw = 0, lambda rng: episode
    found = learner.evaluate(sampler, episodes=1)
    np.testing.assert_allclose(found["accuracy"].mean, (predicted == labels).mean())


@pytest.mark.slow
def test_it_learns_and_predictions_use_the_learned_statistics(learner, image_tasks):
    before = arrays(learner.model.non_trainable_variables)
    history = learner.fit(image_tasks(), steps=40, tasks=2, steps_per_epoch=20, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0] and int(learner.meta_steps) == 40
    adapted = learner.adapt(image_tasks().episode(9))
    same(arrays(adapted.non_trainable_variables), arrays(learner.model.non_trainable_variables))
    after = arrays(adapted.non_trainable_variables)
    assert all(np.abs(one - other).max() > 0.01 for one, other in zip(before, after, strict=True))


@pytest.mark.usefixtures("eagerly")
def test_it_is_saved_whole_and_as_an_initialization(learner, image_tasks, tmp_path):
    learner.fit(image_tasks(), steps=1, tasks=1, verbose=0)
    assert_saved_whole(learner, tmp_path)
    ReptileInitializer.from_learner(learner).save(tmp_path / "start")
    loaded = ReptileInitializer.load(tmp_path / "start").learner()
    assert isinstance(loaded, ProtoNet)
    loaded.compile()
    same(*(arrays(each.adapt(image_tasks().episode(1)).variables) for each in (learner, loaded)))


@pytest.mark.parametrize(
    "head", [{"activation": "softmax"}, {"use_bias": False}, {}], ids=["an activation", "no bias", "a layer behind it"]
)
def test_a_model_without_a_linear_head_is_refused(head):
    layers = [keras.Input((2,)), keras.layers.Dense(3, **head)]
    with pytest.raises(ValueError, match="ends in a `Dense` layer with a bias"):
        ProtoNet(keras.Sequential([*layers, *([] if head else [keras.layers.ReLU()])]))


def test_targets_that_are_no_classes_are_refused():
    learner = ProtoNet(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    learner.compile(loss="mse")
    with pytest.raises(ValueError, match="integer labels"):
        learner.fit(SinusoidTasks(), steps=1, verbose=0)
