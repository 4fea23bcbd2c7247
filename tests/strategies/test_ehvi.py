"""Expected hypervolume improvement: closed forms, Monte Carlo, the fit of the noise, and the search."""

import math
import types

import numpy as np
import pytest

from kerasnas.search import EHVISearch
from kerasnas.strategies.ehvi import expected_hypervolume_improvement
from kerasnas.strategies.gaussian_process import NOISES, MatchKernel, fit_noise
from tests.strategies.kit import SPACE, architectures, opposed

FRONT = np.array([[1.0, 4.0], [3.0, 2.0], [2.0, 3.0], [0.5, 4.5]])


# The expectation -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "front",
    [
        FRONT,
        np.array([[1.0, 1.0]]),
        np.zeros((0, 2)),
        np.vstack([FRONT, [[0.5, 0.5], [2.0, 3.0], [2.0, 2.5], [9.0, -1.0], [-1.0, 9.0], [0.0, 5.0]]]),
    ],
    ids=["four", "one", "none", "with some that do not count"],
)
@pytest.mark.parametrize("reference", [(0.0, 0.0), (-0.7, 0.3)])
def test_it_is_the_mean_growth_of_the_area(front, reference):
    """Against Monte Carlo: points inside, on and outside of the front, narrow and wide; areas cell by cell."""
    means = np.array([[2.0, 3.0], [4.0, 4.0], [-1.0, 1.0], [2.5, 1.0]])
    deviations = np.array([[0.5, 0.1], [1.0, 2.0], [3.0, 0.5], [0.2, 0.4]])
    points = np.random.default_rng(0).normal(means, deviations, (50_000, 4, 2))
    edges = [np.unique([reference[k], *front[front[:, k] > reference[k], k]]) for k in range(2)]
    grown = np.zeros(points.shape[:2])
    for x, width in zip(edges[0], np.diff([*edges[0], np.inf]), strict=True):
        for y, height in zip(edges[1], np.diff([*edges[1], np.inf]), strict=True):
            if not ((front[:, 0] > x) & (front[:, 1] > y)).any():  # a cell that the front does not dominate
                grown += np.clip(points[..., 0] - x, 0, width) * np.clip(points[..., 1] - y, 0, height)
    received = expected_hypervolume_improvement(means, deviations, front, reference)
    assert (np.abs(received - grown.mean(axis=0)) < 5 * grown.std(axis=0) / math.sqrt(50_000) + 1e-9).all()


# The noise -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", [0.03, 1.0])
def test_noise_and_scale_are_recovered(noise):
    kernel, found, rng = MatchKernel(SPACE), architectures(120), np.random.default_rng(1)
    codes = kernel.encode(found)
    covariance = 4 * (kernel(codes, codes).astype(float) + noise * np.eye(len(found)))
    targets = (np.linalg.cholesky(covariance) @ rng.standard_normal((len(found), 5))).T
    fits = [fit_noise(kernel, found, target) for target in targets]
    assert np.mean([scale for _, scale in fits]) == pytest.approx(4, rel=0.3)
    assert np.median([math.log10(one) for one, _ in fits]) == pytest.approx(math.log10(noise), abs=0.6)


def test_the_likelihood_is_that_of_the_normal_distribution():
    kernel, found = MatchKernel(SPACE), architectures(12)
    target, codes = np.random.default_rng(0).standard_normal(12), kernel.encode(found)
    values = []
    for noise in NOISES:
        matrix = kernel(codes, codes).astype(float) + noise * np.eye(12)
        scale = target @ np.linalg.solve(matrix, target) / 12
        values.append((-0.5 * np.linalg.slogdet(2 * math.pi * scale * matrix)[1] - 6, noise, scale))
    assert fit_noise(kernel, found, target) == pytest.approx(max(values)[1:])
    assert fit_noise(kernel, found, np.zeros(12))[1] == 1e-12


