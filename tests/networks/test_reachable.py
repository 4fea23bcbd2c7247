"""ReachableSet: what a derivation can return, by enumeration, and what is drawn of it."""

import functools
import itertools
import types

import numpy as np
import pytest

from kerasnas import Genotype
from kerasnas.cost import COSTS
from kerasnas.networks import reachable as module
from kerasnas.spaces import DARTSSpace, NASBench101Space, NASBench201Space, ProxylessSpace

CELL = NASBench201Space(filters=2, num_cells=1)
SMALL = NASBench201Space(2, 1, 2, ["none", "skip_connect", "nor_conv_1x1"])
PAIRS = DARTSSpace(filters=2, num_cells=3, num_nodes=1, primitives=["none", "skip_connect", "max_pool_3x3"])


@functools.cache
def supernet_of(space):
    """With alphas that every test sets."""
    return space.build_supernet((8, 8, 1), 2)


def derivations(space, **limits):
    """All that `derive` returns for alphas that are sure of one primitive an edge, in each combination."""
    supernet, found = supernet_of(space), set()
    tables = {kind: own.shape for kind, own in supernet.choices.items()}
    places = [(kind, row) for kind, (rows, _) in tables.items() for row in range(rows)]
    for columns in itertools.product(*(range(tables[kind][1]) for kind, _ in places)):
        alphas = {kind: np.zeros(shape, "float32") for kind, shape in tables.items()}
        for (kind, row), column in zip(places, columns, strict=True):
            alphas[kind][row, column] = 3.0 + 0.1 * row
        for kind, table in alphas.items():
            supernet.alphas[kind].assign(table)
        found.add(supernet.derive(**limits))
    return found


@pytest.mark.slow
def test_the_set_of_nasbench201_under_the_guard():
    """Four primitives without `none`; no skip: 3^6; one: 6 places of it, 3^5 for the others."""
    assert len(list(CELL.reachable("auto"))) == 3**6 + 6 * 3**5
    assert len(list(CELL.reachable())) == 4**6
    assert len(list(CELL.reachable(0, allow_none=True))) == 4**6
    assert CELL.reachable("auto").max_skips == CELL.build_supernet((8, 8, 3), 2).skip_cap == 1


@pytest.mark.parametrize("space", [SMALL, PAIRS], ids=["edges", "pairs of edges"])
@pytest.mark.parametrize("max_skips", [pytest.param(None, marks=pytest.mark.slow), 1])
def test_it_is_the_set_of_what_is_derived(space, max_skips):
    assert set(space.reachable(max_skips)) == derivations(space, max_skips=max_skips)


def test_it_is_the_set_of_what_is_derived_with_none():
    found = derivations(SMALL, allow_none=True)
    assert set(SMALL.reachable(allow_none=True)) == found and len(found) == SMALL.size


@pytest.mark.parametrize("max_skips", [0, pytest.param(None, marks=pytest.mark.slow)])
def test_it_is_the_set_of_what_is_derived_within_a_cost(max_skips):
    """A limit that leaves no network with so few skips raises the cap, for the controls as for the search."""
    cost = COSTS["parameters"](SMALL, (8, 8, 1), 2)
    two, three = (sorted({cost.cost(genotype) for genotype in SMALL.reachable()})[index] for index in (1, 2))
    for limit in (two, three):
        inside = set(SMALL.reachable(max_skips, cost, limit))
        assert derivations(SMALL, max_skips=max_skips, cost=cost, limit=limit) == inside
        assert all(cost.cost(genotype) <= limit for genotype in inside)
    fewest = min(genotype.count("skip_connect") for genotype in SMALL.reachable(None, cost, two))
    assert fewest == 2  # one convolution of three edges
    assert {genotype.count("skip_connect") for genotype in SMALL.reachable(0, cost, two)} == {fewest}


def test_cells_are_counted_one_by_one():
    skip, pool = "skip_connect", "max_pool_3x3"

    def both(normal, reduce):
        cells = {"normal": normal, "reduce": reduce}
        return Genotype("darts", {kind: [(name, i, 2) for i, name in enumerate(own)] for kind, own in cells.items()})

    assert both([skip, pool], [pool, skip]) in PAIRS.reachable(1)
    assert both([pool, pool], [skip, skip]) not in PAIRS.reachable(1)


def test_a_chain_may_be_skipped_as_often_as_it_likes():
    space = ProxylessSpace(filters=4, num_layers=4, strides=(1,), primitives=["mbconv_3x3_e1", "mbconv_3x3_e3"])
    assert len(list(space.reachable("auto"))) == space.size


def test_draws_are_uniform_over_the_set():
    every, drawn, rng = set(SMALL.reachable(1)), {}, np.random.default_rng(0)
    reachable = SMALL.reachable(1)
    for _ in range(4000):
        genotype = reachable.sample(rng)
        drawn[genotype] = drawn.get(genotype, 0) + 1
    assert drawn.keys() == every and len(every) == 4  # 1 without a skip, 3 with one
    expected = 4000 / len(every)
    assert sum((count - expected) ** 2 / expected for count in drawn.values()) < 16.3  # chi squared, 3 degrees: 0.1 %


def test_different_draws_besides_some():
    reachable, rng = SMALL.reachable(1), np.random.default_rng(0)
    first = reachable.sample(rng)
    others = reachable.sample_distinct(rng, 9, {first})
    assert len(others) == 3 and {first, *others} == set(reachable)
    assert len(reachable.sample_distinct(rng, 2)) == 2
    again = [CELL.reachable("auto").sample_distinct(np.random.default_rng(5), 3) for _ in range(2)]
    assert again[0] == again[1]


def test_an_empty_set_says_so(monkeypatch):
    monkeypatch.setattr(module, "TRIES", 50)
    cost = types.SimpleNamespace(base=9.0, tables={"cell": np.zeros((3, 3))}, cost=lambda genotype: 9.0)
    reachable = SMALL.reachable(1, cost, 5.0)
    message = r"space 'nasbench201' can be drawn within the limits \(max_skips=1, limit=5.0.*50 random ones"
    with pytest.raises(ValueError, match=message):
        reachable.sample(np.random.default_rng(0))
    assert reachable.sample_distinct(np.random.default_rng(0), 2) == []


def test_a_space_without_tables_reaches_all():
    space = NASBench101Space()
    genotype = space.sample(np.random.default_rng(0))
    assert genotype in space.reachable("auto")
    cost = types.SimpleNamespace(cost=lambda genotype: 2.0)
    assert genotype not in space.reachable(None, cost, 1.0)


def test_genotypes_of_other_spaces_and_no_generators():
    with pytest.raises(ValueError):
        next(iter(PAIRS.reachable())) in CELL.reachable()  # noqa: B015
    with pytest.raises(TypeError, match="`rng`"):
        CELL.reachable().sample(0)


def test_none_is_never_derived_where_nodes_keep_some_edges():
    pairs = supernet_of(PAIRS)  # `none` is no choice of the space
    for table in pairs.alphas.values():
        table.assign(np.array([[9, 1, 0]] * 2, "float32"))
    assert not pairs.derive(allow_none=True).count("none")
