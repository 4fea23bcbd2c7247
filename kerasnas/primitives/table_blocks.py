"""Blocks of networks for rows of a table: dense, residual and gated."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Relu, Stage
from kerasnas.primitives.graph_stages import Linear
from kerasnas.primitives.network_blocks import Block
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.text_blocks import Dropout

_WIDER = 2  # hidden units of a residual block, times its width, as in the paper's tuned networks


class _Gate(Stage):
    """One half of the features times a sigmoid of the other half."""

    def call(self, inputs: Tensor) -> Tensor:
        values, gates = ops.split(inputs, 2, axis=-1)
        return values * ops.sigmoid(gates)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], inputs_shape[-1] // 2)

    def standard(self) -> list[Callable]:
        return [self.call]


class DenseBlock(Block):
    """A dense layer, batch norm, ReLU and dropout; `dropout` is its rate (default: 0).

    Example:

    >>> DenseBlock(4, dropout=0.1)(ops.ones((2, 3))).shape
    TensorShape([2, 4])
    """

    settings = {"dropout": (0.0, lambda name, value: checks.number(name, value, least=0, below=1))}
    dropout: float

    def stages(self) -> list[keras.layers.Layer]:
        return [Linear(self.filters), BatchNorm(self.affine), Relu(), Dropout(self.dropout)]


class ResidualDenseBlock(DenseBlock):
    """Batch norm, two dense layers with ReLU between them, and a shortcut; `dropout` follows both.

    Reference:
        Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021 (arXiv 2106.11959), ResNet.
    """

    residual = True
    activates = False

    def stages(self) -> list[keras.layers.Layer]:
        wide = [BatchNorm(self.affine), Linear(_WIDER * self.filters), Relu(), Dropout(self.dropout)]
        return [*wide, Linear(self.filters), Dropout(self.dropout)]


class GatedDenseBlock(DenseBlock):
    """A gated linear unit with batch norm before the gate, and dropout.

    Reference:
        Dauphin et al., "Language Modeling with Gated Convolutional Networks", 2017 (arXiv 1612.08083).
    """

    def stages(self) -> list[keras.layers.Layer]:
        return [Linear(2 * self.filters), BatchNorm(self.affine), _Gate(), Dropout(self.dropout)]
