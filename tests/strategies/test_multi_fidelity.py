"""Searches over trials: Hyperband's and ASHA's promotions, failures, and what all of them share."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from kerasnas.search import ASHA, BOHB, NSGA2, STRATEGIES, Hyperband, RandomSearch, SuccessiveHalving
from kerasnas.strategies.base import SpaceExhaustedError
from kerasnas.strategies.brackets import Trial
from kerasnas.testing.strategies import GridSpace
from tests.strategies.kit import SPACE, advance

BUDGETS = (4, 12, 36, 108)


def reward(genotype, budget=0):
    return sum((position + 1.1) * index for position, index in enumerate(SPACE.encode(genotype))) + 100 * budget


def counts(search):
    told = Counter(result.budget for result in search.results)
    return [told[budget] for budget in search.budgets]


@pytest.mark.parametrize(("budgets", "eta"), [(BUDGETS, 3), ((1, 2, 4, 8, 16), 2), ((5,), 3), ((1, 10), 4)])
def test_successive_halving_promotes_one_of_eta(budgets, eta):
    search = SuccessiveHalving(RandomSearch(SPACE), budgets, eta)
    rungs = len(budgets)
    expected = [eta ** (rungs - 1 - rung) for rung in range(rungs)]
    advance(search, 2 * sum(expected), reward)
    assert counts(search) == [2 * count for count in expected]


def test_hyperband_brackets_in_closed_form():
    search = Hyperband(RandomSearch(SPACE), BUDGETS)
    assert search.bracket_sizes() == [(0, 27), (1, 12), (2, 6), (3, 4)]
    expected = [0, 0, 0, 0]
    for rung, size in search.bracket_sizes():
        for higher in range(rung, 4):
            expected[higher] += size // 3 ** (higher - rung)
    assert expected == [27, 9 + 12, 3 + 4 + 6, 1 + 1 + 2 + 4]
    advance(search, sum(expected), reward)
    assert counts(search) == expected
    assert advance(search, 1, reward)[0].budget == 4  # a new round


@pytest.mark.parametrize("workers", [1, 5, 40])
def test_the_best_of_every_rung_are_promoted(workers):
    search = SuccessiveHalving(RandomSearch(SPACE, seed=1), BUDGETS)
    trials = advance(search, 300, reward, workers)
    assert len(set(trials)) == len(trials)
    first = [trial.genotype for trial in trials if trial.budget == 4][:27]
    for budget, kept in ((12, 9), (36, 3), (108, 1)):
        first = sorted(first, key=reward, reverse=True)[:kept]
        assert [trial.genotype for trial in trials if trial.budget == budget][:kept] == first


def test_the_strategy_receives_first_rungs_only():
    search = SuccessiveHalving(RandomSearch(SPACE), BUDGETS)
    advance(search, 40, reward)
    told = [value for _, value in search.strategy.observations]
    assert told == [result.reward for result in search.results if result.budget == 4] and len(told) == 27


def test_a_start_above_the_lowest_budget_is_reported_by_its_rank():
    search = Hyperband(RandomSearch(SPACE), (1, 10), eta=2)
    genotypes = search.strategy.ask(7)
    for genotype, value in zip(genotypes[:4], (1.0, 2.0, 3.0, 4.0), strict=True):
        search.tell(genotype, value, budget=1)
    search.tell(genotypes[0], 99.0, budget=10)  # not its first
    for genotype, value in zip(genotypes[4:], (90.0, 91.0, 89.0), strict=True):
        search.tell(genotype, value, budget=10)
    told = [value for _, value in search.strategy.observations]
    ranks = [0.5, (1 + 0.5) / 2, 0.5 / 3]
    assert told == pytest.approx([1, 2, 3, 4, *np.quantile([1, 2, 3, 4], ranks)])


def test_only_the_largest_budget_ranks():
    search = Hyperband(RandomSearch(SPACE), BUDGETS)
    assert search.best is None
    one, other = SPACE.sample(np.random.default_rng(0)), SPACE.sample(np.random.default_rng(1))
    search.tell(one, 99.0, budget=4)
    assert search.best == (one, 99.0)
    search.tell(other, 50.0, budget=12)
    assert search.best == (other, 50.0)
    with pytest.warns(UserWarning, match="not finite"):
        search.tell(one, math.nan, budget=108)
    assert search.best == (other, 50.0)


@pytest.mark.parametrize("failed", [float("nan"), float("inf")])
def test_failed_trials_are_not_promoted_and_warn_once(failed):
    search = SuccessiveHalving(RandomSearch(SPACE), (1, 3, 9))
    with pytest.warns(UserWarning, match="not finite") as caught:
        for step in range(9):
            trial = search.ask()
            search.tell(trial.genotype, 1.0 if step == 5 else failed, trial.budget)
        promoted = search.ask()
        assert promoted == Trial(search.results[5].genotype, 3)
        search.tell(promoted.genotype, failed, 3)
        assert search.ask().budget == 1  # nobody is left: a new bracket
    assert len(caught) == 1


def test_a_batch_does_not_wait():
    search = SuccessiveHalving(RandomSearch(SPACE), (1, 3))
    assert [trial.budget for trial in search.ask(8)] == [1] * 8
    trials = search.ask(2)
    assert len({trial.genotype for trial in trials}) == 2


# ASHA ----------------------------------------------------------------------------------------------------
def algorithm_2(told, running, budgets, eta):
    """`get_job` of the paper: told is {budget: {genotype: reward}}; None stands for a new architecture."""
    for rung in reversed(range(len(budgets) - 1)):
        rung_k = told[budgets[rung]]
        top = sorted((g for g in rung_k if not math.isnan(rung_k[g])), key=lambda g: -rung_k[g])
        higher = budgets[rung + 1]
        promoted = {*told[higher], *(trial.genotype for trial in running if trial.budget == higher)}
        promotable = [genotype for genotype in top[: math.floor(len(rung_k) / eta)] if genotype not in promoted]
        if promotable:
            return Trial(promotable[0], higher)
    return None


@pytest.mark.parametrize("workers", [1, 4, 25])
@pytest.mark.parametrize(("budgets", "eta"), [(BUDGETS, 3), ((1, 2, 4), 2)])
def test_every_job_is_that_of_the_algorithm(budgets, eta, workers):
    search, told, rng = ASHA(RandomSearch(SPACE, seed=1), budgets, eta), {b: {} for b in budgets}, None
    rng = np.random.default_rng(0)
    running, started, promotions = [], set(), 0
    for _ in range(200):
        while len(running) < workers:
            expected, trial = algorithm_2(told, running, budgets, eta), search.ask()
            if expected is None:
                assert trial.budget == budgets[0] and trial.genotype not in started
                started.add(trial.genotype)
            else:
                assert trial == expected
                promotions += 1
            running.append(trial)
        assert search.running == running
        done = running.pop(rng.integers(len(running)))  # they finish in any order
        told[done.budget][done.genotype] = reward(done.genotype)
        search.tell(done.genotype, told[done.budget][done.genotype], done.budget)
    assert promotions > 40 and len(set(search.results)) == 200


def test_the_highest_rung_comes_first():
    search = ASHA(RandomSearch(SPACE), (1, 3, 9))
    ranked = sorted((trial.genotype for trial in search.ask(6)), key=reward, reverse=True)
    for genotype in ranked:
        search.tell(genotype, reward(genotype), 1)
    for genotype in ranked[3:]:
        search.tell(genotype, reward(genotype), 3)
    assert search.ask(3) == [Trial(ranked[3], 9), Trial(ranked[0], 3), Trial(ranked[1], 3)]


@pytest.mark.filterwarnings("ignore:A reward that is not finite")
def test_failures_count_in_their_rung_and_are_never_promoted():
    search = ASHA(RandomSearch(SPACE), (1, 3))
    trials = search.ask(6)
    for trial, value in zip(trials, (math.nan, math.inf, math.nan, math.nan, 1.0, math.nan), strict=True):
        search.tell(trial.genotype, value, trial.budget)
    promoted = search.ask()
    assert promoted == Trial(trials[4].genotype, 3)
    assert search.ask().budget == 1  # of six the best two, but only one is finite
    search.tell(promoted.genotype, math.nan, 3)
    assert search.promotable() is None and search.best == (trials[4].genotype, 1.0)


# All of them -------------------------------------------------------------------------------------------------
KINDS = {
    "hyperband": lambda seed: Hyperband(STRATEGIES["evolution"](SPACE, seed=seed), BUDGETS),
    "halving": lambda seed: SuccessiveHalving(STRATEGIES["evolution"](SPACE, seed=seed), BUDGETS),
    "asha": lambda seed: ASHA(STRATEGIES["evolution"](SPACE, seed=seed), BUDGETS),
    "bohb": lambda seed: BOHB(SPACE, BUDGETS, seed=seed),
}


@pytest.mark.filterwarnings("ignore:A reward that is not finite")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [3, 90])
def test_it_resumes_identically_from_its_state(kind, stop):
    search, again = KINDS[kind](1), KINDS[kind](2)
    advance(search, stop, reward, workers=4, fail=(1, 20))
    text = json.dumps(search.get_state())
    again.set_state(json.loads(text))
    assert json.dumps(again.get_state()) == text and again.best == search.best and again.running == search.running
    assert advance(search, 40, reward, workers=4) == advance(again, 40, reward, workers=4)


@pytest.mark.parametrize("kind", [SuccessiveHalving, ASHA])
def test_a_small_space_is_used_up_and_its_best_still_goes_up(kind):
    space = GridSpace((2, 2))
    search = kind(RandomSearch(space), (1, 3), eta=4)
    trials = search.ask(10)
    assert len(trials) == 4
    with pytest.raises(SpaceExhaustedError):
        search.ask()
    for trial in trials:
        search.tell(trial.genotype, sum(space.encode(trial.genotype)), trial.budget)
    trial = search.ask()
    assert trial == Trial(space.decode((1, 1)), 3)
    search.tell(trial.genotype, 2.0, 3)
    with pytest.raises(SpaceExhaustedError):
        search.ask()


def test_states_and_reports_of_another_search_are_refused():
    search = Hyperband(RandomSearch(SPACE), (1, 3))
    for other in (SuccessiveHalving(RandomSearch(SPACE), (1, 3)), ASHA(RandomSearch(SPACE), (1, 3))):
        with pytest.raises(ValueError, match=rf"`state`.*'{type(other).__name__}'\. Received: 'Hyperband'"):
            other.set_state(search.get_state())
    with pytest.raises(ValueError, match="budgets"):
        Hyperband(RandomSearch(SPACE), (1, 9)).set_state(search.get_state())
    lacking = {name: value for name, value in other.get_state().items() if name != "running"}
    with pytest.raises(ValueError, match=r"`state`.*cannot be read"):
        other.set_state(lacking)
    genotype = search.ask().genotype
    with pytest.raises(ValueError, match=r"`budget`. Expected one of \(1, 3\). Received: 2"):
        search.tell(genotype, 1.0, budget=2)
    with pytest.raises(ValueError, match="belongs to space"):
        search.tell(GridSpace((2, 2)).decode((0, 0)), 1.0, budget=1)
    assert not search.results
    with pytest.raises(ValueError, match="single objective"):
        Hyperband(NSGA2(SPACE))
