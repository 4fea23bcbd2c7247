"""The DARTS space: its choices and size, and what it refuses."""

import math

import numpy as np
import pytest

from kerasnas import DARTSSpace, Genotype, SearchSpace
from kerasnas.genotypes import DARTS_V1, DARTS_V2, PC_DARTS_CIFAR
from kerasnas.spaces.darts import DARTS_PRIMITIVES

SMALL = DARTSSpace(filters=2, num_cells=3, num_nodes=2)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_size_is_the_papers():
    """The product over k = 1 to 4 of (k + 1) k / 2 x 7^2, which is about 10^9, for each of two kinds of cell."""
    per_kind = math.prod((k + 1) * k // 2 * 7**2 for k in range(1, 5))
    assert DARTSSpace().size == per_kind**2
    assert round(math.log10(per_kind), 1) == 9.0


def test_choices_are_ordered():
    assert list(SMALL.choices) == [
        f"{kind}/{node}/{what}"
        for kind in ("normal", "reduce")
        for node in (2, 3)
        for what in ("sources", "first", "second")
    ]
    assert SMALL.choices["normal/3/sources"] == ("0,1", "0,2", "1,2")
    assert SMALL.choices["normal/2/first"] == DARTS_PRIMITIVES[1:]  # all but `none`


@pytest.mark.parametrize("cells", [1, 2])
def test_shallow_networks_have_reduction_cells_only(cells):
    space = DARTSSpace(num_cells=cells)
    assert space.kinds == ("reduce",)
    assert list(space.sample(rng())) == ["reduce"]


@pytest.mark.parametrize("genotype", [DARTS_V1, DARTS_V2, PC_DARTS_CIFAR])
def test_published_genotypes_are_of_the_space(genotype):
    space = DARTSSpace()
    space.validate(genotype)
    assert space.genotype(space.assignment(genotype)) == genotype


def test_samples_spread_over_the_options():
    drawn = [SMALL.assignment(SMALL.sample(r)) for r in [rng()] for _ in range(600)]
    for name, options in SMALL.choices.items():
        counts = [sum(assignment[name] == option for assignment in drawn) for option in options]
        expected = 600 / len(options)
        assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in counts)


def test_every_choice_mutates():
    start, generator = SMALL.sample(rng()), rng(1)
    before, changed = SMALL.assignment(start), set()
    for _ in range(200):
        after = SMALL.assignment(SMALL.mutate(start, generator))
        changed |= {name for name in before if before[name] != after[name]}
    assert changed == {name for name, options in SMALL.choices.items() if len(options) > 1}


def test_a_space_without_choices_cannot_mutate():
    space = DARTSSpace(num_cells=1, num_nodes=1, primitives=["none", "skip_connect"])
    assert space.size == 1
    with pytest.raises(ValueError, match="nothing to choose"):
        space.mutate(space.sample(rng()), rng())


# What is refused ------------------------------------------------------------------------------------
def edges(*triples):
    return Genotype("darts", {"normal": triples, "reduce": triples})


GOOD = [("skip_connect", 0, 2), ("skip_connect", 1, 2), ("skip_connect", 0, 3), ("skip_connect", 2, 3)]


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (Genotype("enas", edges(*GOOD).cells), "belongs to space 'enas', not to 'darts'"),
        (DARTS_V1, r"has 2 nodes, numbered \[2, 3\]. Received edges into: \[2, 3, 4, 5\]"),
        (Genotype("darts", {"normal": GOOD}), r"has the cells \('normal', 'reduce'\)"),
        (edges(*GOOD[:3]), "two edges from different nodes"),
        (edges(*GOOD, ("skip_connect", 1, 3)), "two edges from different nodes"),
        (edges(*GOOD[:3], ("max_pool_3x3", 0, 3)), "two edges from different nodes"),
        (edges(("skip_conect", 0, 2), *GOOD[1:]), "no option 'skip_conect'. Did you mean 'skip_connect'"),
        (edges(("none", 0, 2), *GOOD[1:]), "no option 'none'"),
    ],
)
def test_other_genotypes_are_refused(genotype, message):
    with pytest.raises(ValueError, match=message):
        SMALL.validate(genotype)
    with pytest.raises(ValueError, match=message):
        SMALL.build_network(genotype, (8, 8, 3), 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal/2/frist": "skip_connect"}, "no choice 'normal/2/frist'. Did you mean 'normal/2/first'"),
        ({"normal/2/first": "skip"}, "no option 'skip'. Did you mean 'skip_connect'"),
    ],
)
def test_wrong_assignments_are_reported(change, message):
    assignment = SMALL.assignment(edges(*GOOD))
    with pytest.raises(ValueError, match=message):
        SMALL.genotype({**assignment, **change})
    del assignment["reduce/3/second"]
    with pytest.raises(ValueError, match="lacks choice 'reduce/3/second'"):
        SMALL.genotype(assignment)


def test_a_space_of_the_user_needs_its_parts():
    class Part(SearchSpace):
        name = "part"

    with pytest.raises(TypeError, match="abstract"):
        Part()
