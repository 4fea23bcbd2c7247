"""The hybrid space: whole networks for images of convolutions, inverted bottlenecks and self-attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas.primitives.attention_blocks import TransformerBlock
from kerasnas.primitives.network_blocks import Block
from kerasnas.primitives.parts import PARTS
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.macro import BLOCKS, MacroSpace

_CONVOLUTIONS = ("conv_3x3", "residual_3x3", "inverted_3x3", "inverted_5x5", "separable_5x5")
_ATTENTION = {
    f"{'local_' if local else ''}attention_{heads}": (TransformerBlock, {"heads": heads, "local": local})
    for local in (False, True)
    for heads in (2, 4, 8)
}
HYBRID_PRIMITIVES = (*_CONVOLUTIONS, *_ATTENTION)


@SPACES.register("hybrid")
class HybridSpace(MacroSpace):
    """The macro space with self-attention among its blocks: networks such as CoAtNet, and transformers after a stem.

    The choices are those of `MacroSpace`: the stem, the width, the number of stages, and for each stage its block, its
    number of blocks and how the image is halved before it. The blocks are convolutions, residual blocks, inverted
    bottlenecks, separable convolutions, and `TransformerBlock` with 2, 4 or 8 heads, over the whole image
    (`attention_4`) or within windows (`local_attention_4`).

    Args:
        filters, widths, stems, stages, depths, max_halvings, head_filters, divisions, inputs: as for `MacroSpace`.
        primitives: options of the block. Defaults to None: `HYBRID_PRIMITIVES`; those of `MacroSpace` exist as well.

    Raises:
        ValueError: as for `MacroSpace`.

    Example:

    >>> space = HybridSpace(filters=8)
    >>> genotype = space.network("conv_3x3_s2", 1.0, ["conv_3x3", "inverted_3x3", "attention_2"], "strides", (1, 1, 1))
    >>> space.build_network(genotype, input_shape=(16, 16, 3), num_classes=10).output_shape
    (None, 10)

    Reference:
        Dai et al., "CoAtNet: Marrying Convolution and Attention for All Data Sizes", 2021 (arXiv 2106.04803): which
        stages attend is the choice there as well.
    """

    name = "hybrid"
    takes = ("image",)  # attention is over both axes
    divides = PARTS
    blocks: Mapping[str, tuple[type[Block], Mapping[str, Any]]] = {**BLOCKS, **_ATTENTION}
    usual_blocks = HYBRID_PRIMITIVES
    plans = {
        "cnn": ("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1, 1)),
        "vgg_3x3": ("conv_3x3", 0.5, "conv_3x3", "pool", (3, 3, 3)),
        "mobilenet_v2": ("conv_3x3_s2", 0.5, "inverted_3x3", "strides", (1, 2, 2)),
        "coatnet": ("conv_3x3", 0.5, ("conv_3x3", "inverted_3x3", "attention_4"), "strides", (1, 2, 2)),
        "swin": ("conv_3x3_s2", 1.0, "local_attention_4", "strides", (1, 2, 2)),
    }
