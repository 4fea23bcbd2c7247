"""The guards: curvature in closed form and as a stop, the auxiliary skip, the cap of skips; objectives in the step."""

import types
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasnas import BilevelTrainer
from kerasnas.backend import value_and_grad
from kerasnas.callbacks import CurvatureStop, SearchCheckpoint, TemperatureSchedule
from kerasnas.callbacks.schedules import ArchitectureWarmup
from kerasnas.cost import COSTS
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.primitives import MixedOp
from kerasnas.relaxations import Gumbel, Softmax
from kerasnas.search import CostObjective
from kerasnas.spaces import NASBench201Space
from kerasnas.tasks.splits import stratified_split
from kerasnas.trainers.curvature import CurvatureMemory, hessian_vector_product, top_eigenvalue
from tests.trainers.conftest import CLASSES, SHAPE, SPACE
from tests.trainers.kit import noting, same_state, state_of, still


def tiny():
    space = NASBench201Space(2, 1, 2, ["none", "skip_connect", "nor_conv_1x1"])
    return space, space.build_supernet((8, 8, 1), 3)


# Curvature ---------------------------------------------------------------------------------------------------
def test_hessian_vector_product_of_a_quadratic():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((5, 5))
    matrix = matrix + matrix.T
    vector, point = rng.standard_normal(5), rng.standard_normal(5)

    def loss(x):
        return ops.sum(x[0] * ops.matmul(ops.convert_to_tensor(matrix), x[0])) / 2

    tensors = [ops.convert_to_tensor(point)], [ops.convert_to_tensor(vector)]
    np.testing.assert_allclose(hessian_vector_product(loss, *tensors)[0], matrix @ vector, rtol=1e-10)


@pytest.mark.parametrize(
    ("eigenvalues", "iterations", "tolerance"),
    [
        ([-9.0, -1.0, 0.5, 2.0, 3.0], 400, 1e-9),  # more iterations than dimensions: exact
        ([-9.0, -8.0, -5.0, -2.0, -1.0], 5, 1e-9),  # not 0, of the rows of the basis that stay empty
        ([-7.0, -7.0, 3.0, 3.0, 3.0], 5, 1e-9),  # spanned after two
        ([0.0, 0.0, 0.0, 0.0, 0.0], 3, 1e-9),
        (np.concatenate([np.linspace(-10, 1, 59), [4.0]]), 12, 1e-2),
    ],
    ids=["mixed", "negative", "repeated", "zero", "many"],
)
def test_largest_eigenvalue_is_not_that_of_largest_magnitude(eigenvalues, iterations, tolerance):
    """A matrix whose eigenvalue of largest magnitude is negative; over two tensors."""
    rng = np.random.default_rng(0)
    size, largest = len(eigenvalues), np.max(eigenvalues)
    basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = basis * np.array(eigenvalues) @ basis.T

    def loss(x):
        flat = ops.concatenate([ops.reshape(x[0], (-1,)), x[1]])
        return ops.sum(flat * ops.matmul(ops.convert_to_tensor(matrix), flat)) / 2

    point, start = (
        [ops.convert_to_tensor(flat[:2][:, None]), ops.convert_to_tensor(flat[2:])]
        for flat in rng.standard_normal((2, size))
    )
    value, found = top_eigenvalue(loss, point, start, iterations)
    assert float(value) == pytest.approx(largest, abs=tolerance * 10)
    assert [tuple(part.shape) for part in found] == [(2, 1), (size - 2,)]
    vector = np.concatenate([np.ravel(part) for part in found])
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector @ matrix @ vector == pytest.approx(float(value), abs=1e-8)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("relaxation", ["softmax", pytest.param("dirichlet", marks=pytest.mark.slow)])
def test_curvature_of_a_search_is_that_of_its_whole_hessian(dtype_policy, data, relaxation):
    """Against the Hessian by central differences of the gradient, in float64, batch norm included."""
    dtype_policy("float64")
    space = NASBench201Space(2, 1, 1, ["skip_connect", "nor_conv_1x1"])
    search = BilevelTrainer(supernet := space.build_supernet((8, 8, 1), 3, relaxation=relaxation), auxiliary_skip=0.3)
    search.compile()
    batch = tuple(ops.convert_to_tensor(part[:6]) for part in data)
    w, a, state = state_of(search)
    shape, size = a[0].shape, int(np.prod(a[0].shape))

    def gradient(flat):
        with supernet.at_expected_weights():
            loss = search._loss(state, batch, 1.0)
            return np.array(value_and_grad(lambda alphas: (loss(w, alphas)[0], None))([ops.reshape(flat, shape)])[1][0])

    step, at = 1e-5, np.array(a[0]).ravel()
    columns = [(gradient(at + step * unit) - gradient(at - step * unit)).ravel() / (2 * step) for unit in np.eye(size)]
    eigenvalues = np.linalg.eigvalsh((np.array(columns) + np.array(columns).T) / 2)
    assert search.curvature(batch, iterations=size) == pytest.approx(eigenvalues.max(), rel=1e-4)


