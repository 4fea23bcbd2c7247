"""A run as a function, and the same seed ending on the same bits whatever the process has done before."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from kerasnas import pipeline
from kerasnas.genotypes import Genotype
from kerasnas.pipeline import SearchConfig, TrainingConfig, make_space

GENOTYPE = Genotype("darts", {"reduce": [("sep_conv_3x3", 0, 2), ("max_pool_3x3", 1, 2)]})


def test_networks_of_one_seed_differ_in_nothing():
    """Layer names order the sums in TensorFlow's graph, and dropout without a seed takes one at random."""
    space = make_space(TrainingConfig(num_nodes=1, retrain_filters=2, retrain_cells=2, stem_strides=1))
    configs = []
    for _ in range(2):
        network = space.build_network(GENOTYPE, (8, 8, 1), 3, drop_path=0.5, seed=3)
        layers = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
        configs.append([layer.get_config() for layer in layers])
        keras.layers.Dense(1)  # continues Keras' running numbers
    assert configs[0] == configs[1]
    seeds = [config["seed"] for config in configs[0] if "noise_shape" in config]
    assert len(seeds) == len(set(seeds)) == 2
    other = space.build_network(GENOTYPE, (8, 8, 1), 3, drop_path=0.5, seed=4)
    drops = [layer.seed for layer in other.layers if isinstance(layer, keras.layers.Dropout)]
    assert not set(drops) & set(seeds)


# The functions, without the command line ------------------------------------------------------------------
TINY = {
    "stem_strides": 1,
    "num_nodes": 1,
    "primitives": ("none", "skip_connect"),
    "filters": 2,
    "num_cells": 1,
    "batch_size": 8,
    "epochs": 1,
    "retrain_filters": 2,
    "retrain_cells": 1,
    "retrain_batch_size": 8,
    "retrain_epochs": 1,
    "random_genotypes": 0,
}

TRAINING = {field.name for field in dataclasses.fields(TrainingConfig)}
GENOTYPE_OF_ONE = Genotype("darts", {"reduce": [("skip_connect", 0, 2), ("skip_connect", 1, 2)]})


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((48, 8, 8, 1)).astype("float32"), np.arange(48) % 3
    np.savez(tmp_path / "tiny.npz", x_train=x[:32], y_train=y[:32], x_test=x[32:], y_test=y[32:])
    return str(tmp_path / "tiny.npz")


def test_search_as_a_function(dataset, tmp_path):
    settings, lines = SearchConfig(dataset=dataset, **TINY), []
    result = pipeline.search(settings, tmp_path / "run", lines.append)
    assert result == json.loads((tmp_path / "run" / "result.json").read_text())
    assert any(line.startswith("Report: ") for line in lines)
    stages = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "stages").iterdir()}
    again = pipeline.search(settings, tmp_path / "run", lines.append)
    assert again["searched"] == result["searched"]
    assert {path: path.stat().st_mtime_ns for path in stages} == stages
    with pytest.raises(ValueError, match="other settings: epochs: 1 there, 2 here"):
        pipeline.search(dataclasses.replace(settings, epochs=2), tmp_path / "run")
    with pytest.raises(TypeError, match=r"argument `settings`. Expected an instance of `RaceConfig` or `SearchConfig`"):
        pipeline.search({"epochs": 1}, tmp_path / "other")


def test_retrain_as_a_function(dataset, tmp_path):
    settings = TrainingConfig(dataset=dataset, **{name: TINY[name] for name in TINY if name in TRAINING})
    result = pipeline.retrain(settings, tmp_path / "run", GENOTYPE_OF_ONE, log=lambda line: None)
    assert Genotype.from_json(json.dumps(result["genotype"])) == GENOTYPE_OF_ONE
    assert pipeline.resume(tmp_path / "run", log=lambda line: None)["searched"] == result["searched"]
    other = Genotype("darts", {"reduce": [("none", 0, 2), ("skip_connect", 1, 2)]})
    with pytest.raises(ValueError, match="holds the training of another genotype"):
        pipeline.retrain(settings, tmp_path / "run", other)
