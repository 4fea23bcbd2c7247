"""Black-box strategies: the behavior of each in closed form, and what it reaches on a table (slow)."""

import copy
import functools
import json
import math

import numpy as np
import pytest

from kerasnas.search import STRATEGIES, LocalSearch, RandomSearch, RegularizedEvolution
from kerasnas.tabular import NASBench201
from kerasnas.testing.strategies import GridSpace
from tests.strategies.kit import SPACE


def distance(space, first, second):
    return sum(a != b for a, b in zip(space.encode(first), space.encode(second), strict=True))


def told(strategy, indices, reward):
    strategy.tell(strategy.space.decode(indices), reward)


# What all have in common --------------------------------------------------------------------------
def test_random_search_draws_as_the_space_does():
    strategy, rng = RandomSearch(SPACE, seed=4), np.random.default_rng(4)
    assert strategy.ask(5) == [SPACE.sample(rng) for _ in range(5)]


class Folded(GridSpace):
    """The last choice means nothing: two combinations are one genotype, and `encode` knows the first of them."""

    def genotype(self, assignment):
        return super().genotype({**assignment, "choice/2": "option_0"})


def test_indices_that_encode_does_not_give_back_are_reported_and_learned_as_asked():
    strategy = RandomSearch(Folded((3, 3, 2)), unique=False)
    asked = strategy.ask(40)
    pending = strategy.pending
    assert any(indices[2] for indices in pending)
    for genotype in asked:
        strategy.tell(genotype, 1.0)
    assert strategy.pending == ()
    assert sorted(indices for indices, _ in strategy.observations) == sorted(pending)


def test_without_unique_a_strategy_repeats_itself():
    strategy = RandomSearch(GridSpace((2,)), unique=False)
    assert len(set(strategy.ask(20))) == 2 and len(strategy.pending) == 20


def test_what_is_not_feasible_is_asked_again():
    class Stubborn(RandomSearch):
        def propose(self):
            return (0, 0, 0, 0) if len(self.observations) % 2 else super().propose()

    strategy = Stubborn(GridSpace((4, 4, 3, 3), constrained=True), unique=False)
    for _ in range(20):
        genotype = strategy.ask()
        assert sum(strategy.space.encode(genotype)) % 5
        strategy.tell(genotype, 1.0)


@pytest.mark.parametrize("reward", ["much", None, [1.0]])
def test_a_reward_that_is_no_number_is_refused_and_changes_nothing(reward):
    strategy = RandomSearch(SPACE)
    genotype = strategy.ask()
    with pytest.raises((TypeError, ValueError)):
        strategy.tell(genotype, reward)
    assert len(strategy.pending) == 1 and not strategy.observations


def test_a_combination_that_is_no_architecture_is_refused():
    strategy = RandomSearch(GridSpace((4, 4), constrained=True))
    with pytest.raises(ValueError, match="not in space 'grid'"):
        told(strategy, (2, 3), 1.0)


@pytest.mark.filterwarnings("error")
def test_the_state_counts_failures_so_that_they_are_said_once():
    strategy, again = RandomSearch(SPACE), RandomSearch(SPACE)
    with pytest.warns(UserWarning, match="not finite"):
        strategy.tell(strategy.ask(), math.nan)
    again.set_state(strategy.get_state())
    again.tell(again.ask(), math.inf)  # a warning would be an error here
    assert again.succeeded == [] and again.best is None


@pytest.mark.parametrize("name", [name for name in STRATEGIES if STRATEGIES[name].objectives == 1])
def test_a_state_of_another_space_of_the_same_name_is_refused(name):
    """Spaces of one family share their name; their sizes differ."""
    strategy = STRATEGIES[name](GridSpace((4, 4, 3)))
    for genotype in strategy.ask(12):
        strategy.tell(genotype, 1.0 + genotype.count("option_1"))
    state = json.loads(json.dumps(strategy.get_state()))
    for sizes in ((4, 4), (4, 4, 2)):
        with pytest.raises(ValueError, match=r"argument `state`. Expected architectures of space 'grid'"):
            STRATEGIES[name](GridSpace(sizes)).set_state(state)
    STRATEGIES[name](GridSpace((4, 4, 3))).set_state(state)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_state_that_lacks_something_is_refused_in_one_line(name):
    strategy = STRATEGIES[name](SPACE)
    state = strategy.get_state()
    for key in ("generator", "observations", "pending", "own"):
        lacking = {one: state[one] for one in state if one != key}
        for broken in (lacking, {**state, key: 3}) if key != "own" or state["own"] else (lacking,):
            with pytest.raises(ValueError, match=r"argument `state`.*cannot be read"):
                STRATEGIES[name](SPACE).set_state(broken)
    with pytest.raises(TypeError, match=r"argument `state`. Expected the result of `get_state`"):
        strategy.set_state(None)


# Evolution ----------------------------------------------------------------------------------------
def test_the_first_population_is_random_and_counts_what_is_pending():
    strategy, rng = RegularizedEvolution(SPACE, seed=2, population_size=6), np.random.default_rng(2)
    first = strategy.ask(6)
    assert first == [SPACE.sample(rng) for _ in range(6)]
    strategy.tell(first[0], 1.0)
    assert distance(SPACE, strategy.ask(), first[0]) == 1  # one told and five pending are a population


