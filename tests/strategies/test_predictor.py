"""PredictorSearch and its Gaussian process: closed forms, what is next, limits on the cost."""

import json
import math
import types

import numpy as np
import pytest

from kerasnas.search import PredictorSearch
from kerasnas.spaces import DARTSSpace
from kerasnas.strategies.gaussian_process import (
    NOISE,
    MatchKernel,
    Posterior,
    expected_improvement,
    fit_noise,
    normal_quantiles,
)
from kerasnas.testing.strategies import GridSpace
from tests.strategies.kit import SPACE, additive, architectures, run


# The Gaussian process ------------------------------------------------------------------------------------
@pytest.mark.parametrize("space", [SPACE, DARTSSpace(num_nodes=2)], ids=["nasbench201", "darts"])
def test_the_kernel_counts_what_is_shared(space):
    """Against a count by hand; DARTS' choices have different numbers of options, some of them the same."""
    choices = list(space.choices.values())
    found = architectures(12, space=space)
    kernel = MatchKernel(space)
    codes = kernel.encode(found)
    values = kernel(codes, codes)
    for i, first in enumerate(found):
        for j, second in enumerate(found):
            names = [[options[k] for k, options in zip(one, choices, strict=True)] for one in (first, second)]
            lack = len(choices) - sum(min(names[0].count(name), names[1].count(name)) for name in set(names[0]))
            differ = sum(a != b for a, b in zip(first, second, strict=True))
            assert values[i, j] == pytest.approx(math.exp(-differ / 4) + math.exp(-lack / 2) + 0.1, rel=1e-5)
    assert np.diag(values) == pytest.approx(kernel.variance)
    assert np.linalg.eigvalsh(values.astype(float)).min() > -1e-5


def test_the_kernel_compares_the_steps_of_ordered_choices():
    space = GridSpace((5, 3, 1))
    space.ordered = frozenset({"choice/0", "choice/2"})
    kernel, found = MatchKernel(space), list(space)
    values = kernel(kernel.encode(found), kernel.encode(found))
    for i, first in enumerate(found):
        for j, second in enumerate(found):
            steps, differ = 1 - math.exp(-3 * abs(first[0] - second[0]) / 4), first[1] != second[1]
            # The first three options of both choices have the same names, which ordered ones do not share.
            expected = math.exp(-(steps + differ) / 4) + math.exp(-(steps + differ) / 2) + 0.1
            assert values[i, j] == pytest.approx(expected, rel=1e-5)


def test_one_observation_has_a_closed_form():
    kernel = MatchKernel(SPACE)
    seen, candidate = (0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1)
    covariance = math.exp(-1 / 4) + math.exp(-1 / 2) + 0.1
    posterior = Posterior(kernel, [seen], [np.array([1.5]), np.array([-1.0])], [candidate, seen])
    gain = np.array([covariance, 2.1]) / (2.1 + NOISE)
    assert posterior.means[0] == pytest.approx(1.5 * gain, rel=1e-5)
    assert posterior.means[1] == pytest.approx(-gain, rel=1e-5)
    assert posterior.variance == pytest.approx(2.1 - gain * [covariance, 2.1], rel=1e-5)


def test_a_candidate_that_scores_as_expected_is_an_observation():
    """The update by one row, against a fit with the candidates among the observations."""
    kernel, found = MatchKernel(SPACE), architectures(20)
    observed, candidates = found[:12], found[12:]
    target = np.random.default_rng(1).standard_normal(12)
    posterior = Posterior(kernel, observed, [target], candidates)
    for position in (1, 3):
        posterior.condition(position)
    told = [candidates[1], candidates[3]]
    means = posterior.means[0]
    again = Posterior(kernel, observed + told, [np.append(target, means[[1, 3]])], candidates)
    assert again.variance == pytest.approx(posterior.variance, abs=1e-5)
    assert again.means[0] == pytest.approx(means, abs=1e-5)


def test_normal_quantiles_are_of_ranks():
    values = np.array([3.0, -1e9, 7.0, 5.0])
    expected = [-0.3186, -1.1503, 1.1503, 0.3186]  # of 3/8, 1/8, 7/8, 5/8
    assert normal_quantiles(values) == pytest.approx(expected, abs=1e-4)
    assert normal_quantiles(np.exp(values / 10)) == pytest.approx(expected, abs=1e-4)
    assert normal_quantiles(np.ones(5)) == pytest.approx(np.zeros(5))


