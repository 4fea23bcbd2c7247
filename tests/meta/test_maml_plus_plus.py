"""The parts of MAML++, each alone: closed forms, central differences in float64, phases, what `adapt` makes of them."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.backend import value_and_grad, values
from kerasnas.meta import MAML
from kerasnas.primitives.normalization import BatchNorm
from tests.meta import kit
from tests.meta.kit import arrays, assert_central_differences, assert_saved_whole, linear_tasks, state_of

PARTS = {"learn_inner_rates": True, "per_step_statistics": True, "per_step_scale_offset": True}


def gradients_of(learner, episode, meta_step=0):
    learner.meta_steps.assign(meta_step)
    return kit.gradients_of(learner, episode)


@pytest.fixture
def make(dtype_policy, make_network):
    """A factory of learners of the same network in float64."""
    dtype_policy("float64")

    def made(network=None, eager=True, **arguments):
        learner = MAML(network or make_network(), **{"inner_steps": 2, "inner_learning_rate": 0.3, **arguments})
        learner.compile(keras.optimizers.SGD(1.0), run_eagerly=eager)
        return learner

    return made


@pytest.fixture
def tasks(image_tasks):
    return image_tasks(dtype="float64").batch(0, 1)


def assert_equal(received, expected):
    for mine, other in zip(received.values(), expected.values(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-13)


def shift_at_random(learner):
    rng = np.random.default_rng(3)
    for table in learner._step_shifts.tables:
        table.assign(0.3 * rng.standard_normal(table.shape))


# Phases -------------------------------------------------------------------------------------------------
def test_first_order_before_the_switch_and_second_after_it(make, tasks):
    learner = make(first_order_steps=3)
    first, second = gradients_of(make(first_order=True), tasks), gradients_of(make(), tasks)
    assert max(np.abs(a - b).max() for a, b in zip(first.values(), second.values(), strict=True)) > 1e-3
    for meta_step, expected in ((2, first), (3, second)):
        assert_equal(gradients_of(learner, tasks, meta_step), expected)


def test_phases_in_a_graph(dtype_policy):
    """Four steps of linear regression: two of FOMAML with both losses, one of MAML with both, one of plain MAML."""
    dtype_policy("float64")
    episode = linear_tasks(2)

    def learner(**arguments):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
        made = MAML(model, inner_steps=2, inner_learning_rate=0.1, **arguments)
        made.compile(keras.optimizers.SGD(0.2), loss="mse", run_eagerly=not arguments.get("first_order_steps"))
        return made

    whole, until = learner(first_order_steps=2, multi_step_loss_steps=3), {"multi_step_loss_steps": 3}
    parts = [learner(first_order=True, **until)] * 2 + [learner(**until), learner()]
    for meta_step, part in enumerate(parts):
        part.model.set_weights(whole.model.get_weights())
        part.meta_steps.assign(meta_step)
        part.meta_step(episode)
        whole.meta_step(episode)
        np.testing.assert_allclose(whole.model.get_weights()[0], part.model.get_weights()[0], rtol=1e-9)


@pytest.mark.parametrize("count, until", [(1, 10), (3, 100), (5, 7)])
def test_step_weights_equal_the_papers(make, count, until):
    """The original code's, by its own words: a decay a meta-step, a least value, and what is left for the last step."""
    learner = make(inner_steps=count, multi_step_loss_steps=until)
    for step in {0, 1, until // 2, until - 1}:
        decay, least = 1 / count / until, 0.03 / count
        expected = [max(1 / count - step * decay, least)] * (count - 1)
        expected.append(min(1 / count + step * (count - 1) * decay, 1 - (count - 1) * least))
        received = [float(weight) for weight in learner.step_weights(step)]
        np.testing.assert_allclose(received, expected, rtol=1e-5)
        assert sum(received) == pytest.approx(1)
    for step in (until, until + 1000):
        assert [float(weight) for weight in learner.step_weights(step)] == [0] * (count - 1) + [1]


# Shifts of scale and offset ---------------------------------------------------------------------------------
def test_shifts_of_zero_are_plain_maml(make, tasks):
    received, plain = gradients_of(make(per_step_scale_offset=True), tasks), gradients_of(make(), tasks)
    shifts = {name: received.pop(name) for name in list(received) if "shifts" in name}
    assert_equal(received, plain)
    assert len(shifts) == 2 and all(np.abs(gradient).max(axis=1).min() > 1e-6 for gradient in shifts.values())
    # Each row is added to the one scale, whose gradient is therefore that of all rows.
    for name, own in zip(("gamma", "beta"), shifts.values(), strict=True):
        (shared,) = [gradient for path, gradient in plain.items() if path.endswith(name)]
        np.testing.assert_allclose(own.sum(0), shared, rtol=1e-9)


@pytest.mark.parametrize(
    "first_order_steps, inner_variables", [(0, "all"), pytest.param(1, "all_but_batch_norm", marks=pytest.mark.slow)]
)
def test_outer_gradients_equal_central_differences(make, tasks, first_order_steps, inner_variables):
    """With every part on, along a direction in the weights, the rates and the shifts of scale and offset."""
    settings = {"multi_step_loss_steps": 10, "first_order_steps": first_order_steps, "inner_variables": inner_variables}
    learner = make(**PARTS, **settings)
    shift_at_random(learner)
    received = gradients_of(learner, tasks, 4)  # second order, and both losses
    assert_central_differences(learner, tasks, received)
    assert {"inner_rates", "shifts_0", "shifts_1"} < set(received)


def test_after_k_steps_the_network_has_row_k(make, make_network, image_tasks):
    """The inner loop by hand, with the scale and the offset of each step put into the weights."""
    learner = make(network := make_network(), per_step_scale_offset=True, first_order=True)
    shift_at_random(learner)
    one = image_tasks(dtype="float64").batch(0, 1)
    support, query = (tuple(ops.convert_to_tensor(part[0]) for part in pair) for pair in (one.support, one.query))
    w, state = values(network.trainable_variables), values(network.non_trainable_variables)
    positions = [i for i, v in enumerate(network.trainable_variables) if v.name in ("gamma", "beta")]
    rows = arrays(learner._step_shifts.tables)

    def at(step):
        return [value + rows[positions.index(i)][step] if i in positions else value for i, value in enumerate(w)]

    for step in range(2):
        _, gradients = value_and_grad(lambda v: learner.function.loss(v, state, support))(at(step))
        w = [value - 0.3 * gradient for value, gradient in zip(w, gradients, strict=True)]
    expected = float(learner.function.loss(at(2), state, query)[0])
    (results, _), _ = learner.meta_gradients(*state_of(learner), (one.support, one.query))
    assert float(results["loss"][0]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("steps", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_adapted_models_have_the_shifts_of_their_last_step(make, make_network, image_tasks, steps):
    """Learned rates of 0, which hold for steps beyond training too, leave the initial weights and the shifts alone."""
    network, episode = make_network(), image_tasks(dtype="float64").episode(0)
    learner = make(network, learn_inner_rates=True, per_step_scale_offset=True)
    shift_at_random(learner)
    learner._rates.assign(np.zeros(learner._rates.shape))
    adapted = arrays(learner.adapt(episode, steps=steps).trainable_variables)
    scale, offset = (table[2] for table in arrays(learner._step_shifts.tables))
    for old, new in zip(network.trainable_variables, adapted, strict=True):
        shift = {"gamma": scale, "beta": offset}.get(old.name, 0)
        np.testing.assert_allclose(new, ops.convert_to_numpy(old) + shift, rtol=1e-12)


def test_batch_norm_stays_out_of_the_inner_loop(make, make_network, image_tasks):
    network = make_network()
    adapted = make(network, inner_variables="all_but_batch_norm").adapt(image_tasks(dtype="float64").episode(0))
    for old, new in zip(network.trainable_variables, adapted.trainable_variables, strict=True):
        same = np.array_equal(ops.convert_to_numpy(old), ops.convert_to_numpy(new))
        assert same == (old.name in ("gamma", "beta")) or ("conv2d" in old.path and old.name == "bias")


# The outer rate, bad input, saving ------------------------------------------------------------------------------
def test_the_outer_rate_falls_by_a_cosine(image_tasks, make_network):
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(learner.optimizer.learning_rate))

    for annealing in (True, False):
        learner = MAML(make_network(), inner_steps=1, cosine_annealing=annealing)
        learner.compile(run_eagerly=True)
        learner.fit(image_tasks(), steps=2, tasks=1, verbose=0, callbacks=[Watch()])
    falling = [1e-3, (1e-3 + 1e-5) / 2]
    np.testing.assert_allclose(rates, [*falling, 1e-3, 1e-3], rtol=1e-4)


def test_phases_end_in_the_training_and_shifts_need_a_scale(make_network, image_tasks):
    with pytest.raises(ValueError, match=r"`first_order_steps`. Expected 0 with `first_order`"):
        MAML(make_network(), first_order_steps=2, first_order=True)
    with pytest.raises(ValueError, match=r"batch norm learns a scale or an offset, .* which has none"):
        MAML(make_network(lambda: BatchNorm(affine=False)), per_step_scale_offset=True)
    for name, value, optimizer in (
        *(("first_order_steps", 5, None), ("multi_step_loss_steps", 5, None)),
        ("cosine_annealing", True, "adam"),
    ):
        learner = MAML(make_network(), **{name: value})
        learner.compile(optimizer, run_eagerly=True)
        with pytest.raises(ValueError, match=f"`{name}`"):
            learner.fit(image_tasks(), steps=4, tasks=1, verbose=0)


def test_a_saved_learner_is_whole(make_network, image_tasks, tmp_path):
    learner = MAML(make_network(), inner_steps=2, first_order_steps=1, cosine_annealing=True, **PARTS)
    learner.compile(run_eagerly=True)
    learner.fit(image_tasks(), steps=2, tasks=1, verbose=0)
    assert all(np.abs(table).max() > 1e-5 for table in arrays(learner._step_shifts.tables))
    assert assert_saved_whole(learner, tmp_path).get_config()["first_order_steps"] == 1
