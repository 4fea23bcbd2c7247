"""Blocks of recurrent networks: a cell applied many times with the same weights, and a readout of its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.network_blocks import Block, FunctionalStage

RECURRENT_CELLS = ("gru", "residual", "value_iteration")
_RESIDUAL, _DISCOUNT = 0.1, 0.25  # with initial weights of variance 2 / fan-in, no state grows over many iterations


class RecurrentBlock(Block):
    r"""A convolutional cell applied `iterations` times with the same weights, reading the input $x$ each time.

    `"gru"`: the convolutional gated recurrent unit, $h \leftarrow z \odot h + (1 - z) \odot \tanh(U * [r \odot h, x])$
    with gates $z, r = \sigma(W * [h, x])$. `"residual"`: $h \leftarrow h + W * \mathrm{relu}(U * [h, x]) / 10$.
    `"value_iteration"`: $q = W * [x, v]$, $v \leftarrow \max_a q_a / 4$, the Bellman equation with a reward that is
    read off $x$; its state is $q$. The convolution of $x$ is computed once. `cell` defaults to `"gru"`, `iterations` to
    8, `kernel_size` to 3; strides must be 1.

    Reference:
        Ballas et al., "Delving Deeper into Convolutional Networks for Learning Video Representations", 2016 (arXiv
        1511.06432), the convolutional GRU; Tamar et al., "Value Iteration Networks", 2016 (arXiv 1602.02867);
        Schwarzschild et al., "Can You Learn an Algorithm?", 2021 (arXiv 2106.04537), the residual one.

    Differences from the papers:
        - The reward of value iteration is the convolution of the features before it, not a channel of its own.
        - The constants 1/10 and 1/4: without them, the initial weights of all networks here make the state grow from
          iteration to iteration, and trainings diverge.
    """

    settings = {
        "cell": ("gru", lambda name, value: checks.one_of(name, value, RECURRENT_CELLS)),
        "iterations": (8, checks.size),
        "kernel_size": (3, checks.size),
    }
    cell: str
    iterations: int

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, **kwargs: Any):
        super().__init__(filters, checks.size("strides", strides, (1,)), affine, **kwargs)

    def stages(self) -> list[keras.layers.Layer]:
        return [_Iterations(self.filters, self.cell, self.iterations, self.kernel_size)]


class _Iterations(FunctionalStage):
    def __init__(self, filters: int, cell: str, iterations: int, kernel_size: int):
        super().__init__()
        self.filters, self.cell, self.iterations, self.kernel_size = filters, cell, iterations, kernel_size

    def _convolution(self, **options: Any) -> Callable:
        return keras.layers.Conv2D(
            self.filters, self.kernel_size, padding="same", data_format="channels_last", **options
        )

    def _of_both(self, x: Tensor, activation: str) -> Callable:
        """Return a convolution of `[state, x]`, as a sum of two, of which that of `x` is computed once."""
        of_state, of_x = self._convolution(use_bias=False), self._convolution()(x)
        add, activate = keras.layers.Add(), keras.layers.Activation(activation)
        return lambda state: activate(add([of_state(state), of_x]))

    def standard(self) -> list[Callable]:
        return [{"residual": self._residual, "gru": self._gru, "value_iteration": self._value_iteration}[self.cell]]

    def _residual(self, x: Tensor) -> Any:
        h = self._convolution()(x)
        first, second, add = self._of_both(x, "relu"), self._convolution(), keras.layers.Add()
        scale = keras.layers.Rescaling(_RESIDUAL)
        for _ in range(self.iterations):
            h = add([h, scale(second(first(h)))])
        return h

    def _gru(self, x: Tensor) -> Any:
        h = self._convolution(activation="tanh")(x)
        update, reset = self._of_both(x, "sigmoid"), self._of_both(x, "sigmoid")
        candidate, add = self._of_both(x, "tanh"), keras.layers.Add()
        keep, leave, part, rest = (*(keras.layers.Multiply() for _ in range(3)), keras.layers.Rescaling(-1.0, 1.0))
        for _ in range(self.iterations):
            z, new = update(h), candidate(part([reset(h), h]))
            h = add([keep([z, h]), leave([rest(z), new])])
        return h

    def _value_iteration(self, x: Tensor) -> Any:
        q = self._convolution()(x)
        bellman, discount = self._of_both(x, "linear"), keras.layers.Rescaling(_DISCOUNT)
        for _ in range(self.iterations):
            q = bellman(discount(ops.max(q, axis=-1, keepdims=True)))
        return q


class MarkedReadout(FunctionalStage):
    """The features at the places that the last channel marks: their sum over all pixels, weighted by that channel.

    The first `filters` channels are the features.
    """

    def __init__(self, filters: int):
        super().__init__()
        self.filters = checks.size("filters", filters)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], self.filters)

    def standard(self) -> list[Callable]:
        def apply(x: Tensor) -> Any:
            _, height, width, channels = x.shape
            pixels = keras.layers.Reshape((height * width, channels))(x)
            marks = pixels[:, :, channels - 1 :]
            features = pixels[:, :, : self.filters]
            return keras.layers.Flatten()(keras.layers.Dot(axes=1)([marks, features]))

        return [apply]
