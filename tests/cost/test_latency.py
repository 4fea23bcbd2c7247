"""Measured latency: the table, what it refuses, and that it adds up."""

import dataclasses
import json
import sys

import keras
import numpy as np
import pytest

from kerasnas import backend
from kerasnas.cost import LatencyTable, network_latency
from kerasnas.cost.latency import device_name, keras_latency
from kerasnas.export import litert
from kerasnas.spaces import NASBench201Space
from kerasnas.spaces.proxyless import ProxylessSpace

SPACE = ProxylessSpace(filters=4, num_layers=1, primitives=["mbconv_3x3_e3", "mbconv_5x5_e3"])
SHAPE = (16, 16, 3)


@pytest.fixture(scope="module")
def table():
    return LatencyTable.measure(SPACE, SHAPE, 5, rounds=1)


def test_table_adds_up(table):
    model = table.cost_model(SPACE, SHAPE, 5)
    genotype = SPACE.sample(np.random.default_rng(0))
    chosen = SPACE.parts(SHAPE, 5)
    total = table.call_ms + sum(table.parts[key] for part in chosen.fixed for key in table.parts if part.name in key)
    for kind, own in chosen.choices.items():
        for row, edge in enumerate(own.edges):
            (found,) = [e for e in genotype["chain"] if (e.source, e.target) == edge]
            total += model.tables[kind][row, own.primitives.index(found.primitive)]
    np.testing.assert_allclose(model.cost(genotype), total)
    assert model.unit == " ms" and model.least == "fastest"


def test_a_busy_machine_still_gives_a_table(monkeypatch):
    """An empty network that takes longer than every part would leave parts that take no time at all: 0 / 0."""
    module = sys.modules[LatencyTable.__module__]
    monkeypatch.setattr(module, "_timer", lambda model, batch_size: None)
    monkeypatch.setattr(
        module, "_interleaved", lambda timers, rounds: [9.0, *np.linspace(1, 2, len(timers))][: len(timers)]
    )
    table = LatencyTable.measure(SPACE, SHAPE, 5)
    assert np.isfinite([table.call_ms, *table.parts.values()]).all() and max(table.parts.values()) > 0


def test_table_survives_its_file(table, tmp_path):
    table.save(tmp_path / "table.json")
    again = LatencyTable.load(tmp_path / "table.json")
    assert again == table
    assert again.cost_model(SPACE, SHAPE, 5).base == table.cost_model(SPACE, SHAPE, 5).base
    record = json.loads((tmp_path / "table.json").read_text())
    assert record["device"] == device_name() and record["input_shape"] == list(SHAPE)


def test_larger_convolutions_take_longer():
    inputs = keras.Input((64, 64, 32))  # 600 million operations, or 5
    small, large = (
        keras.Model(inputs, keras.layers.Conv2D(filters, 3, padding="same")(inputs)) for filters in (2, 256)
    )
    assert network_latency(large, rounds=3) > 1.5 * network_latency(small, rounds=3)


def test_latency_is_that_of_an_exported_file(tmp_path):
    """Keras takes half a millisecond for a call of any network; LiteRT a hundredth of it for this one."""
    inputs = keras.Input((8, 8, 1))
    network = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    network.export(tmp_path / "model.tflite", format="litert", verbose=False)
    file = litert.load(tmp_path / "model.tflite").latency_ms(np.zeros((1, 8, 8, 1), "float32"))
    assert network_latency(network) < 5 * file < keras_latency(network)


def test_what_litert_lacks_is_timed_by_keras():
    texts = keras.Input((), dtype="string")
    words = keras.Model(texts, keras.layers.TextVectorization(vocabulary=["word"], output_sequence_length=3)(texts))
    assert backend.lite_call(words, [np.array(["word"], object)]) is None
    numbers = keras.Input((2, 2))
    sorted_ = keras.Model(numbers, keras.layers.Lambda(lambda x: keras.ops.linalg.eigh(x)[0])(numbers))
    assert backend.lite_call(sorted_, [np.ones((1, 2, 2), "float32")]) is None
    assert network_latency(words, rounds=1) > 0 and network_latency(sorted_, rounds=1) > 0


def test_inputs_of_a_network_are_told_apart():
    one, two = keras.Input((3,), dtype="int32"), keras.Input((4, 5))
    row = keras.layers.Dense(5)(keras.layers.Flatten()(keras.layers.Embedding(7, 2)(one)))
    network = keras.Model([one, two], keras.layers.Add()([two, keras.layers.Reshape((1, 5))(row)]))
    assert backend.lite_call(network, [np.ones((1, 3), "int32"), np.ones((1, 4, 5), "float32")])


@pytest.mark.parametrize(
    ("change", "space", "shape", "message"),
    [
        ({"device": "an abacus, 1 cores"}, SPACE, SHAPE, "measured for another device: an abacus"),
        ({}, SPACE, (32, 32, 3), r"measured for another input shape: \(16, 16, 3\). Received: \(32, 32, 3\)"),
        ({}, NASBench201Space(filters=2, num_cells=1), SHAPE, "measured for another space: proxyless"),
        ({}, ProxylessSpace(filters=6, num_layers=1), SHAPE, "lacks the part .* networks of another size"),
    ],
)
def test_a_table_of_something_else(table, change, space, shape, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(table, **change).cost_model(space, shape, 5)
