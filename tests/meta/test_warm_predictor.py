"""SearchExperience, SourceSurrogate and TransferPredictor: closed forms, what sources change, bad sources."""

import functools
import json
import math

import numpy as np
import pytest

from kerasnas.meta.experience import SearchExperience, check_sources, load_experiences, save_experiences
from kerasnas.meta.warm_predictor import (
    NOISE,
    SourceKernel,
    SourcePredictions,
    SourcePrior,
    SourceSurrogate,
    TransferPredictor,
)
from kerasnas.search import NSGA2, PredictorSearch, RandomSearch
from kerasnas.spaces import NASBench201Space
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.strategies.gaussian_process import MatchKernel, fit_noise, normal_quantiles
from kerasnas.tabular import NASBenchGraph
from kerasnas.testing import check_strategy
from tests.meta.kit import experience
from tests.strategies.kit import SPACE, run

WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def counting(option, indices):
    """A task: where its option stands, by the place's weight; option 0 costs as much."""
    indices = np.array(indices)
    return float(WEIGHTS @ (indices == option) - WEIGHTS @ (indices == 0))


def asked(strategy, reward, evaluations):
    return [indices for indices, _ in run(strategy, reward, evaluations).observations]


@pytest.fixture(scope="module")
def alike():
    """Three sources that agree with a task that rewards option 3."""
    return [experience(functools.partial(counting, 3), seed=seed, name=f"alike {seed}") for seed in (1, 2, 3)]


# Experiences ---------------------------------------------------------------------------------------------
def test_experience_of_a_strategy_leaves_failures_out():
    strategy = RandomSearch(SPACE)
    observed = []
    with pytest.warns(UserWarning, match="not finite"):
        for reward in (1.0, math.nan, 3.0, -math.inf, 2.0):
            genotype = strategy.ask()
            strategy.tell(genotype, reward)
            observed.append((SPACE.encode(genotype), reward))
    found = SearchExperience.of(strategy, "cifar10")
    assert found.observations == (observed[0], observed[2], observed[4])
    assert found.rewards.tolist() == [1.0, 3.0, 2.0]
    assert found.ranked == [observed[2][0], observed[4][0], observed[0][0]]
    assert (found.name, found.space, found.cardinalities) == ("cifar10", "nasbench201", (5,) * 6)


def test_experiences_come_back_from_json(tmp_path, alike):
    save_experiences(tmp_path / "sources.json", alike)
    assert load_experiences(tmp_path / "sources.json") == alike
    assert SearchExperience.from_config(json.loads(json.dumps(alike[0].to_config()))) == alike[0]


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2, "experiences": []}', '{"format": 1, "experiences": [{}]}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "sources.json").write_text(text)
    with pytest.raises(ValueError, match="holds no search experiences"):
        load_experiences(tmp_path / "sources.json")


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ((3, (3, 3), ()), TypeError, "space"),
        (("s", (3, 0), ()), ValueError, "cardinalities"),
        (("s", (3, 3), [((0, 5), 1.0)]), ValueError, "observations"),
        (("s", (3, 3), [(0, 1)]), TypeError, "observations"),
        (("s", (3, 3), [((0, 1), "good")]), TypeError, "observations"),
        (("s", (3, 3), [((0.5, 1), 1.0)]), TypeError, "observations"),
        (("s", (3, 3), (), 7), TypeError, "name"),
    ],
)
def test_malformed_experiences_are_refused(arguments, error, name):
    with pytest.raises(error, match=f"`{name}`"):
        SearchExperience(*arguments)


def test_arguments_are_checked(alike, tmp_path):
    for call, error, name in [
        (lambda: SearchExperience.of(SPACE), TypeError, "strategy"),
        (lambda: save_experiences(tmp_path / "x.json", alike[0]), TypeError, "experiences"),
        (lambda: save_experiences(tmp_path / "x.json", [{}]), TypeError, "experiences"),
        (lambda: check_sources("nasbench201", alike), TypeError, "space"),
        *((lambda trust=trust: TransferPredictor(SPACE, trust=trust), ValueError, "trust") for trust in (0, math.nan)),
    ]:
        with pytest.raises(error, match=f"`{name}`"):
            call()


def test_several_objectives_are_refused():
    with pytest.raises(ValueError, match=r"reward is one number\. Received: NSGA2"):
        SearchExperience.of(NSGA2(SPACE))


def test_sources_of_another_space_are_refused(alike):
    darts = SearchExperience("darts", SPACE.cardinalities, alike[0].observations, "x")
    smaller = SearchExperience("nasbench201", (5, 5), (((0, 0), 1.0),))
    for sources, error, message in [
        ([alike[0], darts], ValueError, r"Source 1 \(x\) is of space 'darts', the search of 'nasbench201'"),
        ([smaller], ValueError, r"choices have \(5, 5\) options"),
        ([[((0,) * 6, 1.0)]], TypeError, r"expected a `SearchExperience`\. Received: list"),
    ]:
        with pytest.raises(error, match=message):
            TransferPredictor(SPACE, sources)