def fake_search(curvatures):
    """A model of one alpha, 0, 1, 2, ... by epoch, whose curvature is given."""
    alphas = keras.Variable(np.zeros((1, 2)), dtype="float32")
    measured = iter(curvatures)
    return types.SimpleNamespace(
        architecture_parameters=[alphas],
        curvature_memory=CurvatureMemory([alphas], capacity=4),
        curvature=lambda batch: next(measured),
        stop_training=False,
        architecture_warmup=types.SimpleNamespace(frozen=False),
    )


@pytest.mark.parametrize(
    ("curvatures", "stops_at"),
    [
        ([1, 1, 1, 1, 1, 1, 1], None),
        ([1, 1, 1, 1, 1, 5], 5),
        ([4, 4, 3, 3, 2, 2], None),
        ([1, 1, 2, 2], 3),
        ([0, 0, 1, 1], None),
        ([-1, -1, 1, 1], None),
    ],
)
def test_stop_follows_the_papers_rule(curvatures, stops_at):
    model = fake_search(curvatures)
    stop = CurvatureStop(lambda: None, ratio=0.75, window=2)
    stop.set_model(model)
    for epoch in range(len(curvatures)):
        model.architecture_parameters[0].assign(np.full((1, 2), float(epoch)))
        logs = {}
        stop.on_epoch_end(epoch, logs)
        assert logs["curvature"] == curvatures[epoch]
        averages = [np.mean(curvatures[end - 1 : end + 1]) for end in (epoch - 2, epoch)]
        should = epoch >= 3 and 0 < averages[0] < 0.75 * averages[1]
        assert stop.stopped == should == (stops_at == epoch)
        if should:
            assert model.stop_training
            assert np.all(model.architecture_parameters[0] == epoch - 2)  # of two measurements ago
            return
    assert stops_at is None


def test_a_stopped_search_stays_stopped_when_resumed(tmp_path, few, make_search, monkeypatch):
    monkeypatch.setattr("kerasnas.trainers.guarded_search.CURVATURE_WINDOW", 1)
    growing = iter([1.0, 1.0, 9.0])

    def build():
        """A search whose steps add 1 to the alphas."""
        search = still(make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES)))
        step, (alphas,) = search.train_step, search.architecture_parameters
        search.train_step = lambda data: (alphas.assign_add(alphas * 0 + 1), step(data))[1]
        monkeypatch.setattr(search, "curvature", lambda batch: next(growing))
        return search

    search = build()
    checkpoint = SearchCheckpoint(tmp_path)
    search.fit(*few, batch_size=8, epochs=5, verbose=0, callbacks=[checkpoint])
    assert len(checkpoint.history["loss"]) == 3 and checkpoint.history["curvature"] == [1.0, 1.0, 9.0]
    again, checkpoint = build(), SearchCheckpoint(tmp_path)
    epoch = checkpoint.restore(again)
    again.fit(*few, batch_size=8, epochs=5, verbose=0, initial_epoch=epoch, callbacks=[checkpoint])
    assert len(checkpoint.history["loss"]) == 3
    assert same_state(search, again)


