"""The transformer block of images: self-attention over all pixels or within windows, dense layers for each pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import apply_standard
from kerasnas.primitives.convolutions import Convolution
from kerasnas.primitives.network_blocks import Block, FunctionalStage
from kerasnas.primitives.normalization import BatchNorm

_LARGEST_WINDOW = 8  # pixels of a side


def window_of(side: int) -> int:
    """Return the largest window of at most 8 pixels that divides a side without remainder."""
    return max(size for size in range(1, min(_LARGEST_WINDOW, side) + 1) if side % size == 0)


class TransformerBlock(Block):
    """A transformer block on images, with positions from a depthwise convolution.

    A convolution of 2 x 2 pixels with strides, or of 1 x 1, brings the image to its size and filters if they differ.
    Three residual parts follow: a depthwise convolution of 3 x 3, which encodes the position of a pixel; layer
    normalization and self-attention; and layer normalization, a dense layer of twice the filters with GELU, and one
    back. Windows are the largest of at most 8 pixels a side that divide the image.

    Args:
        filters, strides, affine: see `Primitive`.
        heads: number of heads; they share the filters, each with at least one. Defaults to 4.
        local: whether a pixel attends to its own window only. Defaults to False: to all pixels.

    Reference:
        Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021 (arXiv 2010.11929), the block; Chu et al.,
        "Conditional Positional Encodings for Vision Transformers", 2021 (arXiv 2102.10882), the positions; Liu et al.,
        "Swin Transformer", 2021 (arXiv 2103.14030), the windows.

    Differences from the papers:
        - The dense layer is twice as wide as the image, not four times.
        - Windows are not shifted: the convolution of the positions, and blocks of other kinds, carry information across
          their borders.
    """

    settings = {"heads": (4, checks.size), "local": (False, checks.boolean), "kernel_size": (3, checks.size)}
    heads: int
    local: bool

    def stages(self) -> list[keras.layers.Layer]:
        return [_Entry(self.filters, self.strides, self.affine), _Attention(self.heads, self.local), _Dense()]


class _Entry(FunctionalStage):
    """A convolution to the block's size and filters, if the input has others."""

    def __init__(self, filters: int, strides: int, affine: bool):
        super().__init__()
        self.filters, self.strides, self.affine = filters, strides, affine

    def standard(self) -> list[Callable]:
        def apply(x: Tensor) -> Any:
            if self.strides == 1 and x.shape[-1] == self.filters:
                return x
            return apply_standard([Convolution(self.filters, self.strides, self.strides), BatchNorm(self.affine)], x)

        return [apply]


class _Attention(FunctionalStage):
    """Positions, then self-attention, both residual."""

    def __init__(self, heads: int, local: bool):
        super().__init__()
        self.heads, self.local = heads, local

    def standard(self) -> list[Callable]:
        def apply(x: Tensor) -> Any:
            _, height, width, filters = x.shape
            positions = keras.layers.DepthwiseConv2D(3, padding="same", data_format="channels_last")
            x = keras.layers.Add()([x, positions(x)])
            y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
            windows = (window_of(height), window_of(width)) if self.local else (height, width)
            rows, columns = height // windows[0], width // windows[1]
            y = keras.layers.Reshape((rows, windows[0], columns, windows[1], filters))(y)
            y = keras.layers.Permute((1, 3, 2, 4, 5))(y)
            y = keras.layers.Reshape((rows * columns, windows[0] * windows[1], filters))(y)
            each = max(1, filters // self.heads)
            attention = keras.layers.MultiHeadAttention(self.heads, each, attention_axes=(2,))
            y = attention(y, y)
            y = keras.layers.Reshape((rows, columns, *windows, filters))(y)
            y = keras.layers.Permute((1, 3, 2, 4, 5))(y)
            return keras.layers.Add()([x, keras.layers.Reshape((height, width, filters))(y)])

        return [apply]


class _Dense(FunctionalStage):
    """Two dense layers for each pixel, residual."""

    def standard(self) -> list[Callable]:
        def apply(x: Tensor) -> Any:
            y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
            y = keras.layers.Dense(2 * x.shape[-1], activation="gelu")(y)
            return keras.layers.Add()([x, keras.layers.Dense(x.shape[-1])(y)])

        return [apply]