def test_sources_that_rank_nothing_are_left_out(alike):
    flat, failed = experience(lambda indices: 1.0), experience(lambda indices: math.nan)
    assert len(failed) == 0
    assert check_sources(SPACE, [flat, alike[0], failed]) == [alike[0]]


# Surrogates ----------------------------------------------------------------------------------------------
def test_two_observations_have_a_closed_form():
    """Far apart in option counts and places: k = 2.1 with itself, `b` with the other, scores -q and q."""
    low, high = (0,) * 6, (3,) * 6
    source = SearchExperience(SPACE.name, SPACE.cardinalities, ((low, 1.0), (high, 5.0)))
    surrogate = SourceSurrogate(SPACE, source)
    q, between = 0.6744897501960817, math.exp(-6 / 4) + math.exp(-6 / 2) + 0.1
    raw = q * (2.1 - between) / (2.1 + NOISE - between)
    gained, lost = surrogate([high, low]) * surrogate._scale + surrogate._center
    assert gained == pytest.approx(raw, rel=1e-5)
    assert lost == pytest.approx(-raw, rel=1e-5)


def test_predictions_are_standardized_and_cached(alike):
    surrogates = [SourceSurrogate(SPACE, source) for source in alike]
    rng = np.random.default_rng(9)
    cells = [SPACE.sample_indices(rng) for _ in range(400)]
    predictions = SourcePredictions(surrogates)
    found = predictions(cells)
    assert found.shape == (400, 3)
    assert np.abs(found.mean(axis=0)).max() < 0.2
    assert np.abs(found.std(axis=0) - 1).max() < 0.15
    assert np.array_equal(predictions(cells[::-1]), found[::-1])
    assert found[:, 1] == pytest.approx(surrogates[1](cells), rel=1e-5, abs=1e-6)


# What is learned -----------------------------------------------------------------------------------------
def test_weights_are_learned_from_how_sources_predict_one_another(alike):
    close = SourcePrior(SPACE, alike)
    noise = [experience(lambda indices, s=seed: hash((indices, s)) % 1000, seed=seed) for seed in (1, 2, 3)]
    unlike = SourcePrior(SPACE, noise)
    opposed = SourcePrior(SPACE, [alike[0], experience(lambda i: -counting(3, i), seed=5)])
    assert close.mean > 0.2
    assert abs(unlike.mean) < 0.15
    assert opposed.mean < -0.2
    assert SourcePrior(SPACE, alike[:1]).mean == pytest.approx(0.2)


def test_the_kernel_is_the_prior_of_a_weighted_sum(alike):
    predictions = SourcePredictions([SourceSurrogate(SPACE, source) for source in alike])
    kernel, match = SourceKernel(SPACE, predictions, 0.5), MatchKernel(SPACE)
    rng = np.random.default_rng(0)
    cells = [SPACE.sample_indices(rng) for _ in range(8)]
    codes, plain, found = kernel.encode(cells), match.encode(cells), predictions(cells)
    assert kernel(codes, codes) == pytest.approx(match(plain, plain) + 0.25 * found @ found.T, rel=1e-5)
    assert kernel.diagonal(codes) == pytest.approx(np.diag(kernel(codes, codes)), rel=1e-5)


def test_the_climb_finds_what_the_sources_expect_most_of(alike):
    """Of 729 cells, all of which can be looked at."""
    space = NASBench201Space(primitives=["none", "skip_connect", "nor_conv_3x3"])
    sources = [experience(functools.partial(counting, 2), seed=seed, space=space) for seed in (1, 2, 3)]
    prior, everything = SourcePrior(space, sources), list(space)
    values = prior(everything)
    assert prior([prior.promising[0]])[0] == pytest.approx(values.max(), rel=1e-6)
    assert len(set(prior.promising)) == 100
    assert prior(prior.promising).min() > np.quantile(values, 0.8)


