"""The chain space of ProxylessNAS."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.chain_network import ChainSupernet, chain_network, chain_parts
from kerasnas.networks.chain_skeleton import SKIP, ChainSkeleton
from kerasnas.networks.parts import NetworkParts
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES, Indices, SearchSpace

PROXYLESS_PRIMITIVES = (
    "mbconv_3x3_e3",
    "mbconv_3x3_e6",
    "mbconv_5x5_e3",
    "mbconv_5x5_e6",
    "mbconv_7x7_e3",
    "mbconv_7x7_e6",
)


@SPACES.register("proxyless")
class ProxylessSpace(SearchSpace):
    """The ProxylessNAS space: a chain of layers, each an inverted bottleneck of some window and expansion, or skipped.

    The network is a 3x3 convolution, a fixed first block (`mbconv_3x3_e1`), stages of searchable layers, a 1x1
    convolution, pooling and a classifier. The first layer of a stage strides and changes the number of channels; a
    layer that does neither may also be `skip_connect`, so that depth is searched too. The published skeleton is
    `ProxylessSpace.imagenet()`.

    Args:
        filters: channels of each stage; an integer is those of the first, doubled at each further one. Defaults to 16.
        num_layers: searchable layers of each stage; an integer is that of all. Defaults to 2.
        strides: of the first layer of each stage, 1 or 2. Defaults to `(1, 2, 2)`.
        stem_filters: filters of the first convolution. Defaults to those of the first stage.
        stem_strides: its strides. Defaults to 1; 2 for large images.
        head_filters: filters of the last convolution. Defaults to 4 times those of the last stage.
        primitives: names of the candidates; `skip_connect` comes by itself. Defaults to the six of the paper.
        first_filters: filters of the first block. Defaults to `stem_filters`.

    Raises:
        ValueError: for a non-positive size, strides other than 1 and 2, sequences of different lengths, and for unknown
            or repeated primitives or fewer than two.

    Example:

    >>> space = ProxylessSpace(filters=8, num_layers=2, strides=(2, 2), primitives=["mbconv_3x3_e3", "mbconv_5x5_e3"])
    >>> space.choices["layer 1"], space.choices["layer 2"]
    (('mbconv_3x3_e3', 'mbconv_5x5_e3'), ('mbconv_3x3_e3', 'mbconv_5x5_e3', 'skip_connect'))
    >>> ProxylessSpace.imagenet().size == 6**6 * 7**15
    True

    Reference:
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019
        (arXiv 1812.00332), section 4.
    """

    name = "proxyless"

    def __init__(
        self,
        filters: int | Sequence[int] = 16,
        num_layers: int | Sequence[int] = 2,
        strides: Sequence[int] = (1, 2, 2),
        stem_filters: int | None = None,
        stem_strides: int = 1,
        head_filters: int | None = None,
        primitives: Sequence[str] = PROXYLESS_PRIMITIVES,
        first_filters: int | None = None,
    ):
        self.filters, self.num_layers, self.strides = filters, num_layers, strides
        self.stem_filters, self.stem_strides, self.first_filters = stem_filters, stem_strides, first_filters
        self.head_filters = head_filters
        self.primitives = (*_candidates(primitives), SKIP)
        self.skeleton = self._skeleton(filters)
        tables = self.skeleton.tables(self.primitives)
        own = sorted((edge, table.primitives) for table in tables.values() for edge in table.edges)
        self._choices = {f"layer {target}": options for (_, target), options in own}

    @classmethod
    def imagenet(cls, primitives: Sequence[str] = PROXYLESS_PRIMITIVES) -> ProxylessSpace:
        """The published skeleton for images of 224 x 224: 21 searchable layers in six stages."""
        return cls(
            filters=(24, 40, 80, 96, 192, 320),
            num_layers=(4, 4, 4, 4, 4, 1),
            strides=(2, 2, 2, 1, 2, 1),
            stem_filters=32,
            stem_strides=2,
            head_filters=1280,
            primitives=primitives,
            first_filters=16,
        )

    def _skeleton(self, filters: int | Sequence[int]) -> ChainSkeleton:
        """Of these widths, with all other settings of the space."""
        stages = _sequence("strides", self.strides)
        if isinstance(filters, int):
            checks.size("filters", filters)
            filters = [filters * 2**stage for stage in range(len(stages))]
        filters = _sequence("filters", filters)
        num_layers = [self.num_layers] * len(stages) if isinstance(self.num_layers, int) else self.num_layers
        stem_filters = filters[0] if self.stem_filters is None else self.stem_filters
        return ChainSkeleton(
            filters,
            _sequence("num_layers", num_layers),
            stages,
            stem_filters,
            self.stem_strides,
            first_filters=stem_filters if self.first_filters is None else self.first_filters,
            head_filters=4 * filters[-1] if self.head_filters is None else self.head_filters,
        )

    def _resized(self, filters: int | Sequence[int] | None) -> ChainSkeleton:
        """The skeleton of a final network, see `build_network`."""
        if filters is None:
            return self.skeleton
        if isinstance(filters, int):
            return self.skeleton.scaled(checks.size("filters", filters))
        skeleton = self._skeleton(filters)
        pairs = zip(self.skeleton.layers, skeleton.layers, strict=True)
        for number, (old, new) in enumerate(pairs, start=1):
            if old.keeps_shape and not new.keeps_shape:
                raise ValueError(
                    f"Invalid value received for argument `filters`. Expected widths at which layer {number} keeps the "
                    f"number of channels, since this space may skip it. Received: {filters}"
                )
        return skeleton

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each layer its primitive."""
        return self._choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        return Genotype(self.name, {"chain": [Edge(assignment[name], i, i + 1) for i, name in enumerate(self.choices)]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        if tuple(genotype) != ("chain",):
            raise ValueError(f"A genotype of this space has one cell, 'chain'. Received: {tuple(genotype)}")
        layers = [(edge.source, edge.target) for edge in genotype["chain"]]
        if layers != [(index, index + 1) for index in range(len(self.choices))]:
            raise ValueError(
                f"A chain of this space has {len(self.choices)} layers, from 0 -> 1 to {len(self.choices) - 1} -> "
                f"{len(self.choices)}. Received: {[tuple(edge) for edge in genotype['chain']]}"
            )
        return {name: edge.primitive for name, edge in zip(self.choices, genotype["chain"], strict=True)}

    def key(self, indices: Indices) -> Indices:
        """The combination with the skips of layers that are alike moved behind the others: it is the same network."""
        skip, ordered = len(self.primitives) - 1, []
        layers = zip(indices, self.skeleton.layers, strict=True)
        for keeps_shape, own in itertools.groupby(layers, key=lambda pair: pair[1].keeps_shape):
            options = [index for index, _ in own]
            ordered += sorted(options, key=lambda index: index == skip) if keeps_shape else options
        return tuple(ordered)

    def build_supernet(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        relaxation: Any = "binary_gates",
        seed: int = 0,
        **kwargs: Any,
    ) -> ChainSupernet:
        """The supernet of this space; see `ChainSupernet` for the arguments. Binary gates are the paper's."""
        return ChainSupernet(
            input_shape, num_classes, self.skeleton, self.primitives, relaxation, self.name, seed, **kwargs
        )

    def build_network(  # type: ignore[override]
        self,
        genotype: Genotype,
        input_shape: tuple[int, ...],
        num_classes: int,
        filters: int | Sequence[int] | None = None,
        drop_path: float = 0.0,
        seed: int = 0,
    ) -> keras.Model:
        """The discrete network of `genotype`, of standard Keras layers only.

        Args:
            genotype: a genotype of this space.
            input_shape: `(height, width, channels)` of one image.
            num_classes: number of classes; the model returns logits.
            filters: width of the network. An integer is that of the first stage, and all others, of stem, first block
                and head too, are as much wider than the space's; a sequence is that of each stage. Defaults to the
                space's.
            drop_path: drop-path probability of the last layer's bottleneck. Defaults to 0.
            seed: seed of the start weights. Defaults to 0.

        Raises:
            ValueError: if `genotype` is not of this space, or the image is too small.
        """
        self.validate(genotype)
        return chain_network(genotype, input_shape, num_classes, self._resized(filters), drop_path, seed)

    def parts(  # type: ignore[override]
        self, input_shape: tuple[int, ...], num_classes: int, filters: int | Sequence[int] | None = None
    ) -> NetworkParts:
        """The parts of this space's networks; arguments as for `build_network`."""
        return chain_parts(input_shape, num_classes, self._resized(filters), self.primitives)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        sizes = {"filters": self.filters, "num_layers": self.num_layers, "strides": self.strides}
        return {
            **{name: value if isinstance(value, int) else list(value) for name, value in sizes.items()},
            "stem_filters": self.stem_filters,
            "stem_strides": self.stem_strides,
            "head_filters": self.head_filters,
            "primitives": list(self.primitives[:-1]),
            "first_filters": self.first_filters,
        }


def _candidates(primitives: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name for name in check_primitives(primitives) if name != SKIP)
    if "none" in names or len(names) < 2:
        raise ValueError(
            "Invalid value received for argument `primitives`. Expected at least two that a layer can be made of, "
            f"beside 'skip_connect' and without 'none', which would cut the chain. Received: {list(primitives)}"
        )
    return names


def _sequence(argument: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, Sequence) and not isinstance(values, str) and len(values):
        return tuple(values)
    raise ValueError(
        f"Invalid value received for argument `{argument}`. Expected a sequence of integers, one for each stage. "
        f"Received: {values!r}"
    )
