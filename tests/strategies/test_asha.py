"""ASHA: promotions as algorithm 2 makes them, with many workers, failures and states."""

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest

from kerasnas.search import ASHA, NSGA2, STRATEGIES, Hyperband, RandomSearch, SpaceExhaustedError
from kerasnas.spaces import NASBench201Space
from kerasnas.strategies.brackets import Trial
from kerasnas.testing.strategies import GridSpace

SPACE = NASBench201Space()
BUDGETS = (4, 12, 36, 108)


def reward(genotype):
    return sum((position + 1.1) * index for position, index in enumerate(SPACE.encode(genotype)))


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


def test_nobody_waits_and_the_shares_are_those_of_halving():
    search = ASHA(RandomSearch(SPACE), BUDGETS)
    for trial in search.ask(50):
        assert trial.budget == 4
    search = ASHA(RandomSearch(SPACE), BUDGETS)
    for _ in range(400):
        trial = search.ask()
        search.tell(trial.genotype, reward(trial.genotype), trial.budget)
    counts = Counter(result.budget for result in search.results)
    for lower, higher in itertools.pairwise(BUDGETS):
        assert counts[lower] // 3 <= counts[higher] <= counts[lower] / 3 + 12
    assert search.best[1] >= sorted(result.reward for result in search.results if result.budget == 108)[-1]


def test_a_promoted_one_that_falls_behind_stays_promoted():
    """3 is promoted of three, 4 of four; 2 only when nine have three places, after both of them."""
    search, asked = ASHA(RandomSearch(SPACE), (1, 3)), []
    for value in (1.0, 2.0, 3.0, None, 4.0, None, 0.1, 0.2, 0.3, 0.4, 0.5, None, 0.6):
        asked.append(search.ask())
        assert asked[-1].budget == (3 if value is None else 1)
        search.tell(asked[-1].genotype, 0.0 if value is None else value, asked[-1].budget)
    promoted = [trial.genotype for trial in asked if trial.budget == 3]
    assert promoted == [asked[position].genotype for position in (2, 4, 1)]
    assert search.promotable() is None


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


def test_a_small_space_is_used_up_and_its_best_still_goes_up():
    space = GridSpace((2, 2))
    search = ASHA(RandomSearch(space), (1, 3), eta=2)
    trials = search.ask(9)
    assert len(trials) == 4
    for trial in trials:
        search.tell(trial.genotype, sum(space.encode(trial.genotype)), 1)
    assert search.ask() == Trial(space.decode((1, 1)), 3)
    assert search.ask().budget == 3
    with pytest.raises(SpaceExhaustedError):
        search.ask()


@pytest.mark.parametrize("stop", [0, 3, 28, 90])
def test_it_resumes_identically_from_its_state(stop):
    def advance(search, evaluations):
        running, asked = list(search.running), []
        for _ in range(evaluations):
            while len(running) < 5:
                running.append(search.ask())
                asked.append(running[-1])
            done = running.pop(0)
            search.tell(done.genotype, reward(done.genotype), done.budget)
        return asked

    search, again = (ASHA(STRATEGIES["evolution"](SPACE, seed=seed), BUDGETS) for seed in (1, 2))
    advance(search, stop)
    text = json.dumps(search.get_state())
    again.set_state(json.loads(text))
    assert json.dumps(again.get_state()) == text and again.best == search.best and again.running == search.running
    assert advance(search, 60) == advance(again, 60)


def test_other_states_and_bad_arguments_are_refused():
    search = ASHA(RandomSearch(SPACE), (1, 3))
    with pytest.raises(ValueError, match=r"`state`. Expected a state with search 'Hyperband'. Received: 'ASHA'"):
        Hyperband(RandomSearch(SPACE), (1, 3)).set_state(search.get_state())
    lacking = {name: value for name, value in search.get_state().items() if name != "running"}
    with pytest.raises(ValueError, match=r"`state`.*cannot be read"):
        search.set_state(lacking)
    with pytest.raises(ValueError, match="`eta`"):
        ASHA(RandomSearch(SPACE), eta=1)
    with pytest.raises(ValueError, match="single objective"):
        ASHA(NSGA2(SPACE))
    with pytest.raises(ValueError, match="`budget`"):
        search.tell(search.ask().genotype, 1.0, budget=2)
