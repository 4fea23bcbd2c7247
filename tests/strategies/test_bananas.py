"""BANANAS and its ensemble of networks: gradients, training, Thompson sampling in closed form, the search."""

import math

import numpy as np
import pytest

from kerasnas.search import BANANAS
from kerasnas.spaces import NASBench101Space
from kerasnas.strategies.bananas import NetworkEnsemble, thompson_draws
from kerasnas.strategies.candidates import Candidates
from kerasnas.strategies.gaussian_process import normal_quantiles
from tests.strategies.kit import SPACE, architectures


# The ensemble --------------------------------------------------------------------------------------------
def forward(weights, member, layers, inputs):
    """One member by the definition, in float64."""
    for layer in range(layers + 1):
        inputs = inputs @ weights[f"kernel/{layer}"][member] + weights[f"bias/{layer}"][member]
        inputs = np.maximum(inputs, 0) if layer < layers else inputs
    return inputs[:, 0]


def data(rows=12, features=4):
    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, features)), rng.standard_normal(rows)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_members_are_perceptrons(layers):
    inputs, targets = data()
    ensemble = NetworkEnsemble(inputs, targets, np.random.default_rng(0), members=3, units=5, layers=layers, steps=7)
    weights = {name: values.astype(float) for name, values in ensemble.weights.items()}
    expected = [forward(weights, member, layers, inputs) for member in range(3)]
    assert ensemble(inputs) == pytest.approx(np.array(expected), abs=1e-5)
    assert np.ptp(expected, axis=0).min() > 0  # no two alike


def test_gradients_are_finite_differences():
    inputs, targets = data()
    ensemble = NetworkEnsemble(inputs, targets, np.random.default_rng(0), members=2, units=7, layers=2, steps=1)
    ensemble.weights = {name: values.astype(float) for name, values in ensemble.weights.items()}
    gradients = ensemble.gradients(inputs, targets)
    assert set(gradients) == set(ensemble.weights)
    for name, values in ensemble.weights.items():
        for position in np.ndindex(*values.shape):
            losses = []
            for step in (1e-6, -2e-6):
                values[position] += step
                losses.append(((forward(ensemble.weights, position[0], 2, inputs) - targets) ** 2).mean())
            values[position] += 1e-6
            assert gradients[name][position] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-5)


def test_weights_decay_apart_from_the_gradient():
    """Where all inputs and targets are 0 there is no gradient: kernels shrink by 1 - rate * decay in every step."""
    zeros = np.zeros((6, 3)), np.zeros(6)
    options = {"units": 4, "learning_rate": 0.5}
    start = NetworkEnsemble(*zeros, np.random.default_rng(0), steps=1, weight_decay=0.0, **options).weights
    for steps in (1, 3):
        rng = np.random.default_rng(0)
        weights = NetworkEnsemble(*zeros, rng, steps=steps, weight_decay=0.2, **options).weights
        for name, values in start.items():
            assert weights[name] == pytest.approx(0.9**steps * values, rel=1e-5)
        assert start["kernel/1"].std() == pytest.approx(math.sqrt(2 / 4), rel=0.2)


def test_training_fits_and_members_disagree_far_from_the_data():
    inputs = np.linspace(-1, 1, 40)[:, None]
    ensemble = NetworkEnsemble(inputs, np.sin(3 * inputs[:, 0]), np.random.default_rng(0), steps=300)
    errors = ensemble(inputs).mean(axis=0) - np.sin(3 * inputs[:, 0])
    assert np.abs(errors).max() < 0.2
    assert ensemble(np.array([[6.0]])).std() > 3 * ensemble(inputs).std(axis=0).max()


# Candidates and draws ------------------------------------------------------------------------------------
@pytest.mark.parametrize("space", [SPACE, NASBench101Space()], ids=["nasbench201", "nasbench101"])
def test_candidates_hold_all_neighbors_and_come_once(space):
    best = architectures(3, space=space)
    found = Candidates(space)(best, np.random.default_rng(0), lambda indices: indices not in best)
    keys = [space.key(indices) for indices in found]
    assert len(set(keys)) == len(keys) and all(map(space.feasible, found))
    around = {space.key(near) for one in best for near in space.neighbors(one) if near not in best}
    assert set(keys) >= around - {space.key(one) for one in best} and len(keys) > len(around) + 50
    assert not set(found) & set(best)


def test_draws_have_the_mean_and_the_sample_deviation_of_the_members():
    predictions = np.repeat([[0.0, 10.0], [2.0, 10.0], [4.0, 10.0]], 40_000, axis=1)
    draws = thompson_draws(predictions, np.random.default_rng(0)).reshape(2, -1)
    assert draws[0].mean() == pytest.approx(2, abs=0.03)
    assert draws[0].std() == pytest.approx(2, abs=0.03)  # of n - 1: 1.63 otherwise
    assert (draws[1] == 10).all()
    assert abs(np.corrcoef(draws[0][:-1], draws[0][1:])[0, 1]) < 0.02  # each on its own


# The search ----------------------------------------------------------------------------------------------
def test_the_highest_draws_of_one_training_are_asked_for(monkeypatch):
    cells = architectures(60)
    strategy = BANANAS(SPACE, initial=4, batch_size=3)
    for position, indices in enumerate(cells[:12]):
        strategy.tell(SPACE.decode(indices), float(position))
    values = np.random.default_rng(0).permutation(20).astype(float)
    calls = []

    def predictions(observed, scores, candidates):
        calls.append(1)
        assert observed == cells[:12] and scores == pytest.approx(normal_quantiles(np.arange(12.0)))
        assert candidates == cells[20:40]
        return np.stack([values, values])  # no disagreement: draws are these

    def candidates(best, rng, is_new):
        assert best == cells[11:6:-1]  # the five best, the best first
        return cells[20:40]

    monkeypatch.setattr(strategy, "_predictions", predictions)
    monkeypatch.setattr(strategy, "_around", candidates)
    asked = [SPACE.encode(genotype) for genotype in strategy.ask(3)]
    assert asked == [cells[20 + position] for position in np.argsort(-values)[:3]]
    assert len(calls) == 1
