"""Hypergradients: in closed form, against central differences of the unrolled loss, and in the trainer's step."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasnas import BilevelTrainer, DARTSSpace, MixedOp
from kerasnas.backend import value_and_grad
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.relaxations import Dirichlet
from kerasnas.relaxations.base import split_variables
from kerasnas.search import HYPERGRADIENTS
from kerasnas.spaces import NASBench201Space
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from kerasnas.trainers.hypergradients import InnerStep, finite_difference, first_order, unrolled
from tests.trainers.kit import flat, halves, noting, state_of

SECOND_ORDER = {"unrolled": unrolled, "finite_difference": finite_difference}
PRIMITIVES = ["none", "skip_connect", "avg_pool_3x3", "dil_conv_3x3"]
# Without max pooling: TensorFlow's CPU kernels have a wrong second derivative of it in float64.


def error(received, expected):
    """The distance of two gradients, relative to the second one's length."""
    received, expected = flat(received), flat(expected)
    return np.linalg.norm(received - expected) / np.linalg.norm(expected)


def central_differences(function, point, step):
    """The gradient of a scalar function of a list of arrays."""
    point = [np.array(part) for part in point]
    gradient = [np.zeros_like(part) for part in point]
    for part, slope in zip(point, gradient, strict=True):
        for index in np.ndindex(part.shape):
            ends = []
            for sign in (1, -1):
                before, part[index] = part[index], part[index] + sign * step
                ends.append(float(function(point)))
                part[index] = before
            slope[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


# A game with a closed form ------------------------------------------------------------------------------
class QuadraticGame:
    """`L_train = w'Aw/2 - w'Ba` and `L_val = |w - t|^2/2 + w'Ea + a'Da/2`, with `w` and `a` in two parts each."""

    def __init__(self, scale=1.0):
        rng = np.random.default_rng(0)
        root = rng.standard_normal((5, 5))
        self.A, self.B, self.E = root @ root.T, rng.standard_normal((5, 4)), rng.standard_normal((5, 4))
        self.D, self.t = np.diag(rng.random(4)), rng.standard_normal(5)
        self.w, self.a, self.m = rng.standard_normal(5), rng.standard_normal(4), rng.standard_normal(5)
        self.scale = scale

    def training_loss(self, w, a):
        w, a = ops.concatenate(w), ops.concatenate(a)
        value = ops.sum(w * ops.matmul(self.A, w)) / 2 - ops.sum(w * ops.matmul(self.B, a))
        return self.scale * value, None

    def validation_loss(self, w, a):
        w, a = ops.concatenate(w), ops.concatenate(a)
        value = ops.sum(ops.square(w - self.t)) / 2 + ops.sum(w * ops.matmul(self.E, a))
        return value + ops.sum(a * ops.matmul(self.D, a)) / 2, "auxiliary"

    def parts(self, array, at):
        return [ops.convert_to_tensor(part) for part in np.split(array, [at])]

    def gradient(self, hypergradient, step):
        w, a = self.parts(self.w, 2), self.parts(self.a, 1)
        (value, auxiliary), gradient = hypergradient(self.validation_loss, self.training_loss, w, a, step)
        assert auxiliary == "auxiliary"
        assert [part.shape for part in gradient] == [(1,), (3,)]
        return float(value), gradient

    def closed_form(self, rate, drift=0.0, decay=0.0):
        """The gradient, and the validation loss, where the weights move by `drift m - rate (gradient + decay w)`."""
        ahead = self.w + drift * self.m - rate * (self.A @ self.w - self.B @ self.a + decay * self.w)
        value = self.validation_loss(self.parts(ahead, 2), self.parts(self.a, 1))[0]
        direct = self.D @ self.a + self.E.T @ ahead
        return float(value), direct + rate * self.B.T @ (ahead - self.t + self.E @ self.a)


@pytest.mark.parametrize("scale", [1.0, 1024.0])
@pytest.mark.parametrize("name", SECOND_ORDER)
def test_closed_form_of_a_quadratic_game(name, scale):
    game = QuadraticGame(scale)
    velocity = game.parts(game.m, 2)
    cases = [
        (InnerStep(0.1, loss_scale=scale), (0.1,)),
        (InnerStep(0.1, 0.9, velocity, 0.03, loss_scale=scale), (0.1, 0.9, 0.03)),
        (InnerStep(0.1, 0.9, velocity, 0.03, nesterov=True, loss_scale=scale), (0.19, 0.81, 0.03)),
        (InnerStep(0.1, 0.9, None, 0.03, loss_scale=scale), (0.1, 0.0, 0.03)),
    ]
    for step, closed in cases:
        value, gradient = game.gradient(SECOND_ORDER[name], step)
        expected_value, expected = game.closed_form(*closed)
        assert value == pytest.approx(expected_value, rel=1e-12)
        assert error(gradient, [expected]) < 1e-10


@pytest.mark.parametrize("radius", [0.01, 0.3])
@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_finite_difference_shifts_the_weights_by_the_radius_to_either_side(scale, radius):
    """`w+` and `w-` lie around `w`, `2 radius` apart, along `grad L_val(w')`, which is `w' - t + E a` in this game."""
    game, read = QuadraticGame(scale), []
    training_loss = game.training_loss

    def recorded(w, a):
        read.append(np.array(ops.concatenate(w)))
        return training_loss(w, a)

    game.training_loss = recorded
    game.gradient(functools.partial(finite_difference, radius=radius), InnerStep(0.1, loss_scale=scale))
    at, plus, minus = read
    ahead = game.w - 0.1 * (game.A @ game.w - game.B @ game.a)
    direction = ahead - game.t + game.E @ game.a
    np.testing.assert_allclose(at, game.w, rtol=1e-12)
    np.testing.assert_allclose(plus + minus, 2 * game.w, rtol=1e-10)
    np.testing.assert_allclose(plus - minus, 2 * radius * direction / np.linalg.norm(direction), rtol=1e-8)
    assert np.linalg.norm(plus - minus) == pytest.approx(2 * radius, rel=1e-9)


def test_closed_form_of_first_order():
    game = QuadraticGame()
    expected = game.D @ game.a + game.E.T @ game.w
    for step in (None, InnerStep(0.1)):
        assert error(game.gradient(first_order, step)[1], [expected]) < 1e-12
    assert error([game.closed_form(0.0)[1]], [expected]) < 1e-12  # a step of no length
    assert error([game.closed_form(0.1)[1]], [expected]) > 0.1


def test_no_direction_is_no_correction():
    """If the validation loss does not depend on the weights, the published radius is divided by zero."""
    game = QuadraticGame()
    game.validation_loss = lambda w, a: (ops.sum(ops.square(ops.concatenate(a))), "auxiliary")
    for hypergradient in SECOND_ORDER.values():
        assert error(game.gradient(hypergradient, InnerStep(0.1))[1], [2 * game.a]) < 1e-12


# The step that is looked ahead by -----------------------------------------------------------------------
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.75])  # Keras rounds it to float32
def test_inner_step_is_the_step_that_sgd_takes(float64, momentum, nesterov):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.125, decay_steps=1, decay_rate=0.5)
    weights = [
        keras.Variable(np.random.default_rng(i).standard_normal(shape)) for i, shape in enumerate([(3,), (2, 2)])
    ]
    both = BilevelOptimizer(keras.optimizers.SGD(schedule, momentum=momentum, nesterov=nesterov), "adam")
    both.build(weights)
    decay = 0.25
    for _ in range(3):
        gradients = [ops.cos(weight) for weight in weights]
        expected = both.inner_step(decay)([ops.convert_to_tensor(weight) for weight in weights], gradients)
        both.apply([g + decay * weight for g, weight in zip(gradients, weights, strict=True)], weights)
        assert error(weights, expected) < 1e-14


