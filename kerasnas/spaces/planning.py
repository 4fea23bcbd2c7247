"""The planning space: networks that apply one cell many times, for mazes, grid worlds and other puzzles on a grid."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.skeleton import ChoiceTable, Filler
from kerasnas.primitives.network_blocks import ConvBlock
from kerasnas.primitives.recurrent_blocks import RECURRENT_CELLS, MarkedReadout, RecurrentBlock
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace, check_cells, distinct

_READOUTS = ("marked", "mean")
_SIZES = (3, 5)


@SPACES.register("planning")
class PlanningSpace(SkeletonSpace):
    """Networks for decisions on a grid: a convolution, a cell applied many times with the same weights, a readout.

    The choices: the width, a factor of all channels; the window of the convolutions; the cell, see `RecurrentBlock`;
    how often it is applied; and what is read in the end: the features at the places that the last channel of the image
    marks, such as the agent (`"marked"`), or their mean. All that depends on the size of the image are the readout's
    sums: the weights of a network are those of the same network for larger worlds.

    Args:
        filters: channels at width 1. Defaults to 32.
        widths: options of the width. Defaults to 0.5, 1 and 2.
        iterations: options of how often the cell is applied. Defaults to 4, 8, 16 and 24.
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

    def __init__(
        self,
        filters: int = 32,
        widths: Sequence[float] = (0.5, 1.0, 2.0),
        iterations: Sequence[int] = (4, 8, 16, 24),
        primitives: Sequence[str] = RECURRENT_CELLS,
    ):
        self.filters = checks.size("filters", filters)
        self.widths = tuple(checks.number("widths", width, above=0) for width in distinct("widths", widths))
        self.iterations = tuple(checks.size("iterations", own) for own in distinct("iterations", iterations))
        self.primitives = checks.names("primitives", primitives, RECURRENT_CELLS)

    def references(self) -> dict[str, Genotype]:
        """Hand-made networks that are points of this space: one for each cell, applied as often as the space allows."""
        own = {"width": "1", "window": "3", "iterations": str(max(self.iterations)), "readout": "marked"}
        if "1" not in self.choices["width"]:
            own["width"] = self.choices["width"][0]
        return {cell: self.genotype({**own, "cell": cell}) for cell in self.primitives}

    # The network ---------------------------------------------------------------------------------------------
    @property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """None: the choices shape the network itself."""
        return {}

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
        """The inverse of `genotype`."""
        check_cells(genotype, ("network",))
        edges = genotype["network"]
        if [(edge.source, edge.target) for edge in edges] != [(0, 1), (1, 2), (2, 3)]:
            raise ValueError(
                f"A network of this space is a chain of three. Received: {[tuple(edge) for edge in edges]}"
            )
        (stem, cell, readout) = (edge.primitive for edge in edges)
        window, _, width = stem.removeprefix("conv_").partition("_w")
        kind, _, iterations = cell.rpartition("_x")
        found = {"width": width, "window": window.partition("x")[0], "cell": kind, "iterations": iterations}
        return {**found, "readout": readout}
