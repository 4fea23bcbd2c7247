"""The macro space: whole networks for images and signals, from stem to head."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.measured import Part
from kerasnas.networks.skeleton import Filler, check_input_shape
from kerasnas.primitives.network_blocks import (
    Block,
    BottleneckBlock,
    ConvBlock,
    InvertedBlock,
    ResidualBlock,
    SeparableBlock,
)
from kerasnas.primitives.parts import DIVISIONS, LINES, PARTS, SIGNALS, Apart, Lines, Together, halvings_of, parts_in
from kerasnas.primitives.table_blocks import DenseBlock
from kerasnas.spaces.base import SPACES, Indices
from kerasnas.spaces.skeleton_space import SkeletonSpace, chain_of, distinct
from kerasnas.wording import nearest

_KINDS: dict[str, type[Block]] = {
    "conv": ConvBlock,
    "residual": ResidualBlock,
    "bottleneck": BottleneckBlock,
    "inverted": InvertedBlock,
    "separable": SeparableBlock,
}
BLOCKS: dict[str, tuple[type[Block], Mapping[str, Any]]] = {
    f"{kind}_{size}x{size}": (block, {"kernel_size": size}) for kind, block in _KINDS.items() for size in (3, 5, 7)
}
# Windows of 7 x 7 only where they are depthwise: elsewhere they cost 49 multiply-adds for each pair of channels.
MACRO_PRIMITIVES = tuple(
    name
    for name, (block, options) in BLOCKS.items()
    if options["kernel_size"] < 7 or block in (InvertedBlock, SeparableBlock)
)
_STEMS = {"conv_3x3": (3, 1), "conv_3x3_s2": (3, 2), "conv_5x5": (5, 1), "conv_5x5_s2": (5, 2)}
_WIDTHS = (0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5)
_POOL, _STRIDED = "max_pool_2x2", "_s2"
WHOLE = "whole"
# The layer that reads the sum has twice the units of the features. Without it, 1,600 steps on 2,400 images of AddNIST
# end at .23; with it, at .96; of concatenated features, 900 steps with it end at .34 instead of .93.
_WIDER = 2
REFERENCES = {
    "cnn": ("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1, 1)),
    "cnn_5x5": ("conv_5x5_s2", 1.0, "conv_5x5", "pool", (0, 1, 1)),
    "resnet_8": ("conv_3x3", 0.5, "residual_3x3", "strides", (1, 1, 1)),
    "resnet_20": ("conv_3x3", 0.5, "residual_3x3", "strides", (3, 3, 3)),
    "mobilenet_v2": ("conv_3x3_s2", 0.5, "inverted_3x3", "strides", (1, 2, 2)),
    "vgg_3x3": ("conv_3x3", 0.5, "conv_3x3", "pool", (3, 3, 3)),
}
# Pixels of the shorter side, or steps, from which a stem that does not halve costs too much.
_LARGE = {"image": 96, "signal": math.inf}


@SPACES.register("macro")
class MacroSpace(SkeletonSpace):
    """Whole networks for images or signals: a stem, stages of blocks between which these are halved, and a head.

    The choices: the stem (windows of 3 or 5, strides 1 or 2); the width, a factor of all channels; the number of
    stages; and for each stage its block, its number of blocks, and, except for the first, how the image is halved
    before it: by max pooling, or by the strides of its first block. Each stage has twice the channels of the one
    before; the stem has those of the first stage, which may have no blocks of its own. A choice without effect, as its
    stage does not exist, has its first option in `key`, and no mutation changes it. Sampling is uniform over the
    options of all choices, among networks that halve the image at most `max_halvings` times: each number of stages that
    fits any stem is equally probable, although there are far more networks of many stages.

    The last choice, if `divisions` has several, divides the image or does not: of `"channels"`, and of tiles, as
    `"tiles_2x3"`, each passes one shared network; the sum of their pooled features, and the product of as many factors
    between -1 and 1 that a dense layer makes of them, pass another dense layer before the head. That suits images whose
    channels or tiles are images of their own. Of `"rows"` and `"columns"`, each is a step of a signal, and all that
    follows is one-dimensional: for images whose neighboring lines have nothing in common. `"rows_in_4"` are four
    signals of as many rows, which pass one shared network as parts of an image do: for words whose letters are lines.

    Of signals `(length, channels)`, a window of 3x3 is one of three steps, and the length is halved.

    A genotype is the network: one cell, `"network"`, whose edges lead from the image (0) from node to node, starting
    with the division, unless it is `"whole"`, the stem and the width; `_s2` marks strides of 2.

    Attributes:
        blocks: name of a block -> its class and its options.
        plans: name of a reference -> arguments of `network`.
        takes: options of `inputs`.

    Args:
        filters: channels of the first stage at width 1. Defaults to 32.
        widths: options of the width. Defaults to 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1 and 1.5, of which the
            narrowest are the same where `filters` is below 16.
        stems: options of the stem. Defaults to all four.
        stages: options of the number of stages. Defaults to 2, 3 and 4.
        depths: options of the number of blocks of a stage; the first may have none as well. Defaults to 1, 2 and 3.
        primitives: options of the block. Defaults to None: `MACRO_PRIMITIVES`; 7x7 windows exist for every kind of
            block.
        max_halvings: how often a network may halve the image, its stem included. Defaults to 4.
        head_filters: filters of a 1x1 convolution before the pooled features. Defaults to None: no convolution.
        divisions: options of the division. Defaults to `"whole"` alone; the others: `"channels"`, tiles, one to eight
            below and beside each other, as `"tiles_2x3"`, `"rows"`, `"columns"`, and two to eight runs of these, as
            `"rows_in_4"`; of images alone.
        inputs: `"image"` or `"signal"`. Defaults to `"image"`.

    Raises:
        ValueError: for a size that is not positive, for unknown, repeated or no options, for widths that come to the
            same number of filters, and if no network stays within `max_halvings`.

    Example:

    >>> space = MacroSpace()
    >>> print(space.references()["cnn"])
    Genotype of space 'macro'
      network:
        0 -> 1  conv_3x3_w1
        1 -> 2  max_pool_2x2
        2 -> 3  conv_3x3
        3 -> 4  max_pool_2x2
        4 -> 5  conv_3x3

    Reference:
        The combination is this project's own. Its blocks are those of VGG (arXiv 1409.1556), ResNet (arXiv 1512.03385),
        MobileNet (arXiv 1704.04861) and MobileNetV2 (arXiv 1801.04381) with the squeeze-excitation of MnasNet (arXiv
        1807.11626), which also searches a block and a depth for each stage.
    """

    name = "macro"
    blocks: Mapping[str, tuple[type[Block], Mapping[str, Any]]] = BLOCKS
    plans: Mapping[str, tuple[str, float, str | Sequence[str], str, Sequence[int]]] = REFERENCES
    sizes = ("filters",)
    shapes_network = True
    takes = ("image", "signal")
    divides = DIVISIONS
    mixes_channels = False

    def __init__(
        self,
        filters: int = 32,
        widths: Sequence[float] = _WIDTHS,
        stems: Sequence[str] = tuple(_STEMS),
        stages: Sequence[int] = (2, 3, 4),
        depths: Sequence[int] = (1, 2, 3),
        primitives: Sequence[str] | None = None,
        max_halvings: int = 4,
        head_filters: int | None = None,
        divisions: Sequence[str] = (WHOLE,),
        inputs: str = "image",
    ):
        self.filters = checks.size("filters", filters)
        self.widths = tuple(checks.number("widths", width, above=0) for width in distinct("widths", widths))
        if self.widths != _WIDTHS:
            distinct("widths", [self._filters(width) for width in self.widths], f" numbers of {filters} filters")
        self.stems = checks.names("stems", stems, _STEMS)
        self.stages = tuple(checks.size("stages", number) for number in distinct("stages", stages))
        self.depths = tuple(checks.size("depths", number) for number in distinct("depths", depths))
        primitives = MACRO_PRIMITIVES if primitives is None else primitives
        self.primitives = checks.names("primitives", primitives, self.blocks)
        self.max_halvings = checks.integer("max_halvings", max_halvings, least=0)
        self.head_filters = checks.optional(checks.size, "head_filters", head_filters)
        self.inputs = checks.one_of("inputs", inputs, self.takes)
        self.divisions = checks.names("divisions", divisions, (WHOLE, *(self.divides if inputs == "image" else ())))
        least = min(self.stages) - 1 + min(_STEMS[stem][1] for stem in self.stems) - 1
        least += min(map(halvings_of, self.divisions))
        if least > self.max_halvings:
            expected = f"at least {least}, as often as the shallowest of these networks halves the image"
            raise ValueError(checks.invalid("max_halvings", expected, max_halvings))

    @classmethod
    def for_data(cls, input_shape: tuple[int, ...], num_classes: int, samples: int, **arguments: Any) -> Self:
        """Return the space of networks whose sizes suit the data.

        The last feature map has at least 2 x 2 pixels, or 2 steps, if the input allows it. The stem always halves
        images of 96 pixels or more. From 100,000 samples on, networks are twice as wide; above 100 classes they have a
        head of 512 filters.

        Args:
            input_shape: `(height, width, channels)` of one image, or `(length, channels)` of one signal.
            num_classes: number of classes.
            samples: number of training samples.
            arguments: of the constructor; they take precedence over the data.

        Raises:
            ValueError: for an image below 2 x 2 pixels, a signal of one step, and as the constructor does.

        Example:

        >>> space = MacroSpace.for_data((8, 8, 1), num_classes=10, samples=1000)
        >>> space.max_halvings, space.stages
        (2, (2, 3))
        """
        kind = "signal" if isinstance(input_shape, Sized) and len(input_shape) == 2 else "image"
        side = min(check_input_shape(input_shape, halvings=1, kind=kind)[:-1])
        halvings = min(4, max(1, side.bit_length() - 2))
        sizes = {
            "filters": 64 if checks.size("samples", samples) >= 100_000 else 32,
            "stems": tuple(stem for stem, (_, strides) in _STEMS.items() if side < _LARGE[kind] or strides == 2),
            "stages": tuple(number for number in (2, 3, 4) if number - 1 <= halvings),
            "max_halvings": halvings,
            "head_filters": 512 if checks.size("num_classes", num_classes) > 100 else None,
            "inputs": kind,
        }
        return cls(**{**sizes, **arguments})

    def references(self) -> dict[str, Genotype]:
        """Return hand-made networks that are points of this space, by name, at the sizes of this space.

        `cnn`: three convolutions with max pooling between them; `cnn_5x5`: the same with 5x5 windows and a stem that
        halves the image; `resnet_8` and `resnet_20`: one or three residual blocks a stage; `mobilenet_v2`: inverted
        bottlenecks, with squeeze-excitation, after a stem that halves the image; `vgg_3x3`: ten 3x3 convolutions; the
        last four half as wide. They have three stages, or fewer if the image allows no more, and a stem that halves the
        image if no other is an option. Networks that are no point of this space are omitted.
        """
        networks = {name: self.network(*plan) for name, plan in self.plans.items()}
        return {name: genotype for name, genotype in networks.items() if genotype is not None}

    def network(
        self,
        stem: str,
        width: float,
        block: str | Sequence[str],
        halving: str,
        depths: Sequence[int],
        division: str = WHOLE,
    ) -> Genotype | None:
        """Return the network of these choices, as far as this space and the size of its images allow.

        It has as many of the stages as the image can be halved for, and a stem that halves it if no other is an option.

        Args:
            stem: an option of the stem.
            width: factor of all channels.
            block: the block of every stage, or one for each.
            halving: how the image is halved between stages: `"pool"` or `"strides"`.
            depths: number of blocks of each stage; the first may have 0.
            division: an option of the division. Defaults to `"whole"`.

        Returns:
            The genotype, or None if this space has no such network.

        Example:

        >>> space = MacroSpace()
        >>> space.network("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1, 1)) == space.references()["cnn"]
        True
        """
        if stem not in self.stems and (stem := f"{stem.removesuffix(_STRIDED)}{_STRIDED}") not in self.stems:
            return None
        blocks = [block] * len(depths) if isinstance(block, str) else list(block)
        most = min(len(depths), self.max_halvings + 2 - _STEMS[stem][1] - halvings_of(division))
        stages = max((number for number in self.stages if number <= most), default=0)
        plan = {choice: options[0] for choice, options in self.choices.items()}
        plan |= {"stem": stem, "width": f"{width:g}", "stages": str(stages)}
        for stage, (name, depth) in enumerate(zip(blocks[:stages], depths, strict=False), start=1):
            plan |= _stage(stage, name if depth else self.primitives[0], depth, halving)
        plan["division"] = division
        if not all(plan.get(choice) in options for choice, options in self.choices.items()):
            return None
        return self.genotype({choice: plan[choice] for choice in self.choices})

    def skeleton(self, fill: Filler, x: Any) -> Any:
        division = fill.option("division")
        if division == WHOLE:
            return fill.head(self._features(fill, x))
        if division in LINES:
            return fill.head(self._features(fill, fill.block(x, Lines, division)))
        parts = parts_in(division, channels=getattr(x, "shape", x)[-1])  # a shape is its own
        x = fill.pool(self._features(fill, fill.block(x, Apart if division in PARTS else Lines, division)))
        units = getattr(x, "shape", x)[-1]
        factors = fill.block(x, keras.layers.Dense, units, activation="tanh")
        x = fill.concatenate([fill.block(x, Together, parts), fill.block(factors, Together, parts, multiplied=True)])
        return fill.classify(fill.block(x, DenseBlock, _WIDER * units))

    def _features(self, fill: Filler, x: Any) -> Any:
        """Write the network up to its last feature map."""
        kernel_size, strides = _STEMS[fill.option("stem")]
        signal = self.inputs == "signal" or fill.option("division") in SIGNALS
        pooling = keras.layers.MaxPooling1D if signal else keras.layers.MaxPooling2D
        filters = self._filters(float(fill.option("width")))
        x = fill.block(x, ConvBlock, filters, strides, kernel_size=kernel_size)
        for stage in range(1, 1 + int(fill.option("stages"))):
            strides = 1
            if stage > 1:
                filters *= 2
                strides = 2 if fill.option(f"stage/{stage}/halving") == "strides" else 1
                x = x if strides == 2 else fill.block(x, pooling, 2, padding="same", data_format="channels_last")
            block, options = self.blocks[fill.option(f"stage/{stage}/block")]
            for index in range(int(fill.option(f"stage/{stage}/depth"))):
                x = fill.block(x, block, filters, 1 if index else strides, **options)
        if self.head_filters:
            x = fill.block(x, ConvBlock, self.head_filters, kernel_size=1)
        return x

    def parts_of(
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, **sizes: Any
    ) -> tuple[Part, ...]:
        self.validate(genotype)
        if self.assignment(genotype)["division"] == WHOLE:
            return super().parts_of(genotype, input_shape, num_classes, **sizes)
        network = functools.partial(self.build_network, genotype, input_shape, num_classes, **sizes)
        # One part, as its layers read every channel.
        name = f"{genotype.to_json()}, {num_classes} classes, {self.resized(**sizes).get_config()}"
        return (Part(name, (tuple(input_shape),), lambda x: network()(x)),)

    def _filters(self, width: float) -> int:
        return max(1, round(self.filters * width))

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """`stem`, `width`, `stages`, and for each stage `stage/<n>/halving` (but for the first), `/block`, `/depth`.

        Last, `division`.
        """
        choices: dict[str, tuple[str, ...]] = {
            "stem": self.stems,
            "width": tuple(f"{width:g}" for width in self.widths),
        }
        choices["stages"] = tuple(map(str, self.stages))
        depths = tuple(map(str, self.depths))
        for stage in range(1, 1 + max(self.stages)):
            if stage > 1:
                choices[f"stage/{stage}/halving"] = ("pool", "strides")
            choices[f"stage/{stage}/block"] = self.primitives
            choices[f"stage/{stage}/depth"] = depths if stage > 1 else ("0", *depths)
        return choices | {"division": self.divisions}

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        divided = [assignment["division"]] if assignment["division"] != WHOLE else []
        layers = [*divided, f"{assignment['stem']}_w{assignment['width']}"]
        for stage in range(1, 1 + int(assignment["stages"])):
            blocks = [assignment[f"stage/{stage}/block"]] * int(assignment[f"stage/{stage}/depth"])
            if stage > 1 and assignment[f"stage/{stage}/halving"] == "pool":
                layers.append(_POOL)
            elif stage > 1:
                blocks[0] += _STRIDED
            layers += blocks
        return Genotype(self.name, {"network": [Edge(name, node, node + 1) for node, name in enumerate(layers)]})

    def undivided(self, genotype: Genotype) -> Genotype:
        """Return the network that each part of a divided image passes, with a head of its own."""
        return self.genotype(self.assignment(genotype) | {"division": WHOLE})

    def narrowed(self, genotype: Genotype) -> list[Genotype]:
        plan = self.assignment(genotype)
        widths = sorted((width for width in self.widths if width <= float(plan["width"])), reverse=True)
        return [self.genotype({**plan, "width": f"{width:g}"}) for width in widths]

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        """Invert `genotype`; choices without effect have their first option."""
        layers = chain_of(genotype)
        division = layers.pop(0) if layers[0] in DIVISIONS else WHOLE
        if division not in self.divisions or not layers:
            raise ValueError(f"This space has no networks of {division!r}. Known: {', '.join(self.divisions)}")
        stem, *layers = layers
        stems = {f"{name}_w{width}": (name, width) for name in self.stems for width in self.choices["width"]}
        if stem not in stems:
            raise ValueError(f"This space has no stem {stem!r}. {nearest(stem, stems)}")
        stages: list[tuple[str, list[str]]] = [("", [])]  # how the image is halved before the stage, its blocks
        for layer in layers:
            if layer == _POOL or layer.endswith(_STRIDED):
                stages.append(("pool" if layer == _POOL else "strides", []))
            if layer != _POOL:
                stages[-1][1].append(layer.removesuffix(_STRIDED))
        options = {choice: options[0] for choice, options in self.choices.items()}
        options |= dict(zip(("stem", "width", "stages"), (*stems[stem], str(len(stages))), strict=True))
        for stage, (halving, blocks) in enumerate(stages, start=1):
            if len(set(blocks)) > 1:
                raise ValueError(f"A stage of this space has one kind of block. Received for stage {stage}: {blocks}")
            options |= _stage(stage, blocks[0] if blocks else self.primitives[0], len(blocks), halving)
        options["division"] = division
        return {choice: options[choice] for choice in self.choices}

    def validate(self, genotype: Genotype) -> None:
        super().validate(genotype)
        if (halvings := self._halvings(self.encode(genotype))) > self.max_halvings:
            raise ValueError(
                f"A network of this space halves the image at most {self.max_halvings} times. Received one that does "
                f"{halvings} times."
            )

    def _halvings(self, indices: Indices) -> int:
        divided = halvings_of(self.divisions[indices[-1]])
        return _STEMS[self.stems[indices[0]]][1] - 1 + self.stages[indices[2]] - 1 + divided

    @property
    def size(self) -> int:
        """Number of networks that halve the image at most `max_halvings` times."""
        blocks = len(self.primitives) * len(self.depths)
        total = 0
        for stem, stages, division in itertools.product(self.stems, self.stages, self.divisions):
            if _STEMS[stem][1] - 1 + stages - 1 + halvings_of(division) <= self.max_halvings:
                total += len(self.widths) * (1 + blocks) * (2 * blocks) ** (stages - 1)
        return total

    def feasible(self, indices: Indices) -> bool:
        """Return True if the network halves the image at most `max_halvings` times."""
        return self._halvings(indices) <= self.max_halvings

    def key(self, indices: Indices) -> Indices:
        """Return the combination with the first option of every choice that has no effect."""
        return tuple(index if made else 0 for index, made in zip(indices, self._made(indices), strict=True))

    def _made(self, indices: Indices) -> list[bool]:
        """Return, for each choice, whether it has an effect: its stage exists, and has blocks if it chooses a block."""
        made = []
        for position, choice in enumerate(self.choices):
            stage = int(choice.split("/")[1]) if "/" in choice else 0
            without_blocks = choice == "stage/1/block" and indices[position + 1] == 0
            made.append(stage <= self.stages[indices[2]] and not without_blocks)
        return made

    def sample_indices(self, rng: np.random.Generator) -> Indices:
        return self.key(super().sample_indices(rng))

    def mutate_indices(self, indices: Indices, rng: np.random.Generator) -> Indices:
        """Change one choice that has an effect; a new stage has the first options."""
        edits = self._edits(indices)
        if not edits:
            raise ValueError(f"Space '{self.name}' leaves nothing to choose.")
        networks = edits[int(rng.integers(len(edits)))]
        return networks[int(rng.integers(len(networks)))]

    def neighbors(self, indices: Indices) -> list[Indices]:
        return [network for networks in self._edits(indices) for network in networks]

    def _edits(self, indices: Indices) -> list[list[Indices]]:
        """Return, for each choice that has an effect, the networks with its other options."""
        key, edits = self.key(indices), []
        for position, made in enumerate(self._made(key)):
            others = (option for option in range(self.cardinalities[position]) if option != key[position])
            changed = [(*key[:position], option, *key[position + 1 :]) for option in others]
            edits.append([self.key(other) for other in changed if made and self.feasible(other)])
        return [networks for networks in edits if networks]


def _stage(stage: int, block: str, depth: int, halving: str) -> dict[str, str]:
    """Return the choices of one stage."""
    options = {"block": block, "depth": str(depth)} | ({"halving": halving} if stage > 1 else {})
    return {f"stage/{stage}/{choice}": option for choice, option in options.items()}