@pytest.mark.parametrize(
    "kind",
    ["halves", *(pytest.param(one, marks=pytest.mark.slow) for one in ("tf.data", "validation data", "PyDataset"))],
)
def test_curvature_is_measured_on_the_images_that_move_the_alphas(few, make_search, monkeypatch, kind):
    """Images of one pixel value a part: 1 moves the weights, 2 the alphas."""
    monkeypatch.setattr("kerasnas.trainers.guarded_search.CURVATURE_WINDOW", 1)
    x, y = np.ones_like(few[0]), few[1]
    given = {"validation_data": (2 * x, y)}
    if kind == "halves":
        x[stratified_split(y, 0.5, seed=0)[1]] = 2
        given = {}
    elif kind == "PyDataset":
        given = {"validation_data": ArrayBatches(2 * x, y, 8)}
        x, y = ArrayBatches(x, y, 8), None
    elif kind == "tf.data":
        slices = tf.data.Dataset.from_tensor_slices
        given = {"validation_data": slices((2 * x, y)).batch(8)}
        x, y = slices((x, y)).batch(8), None
    search, read = still(make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES))), []

    def curvature(batch):
        read.append(set(np.unique(batch[0])))
        return 1.0

    monkeypatch.setattr(search, "curvature", curvature)
    search.fit(x, y, batch_size=8, epochs=2, verbose=0, **given)
    assert read == [{2}, {2}]


@pytest.mark.slow
def test_curvature_is_measured_in_a_fit_and_resumes(tmp_path, data, make_search, monkeypatch):
    monkeypatch.setattr("kerasnas.trainers.guarded_search.CURVATURE_WINDOW", 1)

    def make():
        return make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES), curvature_ratio=1e-9)

    whole = make()
    history = whole.fit(*data, batch_size=8, epochs=3, verbose=0).history
    assert len(history["curvature"]) == 3 and all(value > 0 for value in history["curvature"])
    first, checkpoint = make(), SearchCheckpoint(tmp_path)
    halt = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: setattr(first, "stop_training", epoch == 1))
    first.fit(*data, batch_size=8, epochs=3, verbose=0, callbacks=[checkpoint, halt])
    second, checkpoint = make(), SearchCheckpoint(tmp_path)
    epoch = checkpoint.restore(second)
    second.fit(*data, batch_size=8, epochs=3, verbose=0, initial_epoch=epoch, callbacks=[checkpoint])
    assert checkpoint.history["curvature"] == history["curvature"]


@pytest.mark.parametrize(
    ("epochs", "warmup", "asked", "measured"),
    [
        pytest.param(12, 3, False, 0, marks=pytest.mark.slow),  # the command line's default
        (13, 3, False, 13),
        pytest.param(12, 2, False, 12, marks=pytest.mark.slow),
        pytest.param(12, None, False, 0, marks=pytest.mark.slow),
        pytest.param(12, ArchitectureWarmup(2), False, 12, marks=pytest.mark.slow),
        pytest.param(12, ArchitectureWarmup(3), True, 0, marks=pytest.mark.slow),
        pytest.param(9, 0, True, 0, marks=pytest.mark.slow),
    ],
)
def test_no_curvature_is_measured_where_the_stop_cannot_act(
    few, make_search, monkeypatch, epochs, warmup, asked, measured
):
    """It compares ten epochs in which the alphas learn."""
    given = [warmup] if isinstance(warmup, ArchitectureWarmup) else []
    options = {"architecture_warmup_epochs": 0 if given else warmup, **({"curvature_ratio": 0.25} if asked else {})}
    search, seen = make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES), **options), []
    monkeypatch.setattr(search, "curvature", lambda batch: seen.append(1) or 1.0)
    still(search)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search.fit(*few, batch_size=8, epochs=epochs, verbose=0, callbacks=given)
    assert len(seen) == measured
    words = [str(warning.message) for warning in said if "guard" in str(warning.message)]
    learning = epochs - (warmup if isinstance(warmup, int) else 3)
    reason = f"it needs 10 epochs with trainable alphas, and this search has {learning}"
    assert words == [f"The guard curvature_ratio=0.25 has no effect: {reason}."] * asked
    if not given:
        assert search.idle_curvature_stop(epochs) == (None if measured else reason)


