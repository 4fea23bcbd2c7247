"""Strategies through executors: the same searches, whichever worker is first."""

import math

import pytest

from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.search import RandomSearch, RegularizedEvolution, evaluate_batches
from kerasnas.spaces import NASBench201Space
from tests.strategies.kit import SPACE


class Backwards(Executor):
    """Workers of which the last one is done first."""

    workers = 4

    def completed(self, function, items, shared=None):
        yield from reversed([(number, function(shared, item)) for number, item in enumerate(items)])


def convolutions(shared, genotype):
    return shared * SPACE.encode(genotype).count(3)


def evolution():
    return RegularizedEvolution(SPACE, seed=0, population_size=5, sample_size=3)


def test_the_search_is_that_of_ask_and_tell_in_any_order():
    bare, expected = evolution(), []
    for size in (4, 4, 2):
        asked = bare.ask(size)
        for genotype in asked:
            bare.tell(genotype, convolutions(2, genotype))
        expected += [(genotype, convolutions(2, genotype)) for genotype in asked]
    for executor in (None, Local(), Backwards()):
        strategy = evolution()
        assert evaluate_batches(strategy, convolutions, 10, batch=4, executor=executor, shared=2) == expected
        assert strategy.get_state() == bare.get_state()


def test_failures_are_told_and_an_exhausted_space_ends():
    space = NASBench201Space(primitives=["skip_connect"])
    strategy = RandomSearch(space)
    with pytest.warns(UserWarning, match="count as failed"):
        found = evaluate_batches(strategy, lambda shared, genotype: math.nan, 5, batch=2)
    assert len(found) == 1 and len(strategy.observations) == 1
