"""Hyperband and successive halving: counts in closed form, promotions, failures, states."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from kerasnas.search import NSGA2, STRATEGIES, Hyperband, RandomSearch, SpaceExhaustedError, SuccessiveHalving
from kerasnas.spaces import NASBench201Space
from kerasnas.strategies.brackets import Trial
from kerasnas.testing.strategies import GridSpace

SPACE = NASBench201Space()
BUDGETS = (4, 12, 36, 108)


def reward(genotype, budget=0):
    return sum((position + 1.1) * index for position, index in enumerate(SPACE.encode(genotype))) + 100 * budget


def advance(search, evaluations, workers=1):
    """Evaluates with parallel workers, the oldest first. Returns the trials asked."""
    running, asked = [], []
    for _ in range(evaluations):
        while len(running) < workers:
            running.append(search.ask())
            asked.append(running[-1])
        done = running.pop(0)
        search.tell(done.genotype, reward(done.genotype, done.budget), done.budget)
    return asked


def counts(search):
    told = Counter(result.budget for result in search.results)
    return [told[budget] for budget in search.budgets]


@pytest.mark.parametrize(("budgets", "eta"), [(BUDGETS, 3), ((1, 2, 4, 8, 16), 2), ((5,), 3), ((1, 10), 4)])
def test_successive_halving_promotes_one_of_eta(budgets, eta):
    search = SuccessiveHalving(RandomSearch(SPACE), budgets, eta)
    rungs = len(budgets)
    expected = [eta ** (rungs - 1 - rung) for rung in range(rungs)]
    advance(search, 2 * sum(expected))
    assert counts(search) == [2 * count for count in expected]


def test_hyperband_brackets_in_closed_form():
    search = Hyperband(RandomSearch(SPACE), BUDGETS)
    assert search.bracket_sizes() == [(0, 27), (1, 12), (2, 6), (3, 4)]
    expected = [0, 0, 0, 0]
    for rung, size in search.bracket_sizes():
        for higher in range(rung, 4):
            expected[higher] += size // 3 ** (higher - rung)
    assert expected == [27, 9 + 12, 3 + 4 + 6, 1 + 1 + 2 + 4]
    advance(search, sum(expected))
    assert counts(search) == expected
    assert advance(search, 1)[0].budget == 4  # a new round


@pytest.mark.parametrize("workers", [1, 5, 40])
def test_the_best_of_every_rung_are_promoted(workers):
    search = SuccessiveHalving(RandomSearch(SPACE, seed=1), BUDGETS)
    trials = advance(search, 300, workers)
    assert len(set(trials)) == len(trials)
    first = [trial.genotype for trial in trials if trial.budget == 4][:27]
    for budget, kept in ((12, 9), (36, 3), (108, 1)):
        first = sorted(first, key=reward, reverse=True)[:kept]
        assert [trial.genotype for trial in trials if trial.budget == budget][:kept] == first


def test_the_strategy_receives_first_rungs_only():
    search = SuccessiveHalving(RandomSearch(SPACE), BUDGETS)
    advance(search, 40)
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


def test_a_small_space_is_used_up_and_its_best_still_goes_up():
    space = GridSpace((2, 2))
    search = SuccessiveHalving(RandomSearch(space), (1, 3, 9))
    with pytest.raises(ValueError, match="`n`"):
        search.ask(0)
    trials = search.ask(10)
    assert len(trials) == 4
    with pytest.raises(SpaceExhaustedError):
        search.ask()
    for trial in trials:
        search.tell(trial.genotype, sum(space.encode(trial.genotype)), trial.budget)
    for budget in (3, 9):
        trial = search.ask()
        assert trial == Trial(space.decode((1, 1)), budget)
        search.tell(trial.genotype, 2.0, budget)
    with pytest.raises(SpaceExhaustedError):
        search.ask()


@pytest.mark.filterwarnings("ignore:A reward that is not finite")
@pytest.mark.parametrize("kind", [Hyperband, SuccessiveHalving])
@pytest.mark.parametrize("stop", [0, 3, 28, 50])
def test_it_resumes_identically_from_its_state(kind, stop):
    def make(seed):
        return kind(STRATEGIES["evolution"](SPACE, seed=seed), BUDGETS)

    search, again = make(1), make(2)
    running = []
    for _ in range(stop):
        running += search.ask(4 - len(running))
        done = running.pop(0)
        search.tell(done.genotype, math.nan if stop == 28 and not search.results else reward(*_pair(done)), done.budget)
    text = json.dumps(search.get_state())
    again.set_state(json.loads(text))
    assert json.dumps(again.get_state()) == text and again.best == search.best
    trajectories = []
    for one in (search, again):
        pending, asked = list(running), []
        for _ in range(40):
            if len(pending) < 4:
                pending += one.ask(4 - len(pending))
                asked += pending[-1:]
            done = pending.pop(0)
            one.tell(done.genotype, reward(*_pair(done)), done.budget)
        trajectories.append(asked)
    assert trajectories[0] == trajectories[1]


def _pair(trial):
    return trial.genotype, trial.budget


def test_other_states_and_bad_arguments_are_refused():
    search = Hyperband(RandomSearch(SPACE), (1, 3))
    with pytest.raises(
        ValueError, match=r"`state`. Expected a state with search 'SuccessiveHalving'. Received: 'Hyperband'"
    ):
        SuccessiveHalving(RandomSearch(SPACE), (1, 3)).set_state(search.get_state())
    with pytest.raises(ValueError, match="budgets"):
        Hyperband(RandomSearch(SPACE), (1, 9)).set_state(search.get_state())
    genotype = search.ask().genotype
    with pytest.raises(ValueError, match=r"`budget`. Expected one of \(1, 3\). Received: 2"):
        search.tell(genotype, 1.0, budget=2)
    with pytest.raises(ValueError, match="belongs to space"):
        search.tell(GridSpace((2, 2)).decode((0, 0)), 1.0, budget=1)
    assert not search.results
    for budgets in ((), (3, 1), (1, 1), (0, 1)):
        with pytest.raises(ValueError, match="`budgets`"):
            Hyperband(RandomSearch(SPACE), budgets)
    with pytest.raises(ValueError, match="`eta`"):
        Hyperband(RandomSearch(SPACE), eta=1)
    with pytest.raises(ValueError, match="single objective"):
        Hyperband(NSGA2(SPACE))
