"""The space of networks for tables: a dense stem, blocks of one kind, and a classifier."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.skeleton import Filler
from kerasnas.primitives.blocks import NormReLU
from kerasnas.primitives.table_blocks import DenseBlock, GatedDenseBlock, ResidualDenseBlock
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace, chain_of, distinct
from kerasnas.wording import nearest

TABLE_BLOCKS = {"dense": DenseBlock, "residual": ResidualDenseBlock, "gated": GatedDenseBlock}
# Width, blocks, kind, dropout. The residual network and the plain one with dropout are what tuned baselines of
# Gorishniy et al. (arXiv 2106.11959) come to; a narrow one without dropout suits a few hundred rows.
_REFERENCES = {
    "mlp": (1.0, 2, "dense", 0.1),
    "resnet": (1.0, 3, "residual", 0.1),
    "gated": (1.0, 2, "gated", 0.1),
    "shallow": (2.0, 1, "dense", 0.3),
    "narrow": (0.5, 1, "dense", 0.0),
    "deep_resnet": (1.0, 4, "residual", 0.3),
}
_FEW, _MANY = 2_000, 20_000  # rows, below and above which networks are narrower and wider


@SPACES.register("tables")
class TableSpace(SkeletonSpace):
    """Small networks for rows of a table: dense, residual or gated blocks of one width.

    The choices: the width, a factor of `filters`; the kind of blocks; their number; and the dropout rate in them.

    A genotype is the network: one cell, `"network"`, a chain of a stem with the width behind it, and blocks with the
    dropout rate behind them.

    Args:
        filters: units of a layer at width 1. Defaults to 128.
        widths: options of the width. Defaults to 0.5, 1 and 2.
        depths: options of the number of blocks. Defaults to 1, 2, 3 and 4.
        dropouts: options of the dropout rate. Defaults to 0, 0.1 and 0.3.
        primitives: options of the blocks. Defaults to `"dense"`, `"residual"` and `"gated"`.

    Raises:
        ValueError: for a size that is not positive, and for unknown, repeated or no options.

    Example:

    >>> space = TableSpace(filters=8)
    >>> genotype = space.references()["mlp"]
    >>> space.build_network(genotype, input_shape=(30,), num_classes=2).output_shape
    (None, 2)

    Reference:
        Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021 (arXiv 2106.11959); the combination
        is this project's own.
    """

    name = "tables"
    inputs = "table"
    sizes = ("filters",)
    shapes_network = True
    mixes_channels = False
    tolerant = False  # a row whose values are shifted or left out is another row
    blocks: ClassVar[Mapping[str, type[DenseBlock]]] = TABLE_BLOCKS

    def __init__(
        self,
        filters: int = 128,
        widths: Sequence[float] = (0.5, 1.0, 2.0),
        depths: Sequence[int] = (1, 2, 3, 4),
        dropouts: Sequence[float] = (0.0, 0.1, 0.3),
        primitives: Sequence[str] = tuple(TABLE_BLOCKS),
    ):
        self.filters = checks.size("filters", filters)
        self.widths = tuple(checks.number("widths", width, above=0) for width in distinct("widths", widths))
        self.depths = tuple(checks.size("depths", depth) for depth in distinct("depths", depths))
        rates = distinct("dropouts", dropouts)
        self.dropouts = tuple(checks.number("dropouts", rate, least=0, below=1) for rate in rates)
        self.primitives = checks.names("primitives", primitives, self.blocks)

    @classmethod
    def for_data(cls, input_shape: tuple[int, ...], num_classes: int, samples: int, **arguments: Any) -> Self:
        """Return the space whose widths suit a number of rows: 64 units below 2,000, 256 from 20,000 on.

        Args:
            input_shape, num_classes: of any size.
            samples: number of training rows.
            arguments: of the constructor, in place of what follows from the data.

        Example:

        >>> TableSpace.for_data((30,), num_classes=2, samples=500).filters
        64
        """
        checks.size("num_classes", num_classes)
        samples = checks.size("samples", samples)
        filters = 64 if samples < _FEW else 256 if samples >= _MANY else 128
        return cls(**{"filters": filters, **arguments})

    def references(self) -> dict[str, Genotype]:
        networks = {}
        for name, (width, depth, block, dropout) in _REFERENCES.items():
            plan = {"width": f"{width:g}", "block": block, "depth": str(depth), "dropout": f"{dropout:g}"}
            if all(plan[choice] in options for choice, options in self.choices.items()):
                networks[name] = self.genotype(plan)
        return networks

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """`width`, `block`, `depth` and `dropout`."""
        return {
            "width": tuple(f"{width:g}" for width in self.widths),
            "block": self.primitives,
            "depth": tuple(map(str, self.depths)),
            "dropout": tuple(f"{rate:g}" for rate in self.dropouts),
        }

    def skeleton(self, fill: Filler, x: Any) -> Any:
        width = max(1, round(self.filters * float(fill.option("width"))))
        block, dropout = self.blocks[fill.option("block")], float(fill.option("dropout"))
        x = fill.block(x, DenseBlock, width, dropout=dropout)
        for _ in range(int(fill.option("depth"))):
            x = fill.block(x, block, width, dropout=dropout)
        return fill.classify(fill.block(x, NormReLU, width) if block.residual else x)

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        block = f"{assignment['block']}_d{assignment['dropout']}"
        layers = [f"stem_w{assignment['width']}", *[block] * int(assignment["depth"])]
        return Genotype(self.name, {"network": [Edge(name, node, node + 1) for node, name in enumerate(layers)]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        stem, *blocks = chain_of(genotype)
        if len(set(blocks)) != 1:
            raise ValueError(f"A network of this space is a stem and blocks of one kind. Received: {stem}, {blocks}")
        stems = {f"stem_w{width}": width for width in self.choices["width"]}
        kinds = {f"{block}_d{rate}": (block, rate) for block in self.primitives for rate in self.choices["dropout"]}
        for name, known in ((stem, stems), (blocks[0], kinds)):
            if name not in known:
                raise ValueError(f"This space has no {name!r}. {nearest(name, known)}")
        block, rate = kinds[blocks[0]]
        return {"width": stems[stem], "block": block, "depth": str(len(blocks)), "dropout": rate}
