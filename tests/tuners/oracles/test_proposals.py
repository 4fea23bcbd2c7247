"""Proposals: what a search asks for, in terms of trials' values."""

import pytest

from kerasnas.search import STRATEGIES, Hyperband
from kerasnas.testing.strategies import GridSpace
from tuners.oracles.strategy_oracle import BudgetedProposals, Proposals

SPACE = GridSpace((3, 3))


def strategy():
    return STRATEGIES["random"](SPACE, seed=0)


def budgeted():
    return BudgetedProposals(Hyperband(strategy(), (1, 3)))


@pytest.mark.parametrize("make", [lambda: Proposals(strategy()), budgeted], ids=["strategy", "hyperband"])
def test_values_are_proposed_reported_and_pending(make):
    proposals, again = make(), make()
    first, second = proposals.ask(), proposals.ask()
    assert proposals.pending() == [first, second]
    # A trial has further values, which are none of the search's.
    proposals.tell({**first, "learning_rate": 0.1}, 0.5)
    assert proposals.pending() == [second] == [proposals.own({**second, "learning_rate": 0.1})]
    assert proposals.strategy.observations == [(SPACE.encode(proposals.genotype(first)), 0.5)]
    again.search.set_state(proposals.search.get_state())
    assert again.pending() == [second] and again.ask() == proposals.ask()


def test_budgets_are_epochs():
    proposals = budgeted()
    values = proposals.ask()
    assert values["tuner/epochs"] == proposals.budget(values) == 1
    identity = proposals.identity()
    assert (identity["search"], identity["budgets"], identity["eta"]) == ("Hyperband", [1, 3], 3)
    plain = Proposals(strategy())
    assert plain.budget(plain.ask()) == 0
    assert plain.identity() == {
        "space": SPACE.name,
        "choices": {name: list(options) for name, options in SPACE.choices.items()},
        "strategy": "RandomSearch",
    }
