"""ReadoutScore: the classifier against a ridge regression, what it prefers, and what it refuses."""

import dataclasses

import keras
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from kerasnas import Genotype
from kerasnas.datasets import stochastic_blocks
from kerasnas.networks.ensemble import ensemble
from kerasnas.primitives.normalization import MOMENTUM, batch_norms
from kerasnas.proxies import ReadoutScore
from kerasnas.spaces import GraphSpace

DATA = stochastic_blocks(nodes=120, features=12, degree=8.0, homophily=0.9, signal=0.1)
SPACE = GraphSpace(DATA.graph, filters=8, num_nodes=2)


def of(*cell):
    return Genotype("graphs", {"cell": [(name, source, node) for node, (name, source) in enumerate(cell, start=1)]})


def test_classifier_is_a_ridge_regression_at_the_best_penalty_and_sharpness():
    score = ReadoutScore(SPACE, DATA, draws=1, seed=2)
    genotype = of(("gcn", 0), ("sage", 1))
    _, features = score._features(genotype, 2)
    train, held_out = DATA.parts["train"], DATA.parts["validation"]
    classes = np.eye(3)[DATA.y[train]]
    spread = features[train] - features[train].mean(axis=0)
    best = -np.inf
    for penalty in (0.01, 0.1, 1, 10, 100):
        alpha = penalty * np.mean((spread**2).sum(axis=1)) / 10
        model = Ridge(alpha).fit(features[train], classes)
        outputs = model.predict(features) - classes.mean(axis=0)
        for sharpness in (2, 4, 8, 16):
            exponentials = np.exp(sharpness * outputs)
            probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
            best = max(best, np.log(probabilities[held_out, DATA.y[held_out]]).mean())
    assert score(genotype) == pytest.approx(best, abs=1e-5)
    np.testing.assert_allclose(score.probabilities(genotype).sum(axis=1), 1)


def test_score_is_of_the_mean_over_draws_and_of_the_network_not_its_name():
    first, second = (ReadoutScore(SPACE, DATA, draws=1, seed=seed) for seed in (5, 6))
    both, genotype = ReadoutScore(SPACE, DATA, seed=5), of(("gcn", 0), ("fc", 0))
    mean = (first.probabilities(genotype) + second.probabilities(genotype)) / 2
    np.testing.assert_allclose(both.probabilities(genotype), mean, rtol=1e-6)
    assert both(of(("fc", 0), ("gcn", 0))) == both(genotype)
    assert np.abs(first.probabilities(genotype) - second.probabilities(genotype)).max() > 1e-3


def test_networks_are_those_that_were_scored_and_can_be_trained_on():
    score, genotype = ReadoutScore(SPACE, DATA, seed=3), of(("gcn", 0), ("cheb", 1))
    networks = score.networks(genotype)
    assert len(networks) == 2
    np.testing.assert_allclose(np.exp(ensemble(networks)(DATA.x)), score.probabilities(genotype), atol=1e-4)
    first = networks[0]
    assert any(isinstance(layer, keras.layers.Dropout) and layer.rate == 0.5 for layer in first.layers)
    assert {one.momentum for one in batch_norms(first)} == {MOMENTUM}
    before = np.array(first(DATA.x))
    first.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    first.fit(DATA.batches("train", steps=2), verbose=0, shuffle=False)
    assert np.isfinite(first(DATA.x)).all() and np.abs(first(DATA.x) - before).max() > 1e-3


def test_neighbors_are_preferred_and_no_test_node_is_read():
    score = ReadoutScore(SPACE, DATA)
    assert score(of(("gcn", 0), ("gcn", 1))) > score(of(("fc", 0), ("fc", 1))) + 0.1
    y = DATA.y.copy()
    y[DATA.parts["test"]] = (y[DATA.parts["test"]] + 1) % 3
    other = ReadoutScore(SPACE, dataclasses.replace(DATA, y=y))
    assert other(of(("gcn", 0), ("gcn", 1))) == score(of(("gcn", 0), ("gcn", 1)))
    assert DATA.accuracy(score.probabilities(of(("gcn", 0), ("gcn", 1))), "test") > 0.6


def test_wrong_arguments_are_reported():
    with pytest.raises(ValueError, match=r"`space`. Expected one on the graph of `data`"):
        ReadoutScore(GraphSpace(stochastic_blocks(nodes=120).graph), DATA)
    with pytest.raises(ValueError, match=r"`part`. Expected one with nodes"):
        ReadoutScore(SPACE, dataclasses.replace(DATA, parts={**DATA.parts, "validation": []}))
