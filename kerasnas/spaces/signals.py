"""Cell spaces for one-dimensional signals: speech, sensors, time series; of one length, or padded to one."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas.genotypes import Genotype
from kerasnas.networks.skeleton import Filler
from kerasnas.primitives.masked import MaskedNorConv, MaskedNormReLU, MaskedProjection
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.primitives.text_blocks import MaskedPooling
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.spaces.stage_space import STAGES, edge_tables, stage_skeleton, stages, uniform

SIGNAL_PRIMITIVES = ("none", "skip_connect", "conv_3", "sep_conv_5", "dil_conv_5", "max_pool_3")

_DEFAULTS = {"num_cells": 1, "retrain_cells": 1}
_REFERENCES = {"cnn": "conv_3", "separable": "sep_conv_5", "dilated": "dil_conv_5"}


@SPACES.register("signals")
class SignalSpace(SkeletonSpace):
    """The cell of NAS-Bench-201 on signals `(length, channels)`, with one-dimensional primitives.

    One cell, a primitive on each of the six edges between four nodes, every node the sum of its edges. The network is a
    stem, three stages of `num_cells` cells, and between them residual blocks that halve the length and double the
    filters.

    Args:
        filters, num_cells, num_nodes: as for `NASBench201Space`.
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
        Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", 2020 (arXiv
        2001.00326): the cell.
    """

    name = "signals"
    inputs = "signal"
    defaults: Mapping[str, Any] = _DEFAULTS

    def __init__(
        self, filters: int = 16, num_cells: int = 5, num_nodes: int = 3, primitives: Sequence[str] = SIGNAL_PRIMITIVES
    ):
        self._set_sizes(filters=filters, num_cells=num_cells, num_nodes=num_nodes)
        self.primitives = check_primitives(primitives)

    tables = functools.cached_property(edge_tables)

    def references(self) -> dict[str, Genotype]:
        """Return networks with one primitive on every edge: `cnn`, `separable` and `dilated`."""
        return uniform(self, _REFERENCES)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        return stage_skeleton(self, fill, x)


PADDED_SIGNAL_PRIMITIVES = (
    *("none", "skip_connect", "masked_conv_3", "masked_sep_conv_5"),
    *("masked_dil_conv_5", "masked_max_pool_3"),
)


@SPACES.register("padded_signals")
class PaddedSignalSpace(SkeletonSpace):
    """`SignalSpace` on signals `(length, channels)` that end in padding, steps of zeros in all channels.

    The output does not depend on the amount of padding, as long as the length stays a multiple of 4 (the network halves
    it twice): every primitive ignores padding, see `kerasnas.primitives.masked.Masked`. Between stages, a convolution
    of stride 2 halves the length.

    Args: as for `SignalSpace`; `primitives` default to its own, masked.

    Example:

    >>> space = PaddedSignalSpace(filters=4, num_cells=1)
    >>> genotype = space.genotype(dict.fromkeys(space.choices, "masked_conv_3"))
    >>> space.build_network(genotype, input_shape=(32, 1), num_classes=5).output_shape
    (None, 5)
    """

    name = "padded_signals"
    inputs = "signal"
    padded = True
    defaults: Mapping[str, Any] = _DEFAULTS

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 5,
        num_nodes: int = 3,
        primitives: Sequence[str] = PADDED_SIGNAL_PRIMITIVES,
    ):
        self._set_sizes(filters=filters, num_cells=num_cells, num_nodes=num_nodes)
        self.primitives = check_primitives(primitives)

    tables = functools.cached_property(edge_tables)

    def references(self) -> dict[str, Genotype]:
        return uniform(self, {name: f"masked_{primitive}" for name, primitive in _REFERENCES.items()})

    def skeleton(self, fill: Filler, x: Any) -> Any:
        x = fill.block(x, MaskedProjection, self.filters, kernel_size=3)
        x, filters = stages(self, fill, x, MaskedNorConv, 2), self.filters * 2 ** (STAGES - 1)
        return fill.classify(fill.block(fill.block(x, MaskedNormReLU, filters), MaskedPooling, filters, kind="mean"))
