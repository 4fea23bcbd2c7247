"""ENAS' macro space: whole networks with skips."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.enas_macro import MacroSupernet
from kerasnas.networks.enas_network import macro_network
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES, SearchSpace
from kerasnas.spaces.cell_space import check_cells, check_targets

ENAS_MACRO_PRIMITIVES = (
    *("nor_conv_3x3", "nor_conv_5x5", "sep_conv_3x3", "sep_conv_5x5"),
    *("max_pool_3x3", "avg_pool_3x3"),
)


@SPACES.register("enas_macro")
class ENASMacroSpace(SearchSpace):
    """ENAS' macro space: the whole network, layer by layer: a primitive, and for each earlier layer whether it is read.

    A layer that reads no other reads the stem, which is node 0 of a genotype's cell `"network"`; the layers are nodes
    1 to `num_layers`, and each edge carries the primitive of the layer that it leads to.

    Args:
        filters: channels of the layers in the first third; each later third has twice as many. Defaults to 16.
        num_layers: number of layers after the stem. Defaults to 12.
        primitives: names of the candidates. Defaults to the six of the paper.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.

    Raises:
        ValueError: for a non-positive size, and for unknown, repeated or no primitives.

    Example:

    >>> space = ENASMacroSpace()
    >>> f"{space.size:.1e}"
    '1.6e+29'

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    name = "enas_macro"

    def __init__(
        self,
        filters: int = 16,
        num_layers: int = 12,
        primitives: Sequence[str] = ENAS_MACRO_PRIMITIVES,
        stem_strides: int = 1,
    ):
        self.filters = checks.size("filters", filters)
        self.num_layers = checks.size("num_layers", num_layers)
        self.primitives = check_primitives(primitives)
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each layer its primitive, then for each earlier layer whether it is read ("1") or not ("0")."""
        choices = {}
        for layer in range(1, 1 + self.num_layers):
            choices[f"layer/{layer}/primitive"] = self.primitives
            choices |= {f"layer/{layer}/skip/{earlier}": ("0", "1") for earlier in range(1, layer)}
        return choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        edges = []
        for layer in range(1, 1 + self.num_layers):
            read = [earlier for earlier in range(1, layer) if assignment[f"layer/{layer}/skip/{earlier}"] == "1"]
            edges += [Edge(assignment[f"layer/{layer}/primitive"], source, layer) for source in read or [0]]
        return Genotype(self.name, {"network": edges})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        check_cells(genotype, ("network",))
        check_targets(genotype, "network", range(1, 1 + self.num_layers))
        assignment = {}
        for layer in range(1, 1 + self.num_layers):
            edges = [edge for edge in genotype["network"] if edge.target == layer]
            sources = [edge.source for edge in edges]
            if len({edge.primitive for edge in edges}) > 1 or len(set(sources)) < len(sources):
                raise ValueError(
                    "A layer of this space has one primitive, and reads a layer once. Received for layer "
                    f"{layer}: {[tuple(edge) for edge in edges]}"
                )
            if 0 in sources and len(sources) > 1:
                raise ValueError(
                    f"A layer of this space reads the stem (0) where it reads no layer. Received for layer {layer}: "
                    f"sources {sources}"
                )
            assignment[f"layer/{layer}/primitive"] = edges[0].primitive
            for earlier in range(1, layer):
                assignment[f"layer/{layer}/skip/{earlier}"] = str(int(earlier in sources))
        return assignment

    def build_supernet(
        self, input_shape: tuple[int, ...], num_classes: int, seed: int = 0, **kwargs: Any
    ) -> MacroSupernet:
        """The supernet whose children share weights; see `MacroSupernet`."""
        return MacroSupernet(input_shape, num_classes, seed=seed, **self.get_config(), **kwargs)

    def build_network(  # type: ignore[override]
        self,
        genotype: Genotype,
        input_shape: tuple[int, ...],
        num_classes: int,
        filters: int | None = None,
        seed: int = 0,
    ) -> keras.Model:
        """The discrete network of `genotype`, of standard Keras layers only.

        Args:
            genotype: a genotype of this space.
            input_shape: `(height, width, channels)` of one image.
            num_classes: number of classes; the model returns logits.
            filters: channels of the first layers. Defaults to the space's.
            seed: seed of the start weights. Defaults to 0.

        Raises:
            ValueError: if `genotype` is not of this space.
        """
        self.validate(genotype)
        filters = self.filters if filters is None else checks.size("filters", filters)
        return macro_network(genotype, input_shape, num_classes, filters, self.num_layers, self.stem_strides, seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "filters": self.filters,
            "num_layers": self.num_layers,
            "primitives": list(self.primitives),
            "stem_strides": self.stem_strides,
        }
