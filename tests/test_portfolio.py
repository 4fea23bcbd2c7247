"""Portfolios: greedy selection against all sets, and the regret of random ones against counting."""

import itertools
import math

import numpy as np
import pytest

TABLE = np.random.default_rng(0).random((6, 7))


@pytest.fixture(scope="module")
def portfolios(benchmark_script):
    return benchmark_script("portfolio")


def test_each_choice_is_the_best_addition_and_the_whole_is_within_the_bound(portfolios):
    chosen = portfolios.greedy_portfolio(TABLE, 3)
    for size in range(1, 4):
        before = chosen[: size - 1]
        value = {c: TABLE[:, [*before, c]].max(axis=1).mean() for c in range(7) if c not in before}
        assert chosen[size - 1] == max(value, key=value.get)
    best = max(TABLE[:, list(own)].max(axis=1).mean() for own in itertools.combinations(range(7), 3))
    assert TABLE[:, chosen].max(axis=1).mean() >= (1 - 1 / math.e) * best
    assert sorted(portfolios.greedy_portfolio(TABLE, 20)) == list(range(7))


def test_a_tie_goes_to_the_higher_mean(portfolios):
    table = [[0.9, 0.1, 0.8], [0.9, 0.2, 0.85]]  # nothing adds to the first
    assert portfolios.greedy_portfolio(table, 3) == [0, 2, 1]


def test_the_regret_of_random_sets_is_their_mean(portfolios):
    for size in (1, 2, 4, 7):
        sets = [portfolios.regret(TABLE, own) for own in itertools.combinations(range(7), size)]
        np.testing.assert_allclose(portfolios.random_regret(TABLE, size), np.mean(sets, axis=0), atol=1e-12)
    assert (portfolios.regret(TABLE, range(7)) == 0).all()
