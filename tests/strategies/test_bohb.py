"""TPESearch and BOHB: densities in closed form, the choice by their ratio, the budget that is learned from."""

import math

import numpy as np
import pytest

from kerasnas.search import BOHB, STRATEGIES, Hyperband, RandomSearch, TPESearch
from kerasnas.spaces import NASBench101Space
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.strategies.tpe import CategoricalDensity
from kerasnas.testing.strategies import GridSpace
from tests.strategies.kit import SPACE, additive, advance, run


# Densities -----------------------------------------------------------------------------------------------
def test_the_bandwidth_of_two_options_is_that_of_their_variance():
    observed = [(0, 3)] * 3 + [(1, 3)]
    density = CategoricalDensity(observed, (2, 4))
    deviation = np.std([0, 0, 0, 1])
    assert density.bandwidths == pytest.approx([1.06 * deviation * 4 ** (-1 / 6), 1e-3])
    many = CategoricalDensity([(0, 0), (1, 1), (2, 2)], (3, 8))  # s^2 = (1 - 1/3) / 2
    assert many.bandwidths == pytest.approx([1.06 * math.sqrt(1 / 3) * 3 ** (-1 / 6)] * 2)
    assert CategoricalDensity([(0,), (1,)], (2,)).bandwidths == [min(0.53 * 2 ** (-1 / 5), 0.5)]
    assert CategoricalDensity([(0, 0, 1)] * 2 + [(0, 1, 2)], (1, 2, 3)).bandwidths[0] == 0


def test_bandwidths_do_not_depend_on_the_order_of_options():
    rng = np.random.default_rng(0)
    observed = rng.integers(5, size=(20, 3))
    swapped = rng.permutation(5)[observed]
    one, other = (CategoricalDensity(list(map(tuple, some)), (5, 5, 5)) for some in (observed, swapped))
    assert one.bandwidths == pytest.approx(other.bandwidths)


def test_the_density_is_the_definition_and_sums_to_one():
    sizes, space = (3, 2, 1, 4), GridSpace((3, 2, 1, 4))
    observed = [space.sample_indices(np.random.default_rng(seed)) for seed in range(6)]
    density, cells = CategoricalDensity(observed, sizes), list(space)
    for cell, value in zip(cells, density(cells), strict=True):
        expected = 0.0
        for one in observed:
            product = 1.0
            for x, y, b, c in zip(cell, one, density.bandwidths, sizes, strict=True):
                product *= 1 - b if x == y else b / (c - 1)
            expected += product / 6
        assert value == pytest.approx(expected)
    assert density(cells).sum() == pytest.approx(1)


@pytest.mark.parametrize("factor", [1.0, 1.3, 100.0])
def test_draws_have_the_density_with_wider_bandwidths(factor):
    sizes = (3, 2, 4)
    density = CategoricalDensity([(0, 1, 2), (0, 0, 2), (2, 1, 2), (0, 1, 3)], sizes)
    drawn = density.sample(np.random.default_rng(0), 120_000, factor)
    most = (np.array(sizes) - 1) / sizes
    density.bandwidths = np.minimum(factor * density.bandwidths, most)
    cells = list(GridSpace(sizes))
    shares = np.array([drawn.count(cell) for cell in cells]) / len(drawn)
    assert shares == pytest.approx(density(cells), abs=0.004)
    if factor == 100:
        assert density(cells) == pytest.approx(np.full(24, 1 / 24))


# TPE -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "good", "bad"),
    [(9, 7, 7), (13, 7, 7), (20, 7, 13), (100, 15, 85)],  # d + 1 = 7 at least; 15 % of 100
)
def test_good_and_bad_as_in_the_paper(count, good, bad):
    strategy, rng = TPESearch(SPACE), np.random.default_rng(0)
    cells = [SPACE.sample_indices(rng) for _ in range(count)]
    evidence = list(zip(cells, rng.permutation(count).astype(float), strict=True))
    best_first = [cell for cell, _ in sorted(evidence, key=lambda pair: -pair[1])]
    densities = strategy.densities(evidence)
    assert densities[0].architectures.tolist() == [list(cell) for cell in best_first[:good]]
    assert densities[1].architectures.tolist() == [list(cell) for cell in best_first[-bad:]]


