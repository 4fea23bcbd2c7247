"""A run as a function, and the same seed ending on the same bits whatever the process has done before."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from kerasnas import methods
from kerasnas.backend import tensorflow_internals
from kerasnas.genotypes import Genotype
from kerasnas.meta import ReptileInitializer
from kerasnas.methods import SearchConfig, TrainingConfig
from kerasnas.methods.assembly import make_space
from kerasnas.methods.final_training import load_data
from kerasnas.methods.gradient.supernet import build_search, search_batch_size
from kerasnas.reporting.comparisons import verdict
from kerasnas.trainers.alpha_rate import architecture_learning_rate
from tests.kit import GENOTYPE_OF_ONE, TINY, TINY_TRAINING, save_noise, untraced

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


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(save_noise(tmp_path_factory.mktemp("data") / "tiny.npz", 32, 16))


@pytest.fixture(scope="module")
def searched(dataset, tmp_path_factory):
    """The settings, the folder, the result and the log of a search, beside which two random networks are trained."""
    own = {**TINY, "primitives": ("none", "skip_connect", "avg_pool_3x3"), "random_genotypes": 2}
    settings, folder, lines = SearchConfig(dataset=dataset, **own), tmp_path_factory.mktemp("run") / "run", []
    with untraced():
        return settings, folder, methods.search(settings, folder, lines.append), lines


@pytest.mark.slow
def test_search_as_a_function(searched):
    settings, folder, result, lines = searched
    assert result == json.loads((folder / "result.json").read_text())
    assert any("\nreport      " in line for line in lines)
    assert any(line.startswith("Curvature-based early stopping is off: it needs 10 epochs") for line in lines)
    stages = {path: path.stat().st_mtime_ns for path in (folder / "stages").iterdir()}
    again = methods.search(settings, folder, lines.append)
    assert again["searched"] == result["searched"]
    assert {path: path.stat().st_mtime_ns for path in stages} == stages
    with pytest.raises(ValueError, match="other settings: epochs: 1 there, 2 here"):
        methods.search(dataclasses.replace(settings, epochs=2), folder)
    with pytest.raises(TypeError, match=r"argument `settings`. Expected an instance of `RaceConfig` or"):
        methods.search({"epochs": 1}, folder.parent / "other")


@pytest.mark.slow
def test_random_networks_are_compared_on_the_same_samples(searched):
    _, _, result, _ = searched
    paired = result["paired"]
    accuracies = [one["test_accuracy"] for one in (result["searched"], *result["random"])]
    assert paired["difference"] == pytest.approx(accuracies[0] - np.mean(accuracies[1:]), abs=1e-6)
    assert paired["samples"] == 16 and paired["error"] >= 0
    assert all("hits" not in one for one in (result["searched"], *result["random"]))
    assert "on the same 16 samples" in verdict(result).lower()


@pytest.mark.slow
def test_a_shortlist_chooses_what_is_trained(dataset, tmp_path):
    own = {name: value for name, value in TINY.items() if name not in ("stem_strides", "primitives")}
    options = {**own, "space": "nasbench201", "shortlist": 2, "shortlist_steps": ("2",)}
    settings, lines = SearchConfig(dataset=dataset, **options), []
    result = methods.search(settings, tmp_path / "run", lines.append)
    (rung,) = result["shortlist"]["rungs"]
    best = max(rung["networks"], key=lambda one: one["val_accuracy"])
    assert len(rung["networks"]) == 2
    assert result["genotype"] == result["searched"]["genotype"] == best["genotype"]
    assert Genotype.load(tmp_path / "run" / "genotype.json") == Genotype.from_json(json.dumps(best["genotype"]))
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Held-out accuracy after 1 epochs" in report and "(taken)" in report
    assert any("Choosing among 2 networks" in line for line in lines)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_retrain_as_a_function(dataset, tmp_path):
    settings = TrainingConfig(dataset=dataset, **TINY_TRAINING)
    result = methods.retrain(settings, tmp_path / "run", GENOTYPE_OF_ONE, log=lambda line: None)
    assert Genotype.from_json(json.dumps(result["genotype"])) == GENOTYPE_OF_ONE
    assert methods.resume(tmp_path / "run", log=lambda line: None)["searched"] == result["searched"]
    other = Genotype("darts", {"reduce": [("none", 0, 2), ("skip_connect", 1, 2)]})
    with pytest.raises(ValueError, match="holds the training of another genotype"):
        methods.retrain(settings, tmp_path / "run", other)


@pytest.mark.slow
def test_a_run_leaves_no_graph(dataset, tmp_path):
    """Each took 20 MB: the process of a notebook grows with every search otherwise."""
    settings = SearchConfig(dataset=dataset, **TINY)
    before = set(tensorflow_internals.gradient_registry())
    methods.search(settings, tmp_path / "run", log=lambda line: None)
    assert set(tensorflow_internals.gradient_registry()) <= before


@pytest.mark.parametrize(("share", "batches", "rate"), [(0.5, 2, 0.0), (0.25, 3, 0.0), (0.5, 2, 0.25)])
def test_the_rate_of_the_alphas_falls_to_0_over_the_steps_in_which_they_learn(dataset, share, batches, rate):
    """By default from one that fits their number."""
    options = {**TINY, "epochs": 400, "architecture_warmup_epochs": 100, "validation_split": share}
    options["architecture_learning_rate"] = rate
    config = SearchConfig(dataset=dataset, **options)
    search = build_search(config, make_space(config), load_data(config), None, lambda line: None)
    optimizer, steps = search.optimizer.inner[1], 300 * batches
    assert isinstance(optimizer, keras.optimizers.Adam) and search.architecture_warmup_epochs == 100
    rates = [float(optimizer._learning_rate(step)) for step in (0, steps - 1, steps)]
    assert rates[0] == pytest.approx(rate or architecture_learning_rate(steps)) and rates[1] > 0 == rates[2]


@pytest.mark.slow
def test_a_search_begins_from_learned_weights_and_alphas(dataset, tmp_path):
    config = SearchConfig(dataset=dataset, **TINY)
    space, data, said = make_space(config), load_data(config), []
    learned = build_search(config, space, data, None, said.append).supernet
    for variable in learned.variables:
        variable.assign(np.random.default_rng(0).standard_normal(variable.shape))
    ReptileInitializer(learned).save(tmp_path / "start")
    begun = dataclasses.replace(config, initializer=str(tmp_path / "start"))
    found = build_search(begun, space, data, None, said.append).supernet
    for mine, other in zip(found.trainable_variables, learned.trainable_variables, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert any("start from the initialization" in line for line in said)
    other = dataclasses.replace(begun, num_nodes=config.num_nodes + 1)
    with pytest.raises(ValueError, match="another space"):
        build_search(other, make_space(other), data, None, said.append)


def test_default_batches_fit_data_of_few_samples(dataset):
    """32 samples: a half does not fill the default batch, nor do all of them that of the final training."""
    few = {name: value for name, value in TINY.items() if not name.endswith("batch_size")}
    config = SearchConfig(dataset=dataset, **few)
    assert search_batch_size(config, load_data(config)) == 16
    with pytest.raises(ValueError, match=r"`retrain_batch_size`\. Expected at most the number of training samples, 32"):
        load_data(SearchConfig(dataset=dataset, **few, retrain_batch_size=33))
    assert search_batch_size(SearchConfig(batch_size=24, dataset=dataset), load_data(config)) == 24
