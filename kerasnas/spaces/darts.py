"""The cell space of DARTS."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.networks.skeleton import ChoiceTable, Filler
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.primitives.partial_mixed_op import check_partial_channels
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.cell_space import cell_kinds, cell_skeleton, cell_tables
from kerasnas.spaces.skeleton_space import SkeletonSpace

DARTS_PRIMITIVES = (
    *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
)


@SPACES.register("darts")
class DARTSSpace(SkeletonSpace):
    """The DARTS space: a normal and a reduction cell, each node with two incoming primitives.

    Args:
        filters: channels of each node in the first cells. Defaults to 16.
        num_cells: number of cells; those at one and two thirds of the depth halve the image. Defaults to 8.
        num_nodes: intermediate nodes of a cell. Defaults to 4.
        primitives: names of the candidates. Defaults to the paper's eight.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.
        partial_channels: in a supernet: 1, or the reciprocal of the fraction of the channels that the mixed
            operations take (PC-DARTS: 4). Defaults to 1.
        edge_normalization: in a supernet: whether each edge has a weight of its own (PC-DARTS). Defaults to False.
        sparse: whether an edge that a node keeps may be `none`: with the relaxation `Sigmoid`, where no primitive of it
            reaches the threshold (FairDARTS). Defaults to False.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> import numpy as np
    >>> space = DARTSSpace(num_nodes=2)
    >>> genotype = space.sample(np.random.default_rng(0))
    >>> space.genotype(space.assignment(genotype)) == genotype
    True
    >>> network = space.build_network(genotype, input_shape=(8, 8, 1), num_classes=3, filters=4, num_cells=3)
    >>> network.output_shape
    (None, 3)

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).

    Differences from the paper:
        - None with the default sizes. `stem_strides`, `partial_channels`, `edge_normalization` and `sparse` leave the
          paper's space.
    """

    name = "darts"

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 8,
        num_nodes: int = 4,
        primitives: Sequence[str] = DARTS_PRIMITIVES,
        stem_multiplier: int = 3,
        stem_strides: int = 1,
        partial_channels: int = 1,
        edge_normalization: bool = False,
        sparse: bool = False,
    ):
        self._set_sizes(filters=filters, num_cells=num_cells, num_nodes=num_nodes, stem_multiplier=stem_multiplier)
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))
        self.primitives = check_primitives(primitives)
        self.kinds = cell_kinds(num_cells)
        self.partial_channels = check_partial_channels(partial_channels, self.filters)
        self.edge_normalization = checks.boolean("edge_normalization", edge_normalization)
        self.sparse = checks.boolean("sparse", sparse)

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        return cell_tables(self, sparse=self.sparse)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        return cell_skeleton(self, fill, x, lambda kind, nodes: fill.concatenate(nodes))
