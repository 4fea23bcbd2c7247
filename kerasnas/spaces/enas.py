"""ENAS' micro space: cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasnas.networks.skeleton import Filler
from kerasnas.spaces.base import SPACES, Indices
from kerasnas.spaces.cell_space import CellSpace

ENAS_MICRO_PRIMITIVES = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")


@SPACES.register("enas_micro")
class ENASMicroSpace(CellSpace):
    """ENAS' micro space: a normal and a reduction cell, each node the sum of two primitives of two earlier nodes.

    The two nodes that are read may be the same, and so may the primitives; their order carries no meaning. Of the two
    combinations that differ only in it, one counts as feasible. A cell's output concatenates the nodes that none reads.

    Args:
        filters: channels of each node in the first cells. Defaults to 16.
        num_cells: number of cells; those at one and two thirds of the depth halve the image. Defaults to 8.
        num_nodes: nodes of a cell after its two inputs (the paper counts these too: its B is 7). Defaults to 5.
        primitives: names of the candidates. Defaults to the five of the paper.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> import numpy as np
    >>> space = ENASMicroSpace(filters=4, num_cells=3, num_nodes=2)
    >>> genotype = space.sample(np.random.default_rng(0))
    >>> space.decode(space.encode(genotype)) == genotype
    True
    >>> space.build_network(genotype, input_shape=(8, 8, 1), num_classes=3).output_shape
    (None, 3)

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).

    Differences from the paper:
        - The order of a node's two inputs is no part of an architecture; the controller's decisions have one.
        - The skeleton is that of DARTS, with its stem and its reduction cells at one and two thirds of the depth.
    """

    name = "enas_micro"
    reads_twice = True
    shares_weights = True

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 8,
        num_nodes: int = 5,
        primitives: Sequence[str] = ENAS_MICRO_PRIMITIVES,
        stem_multiplier: int = 3,
        stem_strides: int = 1,
    ):
        super().__init__(filters, num_cells, num_nodes, primitives, stem_multiplier, stem_strides)

    def cell_output(self, fill: Filler, kind: str, nodes: Sequence[Any]) -> Any:
        """The nodes that none reads, side by side."""
        return fill.loose_ends(kind, nodes)

    @property
    def size(self) -> int:
        """The number of architectures: a node has `m (m + 1) / 2`, with `m` pairs of a source and a primitive."""
        nodes = [node for table in self.tables.values() for node in table.rows_by_node]
        return math.prod(m * (m + 1) // 2 for m in (node * len(self.primitives) for node in nodes))

    def feasible(self, indices: Indices) -> bool:
        """True if the primitives of a node that is read twice are in the order of their names, as in genotypes."""
        sources = [table.sources(node) for table in self.tables.values() for node in table.rows_by_node]
        for position, pairs in enumerate(sources):
            pair, first, second = indices[3 * position : 3 * position + 3]
            source, other = pairs[pair]
            if source == other and self.primitives[first] > self.primitives[second]:
                return False
        return True
