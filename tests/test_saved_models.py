"""The shelf of reviewed results: each is rebuilt from its genotype and scores what its card says."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasnas
from kerasnas.cost.counting import parameters
from kerasnas.export.classifier import load_classifier
from kerasnas.methods.rebuilding import fitting
from kerasnas.reporting.initializer_card import initializer_card_text

SHELF = Path(__file__).parents[1] / "saved_models"
MODELS = sorted(path.parent for path in SHELF.glob("*/genotype.json"))
STARTS = sorted(path.parent for path in SHELF.glob("*/initializer.json"))


def test_the_shelf_is_not_empty_and_small():
    assert MODELS and STARTS
    assert sum(file.stat().st_size for file in SHELF.rglob("*") if file.is_file()) < 15 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_saved_model_is_rebuilt_and_scores_what_its_card_says(folder):
    result = json.loads((folder / "result.json").read_text())
    genotype = kerasnas.Genotype.load(folder / "genotype.json")
    assert json.loads(genotype.to_json()) == result["genotype"]
    data = kerasnas.datasets.load(result["settings"]["dataset"])
    classifier = load_classifier(folder)
    assert classifier.classes == data.classes
    _, accuracy = classifier.model.evaluate(np.rint(classifier.scale * data.x_test), data.y_test, verbose=0)
    assert accuracy == pytest.approx(result["searched"]["test_accuracy"], abs=0.002)
    assert f"{100 * accuracy:.2f}" in (folder / "card.md").read_text()

    network = fitting(genotype).build(data)
    assert parameters(network) == result["searched"]["parameters"]
    network.set_weights(classifier.model.get_weights())
    logits = network.predict(data.x_test[:50], verbose=0)
    found = classifier.answers(np.rint(classifier.scale * data.x_test[:50]))
    np.testing.assert_allclose(keras.ops.softmax(logits), found, atol=1e-4)


@pytest.mark.slow
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
