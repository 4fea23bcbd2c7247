"""ENAS' micro space: cells."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.cell_network import KINDS, cell_plan
from kerasnas.networks.cells import INPUTS
from kerasnas.networks.enas_micro import MicroSupernet, source_pairs
from kerasnas.networks.enas_network import micro_network
from kerasnas.primitives.base import check_size
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES, Indices, SearchSpace

ENAS_MICRO_PRIMITIVES = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")


@SPACES.register("enas_micro")
class ENASMicroSpace(SearchSpace):
    """ENAS' micro space: a normal and a reduction cell, each node the sum of two primitives of two earlier nodes.

    The two nodes that are read may be the same, and so may the primitives; their order carries no meaning. Of the two
    combinations that differ only in it, one counts as feasible. A cell's output concatenates the nodes that none reads.

    Args:
        filters: channels of each node in the first cells. Defaults to 16.
        num_cells: number of cells; those at one and two thirds of the depth halve the image. Defaults to 8.
        num_nodes: nodes of a cell after its two inputs (the paper counts these too: its B is 7). Defaults to 5.
        primitives: names of the candidates. Defaults to the five of the paper.
        stem_multiplier: the stem has `stem_multiplier * filters` channels. Defaults to 3.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> import numpy as np
    >>> space = ENASMicroSpace(filters=4, num_cells=3, num_nodes=2)
    >>> genotype = space.sample(np.random.default_rng(0))
    >>> space.decode(space.encode(genotype)) == genotype
    True
    >>> space.build_network(genotype, input_shape=(8, 8, 1), num_classes=3).output_shape
    (None, 3)

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    name = "enas_micro"

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 8,
        num_nodes: int = 5,
        primitives: Sequence[str] = ENAS_MICRO_PRIMITIVES,
        stem_multiplier: int = 3,
        stem_strides: int = 1,
    ):
        self.filters = check_size("filters", filters)
        self.num_cells = check_size("num_cells", num_cells)
        self.num_nodes = check_size("num_nodes", num_nodes)
        self.primitives = check_primitives(primitives)
        self.stem_multiplier = check_size("stem_multiplier", stem_multiplier)
        self.stem_strides = check_size("stem_strides", stem_strides, (1, 2))
        present = {cell.kind for cell in cell_plan(num_cells, 1)}
        self.kinds = tuple(kind for kind in KINDS if kind in present)
        self._nodes = tuple(itertools.product(self.kinds, range(INPUTS, INPUTS + num_nodes)))

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each node of each kind of cell: which two nodes it reads, and the primitive of either."""
        choices: dict[str, tuple[str, ...]] = {}
        for kind, node in self._nodes:
            choices[f"{kind}/{node}/sources"] = tuple(f"{first},{second}" for first, second in source_pairs(node))
            choices[f"{kind}/{node}/first"] = choices[f"{kind}/{node}/second"] = self.primitives
        return choices

    @property
    def size(self) -> int:
        """The number of architectures: a node has `m (m + 1) / 2`, with `m` pairs of a source and a primitive."""
        pairs = [node * len(self.primitives) for _, node in self._nodes]
        return math.prod(m * (m + 1) // 2 for m in pairs)

    def feasible(self, indices: Indices) -> bool:
        """Whether the primitives of a node that is read twice are in the order of their names, as in genotypes."""
        for position, (_, node) in enumerate(self._nodes):
            pair, first, second = indices[3 * position : 3 * position + 3]
            source, other = source_pairs(node)[pair]
            if source == other and self.primitives[first] > self.primitives[second]:
                return False
        return True

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        cells: dict[str, list[Edge]] = {kind: [] for kind in self.kinds}
        for kind, node in self._nodes:
            sources = map(int, assignment[f"{kind}/{node}/sources"].split(","))
            for source, which in zip(sources, ("first", "second"), strict=True):
                cells[kind].append(Edge(assignment[f"{kind}/{node}/{which}"], source, node))
        return Genotype(self.name, cells)

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        check_cells(genotype, self.kinds)
        assignment = {}
        for kind in self.kinds:
            check_targets(genotype, kind, range(INPUTS, INPUTS + self.num_nodes))
        for kind, node in self._nodes:
            edges = [edge for edge in genotype[kind] if edge.target == node]
            if len(edges) != 2:
                raise ValueError(
                    f"A node of this space has two edges. Received for node {node} of cell '{kind}': "
                    f"{[tuple(edge) for edge in edges]}"
                )
            assignment[f"{kind}/{node}/sources"] = f"{edges[0].source},{edges[1].source}"
            assignment[f"{kind}/{node}/first"] = edges[0].primitive
            assignment[f"{kind}/{node}/second"] = edges[1].primitive
        return assignment

    def build_supernet(
        self, input_shape: tuple[int, int, int], num_classes: int, seed: int = 0, **kwargs: Any
    ) -> MicroSupernet:
        """The supernet whose children share weights; see `MicroSupernet`."""
        return MicroSupernet(input_shape, num_classes, seed=seed, **self.get_config(), **kwargs)

    def build_network(  # type: ignore[override]
        self, genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int, filters: int | None = None,
        num_cells: int | None = None, drop_path: float = 0.0, seed: int = 0,
    ) -> keras.Model:  # fmt: skip
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
        return micro_network(
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
