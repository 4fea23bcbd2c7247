"""Proposals: what a search asks for, in terms of trials' values."""

import pytest

from kerasnas.search import STRATEGIES, Hyperband
from kerasnas.testing.strategies import GridSpace
from tuners.oracles.strategy_oracle import BudgetedProposals, Proposals, proposals_of

SPACE = GridSpace((3, 3))


def strategy():
    return STRATEGIES["random"](SPACE, seed=0)


@pytest.mark.parametrize("make", [strategy, lambda: Hyperband(strategy(), (1, 3))], ids=["strategy", "hyperband"])
def test_values_are_proposed_reported_and_pending(make):
    proposals, again = proposals_of(make()), proposals_of(make())
    first, second = proposals.ask(), proposals.ask()
    assert proposals.pending() == [first, second]
    # A trial has further values, which are none of the search's.
    proposals.tell({**first, "learning_rate": 0.1}, 0.5)
    assert proposals.pending() == [second] == [proposals.own({**second, "learning_rate": 0.1})]
    assert proposals.strategy.observations == [(SPACE.encode(proposals.genotype(first)), 0.5)]
    again.search.set_state(proposals.search.get_state())
    assert again.pending() == [second] and again.ask() == proposals.ask()


def test_budgets_are_epochs():
    proposals = proposals_of(Hyperband(strategy(), (1, 3)))
    assert isinstance(proposals, BudgetedProposals)
    values = proposals.ask()
    assert values["tuner/epochs"] == proposals.budget(values) == 1
    identity = proposals.identity()
    assert (identity["search"], identity["budgets"], identity["eta"]) == ("Hyperband", [1, 3], 3)
    plain = proposals_of(strategy())
    assert type(plain) is Proposals and plain.budget(plain.ask()) == 0
    assert plain.identity() == {
        "space": SPACE.name,
        "choices": {name: list(options) for name, options in SPACE.choices.items()},
        "strategy": "RandomSearch",
    }