def test_a_resumed_search_counts_what_it_remembers(make_search):
    search = make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES), architecture_warmup_epochs=3)
    assert search.idle_curvature_stop(13) is None and search.idle_curvature_stop(13, 4).endswith("has 9")
    search.curvature_memory.count.assign(1.0)
    assert search.idle_curvature_stop(13, 4) is None


@pytest.mark.parametrize("relaxation", ["gumbel", "binary_gates"])
def test_sampled_paths_have_no_curvature(relaxation):
    supernet = SPACE.build_supernet(SHAPE, CLASSES, relaxation=relaxation)
    with pytest.warns(UserWarning, match=r"curvature_ratio=0\.25 has no effect: the relaxation \w+ samples paths"):
        search = BilevelTrainer(supernet, curvature_ratio=0.25)
    assert search.curvature_memory is None
    with pytest.raises(ValueError, match="measures no curvature"):
        search.curvature((np.zeros((1, 8, 8, 1)), np.zeros(1)))


# The auxiliary skip and the cap ------------------------------------------------------------------------------
def test_auxiliary_skip_in_closed_form():
    """In a cell of skips alone, an edge of weight p passes p x; with the auxiliary one (p + c) x."""
    space = NASBench201Space(2, 1, 2, ["none", "skip_connect"])
    x = np.random.default_rng(0).random((2, 4, 4, 2)).astype("float32")
    supernet = space.build_supernet((8, 8, 1), 3)
    cell = supernet.graphs[0]
    weights = np.array([[0.5, 0.5], [0.8, 0.2], [0.3, 0.7]], "float32")
    for auxiliary, c in ((None, 0.0), (0.25, 0.25)):
        p = weights[:, 1] + c
        expected = x * p[1] + (x * p[0]) * p[2]
        node = cell([x], weights=weights, auxiliary=auxiliary)[-1]
        np.testing.assert_allclose(node, expected, rtol=1e-5)


def test_auxiliary_skip_spares_the_edges_that_stride(space):
    supernet = space.build_supernet((8, 8, 1), 3)
    (cell,) = supernet.graphs
    inputs = [np.random.default_rng(0).random((2, 8, 8, cell.filters)).astype("float32")] * 2
    weights = np.full((2, 3), 1 / 3, "float32")
    plain, auxiliary = (np.array(cell(inputs, weights=weights, auxiliary=c)[0]) for c in (None, 0.5))
    np.testing.assert_array_equal(plain, auxiliary)  # the one cell is a reduction cell: both its edges halve


def test_none_is_derived_where_it_is_asked_for():
    space, supernet = tiny()
    for max_skips, skips in (("auto", 1), (None, 2)):
        search = BilevelTrainer(supernet, max_skips=max_skips)
        supernet.alphas["cell"].assign(np.array([[9, 1, 0], [0, 9, 1], [0, 9, 2]], "float32"))
        found = search.derive(), search.derive(allow_none=True)
        assert [genotype.count("none") for genotype in found] == [0, 1]
        assert found[1].count("skip_connect") == skips
        assert found[0] in space.reachable(search.skip_limit)
        assert found[1] in space.reachable(search.skip_limit, allow_none=True)


def test_trainer_puts_up_its_guards_and_takes_them_down():
    _, supernet = tiny()
    assert float(supernet.auxiliary_skip) == 0 and not supernet.has_auxiliary_skip
    search = BilevelTrainer(supernet, auxiliary_skip=0.5, max_skips=1, curvature_ratio=None)
    assert float(supernet.auxiliary_skip) == 0.5 and search.curvature_memory is None
    remade = BilevelTrainer.from_config(search.get_config())
    assert (remade.auxiliary_skip, remade.max_skips, remade.curvature_ratio) == (0.5, 1, None)
    assert float(remade.supernet.auxiliary_skip) == 0.5


