"""The shelf of reviewed results: each is rebuilt from its genotype and scores what its card says."""

import json
from pathlib import Path

import keras
import pytest

import kerasnas
from kerasnas import pipeline
from kerasnas.reporting.initializer_card import initializer_card_text

SHELF = Path(__file__).parents[1] / "saved_models"
MODELS = sorted(path.parent for path in SHELF.glob("*/genotype.json"))
STARTS = sorted(path.parent for path in SHELF.glob("*/initializer.json"))


def test_the_shelf_is_not_empty_and_small():
    assert MODELS and STARTS
    assert sum(file.stat().st_size for file in SHELF.rglob("*") if file.is_file()) < 15 * 2**20


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_saved_model_is_rebuilt_and_scores_what_its_card_says(folder):
    result = json.loads((folder / "result.json").read_text())
    genotype = kerasnas.Genotype.load(folder / "genotype.json")
    assert json.loads(genotype.to_json()) == result["genotype"]
    config = pipeline.SearchConfig.from_dict(result["settings"])
    data = kerasnas.datasets.load(config.dataset)
    network = pipeline.make_space(config).build_network(
        genotype, data.input_shape, data.num_classes, filters=config.retrain_filters, num_cells=config.retrain_cells
    )
    network.set_weights(keras.models.load_model(folder / "model.keras", compile=False).get_weights())
    assert (
        sum(weight.shape.num_elements() for weight in network.trainable_variables) == (result["searched"]["parameters"])
    )
    network.compile(metrics=["accuracy"], jit_compile=False)
    accuracy = float(keras.ops.mean(keras.ops.argmax(network.predict(data.x_test, verbose=0), axis=-1) == data.y_test))
    assert accuracy == pytest.approx(result["searched"]["test_accuracy"], abs=0.002)
    card = (folder / "card.md").read_text()
    assert f"{100 * result['searched']['test_accuracy']:.2f}" in card


@pytest.mark.parametrize("folder", STARTS, ids=lambda folder: folder.name)
def test_initialization_scores_on_generated_tasks_what_its_card_says(folder):
    initializer = kerasnas.meta.ReptileInitializer.load(folder)
    record = initializer.description
    drawn = kerasnas.datasets.glyphs(classes=40)
    sampler = kerasnas.datasets.EpisodeSampler(drawn.x, drawn.y, record["ways"], record["shots"], 15)
    learner = initializer.learner()
    learner.compile()
    found = learner.evaluate(sampler, episodes=100)
    for name in ("accuracy", "accuracy_transductive"):
        said = record["figures"][f"100 episodes of glyphs(classes=40), {name}"]
        assert found[name].mean == pytest.approx(float(said.split()[0]), abs=0.003)
    assert initializer_card_text(initializer, folder.name) == (folder / "card.md").read_text()