@pytest.mark.parametrize(
    ("trust", "count", "share"), [(20, 20, 1 / 2), (20, 60, 1 / 4), (5, 45, 1 / 10), (20, 1, 20 / 21)]
)
def test_the_prior_mean_fades_with_the_observations(alike, trust, count, share):
    """The process by its formula: `m + k (K + noise)^-1 (scores - m)`, with this share of the prior mean as `m`."""
    strategy, rng = TransferPredictor(SPACE, alike, trust=trust), np.random.default_rng(3)
    cells = list(dict.fromkeys(SPACE.sample_indices(rng) for _ in range(count + 40)))
    observed, candidates = cells[:count], cells[count : count + 10]
    scores, kernel = rng.standard_normal(count), strategy.prior.kernel
    codes, others = kernel.encode(observed), kernel.encode(candidates)
    prior = [share * strategy.prior.mean * strategy.prior.predictions(of).sum(axis=1) for of in (observed, candidates)]
    matrix = kernel(codes, codes).astype("float64") + NOISE * np.eye(count)
    expected = prior[1] + kernel(others, codes) @ np.linalg.solve(matrix, scores - prior[0])
    found = strategy._posterior(observed, [scores], candidates).means[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(prior[1]).max() > 0.05


def test_what_it_recommends_is_what_sources_confirm_in_full(alike):
    """`m + K (K + noise)^-1 (scores - m)`, with all of the prior mean as `m`, however many observations there are."""
    strategy = TransferPredictor(SPACE, alike, trust=1)
    rng = np.random.default_rng(3)
    for cell in dict.fromkeys(SPACE.sample_indices(rng) for _ in range(30)):
        strategy.tell(SPACE.decode(cell), rng.standard_normal())
    observed = [indices for indices, _ in strategy.observations]
    scores = normal_quantiles(np.array([reward for _, reward in strategy.observations]))
    kernel, prior = strategy.prior.kernel, strategy.prior(observed)
    rest = scores - (prior - prior.mean())
    codes = kernel.encode(observed)
    gram, (noise, _) = kernel(codes, codes).astype("float64"), fit_noise(kernel, observed, rest)
    expected = prior + gram @ np.linalg.solve(gram + noise * np.eye(len(observed)), rest)
    assert strategy.recommend() == SPACE.decode(observed[int(expected.argmax())])
    np.testing.assert_allclose(strategy._expected(observed, scores), expected, rtol=1e-3, atol=1e-3)
    plain = TransferPredictor(SPACE)
    plain.tell(SPACE.decode(observed[0]), 1.0)
    assert plain.recommend() == SPACE.decode(observed[0])


# The search ----------------------------------------------------------------------------------------------
def test_without_sources_it_is_predictor_search():
    reward = functools.partial(counting, 2)
    assert asked(TransferPredictor(SPACE, seed=4), reward, 40) == asked(PredictorSearch(SPACE, seed=4), reward, 40)


@pytest.mark.slow
@pytest.mark.parametrize("sources", [0, 2])  # without, a predictor search
def test_contract_of_strategies(sources):
    def make(space, seed):
        records = [experience(lambda i, s=s: sum(i) + s, 12, s, space) for s in range(sources)]
        return TransferPredictor(space, records, seed)

    check_strategy(make)


def test_alike_sources_give_a_better_start(alike):
    reward = functools.partial(counting, 3)
    warm, scratch = [], []
    for seed in range(4):
        warm.append([reward(cell) for cell in asked(TransferPredictor(SPACE, alike, seed), reward, 12)])
        scratch.append([reward(cell) for cell in asked(PredictorSearch(SPACE, seed), reward, 12)])
    assert np.mean(warm) > np.mean(scratch) + 8  # of at most 21
    assert np.max(warm, axis=1).mean() > np.max(scratch, axis=1).mean() + 3


def test_misleading_sources_are_overcome(alike):
    """The task rewards the opposite of what all sources do: its optimum is found all the same."""
    strategy = TransferPredictor(SPACE, alike)
    cells = asked(strategy, lambda indices: -counting(3, indices), 60)
    assert strategy.best[1] > 0.9 * 21
    assert np.mean([counting(3, cell) for cell in cells[:3]]) > 10
    assert np.mean([counting(3, cell) for cell in cells[-20:]]) < 0


def test_sources_may_name_what_a_table_lacks(alike):
    cells = [cell for cell in SPACE if sum(cell) % 2 == 0]
    strategy = TransferPredictor(SubsetSpace(SPACE, cells), alike)
    assert all(sum(cell) % 2 == 0 for cell in asked(strategy, functools.partial(counting, 3), 20))


def test_a_cost_limit_is_kept_with_sources(alike):
    strategy = TransferPredictor(SPACE, alike, cost_limit=3)
    run(strategy, functools.partial(counting, 3), 40, cost=lambda indices: 1.0 + sum(index == 3 for index in indices))
    assert strategy.best[1] >= 11 - 4  # places 5 and 6 within the limit, and at most a few others of no use


@pytest.mark.slow
def test_nasbench_graph_warm_beats_scratch(published):
    file = published("nasbench_graph5.npz")
    tables = {name: NASBenchGraph.open(file, name) for name in ("citeseer", "cs", "physics")}
    space = tables["cs"].space

    def reward(name):
        return lambda indices: float(tables[name].column("valid_1")[tables[name].row(space.decode(indices))])

    warm, scratch = [], []
    for seed in range(8):
        sources = []
        for name in ("citeseer", "cs"):
            strategy = PredictorSearch(space, seed=100 + seed, initial=100)
            run(strategy, reward(name), 200)
            sources.append(SearchExperience.of(strategy, name))
        for make, kept in ((functools.partial(TransferPredictor, sources=sources), warm), (PredictorSearch, scratch)):
            strategy = make(space, seed=seed)
            run(strategy, reward("physics"), 25)
            kept.append(strategy.best[1])
    assert np.mean(warm) > np.mean(scratch) + 0.2