# Central differences --------------------------------------------------------------------------------------
class SmoothCell:
    """Two mixed layers of smooth operations on a few numbers, `w` and `a` as lists of arrays."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.x = rng.standard_normal((2, 6, 4))
        self.y = rng.standard_normal((2, 6, 4))
        self.w = [rng.standard_normal((4, 4)) / 2 for _ in range(4)]
        self.a = [rng.standard_normal(3), rng.standard_normal(3)]
        self.step = InnerStep(1.0, 0.9, [rng.standard_normal((4, 4)) / 10 for _ in range(4)], 0.1)

    def loss(self, half):
        def loss(w, a):
            x = self.x[half]
            for layer, alphas in enumerate(a):
                first, second = w[2 * layer : 2 * layer + 2]
                candidates = [x, ops.tanh(ops.matmul(x, first)), ops.softplus(ops.matmul(x, second))]
                x = sum(p * y for p, y in zip(ops.unstack(ops.softmax(alphas)), candidates, strict=True))
            return ops.mean(ops.square(x - self.y[half])), None

        return loss

    def gradient(self, hypergradient):
        w, a = ([ops.convert_to_tensor(part) for part in parts] for parts in (self.w, self.a))
        return hypergradient(self.loss(1), self.loss(0), w, a, self.step)[1]

    def unrolled_loss(self, a):
        with tf.GradientTape() as tape:
            w = [tf.constant(part) for part in self.w]
            tape.watch(w)
            loss = self.loss(0)(w, [tf.constant(part) for part in a])[0]
        step = self.step
        ahead = [
            p + step.momentum * m - step.learning_rate * (g + step.weight_decay * p)
            for p, m, g in zip(self.w, step.velocity, tape.gradient(loss, w), strict=True)
        ]
        return self.loss(1)(ahead, [tf.constant(part) for part in a])[0]


def test_smooth_cell():
    cell = SmoothCell()
    exact = cell.gradient(unrolled)
    against = error(exact, central_differences(cell.unrolled_loss, cell.a, 1e-5))
    radii = (1.0, 0.1, 0.01, 0.001)
    errors = [error(cell.gradient(functools.partial(finite_difference, radius=radius)), exact) for radius in radii]
    print(f"exact against central differences: {against:.1e}; of radii {radii}: {errors}")
    assert against < 1e-8
    assert error(cell.gradient(first_order), exact) > 0.03
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 1e-3  # the published radius
    assert errors[1] / errors[2] == pytest.approx(100, rel=0.1)  # of second order in the radius


class Twin:
    """The unrolled step written out on a model's own variables."""

    def __init__(self, model, rate, momentum, decay):
        self.model, self.rate, self.momentum, self.decay = model, rate, momentum, decay
        self.weights, self.alphas = split_variables(model.trainable_variables)
        self.velocity = [np.zeros(tuple(w.shape)) for w in self.weights]

        self.loss, self.gradients = tf.function(self._loss), tf.function(self._gradients)

    def _loss(self, batch):
        logits = self.model(batch[0], training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(batch[1], logits, from_logits=True))

    def _gradients(self, batch):
        with tf.GradientTape() as tape:
            loss = self._loss(batch)
        return tape.gradient(loss, [w.value for w in self.weights])

    def steps(self, batch):
        """The step of SGD on the weights: its momentum buffers after the step."""
        return [
            self.momentum * m - self.rate * (g.numpy() + self.decay * w.numpy())
            for m, g, w in zip(self.velocity, self.gradients(batch), self.weights, strict=True)
        ]

    def unrolled_loss(self, data, alphas):
        before = [v.numpy() for v in self.model.variables]
        for variable, value in zip(self.alphas, alphas, strict=True):
            variable.assign(value)
        for weight, step in zip(self.weights, self.steps(data[0]), strict=True):
            weight.assign_add(step)
        loss = self.loss(data[1])
        for variable, value in zip(self.model.variables, before, strict=True):
            variable.assign(value)
        return loss

    def gradient(self, data, step=1e-5):
        return central_differences(
            lambda alphas: self.unrolled_loss(data, alphas), [alphas.numpy() for alphas in self.alphas], step
        )

    def train(self, data, architecture_rate):
        """One step of the search by plain gradient descent, the gradient of the alphas by central differences."""
        for variable, gradient in zip(self.alphas, self.gradient(data), strict=True):
            variable.assign_sub(architecture_rate * gradient)
        self.velocity = self.steps(data[0])
        for weight, step in zip(self.weights, self.velocity, strict=True):
            weight.assign_add(step)


