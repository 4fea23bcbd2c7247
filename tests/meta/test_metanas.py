"""MetaNAS: the order of its steps, rates, temperature, the frozen alphas of the warm-up, and hardening."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import DARTSSpace
from kerasnas.backend import value_and_grad, values
from kerasnas.meta import MAML, MetaNAS
from kerasnas.relaxations.base import split_variables
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from tests.meta.kit import arrays, assert_saved_whole, same, state_of

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect"])
SHAPE = (8, 8, 1)


@pytest.fixture
def tasks(image_tasks):
    def make(**arguments):
        family = image_tasks(**arguments)
        family.input_shape = SHAPE
        return family

    return make


def make_learner(**arguments):
    supernet = SPACE.build_supernet(SHAPE, 2, seed=arguments.pop("seed", 0))
    learner = MetaNAS(supernet, **{"inner_steps": 2, "inner_optimizer": "sgd", "inner_batch_size": None, **arguments})
    learner.compile(run_eagerly=True)
    return learner


def at_temperature(learner, temperature):
    """State of the model with this temperature."""
    variable, variables = learner.model.relaxation.temperature, learner.model.non_trainable_variables
    cold = ops.convert_to_tensor(np.float32(temperature))
    return [cold if v is variable else value for v, value in zip(variables, values(variables), strict=True)]


def temperature_in(learner, state):
    """The temperature in a state of the model."""
    variable, variables = learner.model.relaxation.temperature, learner.model.non_trainable_variables
    return next(float(value) for v, value in zip(variables, state, strict=True) if v is variable)


def test_over_the_training_the_temperature_falls_after_the_warm_up_and_not_within_tasks(tasks):
    learner = make_learner(temperatures=(1.0, 0.25), annealing="training")
    learner.warmup_steps.assign(2)
    learner.training_steps.assign(5)
    for step, expected in ((0, 1.0), (2, 1.0), (3, 0.5), (4, 0.25)):
        learner.meta_steps.assign(step)
        task = learner.start(*state_of(learner))
        assert temperature_in(learner, task.state) == pytest.approx(expected)
    task, _ = learner.inner_step(task, tasks().episode(0).support, learner.inner_rates(*state_of(learner), 0), 0, 2)
    assert temperature_in(learner, task.state) == pytest.approx(0.25)


@pytest.mark.parametrize("joint", [False, True])
def test_an_inner_step_moves_alphas_then_weights(tasks, joint):
    """At temperature 1 -> 0.25 over two steps, with a rate for each; with `joint`, both at the same point."""
    learner = make_learner(inner_learning_rate=0.1, architecture_learning_rate=0.5, temperatures=(1, 0.25), joint=joint)
    support = tasks().episode(0).support
    task = learner.inner_loop(*state_of(learner), support, 2, None)[0]
    assert temperature_in(learner, task.state) == pytest.approx(0.25)
    assert temperature_in(learner, learner.adapted(*state_of(learner), support, 2)[1]) == pytest.approx(0.25)
    point, state = state_of(learner)
    assert learner.values_of([learner.model.relaxation.temperature], point, learner.end(task, state)) == [1.0]
    alphas = {id(v) for v in split_variables(learner.model.trainable_variables)[1]}
    is_alphas = [id(variable) in alphas for variable in learner.model.trainable_variables]
    w = values(learner.model.trainable_variables)
    for temperature in (1.0, 0.25):
        state = at_temperature(learner, temperature)

        def gradient(point, state=state):
            return value_and_grad(lambda v: learner.function.loss(v, state, support))(point)[1]

        first = gradient(w)
        ahead = [p - 0.5 * g if a else p for p, g, a in zip(w, first, is_alphas, strict=True)]
        second = first if joint else gradient(ahead)
        w = [p if a else p - 0.1 * g for p, g, a in zip(ahead, second, is_alphas, strict=True)]
    for mine, expected in zip(task.w, w, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.slow
def test_start_values_move_at_a_rate_each(tasks):
    learner = make_learner(inner_learning_rate=0.1, architecture_step=0.5)
    family = tasks(query_shots=0)
    before = arrays(learner.model.trainable_variables)
    adapted = arrays(learner.adapt(family.episode(0), steps=2).trainable_variables)
    learner.meta_step(family.batch(0, 1))
    alphas = {id(v) for v in learner.model.architecture_parameters}
    for variable, old, end in zip(learner.model.trainable_variables, before, adapted, strict=True):
        share = 0.5 if id(variable) in alphas else 1.0
        new = ops.convert_to_numpy(variable)
        np.testing.assert_allclose(new, old + share * (end - old), rtol=1e-3, atol=1e-5)
    assert all(np.abs(ops.convert_to_numpy(v)).max() > 0.01 for v in learner.model.architecture_parameters)


@pytest.mark.parametrize("optimizer", ["adam", *(pytest.param(one, marks=pytest.mark.slow) for one in ("both", None))])
@pytest.mark.parametrize("eager", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_optimizer_of_frozen_alphas_stands_still(tasks, optimizer, eager):
    """Adam's first step has the length of its rate, and of zeros in the warm-up it sees nothing."""
    learner, seen, counts, rates = make_learner(architecture_warmup=0.6), [], [], []
    given = BilevelOptimizer(keras.optimizers.SGD(1.0), keras.optimizers.Adam(0.125)) if optimizer == "both" else None
    given = keras.optimizers.Adam(0.125) if optimizer == "adam" else given
    learner.compile(given, run_eagerly=eager)

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            inner = learner.optimizer.inner
            seen.append(arrays([learner.model.architecture_parameters[0], *inner[1].variables]))
            counts.append([int(each.iterations) for each in inner])
            rates.append([float(each.learning_rate) for each in inner])

    before = arrays(learner.model.architecture_parameters)[0]
    learner.fit(tasks(query_shots=0), steps=3, tasks=1, callbacks=[Watch()], verbose=0)
    assert counts == [[1, 0], [2, 0], [3, 1]]
    same(seen[0], seen[1])
    np.testing.assert_array_equal(seen[1][0], before)
    if optimizer is None:  # as if both rates had fallen from the first step on
        assert rates[1:] == [pytest.approx([1 - step / 3, 0.6 * (1 - step / 3)]) for step in (2, 3)]
    else:
        assert np.abs(seen[2][0] - before).max() == pytest.approx(0.125, rel=1e-2)