# The search ----------------------------------------------------------------------------------------------
def test_scales_and_the_corner():
    """0 is 10 below the median, which the best exceeds by 2: it counts as 8. The others are what they were."""
    rewards = np.array([[0.0, 1], [10, 1], [12, 1], [9, 1], [11, 1]])
    raised = np.array([8.0, 10, 12, 9, 11])
    targets, corner = EHVISearch(SPACE)._scaled(rewards)
    assert targets[:, 0] == pytest.approx((raised - 10) / raised.std())
    assert (targets[:, 1] == 0).all() and corner == pytest.approx([(8 - 10) / raised.std() - 1, -1])


def test_the_greatest_growth_is_asked_for_pending_ones_count_as_predicted(monkeypatch):
    """With known predictions the choice is that of the formula, the front grown by what is pending and chosen.

    What is pending is ahead of the front, and so of a candidate as good; two candidates are the best, and alike.
    """
    cells = architectures(40)
    told, pending, candidates = cells[:10], cells[10], cells[12:30]
    rng = np.random.default_rng(0)
    strategy = EHVISearch(SPACE, unique=False, initial=10, batch_size=3)  # nothing else leaves out what is pending
    for indices, pair in zip(told, rng.normal(0, 1, (10, 2)), strict=True):
        strategy.tell(SPACE.decode(indices), tuple(pair))
    strategy._chosen = [pending]
    assert SPACE.encode(strategy.ask()) == pending
    means, variance = rng.normal(0, 1, (19, 2)), rng.uniform(0.1, 1, 19)
    means[:4], variance[:4] = [(3, 3), (3, 3), (9, 1), (9, 1)], 1e-6
    conditioned = []

    def posterior(kernel, observed, targets, every, noise):
        assert observed == told and every == [pending, *candidates] and noise in (0.1, 0.2)
        objective = round(10 * noise) - 1
        return types.SimpleNamespace(
            means=[means[:, objective]], variance=variance, condition=lambda p: conditioned.append((objective, p))
        )

    noises = iter([(0.1, 4.0), (0.2, 9.0)])
    monkeypatch.setattr("kerasnas.strategies.ehvi.fit_noise", lambda *arguments: next(noises))
    monkeypatch.setattr("kerasnas.strategies.ehvi.Posterior", posterior)
    monkeypatch.setattr(strategy, "_around", lambda best, *_: candidates)
    asked = [SPACE.encode(genotype) for genotype in strategy.ask(3)]
    targets, corner = strategy._scaled(np.array([reward for _, reward in strategy.observations]))
    deviations, front, expected = np.sqrt(variance)[:, None] * [2.0, 3.0], np.vstack([targets, means[:1]]), []
    while len(expected) < 3:
        growth = expected_hypervolume_improvement(means, deviations, front, corner)
        growth[[0, *expected]] = -1
        expected.append(int(np.argmax(growth)))
        front = np.vstack([front, means[expected[-1]]])
    assert asked == [candidates[position - 1] for position in expected] and expected[0] == 2
    assert not {1, 3} & set(expected)
    assert conditioned == [(objective, position) for position in (0, *expected) for objective in (0, 1)]


def test_candidates_are_around_the_front(monkeypatch):
    strategy = EHVISearch(SPACE, initial=30)
    rewards = {}
    for genotype in strategy.ask(30):
        rewards[SPACE.encode(genotype)] = opposed(genotype)
        strategy.tell(genotype, opposed(genotype))
    front = {SPACE.encode(genotype) for genotype, _ in strategy.pareto_front()}
    given = []
    monkeypatch.setattr(strategy, "_around", lambda best, *_: given.extend(best) or [])
    strategy.ask()
    assert set(given) <= front and len(given) == min(len(front), 10)
    extremes = {max(rewards, key=lambda one: tuple(rewards[one])), max(rewards, key=lambda one: rewards[one][::-1])}
    assert extremes <= set(given)