def gradient_of(search, data, hypergradient):
    search._hypergradient = hypergradient
    return search.architecture_gradients(*state_of(search), data)[1]


SETTINGS = {"rate": 0.5, "momentum": 0.5, "decay": 0.05}  # in float64, Keras rounds a momentum to float32


@pytest.fixture
def make_both(float64):
    """A factory of a trainer and its twin, of equal models."""

    def make(build, rate=SETTINGS["rate"], **options):
        search = BilevelTrainer(
            build(),
            hypergradient="unrolled",
            weight_decay=SETTINGS["decay"],
            architecture_weight_decay=0.0,
            auxiliary_skip=0.0,
            **options,
        )
        search.compile(
            optimizer=keras.optimizers.SGD(rate, SETTINGS["momentum"]),
            architecture_optimizer=keras.optimizers.SGD(2.0),
            run_eagerly=True,
        )
        return search, Twin(build(), **{**SETTINGS, "rate": rate})

    return make


def supernet_of(num_cells, *primitives):
    return DARTSSpace(2, num_cells, num_nodes=1, primitives=primitives).build_supernet((8, 8, 1), 3)


@pytest.mark.parametrize(
    "stock", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["BatchNorm", "BatchNormalization"]
)
def test_second_derivative_of_batch_norm(make_both, data, validation, stock):
    """Ours is right. Keras' own is wrong on TensorFlow, in second order only, behind both a weight and an alpha."""

    def build():
        inputs = keras.Input((8, 8, 1))
        start = [keras.initializers.GlorotUniform(seed=seed) for seed in (1, 2)]
        x = keras.layers.Conv2D(3, 3, activation="tanh", kernel_initializer=start[0])(inputs)
        x = MixedOp(["none", "skip_connect", "avg_pool_3x3"], filters=3)(x)
        x = (keras.layers.BatchNormalization(epsilon=1e-5) if stock else BatchNorm())(x)
        x = keras.layers.Activation("tanh")(x)
        x = keras.layers.Flatten()(x)
        return keras.Model(inputs, keras.layers.Dense(3, kernel_initializer=start[1])(x))

    search, twin = make_both(build)
    data = halves(data, validation, dtype="float64")
    exact = gradient_of(search, data, unrolled)
    against = error(exact, twin.gradient(data))
    print(f"exact against central differences: {against:.1e}")
    twin.rate = 0.0
    first = error(gradient_of(search, data, first_order), twin.gradient(data))
    assert first < 1e-6
    assert against > 1e-3 if stock else against < 1e-6
    small = error(gradient_of(search, data, functools.partial(finite_difference, radius=1e-5)), exact)
    assert stock or small < 1e-6


