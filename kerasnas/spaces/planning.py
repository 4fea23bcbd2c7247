"""The planning space: networks that apply one cell many times, for mazes, grid worlds and other puzzles on a grid."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.skeleton import Filler, check_input_shape
from kerasnas.primitives.network_blocks import ConvBlock
from kerasnas.primitives.recurrent_blocks import RECURRENT_CELLS, MarkedReadout, RecurrentBlock
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace, chain_of, distinct

_READOUTS = ("marked", "mean")
_SIZES = (3, 5)


@SPACES.register("planning")
class PlanningSpace(SkeletonSpace):
    """Networks for decisions on a grid: a convolution, a cell applied many times with the same weights, a readout.

    The choices: the width, a factor of all channels; the window of the convolutions; the cell, see `RecurrentBlock`;
    its number of applications; and the readout: the features at the places that the last channel of the image marks,
    such as the agent (`"marked"`), or their mean. Only the sums of the readout depend on the size of the image: the
    same weights serve larger worlds (`transfer`).

    Args:
        filters: channels at width 1. Defaults to 16.
        widths: options of the width. Defaults to 0.5, 1 and 2.
        iterations: options of the number of applications of the cell. Defaults to 4, 8, 16 and 24; `for_data` has
            those that suit the size of a world.
        primitives: options of the cell. Defaults to all of `RECURRENT_CELLS`.

    Raises:
        ValueError: for a size that is not positive, and for unknown, repeated or no options.

    Example:

    >>> space = PlanningSpace(filters=8)
    >>> genotype = space.references()["value_iteration"]
    >>> space.build_network(genotype, input_shape=(9, 9, 3), num_classes=4).output_shape
    (None, 4)

    Reference:
        Tamar et al., "Value Iteration Networks", 2016 (arXiv 1602.02867), and those of `RecurrentBlock`; the
        combination is this project's own.
    """

    name = "planning"
    sizes = ("filters",)
    shapes_network = True
    mixes_channels = False
    tolerant = False  # a world shifted by two cells may lack goal or agent

    def __init__(
        self,
        filters: int = 16,
        widths: Sequence[float] = (0.5, 1.0, 2.0),
        iterations: Sequence[int] = (4, 8, 16, 24),
        primitives: Sequence[str] = RECURRENT_CELLS,
    ):
        self.filters = checks.size("filters", filters)
        self.widths = tuple(checks.number("widths", width, above=0) for width in distinct("widths", widths))
        self.iterations = tuple(checks.size("iterations", number) for number in distinct("iterations", iterations))
        self.primitives = checks.names("primitives", primitives, RECURRENT_CELLS)

    @classmethod
    def for_data(cls, input_shape: tuple[int, ...], num_classes: int, samples: int, **arguments: Any) -> Self:
        """Return the space whose numbers of iterations suit worlds of this size: with 3x3 windows, one for each move.

        The options are half of the larger side, one, one and a half, and two of it: half of the shortest paths in
        generated mazes are within three quarters of a side, 95 of 100 within one and three quarters.

        Args:
            input_shape: `(height, width, channels)` of one world.
            num_classes, samples: any positive number.
            arguments: of the constructor; they take precedence over the data.

        Example:

        >>> PlanningSpace.for_data((11, 11, 3), num_classes=4, samples=5000).iterations
        (5, 11, 16, 22)
        """
        checks.size("num_classes", num_classes)
        checks.size("samples", samples)
        side = max(check_input_shape(input_shape, 0)[:2])
        options = {max(1, number) for number in (side // 2, side, 3 * side // 2, 2 * side)}
        return cls(**{"iterations": tuple(sorted(options)), **arguments})

    def references(self) -> dict[str, Genotype]:
        """Return hand-made networks of this space: one for each cell, with the middle number of iterations."""
        middle = sorted(self.iterations)[len(self.iterations) // 2]
        width = "1" if "1" in self.choices["width"] else self.choices["width"][0]
        options = {"width": width, "window": "3", "iterations": str(middle), "readout": "marked"}
        return {cell: self.genotype({**options, "cell": cell}) for cell in self.primitives}

    def transfer(
        self, model: keras.Model, genotype: Genotype, input_shape: tuple[int, ...], iterations: int | None = None
    ) -> keras.Model:
        """Return a trained network for worlds of another size: the same weights, its cell applied more or less often.

        Args:
            model: a network of `genotype`, of this space; also that of a finished run.
            genotype: its architecture.
            input_shape: `(height, width, channels)` of the other worlds.
            iterations: number of applications of its cell. Defaults to None: as in `model`.

        Returns:
            A model that returns logits.

        Raises:
            ValueError: if `model` is not of that architecture, or a shape or number is not valid.

        Example:

        >>> space = PlanningSpace(filters=4)
        >>> genotype = space.references()["gru"]
        >>> model = space.build_network(genotype, input_shape=(9, 9, 3), num_classes=4)
        >>> space.transfer(model, genotype, (15, 15, 3), iterations=24).input_shape
        (None, 15, 15, 3)
        """
        checks.instance("model", model, keras.Model, "a Keras model")
        self._check_own(genotype)
        channels = model.input_shape[-1]
        if check_input_shape(input_shape, 0)[2] != channels:
            raise ValueError(checks.invalid("input_shape", f"{channels} channels, as `model` has", input_shape))
        assignment = self.assignment(genotype)
        number = checks.optional(checks.size, "iterations", iterations) or int(assignment["iterations"])
        space = type(self)(**{**self.get_config(), "iterations": (number,)})
        same = space.genotype({**assignment, "iterations": str(number)})
        larger = space.build_network(same, input_shape, model.output_shape[-1])
        weights = model.get_weights()
        expected, received = ([np.shape(value) for value in values] for values in (larger.get_weights(), weights))
        if received != expected:
            raise ValueError(checks.invalid("model", f"a network of that genotype, with weights {expected}", received))
        larger.set_weights(weights)
        return larger

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """`width`, `window`, `cell`, `iterations` and `readout`."""
        return {
            "width": tuple(f"{width:g}" for width in self.widths),
            "window": tuple(map(str, _SIZES)),
            "cell": self.primitives,
            "iterations": tuple(map(str, self.iterations)),
            "readout": _READOUTS,
        }

    def skeleton(self, fill: Filler, x: Any) -> Any:
        filters = max(1, round(self.filters * float(fill.option("width"))))
        window, iterations = int(fill.option("window")), int(fill.option("iterations"))
        h = fill.block(x, ConvBlock, filters, 1, kernel_size=window)
        options = {"cell": fill.option("cell"), "iterations": iterations, "kernel_size": window}
        h = fill.block(h, RecurrentBlock, filters, 1, **options)
        if fill.option("readout") == "mean":
            return fill.head(h)
        return fill.classify(fill.block(fill.concatenate([h, x]), MarkedReadout, filters))

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        stem = f"conv_{assignment['window']}x{assignment['window']}_w{assignment['width']}"
        names = (stem, f"{assignment['cell']}_x{assignment['iterations']}", assignment["readout"])
        return Genotype(self.name, {"network": [Edge(name, node, node + 1) for node, name in enumerate(names)]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        names = chain_of(genotype)
        if len(names) != 3:
            raise ValueError(f"A network of this space is a chain of three. Received: {names}")
        stem, cell, readout = names
        window, _, width = stem.removeprefix("conv_").partition("_w")
        kind, _, iterations = cell.rpartition("_x")
        options = {"width": width, "window": window.partition("x")[0], "cell": kind, "iterations": iterations}
        return {**options, "readout": readout}