def test_expected_improvement_is_the_mean_of_what_exceeds():
    draws = np.random.default_rng(0).standard_normal(400_000)
    means, deviations = np.array([-1.0, 0.2, 2.0]), np.array([0.5, 1.0, 0.3])
    sampled = [np.maximum(m + d * draws - 0.4, 0).mean() for m, d in zip(means, deviations, strict=True)]
    assert expected_improvement(means, deviations, 0.4) == pytest.approx(sampled, abs=5e-3)


# The search ----------------------------------------------------------------------------------------------
def improvement(observed, scores, candidates, best):
    """The expected improvement of candidates over `best` by the formulas: one by one, with a fit of its own."""
    kernel, noise = MatchKernel(SPACE), NOISE * np.eye(len(observed))
    codes, others = kernel.encode(observed), kernel.encode(candidates)
    matrix, cross = kernel(codes, codes).astype("float64") + noise, kernel(others, codes).astype("float64")
    means = cross @ np.linalg.solve(matrix, scores)
    deviations = np.sqrt(kernel.variance - (cross * np.linalg.solve(matrix, cross.T).T).sum(axis=1))
    z = (means - best) / deviations
    density, below = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), [(1 + math.erf(v / math.sqrt(2))) / 2 for v in z]
    return means, deviations * (z * np.array(below) + density)


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_pending_architectures_count_as_if_they_had_scored_what_was_predicted(monkeypatch, seed, unique):
    """The next is chosen by a process that has each pending one as an observation; never one that is pending."""
    cells = architectures(40, seed)
    observed, candidates = cells[:12], cells[12:]
    rewards = np.random.default_rng(seed).permutation(12).astype(float)
    strategy = PredictorSearch(SPACE, seed=seed, batch_size=1, initial=12, unique=unique)
    for indices, reward in zip(observed, rewards, strict=True):
        strategy.tell(SPACE.decode(indices), reward)
    monkeypatch.setattr(strategy, "_candidates", lambda best: [one for one in candidates if strategy.is_new(one)])
    known, scores, chosen = list(observed), list(normal_quantiles(rewards)), []
    best = max(scores)
    for _ in range(5):
        left = [one for one in candidates if one not in chosen]
        means, values = improvement(known, scores, left, best)
        asked = SPACE.encode(strategy.ask())
        assert asked == left[int(np.argmax(values))]
        chosen.append(asked)
        known.append(asked)
        scores.append(means[left.index(asked)])
    assert strategy.pending == tuple(chosen) and len(set(chosen)) == 5
    _, alone = improvement(observed, scores[:12], candidates, best)
    assert chosen != [candidates[position] for position in np.argsort(-alone)[:5]]  # as without them


def test_what_is_pending_is_not_proposed_again_however_good_it_looks(monkeypatch):
    cells = architectures(9)
    strategy = PredictorSearch(SPACE, initial=2, batch_size=2, unique=False)
    for indices, reward in zip(cells[:2], (1.0, 2.0), strict=True):
        strategy.tell(SPACE.decode(indices), reward)
    conditioned = []
    fixed = types.SimpleNamespace(variance=np.ones(4), condition=conditioned.append)
    monkeypatch.setattr(strategy, "_candidates", lambda best: cells[4:7] if strategy.pending else cells[3:4])
    assert SPACE.encode(strategy.ask()) == cells[3]

    def posterior(observed, targets, candidates):
        assert candidates == cells[3:7]  # the pending one among them
        fixed.means = [np.array([9.0, 1.0, 3.0, 2.0])]
        return fixed

    monkeypatch.setattr(strategy, "_posterior", posterior)
    assert [SPACE.encode(strategy.ask()) for _ in range(2)] == [cells[5], cells[6]]
    assert conditioned == [0, 2, 3]


def test_it_finds_the_best_of_15625_in_45():
    """A sum over the choices: random search needs 7,800 in the mean."""
    for seed in range(5):
        assert run(PredictorSearch(SPACE, seed=seed), additive, 45).best[1] == 21


def test_failures_far_below_do_not_matter():
    """Ranks are all that counts: a reward of -1e12 for the worst changes nothing of what is asked."""
    asked = []
    for depth in (1, 1e12):
        strategy = PredictorSearch(SPACE, seed=2)
        run(strategy, lambda indices, depth=depth: additive(indices) or -depth, 30)
        asked.append([indices for indices, _ in strategy.observations])
    assert asked[0] == asked[1]


