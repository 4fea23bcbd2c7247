"""A cell space for one-dimensional signals: speech, sensors, time series."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas.networks.skeleton import ChoiceTable, Filler
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.spaces.stage_space import edge_tables, stage_skeleton

SIGNAL_PRIMITIVES = ("none", "skip_connect", "conv_3", "sep_conv_5", "dil_conv_5", "max_pool_3")


@SPACES.register("signals")
class SignalSpace(SkeletonSpace):
    """The cell of NAS-Bench-201 on signals `(length, channels)`, with one-dimensional primitives.

    One cell, a primitive on each of the six edges between four nodes, every node the sum of its edges. The network is a
    stem, three stages of `num_cells` cells, and between them residual blocks that halve the length and double the
    filters.

    Args:
        filters: channels of the first stage. Defaults to 16.
        num_cells: cells of each of the three stages. Defaults to 5.
        num_nodes: nodes after the input. Defaults to 3.
        primitives: names of the candidates. Defaults to none, skip connection, convolutions over 3 steps, separable
            over 5 steps and dilated over 9, and max pooling over 3.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> space = SignalSpace(filters=4, num_cells=1)
    >>> genotype = space.genotype(dict.fromkeys(space.choices, "conv_3"))
    >>> space.build_network(genotype, input_shape=(32, 1), num_classes=5).output_shape
    (None, 5)

    Reference:
        Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", 2020 (arXiv
        2001.00326): the cell.
    """

    name = "signals"
    inputs = "signal"

    def __init__(
        self, filters: int = 16, num_cells: int = 5, num_nodes: int = 3, primitives: Sequence[str] = SIGNAL_PRIMITIVES
    ):
        self._set_sizes(filters=filters, num_cells=num_cells, num_nodes=num_nodes)
        self.primitives = check_primitives(primitives)

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """One table, of the cell that all positions share."""
        return edge_tables(self)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        return stage_skeleton(self, fill, x)