@pytest.mark.slow
def test_weights_only_learners_search_in_adaptation_unless_asked_not_to(tasks):
    for search in (True, False):
        learner = make_learner(architecture_warmup=1.0, search=search)
        before = arrays(learner.model.architecture_parameters)[0]
        learner.fit(tasks(query_shots=0), steps=2, tasks=1, verbose=0)
        np.testing.assert_array_equal(arrays(learner.model.architecture_parameters)[0], before)
        adapted = learner.adapt(tasks().episode(3))
        assert bool(np.abs(arrays(adapted.architecture_parameters)[0] - before).max() > 0) is search


@pytest.mark.slow
def test_hardening_leaves_the_genotype_alone(tasks):
    learner = make_learner(architecture_learning_rate=5.0)
    adapted = learner.adapt(tasks().episode(0))
    genotype, hard = learner.harden(adapted)
    SPACE.validate(genotype)
    assert genotype == adapted.derive() == hard.derive()
    (weights,) = hard.mixing_weights().values()
    assert sorted(np.unique(weights)) == [0.0, 1.0] and (weights.sum(1) == 1).all()
    x = np.random.default_rng(0).random((3, *SHAPE)).astype("float32")
    assert np.isfinite(hard.predict(x, verbose=0)).all()
    same(arrays(adapted.network_weights), arrays(hard.network_weights))


def test_hardening_needs_none_where_edges_are_left_out(tasks):
    for primitives, fits in ((["skip_connect", "max_pool_3x3"], False), (["none", "skip_connect"], True)):
        space = DARTSSpace(filters=2, num_cells=1, num_nodes=2, primitives=primitives)
        learner = MetaNAS(space.build_supernet(SHAPE, 2))
        learner.compile()
        if fits:
            genotype, hard = learner.harden(learner.model)
            assert hard.derive() == genotype
        else:
            with pytest.raises(ValueError, match="Expected 'none' among the primitives"):
                learner.harden(learner.model)


