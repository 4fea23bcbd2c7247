"""What the searches that fit a model share: a random start, other spaces."""

import math

import numpy as np
import pytest

from kerasnas.search import BANANAS, EHVISearch, PredictorSearch, RandomSearch
from kerasnas.spaces import DARTSSpace, NASBench101Space
from kerasnas.spaces.subset import SubsetSpace
from tests.strategies.kit import SPACE, architectures, run


@pytest.mark.parametrize("kind", [BANANAS, EHVISearch, PredictorSearch])
def test_it_starts_at_random_and_counts_successes_only(kind):
    strategy, random = kind(SPACE, seed=4, initial=6), RandomSearch(SPACE, seed=4)
    with pytest.warns(UserWarning, match="not finite"):
        for step in range(8):
            genotype = strategy.ask()
            assert genotype == random.ask()
            value = math.nan if step < 2 else float(step)
            strategy.tell(genotype, value if strategy.objectives == 1 else (value, -value))
    strategy.ask()
    assert len(strategy._chosen) == strategy.batch_size - 1


@pytest.mark.parametrize(
    ("kind", "case"), [(BANANAS, "nasbench101"), (PredictorSearch, "darts"), (PredictorSearch, "subset")]
)
def test_other_spaces(kind, case):
    """A huge one, one in which few combinations are feasible, and one of listed architectures."""
    space = {"darts": DARTSSpace(num_nodes=2), "nasbench101": NASBench101Space()}.get(case, SPACE)
    space = SubsetSpace(space, architectures(40)) if case == "subset" else space
    strategy = run(kind(space, seed=1), sum, 24)
    assert len({space.key(indices) for indices, _ in strategy.observations}) == 24
    assert all(space.feasible(indices) for indices, _ in strategy.observations)
    rewards = [reward for _, reward in strategy.observations]
    assert np.mean(rewards[10:]) > np.mean(rewards[:10])
