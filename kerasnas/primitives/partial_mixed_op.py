"""PartialMixedOp: the mixed operation of PC-DARTS on part of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import spatial_rank
from kerasnas.primitives.mixed_op import MixedOp
from kerasnas.primitives.sampled_paths import SampledPaths


@keras.saving.register_keras_serializable(package="kerasnas")
class PartialMixedOp(keras.layers.Layer):
    """The mixed operation of PC-DARTS: `1 / partial_channels` of the channels is mixed, the others bypass it.

    The first `filters / partial_channels` channels go through a `MixedOp`; the others bypass it (max-pooled by 2 at
    strides 2). Both are concatenated and shuffled, so that the next layer mixes other channels. The optional
    `edge_weights` `(copies,)` multiply all channels of a copy's output.

    Reference:
        Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", 2020 (arXiv
        1907.05737), equation 1.

    Differences from the paper:
        - The first channels are mixed, and the shuffle brings others to the front, as in the original code; the paper
          speaks of sampled ones.
        - The warm-up of the alphas is a quarter of a search, where the paper has 15 epochs of 50.
    """

    def __init__(
        self,
        primitives: Sequence[str],
        filters: int,
        strides: int = 1,
        affine: bool = False,
        copies: int = 1,
        partial_channels: int = 4,
        sampled_paths: SampledPaths | None = None,
        kept: Sequence[Sequence[str]] | None = None,
        skip_dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.filters, self.strides, self.copies = checks.size("filters", filters), strides, copies
        self.partial_channels = check_partial_channels(partial_channels, filters)
        self.mixed = MixedOp(
            primitives,
            filters // partial_channels,
            strides,
            affine,
            copies,
            sampled_paths=sampled_paths,
            kept=kept,
            skip_dropout=skip_dropout,
            seed=seed,
            dtype=self.dtype_policy,
            name="mixed",
        )

    def build(self, inputs_shape: tuple, weights_shape: Any = (), **shapes: Any) -> None:
        if inputs_shape[-1] != self.filters:
            raise ValueError(
                f"PartialMixedOp keeps the number of channels. Expected {self.filters} channels, of `filters`. "
                f"Received: an input with {inputs_shape[-1]}"
            )
        self.mixed.build((*inputs_shape[:-1], self.mixed.filters), weights_shape)

    def call(
        self,
        inputs: Tensor,
        weights: Tensor,
        active: Tensor = None,
        edge_weights: Any = None,
        training: bool | None = None,
    ) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        weights = ops.convert_to_tensor(weights)
        part, *others = ops.split(inputs, self.partial_channels, axis=-1)
        if edge_weights is not None:
            weights = weights * ops.expand_dims(edge_weights, -1)
        mixed = self.mixed(part, weights=weights, active=active, training=training)
        if not others:
            return mixed
        passed = ops.concatenate(others, axis=-1)
        if self.strides == 2:
            passed = ops.max_pool(passed, 2, strides=2, padding="same", data_format="channels_last")
        kernel = ops.cast(self._routes(edge_weights, weights.dtype), inputs.dtype)
        kernel = ops.reshape(kernel, (*[1] * spatial_rank(inputs), *kernel.shape))
        return ops.conv(
            ops.concatenate([mixed, passed], axis=-1), kernel, strides=1, padding="valid", data_format="channels_last"
        )

    def _routes(self, edge_weights: Any, dtype: Any) -> Any:
        """Return the 1x1 kernel that shuffles the channels of every copy, and weighs those that bypass the mixture.

        Channel `i` of part `g` (part 0 is mixed) goes to channel `i * partial_channels + g`. One small convolution
        replaces a product for each edge, a concatenation and a transposition of all edges' values.
        """
        parts, size = self.partial_channels, self.mixed.filters
        mixed = np.zeros((self.copies, size, self.copies, size, parts))
        passed = np.zeros((parts - 1, size, self.copies, size, parts))
        mixed[..., 0] = np.eye(self.copies * size).reshape(mixed.shape[:-1])
        for group in range(1, parts):
            passed[group - 1, ..., group] = np.eye(size)[:, None]
        outputs = self.copies, self.filters
        routes = ops.convert_to_tensor(passed.reshape(-1, *outputs), dtype)
        if edge_weights is not None:
            routes = routes * ops.expand_dims(ops.cast(edge_weights, dtype), -1)
        flat = ops.convert_to_tensor(mixed.reshape(-1, self.copies * self.filters), dtype)
        return ops.concatenate([flat, ops.reshape(routes, (-1, self.copies * self.filters))], axis=0)

    def compute_output_shape(self, inputs_shape: tuple, weights_shape: Any = None, **shapes: Any) -> tuple:
        return (*self.mixed.compute_output_shape(inputs_shape)[:-1], self.copies * self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {
            "primitives": list(self.mixed.primitives),
            "filters": self.filters,
            "strides": self.strides,
            "affine": self.mixed.affine,
            "copies": self.copies,
            "partial_channels": self.partial_channels,
            "kept": self.mixed.kept,
            "skip_dropout": self.mixed.skip_dropout,
            "seed": self.mixed.seed,
        }
        return {**super().get_config(), **own}


def check_partial_channels(partial_channels: int, filters: int) -> int:
    """Return `partial_channels` if it divides `filters`; raise ValueError otherwise."""
    if filters % checks.size("partial_channels", partial_channels):
        divisors = [size for size in range(1, filters + 1) if filters % size == 0]
        expected = f"a divisor of the filters: one of {divisors} for {filters} filters"
        raise ValueError(checks.invalid("partial_channels", expected, partial_channels))
    return partial_channels
