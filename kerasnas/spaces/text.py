"""A cell space for texts: token ids, their embedding, a searched cell of operations on sequences, pooling."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.networks.skeleton import Filler
from kerasnas.primitives.masked import MaskedNormReLU, MaskedProjection
from kerasnas.primitives.mixed_op import check_primitives
from kerasnas.primitives.text_blocks import Embed, FeatureDropout, MaskedPooling
from kerasnas.spaces.base import SPACES
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.spaces.stage_space import edge_tables, uniform

TEXT_PRIMITIVES = (
    *("none", "skip_connect", "masked_conv_3", "masked_sep_conv_5", "masked_dil_conv_3", "masked_max_pool_3"),
    *("gru", "self_attention_4"),
)

_REFERENCES = {
    "cnn": "masked_conv_3",
    "bag": "skip_connect",
    "separable": "masked_sep_conv_5",
    "attention": "self_attention_4",
    "gru": "gru",
}


@SPACES.register("text")
class TextSpace(SkeletonSpace):
    """Cells for texts, given as token ids `(length,)`; id 0 is padding.

    An embedding, a projection to `filters` channels, `num_cells` times one cell with a primitive on each edge, and the
    maximum over the steps, concatenated with the sum of the embeddings, the information of a bag of words. The output
    does not depend on the amount of padding, see `kerasnas.primitives.masked.Masked`.

    Args:
        vocabulary: number of token ids, padding and unknown words included. Defaults to 5000; runs set it from the
            data.
        dimensions: length of the embedding's vectors. Defaults to 96.
        filters: channels of the cells. Defaults to 64.
        num_cells: number of cells. Defaults to 1.
        num_nodes: nodes after the input of a cell. Defaults to 3.
        primitives: names of the candidates. Defaults to none, skip connection, convolutions over 3 steps, separable
            over 5 steps and dilated over 5, max pooling over 3, a GRU, and self-attention of 4 heads.
        dropout: fraction of the embeddings' sum and of the pooled features dropped when a discrete network is trained.
            Defaults to 0.7.

    Raises:
        ValueError: for a size that is not positive, and for unknown, repeated or no primitives.

    Example:

    >>> space = TextSpace(vocabulary=100, filters=8)
    >>> genotype = space.genotype(dict.fromkeys(space.choices, "self_attention_4"))
    >>> space.build_network(genotype, input_shape=(20,), num_classes=6).output_shape
    (None, 6)

    Reference:
        Wang et al., "TextNAS: A Neural Architecture Search Space Tailored for Text Representation", 2020 (arXiv
        1912.10729): the kinds of primitives.

    Differences from the paper:
        - The cell is that of NAS-Bench-201, and there are no pretrained vectors.
    """

    name = "text"
    inputs = "text"
    dimensions: int
    defaults: Mapping[str, Any] = {
        "filters": 16,
        "num_cells": 1,
        "num_nodes": 2,
        "epochs": 3,
        "batch_size": 64,
        "architecture_warmup_epochs": 1,
        "learning_rate": 0.005,
        "shortlist": 0,
        "retrain_filters": 96,
        "retrain_cells": 1,
        "retrain_epochs": 8,
        "retrain_learning_rate": 0.004,
        "optimizer": "adam",
        "algorithm": "adam",
        "augment": ("drop_words",),
    }

    def __init__(
        self,
        vocabulary: int = 5000,
        dimensions: int = 96,
        filters: int = 64,
        num_cells: int = 1,
        num_nodes: int = 3,
        primitives: Sequence[str] = TEXT_PRIMITIVES,
        dropout: float = 0.7,
    ):
        self.vocabulary = checks.integer("vocabulary", vocabulary, least=3)
        self._set_sizes(dimensions=dimensions, filters=filters, num_cells=num_cells, num_nodes=num_nodes)
        self.primitives = check_primitives(primitives)
        self.dropout = checks.number("dropout", dropout, least=0, below=1)

    tables = functools.cached_property(edge_tables)

    def references(self) -> dict[str, Genotype]:
        """Return networks with one primitive on every edge: `cnn`, `separable`, `gru`, `attention`; `bag` skips all."""
        return uniform(self, _REFERENCES)

    def skeleton(self, fill: Filler, x: Any) -> Any:
        words = fill.block(x, Embed, self.dimensions, vocabulary=self.vocabulary)
        x = fill.block(words, MaskedProjection, self.filters)
        for _ in range(self.num_cells):
            x = fill.graph("cell", [x], self.filters)[-1]
        x = fill.block(fill.block(x, MaskedNormReLU, self.filters), MaskedPooling, self.filters)
        bag = fill.block(words, MaskedPooling, self.dimensions, kind="sum")
        x = fill.concatenate([x, bag])
        return fill.classify(fill.block(x, FeatureDropout, self.filters + self.dimensions, rate=self.dropout))
