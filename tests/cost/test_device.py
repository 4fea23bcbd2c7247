"""Flash and memory of a network on a microcontroller: closed forms, and what the interpreter takes."""

import functools

import keras
import numpy as np
import pytest

from kerasnas.cost import device_cost
from kerasnas.cost.device import OperatorGraph, planned
from kerasnas.export import litert, micro
from kerasnas.export.classifier import Classifier, with_preprocessing
from kerasnas.modalities.fronts import Levels, Padding, Scaling
from kerasnas.spaces import MacroSpace

SHAPE = (16, 16, 3)


@pytest.mark.parametrize(
    ("sizes", "lifetimes", "least"),
    [
        ([], [], 0),
        ([5, 7, 4], [(0, 0), (1, 1), (2, 2)], 7),
        ([100, 80, 60], [(0, 1), (1, 2), (2, 3)], 180),
        ([100, 80, 60], [(0, 2), (1, 2), (2, 3)], 240),  # the first is added to what the second became
        ([10, 10, 10, 10], [(0, 0), (0, 1), (2, 2), (1, 2)], 20),  # of equal ones the last is placed first
        ([10, 40, 30, 10], [(0, 3), (1, 2), (2, 3), (3, 3)], 80),  # the last fits into the gap that the second leaves
    ],
)
def test_tensors_share_memory_unless_they_are_needed_at_once(sizes, lifetimes, least):
    assert planned(sizes, lifetimes) == least


def test_a_shortcut_keeps_its_tensor():
    inputs = keras.Input((8, 8, 4))
    first = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    second = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(first)))
    chain = device_cost(keras.Model(inputs, second))
    residual = device_cost(keras.Model(inputs, keras.layers.Add()([inputs, second])))
    assert (chain.activations, residual.activations) == (2 * 256, 3 * 256)
    nested = keras.Input((8, 8, 4))
    assert device_cost(keras.Model(nested, keras.Model(inputs, second)(nested))) == chain


def test_a_model_inside_may_have_several_outputs():
    """As the network has that pretrained features of several stages are read from."""
    inputs = keras.Input((8, 8, 4))
    first = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    second = keras.layers.Conv2D(4, 3, padding="same")(first)
    outer = keras.Input((8, 8, 4))
    stages = keras.layers.Add()(keras.Model(inputs, [first, second])(outer))
    alone = keras.Model(inputs, keras.layers.Add()([first, second]))
    assert device_cost(keras.Model(outer, stages)) == device_cost(alone)


def test_an_operation_may_have_several_outputs():
    inputs = keras.Input((8, 8, 4))
    both = keras.ops.split(inputs, 2, axis=-1)  # two tensors of 128 bytes
    cost = device_cost(keras.Model(inputs, keras.layers.Add()(both)))
    assert (cost.operators, cost.activations) == (2, 256 + 2 * 128)


def test_what_brings_channels_to_one_scale_is_not_in_the_file():
    """Whoever fills its input does that."""
    space = MacroSpace(filters=8, inputs="signal")
    network = space.build_network(space.references()["resnet_8"], (64, 2), 4)
    levels = Levels([1.0, 2.0], [2.0, 1.0])
    costs = [
        device_cost(with_preprocessing(network, front=front)) for front in (None, levels, Padding(levels), Padding())
    ]
    assert len(set(costs)) == 1


def test_parts_make_the_network():
    space = MacroSpace(filters=8)
    for name in ("resnet_8", "mobilenet_v2"):
        genotype = space.references()[name]
        parts = (OperatorGraph.of(part.model()) for part in space.parts_of(genotype, SHAPE, 10))
        assert functools.reduce(OperatorGraph.then, parts).cost() == device_cost(
            space.build_network(genotype, SHAPE, 10)
        )
    signals = MacroSpace(filters=8, inputs="signal")
    for name in ("resnet_8", "mobilenet_v2"):
        genotype = signals.references()[name]
        inputs = keras.Input((64, 3))
        parts = (OperatorGraph.of(part.model(), inside=True) for part in signals.parts_of(genotype, (64, 3), 10))
        chain = functools.reduce(OperatorGraph.then, parts, OperatorGraph.of(keras.Model(inputs, inputs)))
        assert chain.cost() == device_cost(signals.build_network(genotype, (64, 3), 10))