@pytest.mark.slow
def test_published_radius_on_a_supernet(make_both, data, validation):
    """It is off by more than the whole second-order part; small enough a radius gives the exact gradient."""
    search, _ = make_both(lambda: supernet_of(3, *PRIMITIVES), rate=0.025)
    data = halves(data, validation, dtype="float64")

    def at_weights_ahead(validation_loss, training_loss, w, a, inner_step):
        """The exact gradient but for the part through the weights."""
        _, gradients = value_and_grad(lambda weights: training_loss(weights, a))(w)
        return first_order(validation_loss, training_loss, inner_step(w, gradients), a)

    exact, direct = flat(gradient_of(search, data, unrolled)), flat(gradient_of(search, data, at_weights_ahead))
    part = np.linalg.norm(exact - direct)
    off = {}
    for radius in (0.01, 1e-5):
        received = flat(gradient_of(search, data, functools.partial(finite_difference, radius=radius)))
        off[radius] = np.linalg.norm(received - exact) / part
    print(f"second-order part: {part / np.linalg.norm(exact):.3f} of the gradient; off, relative to it: {off}")
    assert off[0.01] > 1
    assert off[1e-5] < 1e-6


# The trainer's step -----------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("warmup", [0, 1], ids=["plain", "in a cond"])
def test_step_is_the_unrolled_step_written_out(make_both, data, validation, warmup):
    """Alphas by the unrolled gradient, then the weights; in the second step SGD's buffers have their part in it."""
    search, twin = make_both(lambda: supernet_of(1, "skip_connect", "dil_conv_3x3"), architecture_warmup_epochs=warmup)
    data = halves(data, validation, dtype="float64")
    start = flat(search.architecture_parameters)
    for _ in range(2):
        search.train_step(data)
        twin.train(data, architecture_rate=2.0)
        assert error(search.architecture_parameters, twin.alphas) < 1e-7
        assert error(search.network_weights, twin.weights) < 1e-7
    assert np.linalg.norm(flat(search.architecture_parameters) - start) > 1e-2
    exact = gradient_of(search, data, unrolled)
    for momentum in search.optimizer.inner[0].momentums:
        momentum.assign(ops.zeros(momentum.shape))
    assert error(gradient_of(search, data, unrolled), exact) > 1e-3


