"""A space restricted to listed architectures."""

import numpy as np
import pytest

from kerasnas.search import RandomSearch
from kerasnas.spaces import DARTSSpace, NASBench101Space
from kerasnas.spaces.nasbench101_enumeration import Cells, cell_indices, enumerate_cells
from kerasnas.spaces.subset import SubsetSpace

WHOLE = DARTSSpace(num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "max_pool_3x3", "avg_pool_3x3"])
LISTED = [(0, 0, 0), (0, 0, 1), (0, 2, 2)]


def test_only_listed_ones_exist():
    space = SubsetSpace(WHOLE, LISTED)
    assert list(space) == LISTED and space.size == 3 and space.name == "darts"
    assert [space.feasible(indices) for indices in WHOLE] == [indices in LISTED for indices in WHOLE]
    rng = np.random.default_rng(0)
    drawn = [space.sample_indices(rng) for _ in range(900)]
    assert all(abs(drawn.count(indices) - 300) < 5 * np.sqrt(300) for indices in LISTED)
    assert [space.encode(space.decode(indices)) for indices in LISTED] == LISTED
    assert space.genotype(space.assignment(space.decode((0, 2, 2)))) == WHOLE.decode((0, 2, 2))
    with pytest.raises(ValueError, match="at least one"):
        SubsetSpace(WHOLE, [])


def test_one_edit_two_edits_anywhere():
    """(0,0,0) has (0,0,1) one edit away; (0,2,2) has both others two edits away; alone, nothing is near."""
    space, rng = SubsetSpace(WHOLE, LISTED), np.random.default_rng(0)
    assert space.neighbors((0, 0, 0)) == [(0, 0, 1)]
    assert space.neighbors((0, 2, 2)) == [(0, 0, 0), (0, 0, 1)]
    assert {space.mutate_indices((0, 2, 2), rng) for _ in range(50)} == {(0, 0, 0), (0, 0, 1)}
    alone = SubsetSpace(WHOLE, [(0, 0, 0)])
    assert alone.neighbors((0, 0, 0)) == [] and alone.mutate_indices((0, 0, 0), rng) == (0, 0, 0)


def test_reach_of_two_edits():
    space = SubsetSpace(WHOLE, LISTED, reach=2)
    assert space.neighbors((0, 0, 0)) == [(0, 0, 1), (0, 2, 2)]
    with pytest.raises(ValueError, match="Expected 1 or 2"):
        SubsetSpace(WHOLE, LISTED, reach=3)


def test_an_architecture_that_is_not_listed_has_listed_neighbors():
    assert SubsetSpace(WHOLE, LISTED).neighbors((0, 1, 0)) == [(0, 0, 0)]


def test_neighbors_are_those_of_the_whole_space_by_key():
    whole, cells, rng = NASBench101Space(), enumerate_cells(5), np.random.default_rng(0)
    rows = np.sort(rng.choice(len(cells.vertices), 400, replace=False))
    listed = list(map(tuple, cell_indices(Cells(*(column[rows] for column in cells))).tolist()))
    space = SubsetSpace(whole, listed)
    for indices in listed[::20]:
        near = [other for other in whole.neighbors(indices) if other in listed]
        if near:
            assert sorted(space.neighbors(indices)) == sorted(near)
        else:
            further = {two for one in whole.neighbors(indices) for two in whole.neighbors(one)}
            assert sorted(space.neighbors(indices)) == sorted(further & set(listed) - {indices})


def test_a_strategy_finds_all_of_it():
    space = SubsetSpace(WHOLE, LISTED)
    strategy = RandomSearch(space, seed=0)
    assert sorted(space.encode(genotype) for genotype in strategy.ask(10)) == LISTED
    with pytest.raises(ValueError, match="not in space"):
        strategy.tell(WHOLE.decode((0, 1, 1)), 0.5)
