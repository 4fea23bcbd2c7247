"""NSGA-II: its Pareto front against the definition; selection; rewards that are vectors."""

import math

import numpy as np
import pytest

from kerasnas.pareto import crowding_distance, hypervolume
from kerasnas.search import NSGA2, RandomSearch
from kerasnas.spaces import NASBench101Space
from kerasnas.testing.strategies import GridSpace
from tests.strategies.kit import SPACE, opposed
from tests.test_pareto import dominates


def test_pareto_front_of_all_reports():
    strategy, rng, rewards = NSGA2(SPACE, objectives=3), np.random.default_rng(0), {}
    for genotype in strategy.ask(80):
        rewards[genotype] = tuple(rng.integers(0, 9, 3).astype(float))
        strategy.tell(genotype, rewards[genotype])
    expected = {
        genotype for genotype, own in rewards.items() if not any(dominates(other, own) for other in rewards.values())
    }
    front = strategy.pareto_front()
    assert {genotype for genotype, _ in front} == expected and len(front) == len(expected) > 1
    assert all(rewards[genotype] == told for genotype, told in front)
    assert [told[0] for _, told in front] == sorted((told[0] for _, told in front), reverse=True)


def test_selection_keeps_whole_fronts_and_the_ends_of_the_last():
    space = GridSpace((8, 8))
    strategy = NSGA2(space, population_size=4)
    first = [(7.0, 0.0), (0.0, 7.0), (3.0, 3.0), (0.0, 0.0)]
    second = [(3.5, 3.0), (2.9, 3.2), (4.0, 2.9), (0.5, 0.5)]  # (3, 3) and the zeros are dominated
    for position, rewards in enumerate(first + second):
        strategy.tell(space.decode((position // 8, position % 8)), rewards)
    kept = {rewards for _, rewards in strategy.population}
    assert kept >= {(7.0, 0.0), (0.0, 7.0)} and len(kept) == 4
    # of the three inner ones the one in the thickest crowd goes
    inner = crowding_distance(np.array([(7.0, 0.0), (4.0, 2.9), (3.5, 3.0), (2.9, 3.2), (0.0, 7.0)]))
    assert inner.argmin() == 2 and kept == {(7.0, 0.0), (0.0, 7.0), (4.0, 2.9), (2.9, 3.2)}


def test_children_are_made_of_their_parents():
    space = GridSpace((5, 5, 5, 5))
    strategy = NSGA2(space, population_size=2, mutation_probability=0.0, unique=False)
    strategy.tell(space.decode((0, 0, 0, 0)), (1.0, 0.0))
    strategy.tell(space.decode((1, 1, 1, 1)), (0.0, 1.0))
    children = {space.encode(genotype) for genotype in strategy.ask(300)}
    assert children == {tuple(map(int, f"{number:04b}")) for number in range(16)}


def test_it_finds_more_of_the_front_than_random_search():
    areas = {"nsga2": [], "random": []}
    for seed in range(3):
        strategy = NSGA2(SPACE, seed=seed)
        for _ in range(200):
            genotype = strategy.ask()
            strategy.tell(genotype, opposed(genotype))
        told = {"nsga2": [rewards for _, rewards in strategy.observations]}
        told["random"] = [opposed(genotype) for genotype in RandomSearch(SPACE, seed=seed).ask(200)]
        for name, rewards in told.items():
            areas[name].append(hypervolume(np.array(rewards), (0, -96)))  # the worst corner
    assert min(areas["nsga2"]) > max(areas["random"])


def test_a_vector_with_one_number_that_is_not_finite_has_failed():
    strategy = NSGA2(SPACE)
    with pytest.warns(UserWarning, match="not finite") as caught:
        strategy.tell(strategy.ask(), [1.0, math.nan])
        strategy.tell(strategy.ask(), [math.inf, 1.0])
    assert len(caught) == 1 and strategy.pareto_front() == [] and len(strategy.observations) == 2
    genotype = strategy.ask()
    strategy.tell(genotype, np.array([-5, -5]))
    assert strategy.pareto_front() == [(genotype, (-5.0, -5.0))]


def test_a_space_whose_crossovers_are_rarely_feasible_is_searched():
    strategy = NSGA2(NASBench101Space(), seed=0, population_size=10)
    for _ in range(60):
        genotype = strategy.ask()
        strategy.tell(genotype, [genotype.count("conv3x3-bn-relu"), genotype.count("maxpool3x3")])
    assert len(strategy.succeeded) == 60


def test_there_is_no_single_best():
    strategy = NSGA2(SPACE)
    assert not hasattr(strategy, "best")
    with pytest.raises(AttributeError, match="pareto_front"):
        _ = strategy.best


@pytest.mark.parametrize(
    ("reward", "error", "message"),
    [(0.5, TypeError, "2 numbers"), ([1.0], ValueError, "Expected 2 numbers"), ("ab", TypeError, "2 numbers")],
)
def test_rewards_of_another_shape_are_refused(reward, error, message):
    strategy = NSGA2(SPACE)
    with pytest.raises(error, match=message):
        strategy.tell(strategy.ask(), reward)