@pytest.mark.slow
def test_alphas_of_the_inputs_are_searched_annealed_and_hardened(tasks):
    """No primitive `none` is needed, and at the end of the fall the hardened network computes what the mixture does."""
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=2, primitives=["skip_connect", "avg_pool_3x3"])
    supernet = space.build_supernet(SHAPE, 2, input_alphas=True)
    settings = {"architecture_learning_rate": 20.0, "temperatures": (1.0, 1e-3), "architecture_warmup": 0.0}
    learner = MetaNAS(supernet, inner_steps=2, inner_optimizer="sgd", inner_batch_size=None, **settings)
    learner.compile(run_eagerly=True)
    adapted, x = learner.adapt(tasks().episode(0)), np.random.default_rng(0).random((3, *SHAPE)).astype("float32")
    (kind,), start = adapted.inputs.alphas, ops.convert_to_numpy(supernet.inputs.alphas["reduce"])
    assert np.abs(ops.convert_to_numpy(adapted.inputs.alphas[kind]) - start)[1:].max() > 0.01
    weights = ops.convert_to_numpy(adapted.inputs.edge_weights(kind))
    assert sorted(weights[2:]) == pytest.approx([0, 1, 1], abs=1e-5)
    genotype, hard = learner.harden(adapted)
    assert genotype == hard.derive() and len(genotype[kind]) == 4
    np.testing.assert_allclose(hard(x), adapted(x), rtol=1e-5, atol=1e-5)
    hard.relaxation.temperature.assign(1.0)  # decided, and not cold
    np.testing.assert_allclose(hard(x), adapted(x), rtol=1e-5, atol=1e-5)
    learner.meta_step(tasks(query_shots=0).batch(0, 1))
    assert np.abs(ops.convert_to_numpy(supernet.inputs.alphas[kind]) - start)[1:].max() > 0.01


@pytest.mark.slow
def test_t_nas_is_first_order_maml_on_a_supernet(tasks):
    learner = MAML(SPACE.build_supernet(SHAPE, 2), True, 1, 0.1, architecture_learning_rate=2.0)
    learner.compile(run_eagerly=True)
    variables, episode = learner.model.trainable_variables, tasks().episode(0)
    adapted, before = arrays(learner.adapt(episode).trainable_variables), arrays(variables)
    state = values(learner.model.non_trainable_variables)
    _, gradients = value_and_grad(lambda v: learner.function.loss(v, state, episode.support))(values(variables))
    alphas = [id(v) in {id(a) for a in learner.model.architecture_parameters} for v in variables]
    for old, new, gradient, is_alphas in zip(before, adapted, gradients, alphas, strict=True):
        np.testing.assert_allclose(new, old - (2.0 if is_alphas else 0.1) * np.asarray(gradient), rtol=1e-4, atol=1e-6)
    learner.meta_step(tasks().batch(0, 1))
    for old, new, is_alphas in zip(before, arrays(variables), alphas, strict=True):
        assert np.abs(new - old).max() > 0 or not is_alphas


@pytest.mark.slow
def test_a_saved_learner_is_whole(tasks, tmp_path):
    learner = make_learner()
    learner.fit(tasks(query_shots=0), steps=2, tasks=1, verbose=0)
    loaded = assert_saved_whole(learner, tmp_path)
    assert tuple(loaded.temperatures) == learner.temperatures and loaded.joint is False


def test_bad_input():
    supernet = SPACE.build_supernet(SHAPE, 2)
    for name, value in (
        *(("architecture_step", 0.0), ("architecture_step", float("nan")), ("architecture_warmup", 1.5), ("joint", 1)),
        *(("temperatures", (1.0, 0.0)), ("temperatures", 0.5), ("annealing", "tasks"), ("search", "no")),
    ):
        with pytest.raises(ValueError, match=f"`{name}`"):
            MetaNAS(supernet, **{name: value})


def test_models_that_are_no_supernet_with_a_temperature(make_network):
    with pytest.raises(TypeError, match=r"`model`\. Expected a supernet"):
        MetaNAS(make_network())
    with pytest.raises(TypeError, match="inner_variables"):  # all of them are part of the architecture search
        MetaNAS(SPACE.build_supernet(SHAPE, 2), inner_variables="head")
    with pytest.raises(ValueError, match="relaxation has a temperature"):
        MetaNAS(SPACE.build_supernet(SHAPE, 2, relaxation="sigmoid"))