def test_moving_statistics_are_those_of_the_weights_step_alone(make_search, plain_rates, data, validation):
    """Bit by bit the same, whatever passes the alphas' step makes; and it hands on what it was given."""
    batch = halves(data, validation)
    results, losses = {}, {}
    for name in HYPERGRADIENTS:
        search = make_search(hypergradient=name, compile=plain_rates(0.5, 0.0))
        given = state_of(search)
        (_, (_, state)), _ = search.architecture_gradients(*given, batch)
        assert all(one is other for one, other in zip(state, given[2], strict=True))
        assert all(np.array_equal(one, other) for one, other in zip(state_of(search)[2], given[2], strict=True))
        losses[name] = float(search.train_step(batch)["val_loss"])  # a step ahead
        results[name] = flat(search.supernet.non_trainable_variables)
    assert np.array_equal(results["unrolled"], results["first_order"])
    assert np.array_equal(results["finite_difference"], results["first_order"])
    assert losses["unrolled"] == pytest.approx(losses["finite_difference"], rel=1e-5)
    assert losses["unrolled"] != pytest.approx(losses["first_order"], rel=1e-3)


def test_rate_of_a_schedule(make_search, data, validation):
    """The look ahead is at the rate of the step that follows it."""
    batch = halves(data, validation)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.125, 1.0])
    search = make_search(hypergradient="unrolled", compile={"optimizer": keras.optimizers.SGD(schedule)})
    steady = make_search(hypergradient="unrolled", compile={"optimizer": keras.optimizers.SGD(0.25)})
    for iteration, rate in ((0, 0.125), (2, 1.0)):
        search.optimizer.inner[0].iterations.assign(iteration)
        steady.optimizer.learning_rate = rate
        results = [flat(one.architecture_gradients(*state_of(one), batch)[1]) for one in (search, steady)]
        np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.slow
def test_class_weights_are_part_of_the_step_ahead(make_search, data, validation):
    batch = halves(data, validation)
    plain, weighted = (make_search(hypergradient="unrolled") for _ in range(2))
    weighted._class_weight = [5.0, 1.0, 0.2]
    x, y = batch[0]
    by_sample = (x, y, tf.gather([5.0, 1.0, 0.2], y)), batch[1]
    received = weighted.architecture_gradients(*state_of(weighted), batch)[1]
    assert error(received, plain.architecture_gradients(*state_of(plain), by_sample)[1]) < 1e-4
    assert error(received, plain.architecture_gradients(*state_of(plain), batch)[1]) > 1e-3


# Random layers ----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "eager"),
    [("finite_difference", True), ("first_order", False), ("first_order", True), ("unrolled", True)],
)
def test_a_step_draws_once_for_each_level(make_search, few, few_held_out, name, eager):
    """Keras counts the draws of a generator: two in each step, however many passes the alphas' gradient makes."""
    space = NASBench201Space(2, 1, 1, ["skip_connect", "nor_conv_1x1"])
    supernet = space.build_supernet((8, 8, 1), 3, relaxation=Dirichlet(seed=7))
    search = make_search(supernet=supernet, hypergradient=name, compile={"run_eagerly": eager})
    (generator,) = [v for v in search.non_trainable_variables if v.path.endswith("seed_generator_state")]
    draws = int(np.array(generator)[1])
    search.supernet.relaxation(ops.zeros((1, 2)), training=True)
    draws = int(np.array(generator)[1]) - draws  # of one pass
    assert draws > 0
    generator.assign([7, 0])
    counts, note = noting(lambda: np.array(generator).tolist(), "on_train_batch_end")
    search.fit(*few, validation_data=few_held_out, batch_size=8, epochs=1, verbose=0, callbacks=[note])
    assert counts == [[7, 2 * draws], [7, 4 * draws]]


