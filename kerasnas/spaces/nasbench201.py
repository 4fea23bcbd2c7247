"""The cell space of NAS-Bench-201."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.stage_network import STAGES, StageSupernet, stage_edges, stage_network
from kerasnas.primitives.base import check_size
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES, SearchSpace

NASBENCH201_PRIMITIVES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@SPACES.register("nasbench201")
class NASBench201Space(SearchSpace):
    """The NAS-Bench-201 space: one cell, a primitive on each of the six edges between four nodes.

    Node 0 is the input of the cell, node 3 its output, every node the sum of what comes in. The network is a stem,
    three stages of `num_cells` cells, and between them residual blocks that halve the image and double the filters.

    Args:
        filters: channels of the first stage. Defaults to 16.
        num_cells: cells of each of the three stages. Defaults to 5.
        num_nodes: nodes after the input. Defaults to 3.
        primitives: names of the candidates. Defaults to the five of the paper.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> space = NASBench201Space()
    >>> space.size
    15625
    >>> text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    >>> space.to_string(space.from_string(text)) == text
    True

    Reference:
        Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", 2020
        (arXiv 2001.00326).
    """

    name = "nasbench201"

    def __init__(
        self, filters: int = 16, num_cells: int = 5, num_nodes: int = 3,
        primitives: Sequence[str] = NASBENCH201_PRIMITIVES,
    ):  # fmt: skip
        self.filters = check_size("filters", filters)
        self.num_cells = check_size("num_cells", num_cells)
        self.num_nodes = check_size("num_nodes", num_nodes)
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

    def to_string(self, genotype: Genotype) -> str:
        """The benchmark's own notation: for each node, `|primitive~source|...`, joined by `+`."""
        assignment = self.assignment(genotype)
        nodes = []
        for node in range(1, self.num_nodes + 1):
            nodes.append("|" + "|".join(f"{assignment[f'{source}->{node}']}~{source}" for source in range(node)) + "|")
        return "+".join(nodes)

    def from_string(self, text: str) -> Genotype:
        """The inverse of `to_string`.

        Raises:
            ValueError: if `text` is not of this form and space.
        """
        edges = []
        for node, part in enumerate(text.strip().split("+"), start=1):
            found = re.findall(r"([^|~]+)~(\d+)", part)
            if "|" + "|".join(f"{primitive}~{source}" for primitive, source in found) + "|" != part:
                raise ValueError(
                    "Expected an architecture string such as "
                    f"'|nor_conv_3x3~0|+|none~0|skip_connect~1|+...'. Received: {text!r}"
                )
            edges += [(primitive, int(source), node) for primitive, source in found if int(source) < node]
        genotype = Genotype(self.name, {"cell": edges})
        self.validate(genotype)
        return genotype

    def parameters(self, genotype: Genotype, input_channels: int = 3, num_classes: int = 10) -> int:
        """The published number of trainable parameters: of all that is named, whether it leads anywhere or not.

        Args:
            genotype: a genotype of this space.
            input_channels: channels of an image. Defaults to 3.
            num_classes: number of classes. Defaults to 10.

        Example:

        >>> space = NASBench201Space()
        >>> space.parameters(space.from_string(
        ...     "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"))
        802426
        """
        total = 9 * input_channels * self.filters + 2 * self.filters
        for stage in range(STAGES):
            c = self.filters * 2**stage
            windows = {"nor_conv_1x1": c**2 + 2 * c, "nor_conv_3x3": 9 * c**2 + 2 * c}
            total += self.num_cells * sum(windows.get(edge.primitive, 0) for edge in genotype["cell"])
            if stage:  # the residual block before it: two convolutions with batch norm, and the shortcut's
                total += 9 * c * (c // 2) + 9 * c**2 + 2 * 2 * c + c * (c // 2)
        return total + 2 * c + (c + 1) * num_classes

    def build_supernet(
        self, input_shape: tuple[int, int, int], num_classes: int, relaxation: Any = "softmax", seed: int = 0,
        **kwargs: Any,
    ) -> StageSupernet:  # fmt: skip
        """The supernet of this space; see `StageSupernet` for the arguments."""
        return StageSupernet(
            input_shape=input_shape, num_classes=num_classes, relaxation=relaxation, space=self.name, seed=seed,
            **self.get_config(), **kwargs,
        )  # fmt: skip

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
        return stage_network(
            genotype, input_shape, num_classes,
            filters=self.filters if filters is None else check_size("filters", filters),
            num_cells=self.num_cells if num_cells is None else check_size("num_cells", num_cells),
            drop_path=drop_path, seed=seed,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "filters": self.filters,
            "num_cells": self.num_cells,
            "num_nodes": self.num_nodes,
            "primitives": list(self.primitives),
        }
