"""Spaces of one cell in three stages: what NAS-Bench-201's and the one for signals have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.building import check_input_shape
from kerasnas.networks.cell_parts import stage_parts
from kerasnas.networks.parts import NetworkParts
from kerasnas.networks.stage_network import STAGES, StageSupernet, stage_edges, stage_network
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SearchSpace


class StageSpace(SearchSpace):
    """Base of the spaces of one cell with a primitive on each edge: their sizes, genotypes and networks.

    A subclass has the defaults.

    Args:
        filters, num_cells, num_nodes, primitives: see the subclasses.

    Attributes:
        inputs: what the networks take: "image" or "signal".
    """

    inputs = "image"
    mixes_channels = True

    def __init__(self, filters: int, num_cells: int, num_nodes: int, primitives: Sequence[str]):
        self.filters = checks.size("filters", filters)
        self.num_cells = checks.size("num_cells", num_cells)
        self.num_nodes = checks.size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)
        self._edges = {f"{source}->{target}": (source, target) for source, target in stage_edges(num_nodes)}
        self._choices = dict.fromkeys(self._edges, self.primitives)

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each edge its primitive."""
        return self._choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        return Genotype(self.name, {"cell": [Edge(assignment[name], *edge) for name, edge in self._edges.items()]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        if tuple(genotype) != ("cell",):
            raise ValueError(f"A genotype of this space has one cell, 'cell'. Received: {tuple(genotype)}")
        by_edge = {(edge.source, edge.target): edge.primitive for edge in genotype["cell"]}
        if len(by_edge) != len(genotype["cell"]) or by_edge.keys() != set(self._edges.values()):
            raise ValueError(
                f"A cell of this space has one primitive on each of the edges {list(self._edges)}. "
                f"Received: {[tuple(edge) for edge in genotype['cell']]}"
            )
        return {name: by_edge[edge] for name, edge in self._edges.items()}

    def build_supernet(
        self, input_shape: tuple[int, ...], num_classes: int, relaxation: Any = "softmax", seed: int = 0, **kwargs: Any
    ) -> StageSupernet:
        """The supernet of this space; see `StageSupernet` for the arguments."""
        return StageSupernet(
            input_shape=self.check_input_shape(input_shape),
            num_classes=num_classes,
            relaxation=relaxation,
            space=self.name,
            seed=seed,
            **{**self.get_config(), **kwargs},
        )

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
            input_shape: `(height, width, channels)` of one image, or `(length, channels)` of one signal: what the
                space is for.
            num_classes: number of classes; the model returns logits.
            filters, num_cells: size of the network. Default to those of the space.
            drop_path: drop-path probability of the last cell. Defaults to 0.
            seed: seed of the start weights. Defaults to 0.

        Raises:
            ValueError: if `genotype` is not of this space, or `input_shape` is not of what it is for.
        """
        self.validate(genotype)
        return stage_network(
            genotype,
            self.check_input_shape(input_shape),
            num_classes,
            filters=self.filters if filters is None else checks.size("filters", filters),
            num_cells=self.num_cells if num_cells is None else checks.size("num_cells", num_cells),
            drop_path=drop_path,
            seed=seed,
        )

    def parts(  # type: ignore[override]
        self, input_shape: tuple[int, ...], num_classes: int, filters: int | None = None, num_cells: int | None = None
    ) -> NetworkParts:
        """The parts of this space's networks; arguments as for `build_network`."""
        return stage_parts(
            self.check_input_shape(input_shape),
            num_classes,
            self.filters if filters is None else checks.size("filters", filters),
            self.num_cells if num_cells is None else checks.size("num_cells", num_cells),
            self.num_nodes,
            self.primitives,
        )

    def check_input_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return `input_shape` if it is of what this space is for; raise ValueError otherwise."""
        return check_input_shape(input_shape, STAGES - 1, (self.inputs,))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "filters": self.filters,
            "num_cells": self.num_cells,
            "num_nodes": self.num_nodes,
            "primitives": list(self.primitives),
        }
