"""The choice of a node's inputs in a supernet, by architecture parameters of their own: MetaNAS' pairwise alphas."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.networks.derivation import Decision, Option
from kerasnas.networks.skeleton import ChoiceTable
from kerasnas.relaxations.base import add_alphas, segment_softmax

Rows = tuple[int, ...]


class InputChoice:
    """The choice of each node's edges, relaxed: an alpha for each set of edges that it may keep.

    Tables whose nodes keep all edges have no choice of inputs; ValueError if no node has one.

    Attributes:
        sets: table name -> for each node the sets of rows that it may keep, pairs in the DARTS space.
        alphas: table name -> a variable `(sets,)`, all nodes one after the other.

    Reference:
        Elsken et al., "Meta-Learning of Neural Architectures for Few-Shot Learning", 2020 (arXiv 1911.11090), the soft
        pruning of input nodes; `use_pairwise_input_alphas` of the original code.

    Differences from the paper:
        - The temperature is that of the supernet's relaxation, the same as the primitives'; so it is there too.
    """

    def __init__(self, supernet: keras.Model, tables: Mapping[str, ChoiceTable]):
        self._relaxation = supernet.relaxation
        self._tables = {kind: table for kind, table in tables.items() if table.keep is not None}
        if not self._tables:
            expected = f"False in a space whose nodes keep all their edges, such as '{supernet.space.name}'"
            raise ValueError(checks.invalid("input_alphas", expected, True))
        self.sets: dict[str, list[list[Rows]]] = {
            kind: [
                list(itertools.combinations(rows, min(table.keep, len(rows)))) for rows in table.rows_by_node.values()
            ]
            for kind, table in self._tables.items()
            if table.keep is not None
        }
        self.alphas = {
            kind: add_alphas(supernet, (sum(map(len, sets)),), f"inputs_{kind}") for kind, sets in self.sets.items()
        }

    def probabilities(self, kind: str) -> Any:
        """Return the softmax over the sets of each node: a tensor `(sets,)`."""
        sizes = [len(sets) for sets in self.sets[kind]]
        return segment_softmax(ops.convert_to_tensor(self.alphas[kind]), sizes, self._relaxation.temperature)

    def edge_weights(self, kind: str) -> Any:
        """Return the probability that each edge is kept: a tensor `(edges,)`, or None if all are."""
        if kind not in self.sets:
            return None
        flat = list(itertools.chain(*self.sets[kind]))
        member = np.zeros((len(flat), len(self._tables[kind].edges)))
        for index, rows in enumerate(flat):
            member[index, list(rows)] = 1
        probabilities = self.probabilities(kind)
        return ops.matmul(probabilities, ops.convert_to_tensor(member, probabilities.dtype))

    def weigh(self, decisions: Sequence[Decision]) -> list[list[Option]]:
        """Return the options of each decision, with the probability of the edges that they keep."""
        by_rows = {
            kind: dict(
                zip(itertools.chain(*sets), ops.convert_to_numpy(self.probabilities(kind)).tolist(), strict=True)
            )
            for kind, sets in self.sets.items()
        }
        return [[_weighed(option, by_rows.get(option.kind)) for option in options] for options in decisions]

    def decide(self, kind: str, kept: Sequence[int], low: float) -> bool:
        """Keep only the edges `kept`: their sets get the alpha 0, others `low`. False if there is no choice."""
        if kind not in self.sets:
            return False
        flat = list(itertools.chain(*self.sets[kind]))
        self.alphas[kind].assign(np.where([set(rows) <= set(kept) for rows in flat], 0.0, low))
        return True


def _weighed(option: Option, by_rows: Mapping[Rows, float] | None) -> Option:
    if by_rows is None:
        return option
    rows = tuple(sorted([*(row for row, _ in option.picks), *option.left_out]))
    return dataclasses.replace(option, inputs=by_rows[rows])
