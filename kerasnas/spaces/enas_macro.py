"""ENAS' macro space: whole networks with skips."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.skeleton import Filler
from kerasnas.primitives.blocks import Stem
from kerasnas.primitives.convolutions import ReLUConvBN
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace, check_cells, check_targets

STAGES = 3  # parts of the network between which the image is halved and the filters doubled
ENAS_MACRO_PRIMITIVES = (
    *("nor_conv_3x3", "nor_conv_5x5", "sep_conv_3x3", "sep_conv_5x5"),
    *("max_pool_3x3", "avg_pool_3x3"),
)


@SPACES.register("enas_macro")
class ENASMacroSpace(SkeletonSpace):
    """ENAS' macro space: the whole network, layer by layer: a primitive, and for each earlier layer whether it is read.

    A layer that reads no other reads the stem, which is node 0 of a genotype's cell `"network"`; the layers are nodes 1
    to `num_layers`, and each edge carries the primitive of the layer that it leads to.

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

    Differences from the paper:
        - The original code starts each convolution with a 1x1 convolution of its own.
    """

    name = "enas_macro"
    sizes = ("filters",)
    depth = "num_layers"
    shares_weights = True
    num_layers: int

    def __init__(
        self,
        filters: int = 16,
        num_layers: int = 12,
        primitives: Sequence[str] = ENAS_MACRO_PRIMITIVES,
        stem_strides: int = 1,
    ):
        self._set_sizes(filters=filters, num_layers=num_layers)
        self.primitives = check_primitives(primitives)
        self.stem_strides = checks.size("stem_strides", stem_strides, (1, 2))

    def skeleton(self, fill: Filler, x: Any) -> Any:
        plan = macro_plan(self.num_layers, self.filters)
        states = [fill.block(x, Stem, self.filters, self.stem_strides)]
        for layer, filters in enumerate(plan, start=1):
            if layer > 1 and filters != plan[layer - 2]:
                pooling = {"padding": "same", "data_format": "channels_last"}
                states = [fill.block(state, keras.layers.AveragePooling2D, 2, **pooling) for state in states]
            x = fill.read(states, [_skip(layer, earlier) for earlier in range(1, layer)])
            x = fill.block(x, ReLUConvBN, filters)
            states.append(fill.choice(x, f"layer/{layer}/primitive", filters))
        readers = [[_skip(n, layer) for n in range(layer + 1, len(plan) + 1)] for layer in range(1, len(plan) + 1)]
        return fill.classify(fill.unread([fill.pool(state) for state in states[1:]], readers))

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each layer its primitive, then for each earlier layer whether it is read ("1") or not ("0")."""
        choices = {}
        for layer in range(1, 1 + self.num_layers):
            choices[f"layer/{layer}/primitive"] = self.primitives
            choices |= {_skip(layer, earlier): ("0", "1") for earlier in range(1, layer)}
        return choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        edges = []
        for layer in range(1, 1 + self.num_layers):
            read = [earlier for earlier in range(1, layer) if assignment[_skip(layer, earlier)] == "1"]
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
                assignment[_skip(layer, earlier)] = str(int(earlier in sources))
        return assignment


def macro_plan(num_layers: int, filters: int) -> tuple[int, ...]:
    """Return the filters of each layer: they double, and the image halves, after each third of the layers."""
    return tuple(filters * 2 ** (STAGES * layer // num_layers) for layer in range(num_layers))


def _skip(layer: int, earlier: int) -> str:
    """Return the name of the choice whether `layer` reads `earlier`."""
    return f"layer/{layer}/skip/{earlier}"
