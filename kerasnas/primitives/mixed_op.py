"""MixedOp: the weighted sum over candidate primitives that a differentiable search relaxes a choice to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasnas import relaxations
from kerasnas.primitives.base import PRIMITIVES, Primitive, check_size


def check_primitives(primitives: Sequence[str]) -> tuple[str, ...]:
    """Return `primitives` as a tuple if they are distinct registered names; raise ValueError otherwise."""
    if isinstance(primitives, str) or not len(tuple(primitives)):
        raise ValueError(
            "Invalid value received for argument `primitives`. Expected a non-empty list of names. "
            f"Received: {primitives!r}"
        )
    for name in primitives:
        PRIMITIVES[name]
    if set(primitives) == {"none"}:
        raise ValueError("Invalid value received for argument `primitives`. Expected one other than 'none'.")
    if len(set(primitives)) != len(primitives):
        raise ValueError(
            f"Invalid value received for argument `primitives`. Expected distinct names. Received: {list(primitives)}"
        )
    return tuple(primitives)


@keras.saving.register_keras_serializable(package="kerasnas")
class MixedOp(keras.layers.Layer):
    """The mixed operation of DARTS: the sum of candidate primitives, each times its mixing weight.

    `mixed(x) = sum_p weights[p] * primitive_p(x)`, with `weights = softmax(alphas)`.

    Used on its own in any Keras model, it owns its architecture parameters. In a cell it is fed the
    weights, and then computes `copies` edges that read the same input side by side.

    Args:
        primitives: names of the candidates, built-in or registered with `register_primitive`.
        filters: number of output channels (of each copy).
        strides: 1, or 2 to halve height and width. Defaults to 1.
        affine: whether batch norm learns scale and offset. Defaults to False, as DARTS searches:
            a learned scale would undo the mixing weight.
        copies: number of edges computed side by side. Defaults to 1.
        relaxation: how alphas become weights, when the layer owns them: a name or a callable.
            Defaults to `"softmax"`.
        seed: seed of the start values of the layer's own alphas. Defaults to 0.

    Call arguments:
        inputs: tensor `(batch, height, width, channels)`.
        weights: optional tensor `(copies, len(primitives))`; without it the layer's own alphas are used.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Tensor `(batch, height / strides, width / strides, copies * filters)`.

    Raises:
        ValueError: for unknown, repeated or no primitives, and as the primitives do.

    Example:

    >>> layer = MixedOp(
    ...     ["factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"],
    ...     filters=16,
    ...     strides=2,
    ... )
    >>> layer(ops.ones((1, 8, 8, 3))).shape, tuple(layer.alphas.shape)
    (TensorShape([1, 4, 4, 16]), (1, 5))

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), equation 2.
    """

    def __init__(
        self,
        primitives: Sequence[str],
        filters: int,
        strides: int = 1,
        affine: bool = False,
        copies: int = 1,
        relaxation: Any = "softmax",
        seed: int | None = 0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)  # float32 weights must stay float32
        self.primitives = check_primitives(primitives)
        self.filters = check_size("filters", filters)
        self.strides = check_size("strides", strides, (1, 2))
        self.copies = check_size("copies", copies)
        self.affine, self.seed = affine, seed
        self.relaxation = relaxations.get(relaxation)
        self.alphas: Any = None
        self.candidates = {name: self._candidate(name) for name in self.primitives if name != "none"}

    def _candidate(self, name: str) -> keras.layers.Layer:
        arguments = {"filters": self.filters, "strides": self.strides, "affine": self.affine}
        layer = PRIMITIVES[name](**arguments)
        if isinstance(layer, Primitive):
            layer = PRIMITIVES[name](**arguments, copies=self.copies, dtype=self.dtype_policy)
        else:  # a user's own layer knows nothing of copies
            layer = _Copies([layer, *(PRIMITIVES[name](**arguments) for _ in range(self.copies - 1))])
        return layer

    def build(self, inputs_shape: tuple, weights_shape: Any = None) -> None:
        if weights_shape is None:
            self.alphas = relaxations.add_alphas(self, (self.copies, len(self.primitives)), seed=self.seed)
        for candidate in self.candidates.values():
            candidate.build(inputs_shape)

    def call(self, inputs: Any, weights: Any = None, training: bool | None = None) -> Any:
        if weights is None:
            if self.alphas is None:
                raise ValueError("This MixedOp was built to be fed `weights`, and was called without them.")
            weights, _ = self.relaxation(ops.convert_to_tensor(self.alphas), training=training)
        shape = self.copies, self.filters, len(self.primitives)
        channels = ops.reshape(ops.broadcast_to(ops.expand_dims(weights, 1), shape), (-1, len(self.primitives)))
        columns = dict(zip(self.primitives, ops.unstack(channels, axis=-1), strict=True))
        inputs, shared = ops.cast(inputs, self.compute_dtype), {}
        outputs = [
            candidate.mix(inputs, columns[name], training, shared) for name, candidate in self.candidates.items()
        ]
        return sum(outputs[1:], outputs[0])

    def compute_output_shape(self, inputs_shape: tuple, weights_shape: Any = None) -> tuple:
        height, width = (size if size is None else -(-size // self.strides) for size in inputs_shape[1:3])
        return inputs_shape[0], height, width, self.copies * self.filters

    def get_config(self) -> dict[str, Any]:
        own = {
            "primitives": list(self.primitives),
            "filters": self.filters,
            "strides": self.strides,
            "affine": self.affine,
            "copies": self.copies,
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "seed": self.seed,
        }
        return {**super().get_config(), **own}


class _Copies(keras.layers.Layer):
    """Gives a user's own layers, one for each copy, the `mix` of a built-in primitive."""

    def __init__(self, layers: list[keras.layers.Layer]):
        super().__init__(autocast=False)
        self.layers = layers

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        for layer in self.layers:
            layer.build(inputs_shape)

    def mix(self, inputs: Any, scale: Any, training: bool | None, shared: dict[tuple, Any]) -> Any:
        outputs = [
            layer(inputs, training=training) if layer._call_has_training_arg else layer(inputs) for layer in self.layers
        ]
        dtype = inputs.dtype  # of the whole sum, whatever the user's layer computes in
        return ops.concatenate([ops.cast(y, dtype) for y in outputs], axis=-1) * ops.cast(scale, dtype)
