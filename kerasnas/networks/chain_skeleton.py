"""The skeleton of ProxylessNAS: what of a chain of layers is not searched, and which of them may be skipped."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from kerasnas import checks
from kerasnas.networks.supernet import ChoiceTable

SKIP = "skip_connect"


class ChainLayer(NamedTuple):
    """A searchable layer.

    Args:
        channels: of its input.
        filters: of its output.
        strides: 1 or 2.
    """

    channels: int
    filters: int
    strides: int

    @property
    def keeps_shape(self) -> bool:
        """Whether the output has the input's shape, so that the layer may be skipped."""
        return self.strides == 1 and self.channels == self.filters


@dataclasses.dataclass(frozen=True)
class ChainSkeleton:
    """A chain: stem, a fixed first block, stages of searchable layers, head.

    Args:
        filters: of each stage.
        num_layers: of each stage.
        strides: of the first layer of each stage, 1 or 2.
        stem_filters, stem_strides: of the stem's convolution.
        first_filters: of the first block.
        head_filters: of the convolution before the classifier.

    Raises:
        ValueError: for a non-positive size, strides other than 1 and 2, or sequences of different lengths.

    Example:

    >>> skeleton = ChainSkeleton((8, 16), (2, 1), (1, 2), stem_filters=8, stem_strides=1, first_filters=8,
    ...                          head_filters=64)
    >>> [tuple(layer) for layer in skeleton.layers]
    [(8, 8, 1), (8, 8, 1), (8, 16, 2)]
    >>> {kind: table.edges for kind, table in skeleton.tables(["mbconv_3x3_e3", "skip_connect"]).items()}
    {'first': ((2, 3),), 'rest': ((0, 1), (1, 2))}
    """

    filters: Sequence[int]
    num_layers: Sequence[int]
    strides: Sequence[int]
    stem_filters: int
    stem_strides: int
    first_filters: int
    head_filters: int

    def __post_init__(self) -> None:
        for name, allowed in {"filters": None, "num_layers": None, "strides": (1, 2)}.items():
            values = tuple(checks.size(name, value, allowed) for value in getattr(self, name))
            object.__setattr__(self, name, values)  # a tuple, whatever sequence was given
        lengths = {name: len(getattr(self, name)) for name in ("filters", "num_layers", "strides")}
        if len(set(lengths.values())) > 1 or not self.strides:
            raise ValueError(
                "Invalid value received for arguments `filters`, `num_layers` and `strides`. Expected one value for "
                f"each stage. Received: {', '.join(f'{length} of `{name}`' for name, length in lengths.items())}"
            )
        for name in ("stem_filters", "first_filters", "head_filters"):
            checks.size(name, getattr(self, name))
        checks.size("stem_strides", self.stem_strides, (1, 2))

    @functools.cached_property
    def layers(self) -> tuple[ChainLayer, ...]:
        """The searchable layers."""
        layers: list[ChainLayer] = []
        channels = self.first_filters
        for filters, number, strides in zip(self.filters, self.num_layers, self.strides, strict=True):
            for index in range(number):
                layers.append(ChainLayer(channels, filters, 1 if index else strides))
                channels = filters
        return tuple(layers)

    @property
    def halvings(self) -> int:
        """How many times an image is halved."""
        return [self.stem_strides, *self.strides].count(2)

    def tables(self, primitives: Sequence[str]) -> dict[str, ChoiceTable]:
        """What is chosen: `first`, of the layers that change the shape, and `rest`, of those that may be skipped.

        Layer n is the edge (n, n + 1). A table without layers is left out.

        Args:
            primitives: names of the candidates; `skip_connect` only is one where a layer keeps the shape.
        """
        columns = {"first": tuple(name for name in primitives if name != SKIP), "rest": tuple(primitives)}
        edges: dict[str, list[tuple[int, int]]] = {"first": [], "rest": []}
        for index, layer in enumerate(self.layers):
            edges["rest" if layer.keeps_shape else "first"].append((index, index + 1))
        return {kind: ChoiceTable(tuple(own), columns[kind]) for kind, own in edges.items() if own}

    def scaled(self, filters: int) -> ChainSkeleton:
        """The same of so many filters in the first stage, all others in proportion."""
        old = self.filters[0]

        def scale(width: int) -> int:
            return max(1, round(width * filters / old))

        return dataclasses.replace(
            self,
            filters=[scale(width) for width in self.filters],
            stem_filters=scale(self.stem_filters),
            first_filters=scale(self.first_filters),
            head_filters=scale(self.head_filters),
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }
