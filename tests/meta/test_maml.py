"""MAML and FOMAML: closed forms, finite differences, what each option does, and that they learn."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.datasets.sinusoids import SinusoidTasks
from kerasnas.datasets.tasks import Episode
from kerasnas.meta import MAML
from kerasnas.meta.functional import minibatches
from kerasnas.primitives.normalization import BatchNorm
from tests.meta.kit import arrays, assert_central_differences, gradients_of, linear_tasks


@pytest.fixture
def linear(dtype_policy):
    dtype_policy("float64")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign(np.random.default_rng(1).standard_normal((4, 1)))
    return model


# Exactness ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_linear_regression_in_closed_form(linear, first_order, steps):
    """`w' = A w + b` with `A = I - rate 2/n X'X`, so the gradient is `A^K' 2/m Xq'(Xq w_K - yq)`; FOMAML has no `A`."""
    rate, episode = 0.1, linear_tasks()
    learner = MAML(linear, first_order, steps, rate)
    learner.compile(loss="mse", run_eagerly=True)
    expected = 0.0
    for x, y, xq, yq in zip(*episode.support, *episode.query, strict=True):
        w, contraction = ops.convert_to_numpy(linear.layers[0].kernel), np.eye(4) - rate * 2 / len(x) * x.T @ x
        for _ in range(steps):
            w = w - rate * 2 / len(x) * x.T @ (x @ w - y)
        direct = 2 / len(xq) * xq.T @ (xq @ w - yq)
        expected = expected + (direct if first_order else np.linalg.matrix_power(contraction, steps) @ direct) / 3
    (received,) = gradients_of(learner, episode).values()
    assert np.linalg.norm(received - expected) <= 1e-8 * np.linalg.norm(expected)


NORMALIZATIONS = {
    "kerasnas": BatchNorm,
    "batch": keras.layers.BatchNormalization,
    "group": lambda: keras.layers.GroupNormalization(3),
    "layer": keras.layers.LayerNormalization,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_second_order_through_normalization_equals_central_differences(name, dtype_policy, make_network, image_tasks):
    dtype_policy("float64")
    learner = MAML(make_network(NORMALIZATIONS[name]), inner_steps=2, inner_learning_rate=0.3)
    learner.compile(run_eagerly=True)
    data = image_tasks(dtype="float64").batch(0, 2)
    assert_central_differences(learner, data, gradients_of(learner, data))


@pytest.mark.slow
def test_graph_and_eager_agree_and_every_variable_moves(make_network, image_tasks):
    tasks, trained = image_tasks().batch(0, 4), []
    for eager in (True, False):
        learner = MAML(make_network(), inner_steps=2, inner_learning_rate=0.1)
        learner.compile(keras.optimizers.SGD(0.5), run_eagerly=eager)
        before = arrays(learner.trainable_variables)
        learner.meta_step(tasks)
        trained.append(arrays(learner.trainable_variables))
        for variable, old, new in zip(learner.trainable_variables, before, trained[-1], strict=True):
            if not ("conv2d" in variable.path and "bias" in variable.path):  # batch norm takes it away: no gradient
                assert np.abs(new - old).max() > 1e-6, f"{variable.path} did not move"
    for eager, graph in zip(*trained, strict=True):
        np.testing.assert_allclose(eager, graph, rtol=1e-4, atol=1e-6)


# Options --------------------------------------------------------------------------------------------------
def test_anil_moves_the_head_alone(make_network, image_tasks):
    network = make_network()
    learner = MAML(network, inner_variables="head", inner_steps=3)
    learner.compile(run_eagerly=True)
    adapted = arrays(learner.adapt(image_tasks().episode(0)).trainable_variables)
    for variable, new in zip(network.trainable_variables, adapted, strict=True):
        assert (np.abs(arrays([variable])[0] - new).max() > 0) == variable.path.startswith("dense")


def test_learned_rates_start_at_the_given_one_and_get_a_gradient_each(make_network, image_tasks):
    learner = MAML(make_network(), inner_steps=2, inner_learning_rate=0.1, learn_inner_rates=True)
    learner.compile(run_eagerly=True)
    assert learner._rates.shape == (2, 3)  # steps x (convolution, batch norm, head)
    np.testing.assert_allclose(*arrays([learner._rates]), 0.1)
    assert (np.abs(gradients_of(learner, image_tasks().batch(0, 2))["inner_rates"]) > 1e-6).all()


def test_multi_step_loss_is_the_weighted_sum_over_the_steps(linear):
    def gradient(steps, **options):
        learner = MAML(linear, inner_steps=steps, inner_learning_rate=0.1, **options)
        learner.compile(loss="mse", run_eagerly=True)
        (found,) = gradients_of(learner, linear_tasks()).values()
        return found

    np.testing.assert_allclose(gradient(2, multi_step_loss_steps=1000), (gradient(1) + gradient(2)) / 2, rtol=1e-10)


def test_statistics_of_each_step(make_network, image_tasks):
    learner = MAML(make_network(), inner_steps=2, inner_learning_rate=0.5, per_step_statistics=True)
    learner.compile(run_eagerly=True)
    mean, variance = learner._step_statistics.tables
    assert mean.shape == variance.shape == (3, 3)  # two steps and the query, three channels
    learner.meta_step(image_tasks().batch(0, 4))
    rows = ops.convert_to_numpy(mean)
    assert (np.abs(rows) > 0).all() and np.abs(rows[0] - rows[1]).max() > 0 and np.abs(rows[1] - rows[2]).max() > 0
    adapted = learner.adapt(image_tasks().episode(9))
    norm = next(layer for layer in adapted.layers if hasattr(layer, "moving_mean"))
    np.testing.assert_allclose(ops.convert_to_numpy(norm.moving_mean), rows[2])


def test_statistics_of_each_step_in_closed_form():
    """Batch norm of the inputs: row k moves to the mean of what step k reads, the last row to that of the query."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.75), keras.layers.Dense(2)])
    learner = MAML(model, inner_steps=2, inner_learning_rate=0.1, per_step_statistics=True, inner_batch_size=2)
    learner.compile(run_eagerly=True)
    rng = np.random.default_rng(0)
    x, x_query = rng.normal(5, 2, (1, 4, 3)).astype("float32"), rng.normal(-3, 4, (1, 6, 3)).astype("float32")
    y, y_query = np.array([[0, 1, 0, 1]], "int32"), np.array([[0, 1, 0, 1, 0, 1]], "int32")
    mean, variance = learner._step_statistics.tables
    start = np.array([[10.0] * 3, [200.0] * 3, [3000.0] * 3], "float32")
    mean.assign(start)
    variance.assign(2 * start)
    learner.meta_step(Episode((x, y), (x_query, y_query)))
    read = [x[0, rows] for rows in minibatches(4, 2, 2)] + [x_query[0]]
    for table, statistic, before in ((mean, np.mean, start), (variance, np.var, 2 * start)):
        expected = [0.75 * row + 0.25 * statistic(own, axis=0) for row, own in zip(before, read, strict=True)]
        np.testing.assert_allclose(ops.convert_to_numpy(table), expected, rtol=1e-4)


@pytest.mark.slow
def test_it_learns_sinusoids():
    """The MAML paper's regression: after meta-training, one step on ten points of a new sinusoid halves the loss."""
    layers = [keras.layers.Dense(40, "relu", kernel_initializer=keras.initializers.HeNormal(seed)) for seed in (1, 2)]
    model = keras.Sequential([keras.Input((1,)), *layers, keras.layers.Dense(1, kernel_initializer="zeros")])
    learner = MAML(model, inner_learning_rate=0.01)
    learner.compile(keras.optimizers.Adam(1e-2), loss="mse")
    training, test = SinusoidTasks(shots=10, query_shots=10), SinusoidTasks(shots=10, query_shots=10, seed=1)
    before = learner.evaluate(test, episodes=100)["loss"].mean
    learner.fit(training, steps=200, tasks=8, verbose=0)
    after = learner.evaluate(test, episodes=100)["loss"].mean
    assert after < 0.5 * before