@pytest.mark.parametrize(
    ("relaxation", "weights"),
    [("softmax", [0.25, 0.125, 0.0]), ("gumbel", [0.5] * 3), ("binary_gates", [0.5] * 3)],  # of five epochs, the last
)
def test_auxiliary_skip_decays_to_0_as_a_function_of_the_epoch_and_stays_where_paths_are_sampled(
    few, relaxation, weights
):
    supernet = tiny()[0].build_supernet(SHAPE, CLASSES, relaxation)
    search = still(BilevelTrainer(supernet, auxiliary_skip=0.5, curvature_ratio=None))
    seen, note = noting(lambda: float(search.supernet.auxiliary_skip))
    search.fit(*few, batch_size=8, epochs=5, initial_epoch=2, verbose=0, callbacks=[note])
    assert seen == pytest.approx(weights, abs=1e-6)


@pytest.mark.parametrize(
    ("epochs", "warmup", "frozen"),
    [(4, None, 1), pytest.param(3, 2, 2, marks=pytest.mark.slow)],
)
def test_alphas_are_frozen_for_a_quarter_of_the_epochs(few, epochs, warmup, frozen):
    search = still(BilevelTrainer(SPACE.build_supernet(SHAPE, CLASSES), architecture_warmup_epochs=warmup))
    active, note = noting(lambda: float(search.architecture_active))
    search.fit(*few, batch_size=8, epochs=epochs, verbose=0, callbacks=[note])
    assert active == [0.0] * frozen + [1.0] * (epochs - frozen)


def test_derive_caps_skips_by_default():
    space = NASBench201Space(2, 1, primitives=["none", "skip_connect", "avg_pool_3x3"])
    supernet = space.build_supernet((8, 8, 1), 3)
    supernet.alphas["cell"].assign(np.array([0, 3, 1.0]) * np.ones((6, 1)))
    counts = {cap: BilevelTrainer(supernet, max_skips=cap).derive().count("skip_connect") for cap in ("auto", None, 3)}
    assert counts == {"auto": 1, None: 6, 3: 3}  # a quarter of six edges


def test_auxiliary_skip_that_finds_no_edge_says_so(monkeypatch):
    """The warning comes if it was asked for; `None` stands for a supernet that does not count its edges."""
    _, supernet = tiny()
    for found, warns in ((0, True), (3, False), (None, False)):
        asked = []
        add = lambda self, weight, found=found, asked=asked: asked.append(weight) or found  # noqa: E731
        monkeypatch.setattr(type(supernet), "add_auxiliary_skip", add)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            BilevelTrainer(supernet)
            assert not caught and asked == [1.0]
            BilevelTrainer(supernet, auxiliary_skip=0.5)
        reason = "the supernet has no edge of stride 1 for a skip"
        words = [str(warning.message) for warning in caught]
        assert words == [f"The guard auxiliary_skip=0.5 has no effect: {reason}."] * warns
        assert not warns or caught[0].filename == __file__


def test_guards_of_a_users_model_say_that_they_do_nothing(user_model):
    model = user_model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = BilevelTrainer(model)
    assert search.curvature_memory is None and not search.can_derive
    with pytest.warns(UserWarning, match=r"auxiliary_skip=1\.0 has no effect"):
        BilevelTrainer(model, auxiliary_skip=1.0)
    with pytest.warns(UserWarning, match=r"curvature_ratio=0\.5 has no effect: the supernet was not built by a space"):
        BilevelTrainer(model, curvature_ratio=0.5)
    objective = CostObjective(COSTS["parameters"](SPACE, SHAPE, CLASSES), 0.1)
    with pytest.raises(TypeError, match=r"`objective`\. Expected a function, as the supernet was not built by a space"):
        BilevelTrainer(model, objective=objective)


