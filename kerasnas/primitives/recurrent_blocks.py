"""Blocks of recurrent networks: a cell applied many times with the same weights, and what reads its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.primitives.functional import FunctionalStage
from kerasnas.primitives.network_blocks import Block

RECURRENT_CELLS = ("residual", "gru", "value_iteration")


class RecurrentBlock(Block):
    r"""A convolutional cell that is applied many times with the same weights, and reads the input $x$ each time.

    `"residual"`: $h \leftarrow h + W * \mathrm{relu}(U * [h, x])$. `"gru"`: the convolutional gated recurrent unit,
    $h \leftarrow z \odot h + (1 - z) \odot \tanh(U * [r \odot h, x])$ with gates $z, r = \sigma(W * [h, x])$.
    `"value_iteration"`: $q = W * [x, v]$, $v \leftarrow \max_a q_a$, the Bellman equation with a reward that is read
    off $x$; its state is $q$.

    Args:
        filters, strides, affine: see `Primitive`; strides are 1.
        cell: one of `RECURRENT_CELLS`. Defaults to `"residual"`.
        iterations: how many times it is applied. Defaults to 8.
        kernel_size: of its convolutions. Defaults to 3.

    Raises:
        ValueError: for strides other than 1, an unknown cell, or a number that is not positive.

    Reference:
        Ballas et al., "Delving Deeper into Convolutional Networks for Learning Video Representations", 2016
        (arXiv 1511.06432), the convolutional GRU; Tamar et al., "Value Iteration Networks", 2016 (arXiv 1602.02867);
        Schwarzschild et al., "Can You Learn an Algorithm?", 2021 (arXiv 2106.04537), the residual one.

    Differences from the papers:
        - The reward of value iteration is the convolution of the features before it, not a channel of its own.
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        affine: bool = True,
        cell: str = "residual",
        iterations: int = 8,
        kernel_size: int = 3,
        **kwargs: Any,
    ):
        self.cell = checks.one_of("cell", cell, RECURRENT_CELLS)
        self.iterations = checks.size("iterations", iterations)
        super().__init__(filters, checks.size("strides", strides, (1,)), affine, kernel_size, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [_Iterations(self.filters, self.cell, self.iterations, self.kernel_size)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": self.cell, "iterations": self.iterations}


class _Iterations(FunctionalStage):
    def __init__(self, filters: int, cell: str, iterations: int, kernel_size: int):
        super().__init__()
        self.filters, self.cell, self.iterations, self.kernel_size = filters, cell, iterations, kernel_size

    def _convolution(self, filters: int, activation: str | None = None) -> Callable:
        return keras.layers.Conv2D(
            filters, self.kernel_size, padding="same", activation=activation, data_format="channels_last"
        )

    def standard(self) -> list[Callable]:
        return [{"residual": self._residual, "gru": self._gru, "value_iteration": self._value_iteration}[self.cell]]

    def _residual(self, x: Any) -> Any:
        beside, first = keras.layers.Concatenate(), self._convolution(self.filters, "relu")
        second, add = self._convolution(self.filters), keras.layers.Add()
        h = self._convolution(self.filters)(x)
        for _ in range(self.iterations):
            h = add([h, second(first(beside([h, x])))])
        return h

    def _gru(self, x: Any) -> Any:
        beside, update = keras.layers.Concatenate(), self._convolution(self.filters, "sigmoid")
        reset, candidate = self._convolution(self.filters, "sigmoid"), self._convolution(self.filters, "tanh")
        keep, leave, add = keras.layers.Multiply(), keras.layers.Multiply(), keras.layers.Add()
        part, rest = keras.layers.Multiply(), keras.layers.Rescaling(-1.0, 1.0)
        h = self._convolution(self.filters, "tanh")(x)
        for _ in range(self.iterations):
            both = beside([h, x])
            z = update(both)
            new = candidate(beside([part([reset(both), h]), x]))
            h = add([keep([z, h]), leave([rest(z), new])])
        return h

    def _value_iteration(self, x: Any) -> Any:
        beside, bellman = keras.layers.Concatenate(), self._convolution(self.filters)
        q = self._convolution(self.filters)(x)
        for _ in range(self.iterations):
            q = bellman(beside([x, ops.max(q, axis=-1, keepdims=True)]))
        return q


class MarkedReadout(FunctionalStage):
    """The features at the places that the last channel marks: their sum over all pixels, weighted by that channel.

    Args:
        filters: number of features, the first channels; the last one of all is the mark.
    """

    def __init__(self, filters: int):
        super().__init__()
        self.filters = checks.size("filters", filters)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], self.filters)

    def standard(self) -> list[Callable]:
        def apply(x: Any) -> Any:
            _, height, width, channels = x.shape
            pixels = keras.layers.Reshape((height * width, channels))(x)
            marks = pixels[:, :, channels - 1 :]
            features = pixels[:, :, : self.filters]
            return keras.layers.Flatten()(keras.layers.Dot(axes=1)([marks, features]))

        return [apply]
