"""The cell space for signals of several lengths, padded to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasnas.networks.skeleton import Filler
from kerasnas.primitives.masked import MaskedNorConv, MaskedNormReLU, MaskedProjection
from kerasnas.primitives.text_blocks import MaskedPooling
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.stage_space import STAGES, StageSpace

PADDED_SIGNAL_PRIMITIVES = (
    *("none", "skip_connect", "masked_conv_3", "masked_sep_conv_5", "masked_dil_conv_5", "masked_max_pool_3"),
)


@SPACES.register("padded_signals")
class PaddedSignalSpace(StageSpace):
    """`SignalSpace` on signals `(length, channels)` that end in padding, steps of zeros in all channels.

    The output does not depend on the amount of padding, as long as the length stays a multiple of 4 (the network halves
    it twice): every primitive ignores padding, see `kerasnas.primitives.masked.Masked`. Between stages, a convolution
    of stride 2 halves the length.

    Args:
        filters: channels of the first stage. Defaults to 16.
        num_cells: cells of each of the three stages. Defaults to 5.
        num_nodes: nodes after the input. Defaults to 3.
        primitives: names of the candidates. Defaults to those of `SignalSpace`, which know padding.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> space = PaddedSignalSpace(filters=4, num_cells=1)
    >>> genotype = space.genotype(dict.fromkeys(space.choices, "masked_conv_3"))
    >>> space.build_network(genotype, input_shape=(32, 1), num_classes=5).output_shape
    (None, 5)
    """

    name = "padded_signals"
    inputs = "signal"
    padded = True

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 5,
        num_nodes: int = 3,
        primitives: Sequence[str] = PADDED_SIGNAL_PRIMITIVES,
    ):
        super().__init__(filters, num_cells, num_nodes, primitives)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        filters = self.filters
        x = fill.block(x, MaskedProjection, filters, kernel_size=3)
        for stage in range(STAGES):
            if stage:
                filters *= 2
                x = fill.block(x, MaskedNorConv, filters, 2)
            for _ in range(self.num_cells):
                x = fill.graph("cell", [x], filters)[-1]
        return fill.classify(fill.block(fill.block(x, MaskedNormReLU, filters), MaskedPooling, filters, kind="mean"))