def test_prediction_and_the_interpreter(tmp_path):
    """A network of convolutions, depthwise ones, squeeze-excitation and shortcuts."""
    pytest.importorskip("tflite_micro")
    space = MacroSpace(filters=8)
    network = space.build_network(space.network("conv_3x3", 0.5, "inverted_3x3", "strides", (0, 1)), SHAPE, 10)
    rng = np.random.default_rng(0)  # of a network that has learned nothing, equal numbers are stored once
    network.set_weights([value + 0.1 * rng.random(value.shape) for value in network.get_weights()])
    classifier = Classifier(with_preprocessing(network, 255), tuple("abcdefghij"), 255)
    samples = np.random.default_rng(0).integers(0, 256, (2, *SHAPE)).astype("float32")
    litert.write_int8(classifier, tmp_path / "model.tflite", samples)
    content = (tmp_path / "model.tflite").read_bytes()
    predicted = device_cost(classifier.model)
    assert predicted.flash == pytest.approx(len(content), rel=0.03)
    assert predicted.memory == pytest.approx(micro.arena_of(content), rel=0.025)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "shape", "front"),
    [("image", (16, 20, 2), Scaling(255)), ("signal", (100, 2), Levels([1.0, 2.0], [2.0, 1.0]))],
)
def test_random_networks_within_five_percent(inputs, shape, front, tmp_path):
    """None of these is among those that the constants were fitted to."""
    pytest.importorskip("tflite_micro")
    space, rng = MacroSpace(filters=12, inputs=inputs), np.random.default_rng(12)
    for genotype in [*space.references().values(), *(space.sample(rng) for _ in range(8))]:
        network = space.build_network(genotype, shape, 7)
        network.set_weights([value + 0.1 * rng.random(value.shape) for value in network.get_weights()])
        model = with_preprocessing(network, front=front)
        samples = rng.integers(0, 256, (8, *shape)).astype("float32")
        litert.write_int8(Classifier(model, tuple("abcdefg"), 1), tmp_path / "model.tflite", samples)
        content, predicted = (tmp_path / "model.tflite").read_bytes(), device_cost(model)
        print(inputs, shape, predicted.flash / len(content), predicted.memory / micro.arena_of(content))
        assert predicted.flash == pytest.approx(len(content), rel=0.03)
        assert predicted.memory == pytest.approx(micro.arena_of(content), rel=0.05)


@pytest.mark.parametrize(
    "plan",
    [
        ("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1)),
        ("conv_3x3_s2", 1.0, "residual_3x3", "strides", (0, 1)),
        pytest.param(("conv_3x3", 1.0, "inverted_5x5", "strides", (1, 1)), marks=pytest.mark.slow),
        pytest.param(("conv_5x5", 1.0, "separable_5x5", "pool", (0, 1)), marks=pytest.mark.slow),
        pytest.param(("conv_3x3", 1.0, "bottleneck_3x3", "pool", (1, 1)), marks=pytest.mark.slow),
    ],
)
def test_operators_of_signals_are_those_of_the_file(plan, tmp_path):
    """Along one axis they are those of images of one row, with reshapes around them; channels have their own scales."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    space, rng = MacroSpace(filters=8, inputs="signal"), np.random.default_rng(0)
    network = space.build_network(space.network(*plan), (64, 3), 5)
    network.set_weights([value + 0.1 * rng.random(value.shape) for value in network.get_weights()])
    model = with_preprocessing(network, front=Levels([1.0, 2.0, 3.0], [2.0, 1.0, 1.0]))
    samples = rng.normal(size=(20, 64, 3)).astype("float32")
    litert.write_int8(Classifier(model, tuple("abcde"), 1), tmp_path / "model.tflite", samples)
    content = (tmp_path / "model.tflite").read_bytes()
    predicted, (graph,) = device_cost(model), runtime.convert_bytearray_to_object(content).subgraphs
    assert predicted.operators == len(graph.operators)
    assert predicted.flash == pytest.approx(len(content), rel=0.02)
    assert predicted.memory == pytest.approx(micro.arena_of(content), rel=0.025)