def test_random_until_there_are_enough_and_with_its_share_after():
    strategy, random = TPESearch(SPACE, seed=3), RandomSearch(SPACE, seed=3)
    assert strategy.least == 9
    run(strategy, additive, 9)
    assert [indices for indices, _ in strategy.observations] == [SPACE.encode(g) for g in random.ask(9)]
    always = TPESearch(SPACE, seed=3, random_share=1.0, unique=False)
    never = TPESearch(SPACE, seed=3, random_share=0.0, unique=False)
    for one in (always, never):
        one.evidence = [((2,) * 6, 1.0)] * 7 + [((0,) * 6, 0.0)] * 7
        asked = [SPACE.encode(genotype) for genotype in one.ask(200)]
        share = np.mean([indices.count(2) for indices in asked]) / 6
        assert share == pytest.approx(0.2, abs=0.04) if one is always else share > 0.9
    third = TPESearch(SPACE, seed=0, unique=False)
    third.evidence = never.evidence
    twos = [SPACE.encode(genotype) == (2,) * 6 for genotype in third.ask(600)]
    assert np.mean(twos) == pytest.approx(2 / 3, abs=0.06)


def test_the_highest_ratio_of_the_candidates_is_asked_for(monkeypatch):
    strategy = TPESearch(SPACE, random_share=0.0, candidates=5, bandwidth_factor=2.5)
    strategy.evidence = [((0,) * 6, 0.0)] * 9
    cells = [(position,) * 6 for position in range(5)]
    good, bad = np.array([5.0, 4, 3, 2, 1]), np.array([5.0, 9, 1, 1, 1])

    class Fixed:
        def __init__(self, values):
            self.values = values

        def sample(self, rng, count, factor):
            assert (count, factor) == (5, 2.5)
            return cells

        def __call__(self, architectures):
            assert architectures == cells
            return self.values

    monkeypatch.setattr(strategy, "densities", lambda evidence: (Fixed(good), Fixed(bad)))
    assert SPACE.encode(strategy.ask()) == (2,) * 6


def test_a_space_that_allows_no_draw_is_searched_by_ratio_among_random_ones():
    whole = NASBench101Space()
    rng = np.random.default_rng(0)
    listed = list({whole.key(one): one for one in (whole.sample_indices(rng) for _ in range(60))}.values())
    strategy = TPESearch(SubsetSpace(whole, listed), seed=0)
    for _ in range(40):
        proposed = strategy.propose()
        assert strategy.space.feasible(proposed)
        genotype = strategy.ask()
        strategy.tell(genotype, genotype.count("conv3x3-bn-relu"))
    assert len(strategy.succeeded) == 40


@pytest.mark.slow
def test_it_finds_more_than_random_search():
    found = {
        name: np.mean([run(STRATEGIES[name](SPACE, seed=s), additive, 80).best[1] for s in range(6)])
        for name in ("tpe", "random")
    }
    assert found["tpe"] > found["random"] + 1


# BOHB ----------------------------------------------------------------------------------------------------
def reward(genotype, budget):
    return additive(SPACE.encode(genotype)) * (1 - 0.5 / budget)


def test_it_learns_from_the_largest_budget_with_enough_rewards():
    search = BOHB(SPACE, (1, 3, 9))
    assert search.largest_budget() is None
    cells = [SPACE.decode(indices) for indices in ((i, j, 0, 0, 0, 0) for i in range(5) for j in range(2))]
    for genotype in cells[:8]:
        search.tell(genotype, 1.0, 1)
    assert search.largest_budget() is None
    with pytest.warns(UserWarning, match="not finite"):
        search.tell(cells[9], math.nan, 1)
    assert search.largest_budget() is None  # a failure is no evidence
    search.tell(cells[8], 1.0, 1)
    assert search.largest_budget() == 1
    search.ask()
    assert search.strategy.evidence == [(SPACE.encode(genotype), 1.0) for genotype in cells[:9]]
    for position, genotype in enumerate(cells[:9]):
        search.tell(genotype, float(position), 3)
    assert search.largest_budget() == 3
    search.ask()
    assert search.strategy.evidence == [(SPACE.encode(cells[i]), float(i)) for i in range(9)]


def test_its_brackets_are_those_of_hyperband():
    bohb, hyperband = BOHB(SPACE, (1, 3, 9)), Hyperband(RandomSearch(SPACE), (1, 3, 9))
    budgets = [[trial.budget for trial in advance(one, 44, reward, workers=3)] for one in (bohb, hyperband)]
    assert budgets[0] == budgets[1]


@pytest.mark.slow
def test_it_starts_better_ones_than_hyperband():
    def started(search):
        advance(search, 88, reward, workers=4)
        firsts = list({result.genotype: None for result in search.results})
        return np.mean([additive(SPACE.encode(genotype)) for genotype in firsts[30:]])

    values = [
        (started(BOHB(SPACE, (1, 3, 9), seed=seed)), started(Hyperband(RandomSearch(SPACE, seed=seed), (1, 3, 9))))
        for seed in range(4)
    ]
    assert np.mean([bohb - hyperband for bohb, hyperband in values]) > 2
