"""The chain space of ProxylessNAS."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from kerasnas import checks
from kerasnas.networks.skeleton import ChoiceTable, Filler
from kerasnas.primitives.blocks import ConvReLU6
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.primitives.mobile import MBConv
from kerasnas.spaces.base import SPACES, Indices
from kerasnas.spaces.skeleton_space import SkeletonSpace

SKIP = "skip_connect"
PROXYLESS_PRIMITIVES = tuple(f"mbconv_{size}x{size}_e{expansion}" for size in (3, 5, 7) for expansion in (3, 6))


class ChainLayer(NamedTuple):
    """A searchable layer: channels of its input, filters of its output, strides 1 or 2."""

    channels: int
    filters: int
    strides: int

    @property
    def keeps_shape(self) -> bool:
        """True if the output has the input's shape, so that the layer may be skipped."""
        return self.strides == 1 and self.channels == self.filters


@SPACES.register("proxyless")
class ProxylessSpace(SkeletonSpace):
    """The ProxylessNAS space: a chain of layers, each an inverted bottleneck of some window and expansion, or skipped.

    The network is a 3x3 convolution, a fixed first block (`mbconv_3x3_e1`), stages of searchable layers, a 1x1
    convolution, pooling and a classifier. The first layer of a stage strides and changes the number of channels; a
    layer that does neither may also be `skip_connect`, so that depth is searched too. `ProxylessSpace.imagenet()` is
    the published skeleton.

    Args:
        filters: channels of each stage; an integer is those of the first, doubled at each further one. Defaults to 16.
        num_layers: searchable layers of each stage; an integer is that of all. Defaults to 2.
        strides: of the first layer of each stage, 1 or 2. Defaults to `(1, 2, 2)`.
        stem_filters: filters of the first convolution. Defaults to those of the first stage.
        stem_strides: its strides. Defaults to 1; 2 for large images.
        head_filters: filters of the last convolution. Defaults to 4 times those of the last stage.
        primitives: names of the candidates, without `skip_connect`. Defaults to the paper's six.
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
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019 (arXiv
        1812.00332), section 4.

    Differences from the paper:
        - The network for CIFAR-10, a PyramidNet with searched blocks, is not here: chains of MBConv are the paper's for
          ImageNet.
    """

    name = "proxyless"
    sizes = ("filters",)
    depth = "num_layers"
    relaxation = "binary_gates"  # the paper's
    affine = True  # one path of a layer is computed at a time: there is no mixing weight to undo
    skips_collapse = False  # skipped layers make a chain shorter, and the others have residual connections
    mixes_channels = False

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
        self.strides = tuple(checks.size("strides", value, (1, 2)) for value in _sequence("strides", strides))
        if isinstance(filters, int):
            checks.size("filters", filters)
            filters = tuple(filters * 2**stage for stage in range(len(self.strides)))
        if isinstance(num_layers, int):
            num_layers = (num_layers,) * len(self.strides)
        self.filters = tuple(checks.size("filters", value) for value in _sequence("filters", filters))
        self.num_layers = tuple(checks.size("num_layers", value) for value in _sequence("num_layers", num_layers))
        lengths = {name: len(getattr(self, name)) for name in ("filters", "num_layers", "strides")}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                "Invalid value received for arguments `filters`, `num_layers` and `strides`. Expected one value for "
                f"each stage. Received: {', '.join(f'{length} of `{name}`' for name, length in lengths.items())}"
            )
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))
        self._given = {"stem_filters": stem_filters, "first_filters": first_filters, "head_filters": head_filters}
        self.stem_filters = checks.size("stem_filters", self.filters[0] if stem_filters is None else stem_filters)
        self.first_filters = checks.size("first_filters", self.stem_filters if first_filters is None else first_filters)
        self.head_filters = checks.size("head_filters", 4 * self.filters[-1] if head_filters is None else head_filters)
        self.primitives = (*_candidates(primitives), SKIP)

    @functools.cached_property
    def layers(self) -> tuple[ChainLayer, ...]:
        """Searchable layers."""
        layers: list[ChainLayer] = []
        channels = self.first_filters
        for filters, number, strides in zip(self.filters, self.num_layers, self.strides, strict=True):
            for index in range(number):
                layers.append(ChainLayer(channels, filters, 1 if index else strides))
                channels = filters
        return tuple(layers)

    @functools.cached_property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """Tables `first`, of the layers that change the shape, and `rest`, of those that may be skipped."""
        numbers: dict[str, list[int]] = {"first": [], "rest": []}
        for index, layer in enumerate(self.layers):
            numbers["rest" if layer.keeps_shape else "first"].append(index)
        options = {"first": self.primitives[:-1], "rest": self.primitives}
        return {
            kind: ChoiceTable(
                tuple((index, index + 1) for index in indices),
                options[kind],
                cell="chain",
                names=tuple(f"layer {index + 1}" for index in indices),
            )
            for kind, indices in numbers.items()
            if indices
        }

    def skeleton(self, fill: Filler, x: Any) -> Any:
        x = fill.block(x, ConvReLU6, self.stem_filters, self.stem_strides)
        x = fill.block(x, MBConv, self.first_filters, kernel_size=3, expansion=1)
        for number, layer in enumerate(self.layers, start=1):
            x = fill.choice(x, f"layer {number}", layer.filters, layer.strides)
        return fill.head(fill.block(x, ConvReLU6, self.head_filters, kernel_size=1))

    @classmethod
    def imagenet(cls, primitives: Sequence[str] = PROXYLESS_PRIMITIVES) -> ProxylessSpace:
        """Return the published skeleton for images of 224 x 224: 21 searchable layers in six stages."""
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

    def resized(self, **sizes: Any) -> Self:
        """Return this space with other widths, see `build_network`.

        Args:
            sizes: `filters`: an integer is the width of the first stage, and scales all other widths, of stem, first
                block and head too; a sequence has that of each stage, from which those of stem, first block and head
                follow as in the constructor unless they were given.
        """
        filters = sizes.get("filters")
        if not isinstance(filters, int):
            resized = super().resized(**sizes)
        else:
            checks.size("filters", filters)
            widths = ("filters", "stem_filters", "first_filters", "head_filters")

            def scale(width: Any) -> Any:
                if isinstance(width, int):
                    return max(1, round(width * filters / self.filters[0]))
                return tuple(map(scale, width))

            resized = type(self)(**{**self.get_config(), **{name: scale(getattr(self, name)) for name in widths}})
        for number, (old, new) in enumerate(zip(self.layers, resized.layers, strict=True), start=1):
            if old.keeps_shape and not new.keeps_shape:
                expected = f"widths at which layer {number} keeps the number of channels, since this space may skip it"
                raise ValueError(checks.invalid("filters", expected, filters))
        return resized

    def key(self, indices: Indices) -> Indices:
        """Return the combination with the skips of equal layers moved behind the others: it is the same network."""
        skip, ordered = len(self.primitives) - 1, []
        layers = zip(indices, self.layers, strict=True)
        for keeps_shape, group in itertools.groupby(layers, key=lambda pair: pair[1].keeps_shape):
            options = [index for index, _ in group]
            ordered += sorted(options, key=lambda index: index == skip) if keeps_shape else options
        return tuple(ordered)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; widths that follow from those of the stages as None."""
        return {**super().get_config(), **self._given, "primitives": list(self.primitives[:-1])}


def _candidates(primitives: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name for name in check_primitives(primitives) if name != SKIP)
    if "none" in names or len(names) < 2:
        expected = "at least two besides 'skip_connect', and not 'none', which would cut the chain"
        raise ValueError(checks.invalid("primitives", expected, list(primitives)))
    return names


def _sequence(argument: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, Sequence) and not isinstance(values, str) and len(values):
        return tuple(values)
    raise ValueError(checks.invalid(argument, "a sequence of integers, one for each stage", values))
