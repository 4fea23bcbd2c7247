"""The cell space of DARTS."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.cell_network import KINDS, CellSupernet, cell_network, cell_plan
from kerasnas.networks.cells import INPUTS
from kerasnas.primitives.base import check_size
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.primitives.partial_mixed_op import check_partial_channels
from kerasnas.spaces.base import SPACES, SearchSpace

DARTS_PRIMITIVES = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


@SPACES.register("darts")
class DARTSSpace(SearchSpace):
    """The DARTS space: a normal and a reduction cell, each node with two incoming primitives.

    Args:
        filters: channels of each node in the first cells. Defaults to 16.
        num_cells: number of cells; those at one and two thirds of the depth halve the image. Defaults to 8.
        num_nodes: intermediate nodes of a cell. Defaults to 4.
        primitives: names of the candidates. Defaults to the eight of the paper.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.
        partial_channels: in a supernet: 1, or the reciprocal of the share of the channels that the mixed operations
            take (PC-DARTS: 4). Defaults to 1.
        edge_normalization: in a supernet: whether each edge has a weight of its own (PC-DARTS). Defaults to False.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> import numpy as np
    >>> space = DARTSSpace(num_nodes=2)
    >>> genotype = space.sample(np.random.default_rng(0))
    >>> space.genotype(space.assignment(genotype)) == genotype
    True
    >>> network = space.build_network(genotype, input_shape=(8, 8, 1), num_classes=3, filters=4, num_cells=3)
    >>> network.output_shape
    (None, 3)

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    name = "darts"

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 8,
        num_nodes: int = 4,
        primitives: Sequence[str] = DARTS_PRIMITIVES,
        stem_multiplier: int = 3,
        stem_strides: int = 1,
        partial_channels: int = 1,
        edge_normalization: bool = False,
    ):
        self.filters = check_size("filters", filters)
        self.num_cells = check_size("num_cells", num_cells)
        self.num_nodes = check_size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)
        self.stem_multiplier = check_size("stem_multiplier", stem_multiplier)
        self.stem_strides = check_size("stem_strides", stem_strides, (1, 2))
        self.partial_channels = check_partial_channels(partial_channels, filters)
        self.edge_normalization = edge_normalization

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cell that a network of this many cells has."""
        present = {cell.kind for cell in cell_plan(self.num_cells, 1)}
        return tuple(kind for kind in KINDS if kind in present)

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each node of each kind of cell: which two nodes it reads, and the primitive on either edge."""
        kept = tuple(name for name in self.primitives if name != "none")
        choices: dict[str, tuple[str, ...]] = {}
        for kind, node in itertools.product(self.kinds, range(INPUTS, INPUTS + self.num_nodes)):
            pairs = itertools.combinations(range(node), 2)
            choices[f"{kind}/{node}/sources"] = tuple(f"{first},{second}" for first, second in pairs)
            choices[f"{kind}/{node}/first"] = choices[f"{kind}/{node}/second"] = kept
        return choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        cells: dict[str, list[Edge]] = {kind: [] for kind in self.kinds}
        for kind, node in itertools.product(self.kinds, range(INPUTS, INPUTS + self.num_nodes)):
            sources = map(int, assignment[f"{kind}/{node}/sources"].split(","))
            for source, which in zip(sources, ("first", "second"), strict=True):
                cells[kind].append(Edge(assignment[f"{kind}/{node}/{which}"], source, node))
        return Genotype(self.name, cells)

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        if tuple(genotype) != self.kinds:
            raise ValueError(f"A genotype of this space has the cells {self.kinds}. Received: {tuple(genotype)}")
        assignment = {}
        for kind in self.kinds:
            nodes = range(INPUTS, INPUTS + self.num_nodes)
            received = sorted({edge.target for edge in genotype[kind]})
            if received != list(nodes):
                raise ValueError(
                    f"Cell '{kind}' of this space has {self.num_nodes} nodes, numbered {list(nodes)}. "
                    f"Received edges into: {received}"
                )
            for node in nodes:
                edges = [edge for edge in genotype[kind] if edge.target == node]
                if len(edges) != 2 or edges[0].source == edges[1].source:
                    raise ValueError(
                        f"A node of this space has two edges from different nodes. Received for node {node} of cell "
                        f"'{kind}': {[tuple(edge) for edge in edges]}"
                    )
                assignment[f"{kind}/{node}/sources"] = f"{edges[0].source},{edges[1].source}"
                assignment[f"{kind}/{node}/first"] = edges[0].primitive
                assignment[f"{kind}/{node}/second"] = edges[1].primitive
        return assignment

    def build_supernet(
        self, input_shape: tuple[int, int, int], num_classes: int, relaxation: Any = "softmax", seed: int = 0,
        **kwargs: Any,
    ) -> CellSupernet:  # fmt: skip
        """The supernet of this space; see `CellSupernet` for the arguments."""
        return CellSupernet(
            input_shape=input_shape,
            num_classes=num_classes,
            relaxation=relaxation,
            space=self.name,
            seed=seed,
            **self.get_config(),
            **kwargs,
        )

    def build_network(  # type: ignore[override]
        self,
        genotype: Genotype,
        input_shape: tuple[int, int, int],
        num_classes: int,
        filters: int | None = None,
        num_cells: int | None = None,
        drop_path: float = 0.0,
        seed: int = 0,
    ) -> keras.Model:
        """The discrete network of `genotype`, of standard Keras layers only.

        Args:
            genotype: a genotype of this space.
            input_shape: `(height, width, channels)` of one image.
            num_classes: number of classes; the model returns logits.
            filters, num_cells: size of the network. Default to those of the space.
            drop_path: drop-path probability of the last cell. Defaults to 0.
            seed: seed of the start weights. Defaults to 0.

        Raises:
            ValueError: if `genotype` is not of this space.
        """
        self.validate(genotype)
        return cell_network(
            genotype,
            input_shape,
            num_classes,
            filters=self.filters if filters is None else check_size("filters", filters),
            num_cells=self.num_cells if num_cells is None else check_size("num_cells", num_cells),
            stem_multiplier=self.stem_multiplier,
            stem_strides=self.stem_strides,
            drop_path=drop_path,
            seed=seed,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "filters": self.filters,
            "num_cells": self.num_cells,
            "num_nodes": self.num_nodes,
            "primitives": list(self.primitives),
            "stem_multiplier": self.stem_multiplier,
            "stem_strides": self.stem_strides,
            "partial_channels": self.partial_channels,
            "edge_normalization": self.edge_normalization,
        }