# Objectives and schedules ------------------------------------------------------------------------------------
@pytest.mark.usefixtures("eagerly")
def test_gradient_with_a_cost_is_the_sum_of_both(dtype_policy, data):
    dtype_policy("float64")
    space, supernet = tiny()
    cost = COSTS["parameters"](space, (8, 8, 1), 3)
    batch = tuple(ops.convert_to_tensor(part[:8]) for part in data)
    gradients, losses = {}, {}
    for weight in (0.0, 0.01):
        search = BilevelTrainer(supernet, architecture_weight_decay=0.0, objective=CostObjective(cost, weight))
        search.compile()
        (losses[weight], _), (gradients[weight],) = search.architecture_gradients(*state_of(search), (batch, batch))

    def expected(alphas):
        return cost.expected({"cell": ops.softmax(alphas[0])}), None

    own = np.array(value_and_grad(expected)([ops.convert_to_tensor(supernet.alphas["cell"])])[1][0])
    np.testing.assert_allclose(np.array(gradients[0.01]) - np.array(gradients[0.0]), 0.01 * own, rtol=1e-3, atol=1e-5)
    assert float(losses[0.0]) == float(losses[0.01])  # what is reported stays the loss


def test_search_with_a_target_never_exceeds_it(few):
    space, supernet = tiny()
    cost = COSTS["macs"](space, (8, 8, 1), 3)
    target = cost.least_cost() + 200
    search = BilevelTrainer(supernet, objective=CostObjective(cost, 1e-4, target), max_skips=None)
    search.compile(learning_rate=0.1, architecture_optimizer=keras.optimizers.Adam(0.5), run_eagerly=True)
    history = search.fit(*few, batch_size=8, epochs=2, verbose=0).history
    assert max(history["derived_macs"]) <= target and len(history["expected_macs"]) == 2
    supernet.alphas["cell"].assign(np.array([0, 0, 9.0]) * np.ones((3, 1)))
    assert cost.cost(supernet.derive()) > target >= cost.cost(search.derive())


@pytest.mark.parametrize(
    "relaxation", [Softmax(4.0), pytest.param(Gumbel(4.0), marks=pytest.mark.slow)], ids=["softmax", "gumbel"]
)
def test_temperature_follows_its_schedule(few, relaxation):
    supernet = SPACE.build_supernet(SHAPE, CLASSES, relaxation=relaxation)
    seen, note = noting(lambda: float(supernet.relaxation.temperature))
    search = still(BilevelTrainer(supernet))
    search.fit(*few, batch_size=8, epochs=3, verbose=0, callbacks=[TemperatureSchedule(8.0, 2.0), note])
    assert seen == [8.0, 5.0, 2.0]


def test_temperature_of_a_users_model_follows_its_schedule(data):
    """That of every mixed operation which has one."""
    inputs = keras.Input((8, 8, 1))
    x = MixedOp(["skip_connect", "avg_pool_3x3"], filters=1, relaxation="softmax", name="first")(inputs)
    x = MixedOp(["skip_connect", "max_pool_3x3"], filters=1, relaxation="sigmoid", name="second")(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    search = still(BilevelTrainer(model))
    search.fit(*data, batch_size=16, epochs=2, verbose=0, callbacks=[TemperatureSchedule(8.0, 2.0)])
    assert float(model.get_layer("first").relaxation.temperature) == 2.0
    weights = search.mixing_weights()  # by each operation's own relaxation
    alphas = {layer: model.get_layer(layer).alphas for layer in ("first", "second")}
    np.testing.assert_allclose(weights[alphas["first"].path], ops.softmax(alphas["first"] / 2.0), rtol=1e-6)
    np.testing.assert_allclose(weights[alphas["second"].path], ops.sigmoid(alphas["second"]), rtol=1e-6)


def test_schedules_say_what_is_wrong(data):
    search = BilevelTrainer(SPACE.build_supernet(SHAPE, CLASSES, relaxation="sigmoid"))
    search.compile()
    with pytest.raises(ValueError, match="needs a relaxation with a temperature"):
        search.fit(*data, batch_size=8, epochs=1, verbose=0, callbacks=[TemperatureSchedule()])
