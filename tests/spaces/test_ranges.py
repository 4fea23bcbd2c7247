"""Values out of range, in the rooms of the architecture: the campaign of wrong values reads ranges off the product."""

import numpy as np
import pytest

from kerasnas.networks import few_shot_network
from kerasnas.primitives import MixedOp
from kerasnas.primitives.mobile import MBConv
from kerasnas.primitives.network_blocks import ConvBlock
from kerasnas.primitives.sequences import Recurrent
from kerasnas.relaxations import Gumbel, Sigmoid, Softmax
from kerasnas.spaces import (
    DARTSSpace,
    ENASMacroSpace,
    MacroSpace,
    NASBench101Space,
    PlanningSpace,
    ProxylessSpace,
    TextSpace,
)

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1)
GENOTYPE = SPACE.sample(np.random.default_rng(0))
SHAPE = (8, 8, 1)


@pytest.mark.parametrize(
    ("call", "argument", "values"),
    [
        (lambda v: Softmax(v), "temperature", [0, -1, float("nan")]),
        (lambda v: Gumbel(v), "temperature", [0, -1, float("nan")]),
        (lambda v: Sigmoid(threshold=v), "threshold", [0, 1]),
        (lambda v: MBConv(4, expansion=v), "expansion", [0, 2.5]),
        (lambda v: ConvBlock(4, kernel_size=v), "kernel_size", [0, 2.5, True]),
        (lambda v: Recurrent(4, strides=v), "strides", [0, 3]),
        (lambda v: MixedOp(["skip_connect"], v), "filters", [0, 2.5]),
        (lambda v: MixedOp(["skip_connect"], 4, copies=v), "copies", [0]),
        (lambda v: MixedOp(["skip_connect"], 4, strides=v), "strides", [3]),
        (lambda v: DARTSSpace(filters=v), "filters", [0, -1, 2.0]),
        (lambda v: DARTSSpace(num_nodes=v), "num_nodes", [0]),
        (lambda v: DARTSSpace(stem_strides=v), "stem_strides", [0, 4]),
        (lambda v: DARTSSpace(primitives=v), "primitives", [[], ["none"], ["skip_connect"] * 2]),
        (lambda v: ENASMacroSpace(num_layers=v), "num_layers", [0]),
        (lambda v: MacroSpace(widths=v), "widths", [(), (0.5, -1), (1, 1)]),
        (lambda v: MacroSpace(stages=v), "stages", [(0,), (2, 2)]),
        (lambda v: MacroSpace(depths=v), "depths", [(0, 1)]),
        (lambda v: MacroSpace(head_filters=v), "head_filters", [0]),
        (lambda v: MacroSpace.for_data(SHAPE, v, 50), "num_classes", [0]),
        (lambda v: NASBench101Space(num_stacks=v), "num_stacks", [0]),
        (lambda v: PlanningSpace(iterations=v), "iterations", [(), (0,), (4, 4)]),
        (lambda v: ProxylessSpace(stem_strides=v), "stem_strides", [4]),
        (lambda v: ProxylessSpace(first_filters=v), "first_filters", [0, True]),
        (lambda v: TextSpace(dropout=v), "dropout", [-0.1, 1]),
        (lambda v: SPACE.build_network(GENOTYPE, SHAPE, 3, drop_path=v), "drop_path", [-0.1, 1.0]),
        (lambda v: SPACE.build_network(GENOTYPE, SHAPE, v), "num_classes", [0]),
        (lambda v: SPACE.reachable(max_skips=v), "max_skips", [-1, "some"]),
        (lambda v: few_shot_network(SHAPE, 3, blocks=v), "blocks", [0]),
    ],
)
def test_values_out_of_range_are_reported(call, argument, values):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=f"`{argument}`"):
            call(value)
