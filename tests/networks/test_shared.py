"""Shared weights: a child computes what its stand-alone network would, its own path alone, and leaves no trace."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import Genotype, backend
from kerasnas.networks.shared import SharedGraph, SharedPrimitives
from kerasnas.primitives.base import primitive
from kerasnas.primitives.convolutions import Convolution, Depthwise, OffsetPair, Pointwise
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.spaces import ENASMacroSpace, ENASMicroSpace
from kerasnas.spaces.cell_space import cell_plan
from kerasnas.spaces.enas_macro import macro_plan
from tests.layers import layers_in_order

NAMES = ["skip_connect", "sep_conv_3x3", "avg_pool_3x3", "nor_conv_3x3"]
SHAPE, CLASSES = (9, 8, 2), 3
MICRO = ENASMicroSpace(filters=2, num_cells=3, num_nodes=2, primitives=NAMES[:3])
MACRO = ENASMacroSpace(filters=2, num_layers=4, primitives=NAMES[1:])


def images(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def numbers(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def scatter(model):
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(rng.uniform(-0.8, 0.9, variable.shape))


@pytest.fixture(scope="module")
def supernets():
    made = {space.name: space.build_supernet(SHAPE, CLASSES) for space in (MICRO, MACRO)}
    for supernet in made.values():
        scatter(supernet)
    return made


# One layer ---------------------------------------------------------------------------------------------
def shared(strides=1, names=NAMES, edges=3):
    layer = SharedPrimitives([primitive(name, 4, strides) for name in names], edges)
    layer.build((None, 6, 6, 4))
    return layer


@pytest.mark.parametrize(("position", "strides"), [(0, 1), (1, 2), (2, 1), (3, 2)])
def test_it_computes_the_primitive_with_the_weights_of_the_edge(strides, position):
    layer, x = shared(strides), images(5, 6, 6, 4)
    scatter(layer)
    own = primitive(NAMES[position], 4, strides)
    own.build((None, 6, 6, 4))
    for variable, value in zip(own.trainable_variables, layer.unpack(layer.table[2])[position], strict=True):
        variable.assign(value)
    if "pool" in NAMES[position]:  # as in discrete networks: without batch norm
        expected = keras.layers.AveragePooling2D(3, strides, padding="same")(x)
    else:
        expected = own(x, training=True)
    received = layer(x, index=ops.convert_to_tensor(position), edge=2)
    np.testing.assert_allclose(numbers(received), numbers(expected), rtol=1e-4, atol=1e-5)


def test_the_gradient_reaches_the_chosen_weights_alone():
    layer, x = shared(), images(5, 6, 6, 4)

    def loss(parameters):
        with keras.StatelessScope(state_mapping=[(layer.table, parameters[0])]):
            y = layer(x, index=ops.convert_to_tensor(1), edge=ops.convert_to_tensor(2))
        return ops.sum(y * images(*y.shape, seed=1)), None

    _, (gradient,) = backend.value_and_grad(loss)(backend.values([layer.table]))
    sizes = [sum(int(np.prod(shape)) for shape in shapes) for shapes in layer.shapes]
    expected = np.zeros(layer.table.shape, bool)
    expected[2, sizes[0] : sizes[0] + sizes[1]] = True
    assert sizes[1] and sizes[3]
    np.testing.assert_array_equal(numbers(gradient) != 0, expected)


def test_initial_weights_are_those_of_the_primitives():
    layer = shared()
    depthwise, _, gamma, beta, *_ = layer.unpack(layer.table[0])[1]
    np.testing.assert_array_equal(numbers(gamma), 1)
    np.testing.assert_array_equal(numbers(beta), 0)
    many = numbers(shared(edges=200).table)
    assert 0.9 < many[:, : depthwise.shape[0] ** 2 * 4].std() / np.sqrt(2 / 9) < 1.1  # normal, variance 2 / fan-in
    assert len(np.unique(many[:, 0])) == 200  # every edge has its own
    np.testing.assert_array_equal(numbers(shared().table), numbers(layer.table))


def test_every_primitive_is_traced_once():
    calls = []

    class Counted(keras.layers.Layer):
        def call(self, inputs):
            calls.append(1)
            return 2 * inputs

    layer = SharedPrimitives([Counted(), keras.layers.Identity()], edges=2)
    layer.build((None, 6, 6, 4))
    x = ops.convert_to_tensor(images(2, 6, 6, 4))
    calls.clear()  # Keras looks for shapes when it builds
    for index in (0, 1, 0, 1):
        y = layer(x, index=ops.convert_to_tensor(index), edge=index)
        np.testing.assert_allclose(numbers(y), numbers(x) * (2 - index))
    assert len(calls) == 1


def test_every_edge_of_a_cell_has_a_row_of_its_own():
    """Numbered by hand, by target: inputs 0 and 1, nodes 2 to 5; what each read gets as its row."""
    table = ENASMicroSpace(num_cells=1, num_nodes=4, primitives=NAMES[:2]).tables["reduce"]
    layer = SharedGraph(lambda candidates, edges: edges, table, inputs=2, filters=1, strides=1)
    assert (layer.from_inputs, layer.between) == (8, 6)
    read = []

    def recorder(kind):
        def compute(x, index, row):
            read.append((kind, float(x), int(index), int(row)))
            return ops.convert_to_tensor(float(len(read)) + 10)

        return compute

    layer.from_inputs, layer.between = recorder("inputs"), recorder("nodes")

    def rows(*pairs):
        """The rows that nodes 2, 3, 4 and 5 read with, if these are the pairs of their sources."""
        read.clear()
        sources = [[ops.convert_to_tensor(source) for source in pair] for pair in pairs]
        layer.call([ops.convert_to_tensor(0.0), ops.convert_to_tensor(1.0)], sources, [[0, 1]] * 4)
        return [(kind, row) for kind, _, _, row in read]

    def named(kind, *rows):
        return [(kind, row) for row in rows]

    assert rows((0, 1), (0, 1), (0, 1), (0, 1)) == named("inputs", 0, 1, 2, 3, 4, 5, 6, 7)
    assert rows((1, 1), (2, 2), (2, 3), (2, 3)) == [*named("inputs", 1, 1), *named("nodes", 0, 0, 1, 2, 3, 4)]
    assert rows((0, 0), (1, 2), (3, 3), (3, 4)) == [*named("inputs", 0, 0, 3), *named("nodes", 0, 2, 2, 4, 5)]
    assert [value for _, value, _, _ in read[:3]] == [0, 0, 1]  # what is read is the source itself
    assert read[3][1] == 11 + 12 and read[4][1] == 13 + 14


# A child against its stand-alone network --------------------------------------------------------------------
def spelled(layer, position=0, edge=0, kept=slice(None)):
    """(class, values) of the Keras layers that spell a primitive out; `kept`: the input channels that are there."""
    weights = iter(map(numbers, layer.unpack(layer.table[edge])[position]))
    for stage in layer._candidates()[position].chain:
        if isinstance(stage, BatchNorm) and stage.affine:
            yield "BatchNormalization", [next(weights), next(weights)]
        elif isinstance(stage, OffsetPair):
            yield from (("Conv2D", [next(weights)[0][kept]]) for _ in range(2))
        elif isinstance(stage, Pointwise):
            yield "Conv2D", [next(weights)[0][kept]]
        elif isinstance(stage, Convolution):
            yield "Conv2D", [next(weights)[0]]
        elif isinstance(stage, Depthwise):
            yield "DepthwiseConv2D", [next(weights)]


def channels(chosen, filters, start=0):
    return [filters * (node - start) + channel for node in chosen for channel in range(filters)]


def reached(plan, genotype):
    """The numbers of the cells that lead to the head: a child need not read the cell before it."""
    found = {len(plan) - 1}
    for number in reversed(range(len(plan))):
        if number in found:
            found |= {number - 2 + edge.source for edge in genotype[plan[number].kind] if edge.source < 2}
    return found


def micro_values(supernet, genotype):
    stem, *cells, _, classifier = supernet.parts
    yield from spelled(stem)
    outputs = [slice(None)] * 2  # the channels that are there, of the two cells before
    plans = cell_plan(MICRO.num_cells, MICRO.filters)
    found = reached(plans, genotype)
    for number, plan in enumerate(plans):
        edges, (*preprocess, cell) = genotype[plan.kind], cells[3 * number : 3 * number + 3]
        assert isinstance(cell, SharedGraph)
        for source, (layer, kept) in enumerate(zip(preprocess, outputs, strict=True)):
            if number in found and source in {edge.source for edge in edges}:
                yield from spelled(layer, kept=kept)
        for edge in edges if number in found else []:
            position = MICRO.primitives.index(edge.primitive)
            if edge.source < 2:
                row = [(0, 2), (1, 2), (0, 3), (1, 3)].index((edge.source, edge.target))
                yield from spelled(cell.from_inputs, position, row)
            else:
                yield from spelled(cell.between, position, [(2, 3)].index((edge.source, edge.target)))
        loose = [node for node in range(2, 2 + MICRO.num_nodes) if node not in {edge.source for edge in edges}]
        outputs = [outputs[1], channels(loose, plan.filters, 2)]
    yield "Dense", [numbers(classifier.kernel)[outputs[1]], numbers(classifier.bias)]


def macro_values(supernet, genotype):
    stem, *layers = [layer for layer in supernet.parts if isinstance(layer, SharedPrimitives)]
    yield from spelled(stem)
    plan = macro_plan(MACRO.num_layers, MACRO.filters)
    first = np.cumsum([0, MACRO.filters, *plan])  # of each output, where its channels begin
    for number in range(1, 1 + len(plan)):
        edges = [edge for edge in genotype["network"] if edge.target == number]
        kept = [channel for edge in edges for channel in range(first[edge.source], first[edge.source + 1])]
        yield from spelled(layers[2 * number - 2], kept=kept)
        position = MACRO.primitives.index(edges[0].primitive)
        yield from spelled(layers[2 * number - 1], position)
    read = {edge.source for edge in genotype["network"]}
    loose = [number for number in range(1, len(plan) + 1) if number not in read]
    kept = [channel - first[1] for number in loose for channel in range(first[number], first[number + 1])]
    yield "Dense", [numbers(supernet.classifier.kernel)[kept], numbers(supernet.classifier.bias)]


def twice(space):
    """A child that reads one node twice, with one primitive, and whose first node alone is read by the second."""
    edges = [("sep_conv_3x3", 0, 2)] * 2 + [("skip_connect", 0, 3), ("skip_connect", 2, 3)]
    return Genotype(space.name, {"normal": edges, "reduce": edges})


def reading(reads):
    """A child of the layers that each layer reads; where none is given, the stem. Those that none reads are output."""
    edges = [("sep_conv_3x3", source, layer) for layer in range(1, 5) for source in reads.get(layer, [0])]
    return Genotype(MACRO.name, {"network": edges})


def children(space, values, *special, seed=7):
    rng = np.random.default_rng(seed)
    genotypes = [*special, space.sample(rng), space.sample(rng)]
    return [
        pytest.param(space, values, g, id=f"{space.name}-{i}", marks=[pytest.mark.slow] * (i > 0))
        for i, g in enumerate(genotypes)
    ]


@pytest.mark.parametrize(
    ("space", "values", "genotype"),
    [
        *children(MICRO, micro_values, twice(MICRO)),
        *children(MACRO, macro_values, reading({2: [1], 3: [1], 4: [3]}), reading({4: [1, 2, 3]})),
    ],
)
def test_a_child_computes_what_its_stand_alone_network_does(supernets, space, values, genotype):
    supernet, network = supernets[space.name], space.build_network(genotype, SHAPE, CLASSES)
    made = layers_in_order(network)
    for kind, arrays in values(supernet, genotype):
        layer = made[kind].pop(0)
        for variable, array in zip(layer.trainable_weights, arrays, strict=True):
            variable.assign(array.reshape(variable.shape))
    assert not any(made.values())
    x = images(6, *SHAPE, seed=1)
    expected = numbers(network(x, training=True))
    received = numbers(supernet(x, architecture=np.array(space.encode(genotype)), training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3  # the images do tell on the logits
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


# The whole supernet ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("space", [MICRO, MACRO])
def test_calls_leave_no_trace(supernets, space):
    supernet, x = supernets[space.name], images(6, *SHAPE)
    before = [numbers(variable).copy() for variable in supernet.variables]
    assert not supernet.non_trainable_variables  # no moving statistics
    training, testing = (numbers(supernet(x, training=training)) for training in (True, False))
    np.testing.assert_array_equal(training, testing)
    first = numbers(supernet(x, architecture=np.zeros(len(space.choices), int)))
    np.testing.assert_array_equal(first, testing)
    for variable, value in zip(supernet.variables, before, strict=True):
        np.testing.assert_array_equal(numbers(variable), value)