def test_the_parent_is_the_best_of_a_sample_drawn_with_replacement():
    strategy = RegularizedEvolution(SPACE, population_size=5, sample_size=2, unique=False)
    for reward in (3.0, 9.0, 1.0, 4.0, 5.0):
        strategy.tell(strategy.ask(), reward)
    ranks = set()
    for step in range(20):
        members = list(strategy.population)
        sample = copy.deepcopy(strategy.rng).integers(5, size=2)
        parent, best = max((members[index] for index in sample), key=lambda member: member[1])
        child = strategy.ask()
        assert distance(SPACE, child, SPACE.decode(parent)) == 1
        strategy.tell(child, 10.0 + step % 3)
        ranks.add(sorted(reward for _, reward in members).index(best))
    assert len(ranks) > 2  # not always the best of all


def test_age_removes_even_the_best():
    strategy = RegularizedEvolution(SPACE, population_size=3)
    for reward in (9.0, 1.0, 2.0, 3.0):
        strategy.tell(strategy.ask(), reward)
    assert [reward for _, reward in strategy.population] == [1.0, 2.0, 3.0]
    assert strategy.best[1] == 9.0


@pytest.mark.filterwarnings("ignore:A reward that is not finite")
def test_failed_ones_never_enter_the_population():
    strategy = RegularizedEvolution(SPACE, population_size=3)
    for reward in (math.nan, 1.0, math.inf, 2.0, -math.inf):
        strategy.tell(strategy.ask(), reward)
    assert [reward for _, reward in strategy.population] == [1.0, 2.0]


def test_every_option_is_a_mutation_away():
    strategy = RegularizedEvolution(GridSpace((3, 3)), population_size=1, sample_size=1)
    told(strategy, (1, 1), 1.0)
    children = {strategy.space.encode(genotype) for genotype in strategy.ask(4)}
    assert children == {(0, 1), (2, 1), (1, 0), (1, 2)}


# Local search -------------------------------------------------------------------------------------
def test_it_asks_neighbors_moves_at_once_and_restarts_at_an_optimum():
    strategy = LocalSearch(GridSpace((3, 3, 3)), seed=1)
    told(strategy, (0, 0, 0), 1.0)
    first = strategy.ask()
    assert distance(strategy.space, first, strategy.space.decode((0, 0, 0))) == 1
    strategy.tell(first, 2.0)
    assert strategy.current == (strategy.space.encode(first), 2.0)
    around = set(strategy.space.neighbors(strategy.current[0])) - {(0, 0, 0)}
    for _ in range(5):
        genotype = strategy.ask()
        around.remove(strategy.space.encode(genotype))
        strategy.tell(genotype, 0.0)
    assert not around and strategy.current is not None
    start = strategy.ask()
    assert strategy.current is None  # all neighbors were worse
    strategy.tell(start, -5.0)
    assert strategy.current == (strategy.space.encode(start), -5.0)


def test_it_waits_for_pending_neighbors_before_it_restarts():
    strategy = LocalSearch(GridSpace((2, 2, 2)), seed=1)
    told(strategy, (0, 0, 0), 1.0)
    neighbors = strategy.ask(3)
    strategy.ask()
    assert strategy.current == ((0, 0, 0), 1.0)
    strategy.tell(neighbors[0], 0.5)
    strategy.tell(neighbors[1], 3.0)
    assert strategy.current == (strategy.space.encode(neighbors[1]), 3.0)


def test_it_climbs_a_slope_in_at_most_one_round_of_neighbors_a_step():
    space = GridSpace((4, 4, 4, 4))
    for seed in range(5):
        strategy = LocalSearch(space, seed=seed)
        while strategy.best is None or strategy.best[1] < 12:
            genotype = strategy.ask()
            strategy.tell(genotype, sum(space.encode(genotype)))
        assert len(strategy.observations) <= 1 + 12 * 12


# Tables -----------------------------------------------------------------------------------------------------
REACHED = {"random": 93.72, "evolution": 93.94, "reinforce": 93.91, "local_search": 94.18, "predictor": 94.28}
"""As published, but for `predictor`."""


@pytest.mark.slow
@pytest.mark.parametrize("name", REACHED)
def test_results_of_tables(name, published):
    """NAS-Bench-201, CIFAR-10: 100 evaluations after 12 epochs; the test accuracy after 200 of the best; 500 seeds."""
    table = NASBench201.open(published("nb201.npz"), dataset="cifar10")
    valid, test = table.column("valid_12").tolist(), table.column("test_200")
    row = functools.cache(table.row)
    reached = []
    for seed in range(500):
        strategy = STRATEGIES[name](table.space, seed=seed)
        for _ in range(100):
            genotype = strategy.ask()
            strategy.tell(genotype, valid[row(genotype)])
        reached.append(test[row(strategy.best[0])])
    print(f"{name}: {np.mean(reached):.3f} ± {np.std(reached):.2f}, expected {REACHED[name]}")
    assert np.mean(reached) == pytest.approx(REACHED[name], abs=0.05)
