"""Primitives that read a whole sequence: GRU, LSTM, and self-attention of several heads."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import PRIMITIVES, Stage, Subsample
from kerasnas.primitives.masked import Masked
from kerasnas.primitives.normalization import BatchNorm

_LAYERS = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
_GATES = {"gru": 3, "lstm": 4}
_FAR = 1e9  # what a score of padding is lowered by


class _Steps:
    """The cell of a `keras.layers.RNN` that computes `copies` independent cells of Keras in parallel.

    `kernel` has the recurrent kernels `(copies, units, gates * units)`; `bias` that of the GRU's recurrent part,
    `(copies, 3 * units)`, None for the LSTM.
    """

    def __init__(self, kind: str, units: int, kernel: Tensor, bias: Tensor = None):
        self.kind, self.units, self.kernel, self.bias = kind, units, kernel, bias
        self.copies, self.compute_dtype = kernel.shape[0], keras.backend.standardize_dtype(kernel.dtype)
        size = self.copies * units
        self.state_size, self.output_size = ([size, size] if kind == "lstm" else [size]), size

    def call(self, inputs: Tensor, states: Any) -> tuple[Any, list[Any]]:
        """Compute one step: projected inputs `(batch, copies * gates * units)` and states -> output, new states."""
        gates, h = _GATES[self.kind], self._split(states[0], 1)
        x = self._split(inputs, gates)
        recurrent = ops.einsum("bnu,nuk->bnk", h, self.kernel)
        if self.kind == "lstm":
            gate, forget, value, out = ops.split(x + recurrent, 4, axis=-1)
            c = ops.sigmoid(forget) * self._split(states[1], 1) + ops.sigmoid(gate) * ops.tanh(value)
            h = self._join(ops.sigmoid(out) * ops.tanh(c))
            return h, [h, self._join(c)]
        update, reset, value = ops.split(x, 3, axis=-1)
        own_update, own_reset, own_value = ops.split(recurrent + self.bias, 3, axis=-1)
        z = ops.sigmoid(update + own_update)
        h = z * h + (1 - z) * ops.tanh(value + ops.sigmoid(reset + own_reset) * own_value)
        h = self._join(h)
        return h, [h]

    __call__ = call

    def _split(self, x: Tensor, gates: int) -> Any:
        return ops.reshape(x, (-1, self.copies, gates * self.units))

    def _join(self, x: Tensor) -> Any:
        return ops.reshape(x, (-1, self.copies * self.units))


class _Recurrence(Stage):
    """`copies` recurrent layers of Keras that read the same sequence, forward or backward; padding is skipped."""

    reads_mask = True

    def __init__(self, kind: str, units: int, copies: int, backward: bool):
        super().__init__()
        self.kind, self.units, self.copies, self.backward = kind, units, copies, backward

    def build(self, inputs_shape: tuple) -> None:
        n, units, gates = self.copies, self.units, _GATES[self.kind]
        self.kernel = self.add_weight(name="kernel", shape=(n, inputs_shape[-1], gates * units))
        self.recurrent_kernel = self.add_weight(name="recurrent_kernel", shape=(n, units, gates * units))
        rows = 2 if self.kind == "gru" else 1
        self.bias = self.add_weight(name="bias", shape=(n, rows * gates * units), initializer="zeros")
        if self.kind == "lstm":  # the forget gate starts open, as in Keras
            ones = ops.concatenate([ops.zeros((n, units)), ops.ones((n, units)), ops.zeros((n, 2 * units))], axis=-1)
            self.bias.assign(ones)

    def call(self, inputs: Tensor, mask: Tensor) -> Tensor:
        kernel, recurrent, bias = (self.read(v, inputs) for v in (self.kernel, self.recurrent_kernel, self.bias))
        width = _GATES[self.kind] * self.units
        x = ops.einsum("blc,nck->blnk", inputs, kernel) + bias[:, :width]
        x = ops.reshape(x, (-1, inputs.shape[1] or ops.shape(inputs)[1], self.copies * width))
        cell = _Steps(self.kind, self.units, recurrent, bias[:, width:])
        run = keras.layers.RNN(
            cell, return_sequences=True, go_backwards=self.backward, zero_output_for_mask=True, dtype=inputs.dtype
        )
        y = run(x, mask=ops.not_equal(mask[..., 0], 0))
        return ops.flip(y, axis=1) if self.backward else y

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.units)


class _BothWays(Stage):
    """A recurrence forward and, if `bidirectional`, one backward, their channels concatenated in each copy."""

    reads_mask = True

    def __init__(self, kind: str, filters: int, copies: int, bidirectional: bool):
        super().__init__()
        self.kind, self.copies, self.bidirectional = kind, copies, bidirectional
        self.units = filters // 2 if bidirectional else filters
        ways = (False, True) if bidirectional else (False,)
        self.ways = [_Recurrence(kind, self.units, copies, way) for way in ways]

    def build(self, inputs_shape: tuple) -> None:
        for way in self.ways:
            way.dtype_policy = self.dtype_policy
            way.build(inputs_shape)

    def call(self, inputs: Tensor, mask: Tensor) -> Tensor:
        parts = [way.call(inputs, mask) for way in self.ways]
        if len(parts) == 1:
            return parts[0]
        split = [ops.split(part, self.copies, axis=-1) for part in parts]
        return ops.concatenate([half for pair in zip(*split, strict=True) for half in pair], axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.units * len(self.ways))

    def standard(self) -> list[Callable]:
        def apply(x: Tensor, mask: Tensor) -> Any:
            options = {"return_sequences": True, "zero_output_for_mask": True, "seed": 0}  # of a dropout of 0
            layer = _LAYERS[self.kind](self.units, **options)
            return (keras.layers.Bidirectional(layer) if self.bidirectional else layer)(x, mask=_boolean(mask))

        return [apply]


@keras.saving.register_keras_serializable(package="kerasnas")
class Recurrent(Masked):
    """A recurrent layer of Keras on padded sequences, then batch norm.

    Args:
        filters, strides, affine, copies: see `Primitive`; at strides 2 every second step is read.
        kind: `"gru"` (Keras' own, which resets after the product) or `"lstm"`. Defaults to `"gru"`.
        bidirectional: whether half of the filters, an even number, read the sequence backward. Defaults to False.

    Reference:
        Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014 (arXiv 1406.1078); Hochreiter and
        Schmidhuber, "Long Short-Term Memory", 1997.
    """

    settings = {
        "kind": ("gru", lambda name, value: checks.one_of(name, value, _LAYERS)),
        "bidirectional": (False, checks.boolean),
    }
    kind: str
    bidirectional: bool

    def stages(self) -> list[keras.layers.Layer]:
        if self.bidirectional and self.filters % 2:
            raise ValueError(checks.invalid("filters", "an even number, half of them in each direction", self.filters))
        reduce = [Subsample()] if self.strides == 2 else []
        return [*reduce, _BothWays(self.kind, self.filters, self.copies, self.bidirectional), BatchNorm(self.affine)]


class _Attention(Stage):
    """Self-attention of `copies` layers that read the same sequence; the input is added if its channels match."""

    reads_mask = True

    def __init__(self, filters: int, heads: int, copies: int):
        super().__init__()
        self.filters, self.heads, self.copies = filters, heads, copies
        self.key = max(1, filters // heads)

    def build(self, inputs_shape: tuple) -> None:
        n, channels, inner = self.copies, inputs_shape[-1], self.heads * self.key
        self.query_kernel, self.key_kernel, self.value_kernel = (
            self.add_weight(name=f"{name}_kernel", shape=(n, channels, inner)) for name in ("query", "key", "value")
        )
        self.output_kernel = self.add_weight(name="output_kernel", shape=(n, inner, self.filters))
        self.residual = channels == self.filters

    def call(self, inputs: Tensor, mask: Tensor) -> Tensor:
        length = inputs.shape[1] or ops.shape(inputs)[1]
        heads = (-1, length, self.copies, self.heads, self.key)
        query, key, value = (
            ops.reshape(ops.einsum("blc,ncd->blnd", inputs, self.read(kernel, inputs)), heads)
            for kernel in (self.query_kernel, self.key_kernel, self.value_kernel)
        )
        scores = ops.einsum("blnhk,bmnhk->bnhlm", query * (1 / math.sqrt(self.key)), key)
        scores = scores + ((mask - 1) * _FAR)[:, None, None, None, :, 0]
        y = ops.einsum("bnhlm,bmnhk->blnhk", ops.softmax(scores, axis=-1), value)
        y = ops.reshape(y, (-1, length, self.copies, self.heads * self.key))
        y = ops.einsum("blnd,ndf->blnf", y, self.read(self.output_kernel, inputs))
        if self.residual:
            y = y + inputs[:, :, None]
        return ops.reshape(y, (-1, length, self.copies * self.filters))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.filters)

    def standard(self) -> list[Callable]:
        def apply(x: Tensor, mask: Tensor) -> Any:
            layer = keras.layers.MultiHeadAttention(
                self.heads, self.key, output_shape=self.filters, use_bias=False, dropout=0.0
            )
            y = layer(x, x, attention_mask=_boolean(mask)[:, None])
            return keras.layers.Add()([x, y]) if x.shape[-1] == self.filters else y

        return [apply]


@keras.saving.register_keras_serializable(package="kerasnas")
class SelfAttention(Masked):
    """Self-attention on padded sequences: scaled dot products of several heads, plus the input, then batch norm.

    It ignores the order of the steps; convolutions and recurrent layers next to it do not. At strides 2 every second
    step is read, and attends to these.

    Reference:
        Vaswani et al., "Attention Is All You Need", 2017 (arXiv 1706.03762), sections 3.2 and 5.4.

    Differences from the paper:
        - Batch norm stands in place of layer norm, as behind every primitive.
        - No positional encoding.
    """

    settings = {"heads": (4, checks.size)}
    heads: int

    def stages(self) -> list[keras.layers.Layer]:
        reduce = [Subsample()] if self.strides == 2 else []
        return [*reduce, _Attention(self.filters, self.heads, self.copies), BatchNorm(self.affine)]


def _boolean(mask: Tensor) -> Any:
    """Convert a mask `(batch, length, 1)` of numbers to booleans `(batch, length)`."""
    return ops.not_equal(ops.squeeze(mask, -1), 0)


for kind in _LAYERS:
    PRIMITIVES.register(kind, functools.partial(Recurrent, kind=kind))
    PRIMITIVES.register(f"bi_{kind}", functools.partial(Recurrent, kind=kind, bidirectional=True))
for heads in (1, 2, 4, 8):
    PRIMITIVES.register(f"self_attention_{heads}", functools.partial(SelfAttention, heads=heads))
