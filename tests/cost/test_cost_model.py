"""Cost models: parts add up to networks, published counts, the expected cost and its gradient."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasnas.backend import value_and_grad
from kerasnas.cost import COSTS, CostModel, pareto_front
from kerasnas.cost.counting import macs, parameters
from kerasnas.networks.measured import Part
from kerasnas.search import CostObjective
from kerasnas.spaces import DARTSSpace, NASBench101Space, NASBench201Space, SignalSpace
from kerasnas.spaces.proxyless import ProxylessSpace
from kerasnas.tabular import NASBench201

PROXYLESS = ["mbconv_3x3_e1", "mbconv_3x3_e3", "mbconv_5x5_e3"]
DARTS = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"]
SPACES = {
    "nasbench201": (NASBench201Space(filters=4, num_cells=1), (8, 8, 3)),
    "darts": (
        DARTSSpace(filters=4, num_cells=3, num_nodes=2, stem_strides=2, primitives=DARTS),
        (16, 16, 1),
    ),
    "signals": (SignalSpace(filters=4, num_cells=1), (16, 2)),
    "proxyless": (ProxylessSpace(filters=4, num_layers=2, primitives=PROXYLESS), (8, 8, 3)),
}


@functools.cache
def cost_of(cost, name):
    """The model of a cost of the networks of a space, with five classes; its parts are built once."""
    space, shape = SPACES[name]
    return COSTS[cost](space, shape, 5)


def connected(space, rng):
    """A genotype all of whose edges lead somewhere: Keras leaves dead ends out of a network."""
    while True:
        genotype = space.sample(rng)
        if "none" not in {edge.primitive for _, edges in genotype.cells for edge in edges}:
            return genotype


BY_DEFAULT = {("nasbench201", macs)}


@pytest.mark.parametrize(
    ("name", "cost", "count"),
    [
        pytest.param(name, count.__name__, count, marks=[pytest.mark.slow] * ((name, count) not in BY_DEFAULT))
        for name in SPACES
        for count in (parameters, macs)
    ],
)
def test_parts_add_up_to_the_network(name, cost, count):
    space, shape = SPACES[name]
    model = cost_of(cost, name)
    rng = np.random.default_rng(1)
    for _ in range(2):
        genotype = connected(space, rng)
        assert model.cost(genotype) == count(space.build_network(genotype, shape, 5))


def test_counting_a_part_makes_no_variable_and_leaves_none_to_be_made():
    """What Keras makes later, it makes in whatever step is being traced by then, which is traced twice for it."""
    part, made = Part("dense", ((4,),), lambda x: keras.layers.Dense(3)(x)), []
    with tf.variable_creator_scope(lambda maker, **options: (made.append(1), maker(**options))[1]):
        assert parameters(part.outline()) == 15
        with keras.StatelessScope():
            pass
        assert not made
        assert parameters(part.model()) == 15
    assert len(made) == 2


@pytest.mark.slow
def test_counts_of_another_size():
    space, shape = SPACES["darts"]
    model = COSTS["macs"](space, shape, 5, filters=6, num_cells=3)
    genotype = space.sample(np.random.default_rng(0))
    assert model.cost(genotype) == macs(space.build_network(genotype, shape, 5, filters=6, num_cells=3))


def test_published_counts_of_nasbench201():
    """All 15,625 cells follow from the counts of their primitives: 7,783,050 MACs and 73,306 parameters are fixed."""
    space = NASBench201Space()
    published = {  # of cells with six edges of one primitive, from the benchmark's own tables
        "nor_conv_3x3": (220_119_690, 1_531_546),
        "nor_conv_1x1": (31_376_010, 241_306),
        "skip_connect": (7_783_050, 73_306),
        "avg_pool_3x3": (7_783_050, 73_306),
        "none": (7_783_050, 73_306),
    }
    models = [COSTS[name](space, (32, 32, 3), 10) for name in ("macs", "parameters")]
    for primitive, counts in published.items():
        genotype = space.genotype(dict.fromkeys(space.choices, primitive))
        assert tuple(model.cost(genotype) for model in models) == counts
    rng = np.random.default_rng(0)
    for _ in range(50):
        genotype = space.sample(rng)
        assert models[1].cost(genotype) == space.parameters(genotype)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nasbench201", "proxyless"])
def test_expected_cost_of_a_certain_choice_is_its_cost(name):
    space, shape = SPACES[name]
    model = COSTS["macs"](space, shape, 5)
    supernet = space.build_supernet(shape, 5, relaxation="softmax")
    rng = np.random.default_rng(0)
    for alphas in supernet.alphas.values():
        chosen = np.zeros(alphas.shape)
        for row in chosen:
            row[rng.integers(1, len(row))] = 50  # column 0 is `none` in one of them
        alphas.assign(chosen)
    expected = float(model.expected(supernet.expected_weights()))
    np.testing.assert_allclose(expected, model.cost(supernet.derive()), rtol=1e-5)


def test_expected_cost_is_the_mean_over_draws():
    model = cost_of("parameters", "nasbench201")
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(5), 6)
    weights[:, 0] = 0  # never derived
    weights /= weights.sum(1, keepdims=True)
    mean = model.base + (weights * model.tables["cell"]).sum()
    np.testing.assert_allclose(float(model.expected({"cell": weights.astype("float32")})), mean, rtol=1e-6)
    # A node of DARTS keeps two of its edges, whatever their number and with or without edge normalization.
    model = cost_of("parameters", "darts")
    equal = {kind: np.full(own.shape, 1 / own.shape[1], "float32") for kind, own in model.choices.items()}
    by_hand = model.base
    for kind, own in model.choices.items():
        targets = [target for _, target in own.edges]
        for (_, target), row in zip(own.edges, model.tables[kind], strict=True):
            by_hand += row[1:].mean() * 2 / targets.count(target)
    np.testing.assert_allclose(float(model.expected(equal)), by_hand, rtol=1e-6)
    normalized = {kind: table / np.array([[2.0]] * 2 + [[3.0]] * 3, "float32") for kind, table in equal.items()}
    np.testing.assert_allclose(float(model.expected(normalized)), by_hand, rtol=1e-6)


def test_gradient_of_the_expected_cost():
    model = cost_of("macs", "nasbench201")
    start = np.random.default_rng(0).standard_normal((6, 5))

    def cost(alphas):
        return model.expected({"cell": ops.softmax(ops.cast(alphas, "float32"))}), None

    _, (gradient,) = value_and_grad(lambda parameters: cost(parameters[0]))([ops.convert_to_tensor(start, "float32")])
    p = np.exp(start) / np.exp(start).sum(1, keepdims=True)
    table, kept = model.tables["cell"], np.array([0.0, 1, 1, 1, 1])
    mass = (p * kept).sum(1, keepdims=True)
    # Each edge is a node's only one or shares it: the node's edges together keep as many as there are.
    node = np.array([1, 2, 2, 3, 3, 3])
    step, numeric = 1e-5, np.zeros_like(start)
    for index in np.ndindex(*start.shape):
        values = []
        for sign in (1, -1):
            moved = start.copy()
            moved[index] += sign * step
            q = np.exp(moved) / np.exp(moved).sum(1, keepdims=True) * kept
            total = 0.0
            for target in (1, 2, 3):
                rows = node == target
                total += (q[rows] * table[rows]).sum() * rows.sum() / q[rows].sum()
            values.append(total)
        numeric[index] = (values[0] - values[1]) / (2 * step)
    assert mass.min() > 0
    np.testing.assert_allclose(np.array(gradient), numeric, rtol=2e-3, atol=1e-3 * np.abs(numeric).max())


def test_objective_in_closed_form():
    space, shape = SPACES["nasbench201"]
    cost = cost_of("parameters", "nasbench201")
    supernet = space.build_supernet(shape, 5)
    expected = float(cost.expected(supernet.expected_weights()))
    add = CostObjective(cost, weight=1e-3)
    np.testing.assert_allclose(float(add(2.0, supernet)), 2 + 1e-3 * expected, rtol=1e-6)
    multiply = CostObjective(cost, weight=0.5, target=10_000, form="multiply")
    np.testing.assert_allclose(float(multiply(2.0, supernet)), 2 * (expected / 10_000) ** 0.5, rtol=1e-5)
    assert CostObjective(cost, target=10_000)(2.0, supernet) == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1.0}, "at least 0. Received: -1.0"),
        ({"form": "multiply", "weight": 1.0}, "a number with form='multiply'"),
        ({"target": 10.0}, "at least .* parameters, the cost of the smallest network of the space. Received: 10"),
    ],
)
def test_objective_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        CostObjective(cost_of("parameters", "nasbench201"), **arguments)


def test_cost_model_survives_json_and_keras():
    model = cost_of("parameters", "proxyless")
    again = CostModel.from_config(json.loads(json.dumps(model.get_config())))
    genotype = SPACES["proxyless"][0].sample(np.random.default_rng(0))
    assert again.cost(genotype) == model.cost(genotype)
    objective = CostObjective(model, weight=1e-6, target=model.least_cost())
    remade = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert remade.cost.cost(genotype) == model.cost(genotype) and remade.target == objective.target


@pytest.mark.slow
def test_least_cost_is_that_of_the_cheapest_network():
    for name in ("nasbench201", "darts", "proxyless"):
        space, shape = SPACES[name]
        model = COSTS["macs"](space, shape, 5)
        rng = np.random.default_rng(0)
        costs = [model.cost(connected(space, rng)) for _ in range(200)]
        assert model.least_cost() <= min(costs)
        supernet = space.build_supernet(shape, 5, relaxation="softmax")
        assert model.cost(supernet.derive(cost=model, limit=model.least_cost() * (1 + 1e-9))) == model.least_cost()


def test_front_leads_from_the_cheapest_to_the_free_choice():
    space, shape = SPACES["proxyless"]
    model = cost_of("parameters", "proxyless")
    supernet = space.build_supernet(shape, 5)
    for alphas in supernet.alphas.values():
        alphas.assign(np.linspace(0, 3, alphas.shape[1])[::-1] * np.ones(alphas.shape))
        alphas.assign(np.where(np.arange(alphas.shape[1]) == alphas.shape[1] - 1, 4.0, alphas.numpy()))
    front = pareto_front(supernet, model, points=6)
    costs = [point.cost for point in front]
    assert costs == sorted(set(costs)) and len(costs) >= 3
    assert costs[0] == model.least_cost()
    assert front[-1].genotype == supernet.derive()
    with pytest.raises(ValueError, match="at least 2"):
        pareto_front(supernet, model, points=1)
    for kind, alphas in supernet.alphas.items():  # the free choice is the cheapest: the front is one point
        cheapest = model.tables[kind].argmin(axis=1)
        alphas.assign(4.0 * (np.arange(alphas.shape[1]) == cheapest[:, None]))
    (point,) = pareto_front(supernet, model, points=6)
    assert point.genotype == supernet.derive()


def test_a_genotype_of_another_space():
    model = cost_of("macs", "nasbench201")
    other = SPACES["darts"][0].sample(np.random.default_rng(0))
    with pytest.raises(ValueError, match="of another space"):
        model.cost(other)


def test_a_space_without_parts_says_so():
    space = NASBench101Space()
    with pytest.raises(ValueError, match="does not define the parts of each"):
        COSTS["macs"](space, (32, 32, 3), 10).cost(space.sample(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="has no cost model"):
        space.parts((32, 32, 3), 10)


@pytest.mark.slow
def test_published_counts_of_all_cells_of_nasbench201(published):
    table = NASBench201.open(published("nb201.npz"))
    macs_model, parameter_model = (COSTS[name](table.space, (32, 32, 3), 10) for name in ("macs", "parameters"))
    flops, params = table.column("flops"), table.column("params")
    for index in range(len(flops)):
        genotype = table.genotype(index)
        assert (macs_model.cost(genotype), parameter_model.cost(genotype)) == (flops[index], params[index])


def test_multiply_adds_of_attention():
    inputs = keras.Input((4, 9, 8))  # 4 windows of 9 pixels
    layer = keras.layers.MultiHeadAttention(2, 4, attention_axes=(2,))
    model = keras.Model(inputs, layer(inputs, inputs))
    projections = 36 * 4 * (8 * 8 + 8)  # query, key, value and output, each with its bias
    assert macs(model) == projections + 2 * (4 * 9 * 9) * 2 * 4
