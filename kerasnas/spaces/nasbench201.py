"""The cell space of NAS-Bench-201."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.networks.skeleton import Filler
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.spaces.stage_space import STAGES, edge_tables, stage_skeleton

NASBENCH201_PRIMITIVES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@SPACES.register("nasbench201")
class NASBench201Space(SkeletonSpace):
    """The NAS-Bench-201 space: one cell, a primitive on each of the six edges between four nodes.

    Node 0 is the input of the cell, node 3 its output, every node the sum of its edges. The network is a stem, three
    stages of `num_cells` cells, and between them residual blocks that halve the image and double the filters.

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
        Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", 2020 (arXiv
        2001.00326).
    """

    name = "nasbench201"

    def __init__(
        self,
        filters: int = 16,
        num_cells: int = 5,
        num_nodes: int = 3,
        primitives: Sequence[str] = NASBENCH201_PRIMITIVES,
    ):
        self._set_sizes(filters=filters, num_cells=num_cells, num_nodes=num_nodes)
        self.primitives = check_primitives(primitives)

    tables = functools.cached_property(edge_tables)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        return stage_skeleton(self, fill, x)

    def to_string(self, genotype: Genotype) -> str:
        """Return the benchmark's own notation: for each node, `|primitive~source|...`, joined by `+`."""
        assignment = self.assignment(genotype)
        nodes = []
        for node in range(1, self.num_nodes + 1):
            nodes.append("|" + "|".join(f"{assignment[f'{source}->{node}']}~{source}" for source in range(node)) + "|")
        return "+".join(nodes)

    @checks.arguments(text=checks.name)
    def from_string(self, text: str) -> Genotype:
        """Invert `to_string`.

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

    @checks.arguments(input_channels=checks.size, num_classes=checks.size)
    def parameters(self, genotype: Genotype, input_channels: int = 3, num_classes: int = 10) -> int:
        """Return the published number of trainable parameters, of all edges, even those that lead nowhere.

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
