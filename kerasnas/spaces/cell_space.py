"""Spaces of a normal and a reduction cell whose nodes have two edges: what DARTS' and ENAS' have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.cell_network import KINDS, cell_plan
from kerasnas.networks.cells import INPUTS
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SearchSpace


class CellSpace(SearchSpace):
    """Base of the spaces of cells with two edges a node: their sizes, genotypes and discrete networks.

    A subclass writes `choices`: for each node of each kind of cell its `sources`, `first` and `second`.

    Args:
        filters, num_cells, num_nodes, primitives, stem_multiplier, stem_strides: see the subclasses.

    Attributes:
        kinds: the kinds of cell that a network of this many cells has.
        reads_twice: whether both edges of a node may come from one node.
    """

    reads_twice = False
    network: Callable[..., keras.Model]
    """Builds the discrete network."""

    def __init__(
        self,
        filters: int,
        num_cells: int,
        num_nodes: int,
        primitives: Sequence[str],
        stem_multiplier: int,
        stem_strides: int,
    ):
        self.filters = checks.size("filters", filters)
        self.num_cells = checks.size("num_cells", num_cells)
        self.num_nodes = checks.size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)
        self.stem_multiplier = checks.size("stem_multiplier", stem_multiplier)
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))
        present = {cell.kind for cell in cell_plan(num_cells, 1)}
        self.kinds = tuple(kind for kind in KINDS if kind in present)
        self.nodes = tuple(itertools.product(self.kinds, range(INPUTS, INPUTS + num_nodes)))

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        cells: dict[str, list[Edge]] = {kind: [] for kind in self.kinds}
        for kind, node in self.nodes:
            sources = map(int, assignment[f"{kind}/{node}/sources"].split(","))
            for source, which in zip(sources, ("first", "second"), strict=True):
                cells[kind].append(Edge(assignment[f"{kind}/{node}/{which}"], source, node))
        return Genotype(self.name, cells)

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        check_cells(genotype, self.kinds)
        for kind in self.kinds:
            check_targets(genotype, kind, range(INPUTS, INPUTS + self.num_nodes))
        assignment = {}
        for kind, node in self.nodes:
            edges = [edge for edge in genotype[kind] if edge.target == node]
            if len(edges) != 2 or (edges[0].source == edges[1].source and not self.reads_twice):
                different = "" if self.reads_twice else " from different nodes"
                raise ValueError(
                    f"A node of this space has two edges{different}. Received for node {node} of cell '{kind}': "
                    f"{[tuple(edge) for edge in edges]}"
                )
            assignment[f"{kind}/{node}/sources"] = f"{edges[0].source},{edges[1].source}"
            assignment[f"{kind}/{node}/first"] = edges[0].primitive
            assignment[f"{kind}/{node}/second"] = edges[1].primitive
        return assignment

    def build_network(  # type: ignore[override]
        self,
        genotype: Genotype,
        input_shape: tuple[int, ...],
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
        return type(self).network(
            genotype,
            input_shape,
            num_classes,
            filters=self.filters if filters is None else checks.size("filters", filters),
            num_cells=self.num_cells if num_cells is None else checks.size("num_cells", num_cells),
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
        }


def check_cells(genotype: Genotype, kinds: tuple[str, ...]) -> None:
    """Raise ValueError unless `genotype` has these cells."""
    if tuple(genotype) != kinds:
        raise ValueError(f"A genotype of this space has the cells {kinds}. Received: {tuple(genotype)}")


def check_targets(genotype: Genotype, kind: str, nodes: range) -> None:
    """Raise ValueError unless the edges of a cell lead to these nodes, and to each."""
    received = sorted({edge.target for edge in genotype[kind]})
    if received != list(nodes):
        raise ValueError(
            f"Cell '{kind}' of this space has {len(nodes)} nodes, numbered {list(nodes)}. "
            f"Received edges into: {received}"
        )
