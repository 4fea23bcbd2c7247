"""ENAS' spaces: choices and sizes, genotypes there and back, refusals, plain networks."""

import itertools

import pytest

from kerasnas import Genotype
from kerasnas.spaces import ENASMacroSpace, ENASMicroSpace
from kerasnas.spaces.enas_macro import macro_plan


def both_kinds(*edges):
    return {"normal": edges, "reduce": edges}


MICRO = ENASMicroSpace(filters=2, num_cells=3, num_nodes=2)
MACRO = ENASMacroSpace(filters=2, num_layers=4)


def test_macro_size_is_the_papers():
    """6^L 2^(L (L - 1) / 2), which is 1.6 x 10^29 for 12 layers."""
    assert ENASMacroSpace().size == 6**12 * 2**66
    assert f"{ENASMacroSpace().size:.1e}" == "1.6e+29"


@pytest.mark.parametrize(("nodes", "names"), [(1, 5), (2, 2)])
def test_micro_size_counts_the_feasible_combinations(nodes, names):
    space = ENASMicroSpace(num_cells=1, num_nodes=nodes, primitives=ENASMicroSpace().primitives[:names])
    architectures = list(space)
    assert len(architectures) == space.size
    assert len({space.decode(indices) for indices in architectures}) == space.size  # all are different networks
    unordered = {space.decode(indices) for indices in itertools.product(*map(range, space.cardinalities))}
    assert len(unordered) == space.size  # and none is missing


def test_micro_choices_are_the_papers():
    """Two sources among the earlier nodes and two primitives, for each node of each kind of cell."""
    space = ENASMicroSpace()
    assert len(space.choices) == 2 * 5 * 3
    assert space.choices["normal/3/sources"] == ("0,0", "0,1", "0,2", "1,1", "1,2", "2,2")
    assert space.choices["reduce/6/second"] == space.primitives


def test_the_order_of_two_inputs_carries_no_meaning():
    assignment = dict(zip(MICRO.choices, (options[0] for options in MICRO.choices.values()), strict=True))
    assignment |= {"normal/2/sources": "1,1", "normal/2/first": "sep_conv_3x3", "normal/2/second": "avg_pool_3x3"}
    swapped = assignment | {"normal/2/first": "avg_pool_3x3", "normal/2/second": "sep_conv_3x3"}
    assert MICRO.genotype(assignment) == MICRO.genotype(swapped)
    assert MICRO.feasible(MICRO.encode(MICRO.genotype(assignment)))
    positions = [MICRO.choices[name].index(option) for name, option in assignment.items()]
    assert not MICRO.feasible(tuple(positions))


def test_two_equal_inputs_with_equal_primitives_survive():
    edges = [("sep_conv_3x3", 1, 2), ("sep_conv_3x3", 1, 2), ("skip_connect", 2, 3), ("skip_connect", 2, 3)]
    genotype = Genotype("enas_micro", {"normal": edges, "reduce": edges})
    assert MICRO.decode(MICRO.encode(genotype)) == genotype
    assert Genotype.from_json(genotype.to_json()) == genotype
    network = MICRO.build_network(genotype, (8, 8, 1), 3)
    depthwise = [layer for layer in network.layers if type(layer).__name__ == "DepthwiseConv2D"]
    assert len(depthwise) == 3 * 2 * 2  # cells, twice the primitive, two convolutions in each


def test_a_layer_without_skips_reads_the_stem():
    indices = MACRO.encode(MACRO.genotype({name: options[0] for name, options in MACRO.choices.items()}))
    genotype = MACRO.decode(indices)
    assert [edge.source for edge in genotype["network"]] == [0, 0, 0, 0]
    network = MACRO.build_network(genotype, (8, 8, 1), 3)
    assert network.layers[-1].kernel.shape[0] == sum(macro_plan(4, 2))  # no layer is read: all lead to the head


@pytest.mark.parametrize(
    ("space", "cells", "message"),
    [
        (MICRO, {"normal": [("skip_connect", 0, 2)]}, "has the cells"),
        (MICRO, both_kinds(*[("skip_connect", 0, 2)] * 2), "has 2 nodes"),
        (MICRO, both_kinds(*[("skip_connect", 0, n) for n in (2, 2, 3)]), "has two edges"),
        (MICRO, both_kinds(*[("skip_conect", 0, n) for n in (2, 2, 3, 3)]), "skip_connect"),
        (MACRO, {"normal": [("sep_conv_3x3", 0, 1)]}, "has the cells"),
        (MACRO, {"network": [("sep_conv_3x3", 0, 1)]}, "has 4 nodes"),
        (MACRO, {"network": [("sep_conv_3x3", 0, n) for n in range(1, 5)] + [("sep_conv_5x5", 1, 4)]}, "one primitive"),
        (MACRO, {"network": [("sep_conv_3x3", 0, n) for n in range(1, 5)] + [("sep_conv_3x3", 1, 4)]}, "the stem"),
        (MACRO, {"network": [("dil_conv_3x3", 0, n) for n in range(1, 5)]}, "no option"),
    ],
)
def test_foreign_genotypes_are_refused(space, cells, message):
    with pytest.raises(ValueError, match=message):
        space.validate(Genotype(space.name, cells))


def test_macro_plan_doubles_after_each_third():
    assert macro_plan(12, 16) == (16,) * 4 + (32,) * 4 + (64,) * 4
    assert macro_plan(1, 16) == (16,)
