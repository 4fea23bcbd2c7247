"""A cell space for one-dimensional signals: speech, sensors, time series."""

from __future__ import annotations

from collections.abc import Sequence

from kerasnas.spaces.base import SPACES
from kerasnas.spaces.stage_space import StageSpace

SIGNAL_PRIMITIVES = ("none", "skip_connect", "conv_3", "sep_conv_5", "dil_conv_5", "max_pool_3")


@SPACES.register("signals")
class SignalSpace(StageSpace):
    """The cell of NAS-Bench-201 on signals `(length, channels)`, with primitives whose windows lie in time.

    One cell, a primitive on each of the six edges between four nodes, every node the sum of what comes in. The network
    is a stem, three stages of `num_cells` cells, and between them residual blocks that halve the length and double the
    filters; its layers are `Conv1D`, `DepthwiseConv1D`, `MaxPooling1D` and their like.

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
        Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", 2020
        (arXiv 2001.00326): the cell.
    """

    name = "signals"
    inputs = "signal"

    def __init__(
        self, filters: int = 16, num_cells: int = 5, num_nodes: int = 3, primitives: Sequence[str] = SIGNAL_PRIMITIVES
    ):
        super().__init__(filters, num_cells, num_nodes, primitives)