def test_the_level_of_the_weights_draws_behind_that_of_the_alphas(make_search, data, validation, monkeypatch):
    """What the relaxation gave in a step: the first draw for the alphas, the second for the weights, as by hand."""
    space = NASBench201Space(2, 1, 1, ["skip_connect", "nor_conv_1x1"])
    relaxation = Dirichlet(seed=7)
    search = make_search(
        supernet=space.build_supernet((8, 8, 1), 3, relaxation=relaxation),
        compile={"optimizer": keras.optimizers.SGD(0.1), "architecture_optimizer": keras.optimizers.SGD(1e-12)},
    )
    given, call = [], Dirichlet.call

    def recorded(self, alphas, training=None):
        weights, active = call(self, alphas, training)
        if training:
            given.append(np.array(weights))
        return weights, active

    monkeypatch.setattr(Dirichlet, "call", recorded)
    search.train_step(halves(data, validation))
    alphas, fresh = search.supernet.alphas["cell"], Dirichlet(seed=7)
    expected = [np.array(call(fresh, ops.convert_to_tensor(alphas), True)[0]) for _ in range(2)]
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    np.testing.assert_allclose(given, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["unrolled", "finite_difference", pytest.param("first_order", marks=pytest.mark.slow)])
def test_each_level_draws_its_own_numbers(user_model, make_search, data, validation, name):
    search = make_search(supernet=user_model(dropout=0.5), hypergradient=name)
    batch = halves(data, validation)
    w, a, state = state_of(search)
    (_, (_, handed_on)), _ = search.architecture_gradients(w, a, state, batch)
    moved = [not np.array_equal(one, other) for one, other in zip(state, handed_on, strict=True)]
    assert moved == [variable.path.endswith("seed_generator_state") for variable in search.non_trainable_variables]
    assert sum(moved) == 1

    def loss(state):
        return float(search.network_gradients(w, a, state, batch)[0][0][0])

    assert loss(state) == loss(state) != loss(handed_on)
    expected = search.network_gradients(w, a, handed_on, batch)[0][1]
    search.train_step(batch)
    position = moved.index(True)
    assert np.array_equal(state_of(search)[2][position], expected[position])


# What is refused ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (lambda: keras.optimizers.Adam(), "Expected `keras.optimizers.SGD`.*first_order.*Received: Adam"),
        (lambda: "rmsprop", "Received: RMSprop"),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "Received: Adam"),
        (lambda: keras.optimizers.SGD(weight_decay=0.1), "passed to `BilevelTrainer`.*SGD with weight_decay=0.1"),
        (lambda: keras.optimizers.SGD(gradient_accumulation_steps=2), "gradient_accumulation_steps=2"),
    ],
)
def test_optimizer_that_cannot_be_looked_ahead_with(make_search, user_model, optimizer, words):
    model = user_model()
    for hypergradient in (*SECOND_ORDER, functools.partial(finite_difference, radius=0.1)):
        with pytest.raises(ValueError, match=f"(?s)`optimizer`.*{words}"):
            make_search(supernet=model, hypergradient=hypergradient, compile={"optimizer": optimizer()})


@pytest.mark.slow
def test_first_order_takes_any_optimizer(make_search, data, validation):
    """So does a function of one's own, which is given no step then."""
    steps = []

    def own(validation_loss, training_loss, w, a, inner_step):
        steps.append(inner_step)
        return first_order(validation_loss, training_loss, w, a)

    batch = halves(data, validation)
    results = []
    for hypergradient, optimizer in (("first_order", "adam"), (own, "adam"), (own, keras.optimizers.SGD(0.1))):
        search = make_search(hypergradient=hypergradient, compile={"optimizer": optimizer})
        search.train_step(batch)
        results.append(flat(search.architecture_parameters))
    assert steps[0] is None
    assert isinstance(steps[-1], InnerStep)
    assert all(np.array_equal(result, results[0]) for result in results)