# A limit on the cost -------------------------------------------------------------------------------------
def expensive(indices):
    return math.exp(additive(indices) / 4)  # what is good is dear


def test_it_finds_the_best_within_a_limit():
    """Only subsets of 1..6 that sum to at most 10 keep the limit; some that sum to 10 do it with few choices."""
    limit = math.exp(10.5 / 4)
    for seed in range(4):
        strategy = run(PredictorSearch(SPACE, seed=seed, cost_limit=limit), additive, 50, cost=expensive)
        genotype, reward = strategy.best
        assert reward == 10
        assert expensive(SPACE.encode(genotype)) <= limit
        assert len(strategy.costs) == len(strategy.observations)


def test_what_it_recommends_is_what_similar_ones_confirm():
    """Of noisy rewards the best is luck; the recommendation has a higher true score, by the formula, for each seed."""
    lucky, recommended = [], []
    for seed in range(6):
        strategy, rng = PredictorSearch(SPACE, seed=seed), np.random.default_rng(seed)
        assert strategy.recommend() is None
        for indices in architectures(60, seed):
            strategy.tell(SPACE.decode(indices), additive(indices) + 8 * rng.standard_normal())
        strategy.tell(SPACE.decode((1,) * 6), math.nan)
        observed = [indices for indices, reward in strategy.observations if math.isfinite(reward)]
        scores = normal_quantiles(np.array([reward for _, reward in strategy.observations[:-1]]))
        kernel = MatchKernel(SPACE)
        codes = kernel.encode(observed)
        gram, (noise, _) = kernel(codes, codes).astype(float), fit_noise(kernel, observed, scores)
        expected = gram @ np.linalg.solve(gram + noise * np.eye(len(observed)), scores)
        assert strategy.recommend() == SPACE.decode(observed[int(expected.argmax())])
        recommended.append(additive(SPACE.encode(strategy.recommend())))
        lucky.append(additive(SPACE.encode(strategy.best[0])))
    assert np.mean(recommended) > np.mean(lucky) + 1


def test_what_it_recommends_is_within_the_limit():
    strategy = PredictorSearch(SPACE, cost_limit=3)
    for indices in architectures(40):
        strategy.tell(SPACE.decode(indices), additive(indices), cost=1 + sum(index == 2 for index in indices))
    assert sum(index == 2 for index in SPACE.encode(strategy.recommend())) <= 2
    assert PredictorSearch(SPACE, cost_limit=3).recommend() is None


def test_nothing_within_the_limit_so_far():
    """`best` is None; the search goes to what is cheap."""
    strategy = PredictorSearch(SPACE, seed=0, initial=5, cost_limit=2.0)

    def cost(indices):
        return 1.5 + sum(indices)  # (0, 0, 0, 0, 0, 0) alone keeps the limit

    run(strategy, sum, 8, cost)
    assert strategy.best is None
    run(strategy, sum, 30, cost)
    assert strategy.best == (SPACE.decode((0,) * 6), 0)


def test_a_limited_search_resumes_from_its_state():
    limit = math.exp(10.5 / 4)
    strategy = run(PredictorSearch(SPACE, seed=0, cost_limit=limit), additive, 17, cost=expensive)
    failed = strategy.ask()
    with pytest.warns(UserWarning, match="not finite"):
        strategy.tell(failed, math.nan)  # its cost is not known either
    state = json.loads(json.dumps(strategy.get_state()))
    again = PredictorSearch(SPACE, seed=9, cost_limit=limit)
    again.set_state(state)
    histories = [run(one, additive, 20, cost=expensive).observations for one in (strategy, again)]
    assert str(histories[0]) == str(histories[1])
    assert again.best == strategy.best


def test_a_cost_is_reported_where_there_is_a_limit_and_nowhere_else():
    free, limited = PredictorSearch(SPACE), PredictorSearch(SPACE, cost_limit=1.0)
    with pytest.raises(ValueError, match="no limit"):
        free.tell(free.ask(), 1.0, cost=1.0)
    genotype = limited.ask()
    for cost in (None, 0.0, math.nan):
        with pytest.raises(ValueError, match=r"`cost`\. Expected a positive number"):
            limited.tell(genotype, 1.0, cost=cost)
    assert limited.observations == [] and limited.pending == (SPACE.encode(genotype),)
