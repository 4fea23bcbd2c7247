"""ENAS' micro space: cells."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.networks.skeleton import ChoiceTable, Filler
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES, Indices
from kerasnas.spaces.cell_space import cell_kinds, cell_skeleton, cell_tables
from kerasnas.spaces.skeleton_space import SkeletonSpace

ENAS_MICRO_PRIMITIVES = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")


@SPACES.register("enas_micro")
class ENASMicroSpace(SkeletonSpace):
    """ENAS' micro space: a normal and a reduction cell, each node the sum of two primitives of two earlier nodes.

    A node may read one source twice, with equal primitives. The order of its two edges has no meaning: of the two
    combinations that differ in it alone, one is feasible. A cell's output concatenates the nodes that no other reads.

    Args:
        filters, num_cells, stem_multiplier, stem_strides: as for `DARTSSpace`.
        num_nodes: nodes of a cell after its two inputs (the paper counts these too: its B is 7). Defaults to 5.
        primitives: names of the candidates. Defaults to the paper's five.

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
        - The order of a node's two inputs is not part of an architecture, as it is of the controller's decisions.
        - The skeleton is DARTS', with its stem and its reduction cells at one and two thirds of the depth.
    """

    name = "enas_micro"
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
        self._set_sizes(filters=filters, num_cells=num_cells, num_nodes=num_nodes, stem_multiplier=stem_multiplier)
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))
        self.primitives = check_primitives(primitives)
        self.kinds = cell_kinds(num_cells)

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """A table for each kind of cell, whose nodes may read one source twice."""
        return cell_tables(self, repeats=True)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        return cell_skeleton(self, fill, x, fill.loose_ends)

    @property
    def size(self) -> int:
        """Number of architectures: a node has `m (m + 1) / 2`, with `m` pairs of a source and a primitive."""
        nodes = [node for table in self.tables.values() for node in table.rows_by_node]
        return math.prod(m * (m + 1) // 2 for m in (node * len(self.primitives) for node in nodes))

    def feasible(self, indices: Indices) -> bool:
        """Return True if nodes that read one source twice have their primitives in the order of their names."""
        sources = [table.sources(node) for table in self.tables.values() for node in table.rows_by_node]
        for position, pairs in enumerate(sources):
            pair, first, second = indices[3 * position : 3 * position + 3]
            source, other = pairs[pair]
            if source == other and self.primitives[first] > self.primitives[second]:
                return False
        return True
