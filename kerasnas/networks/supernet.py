"""What every supernet of mixed cells has: tables of architecture parameters, shared by the cells of one kind."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import relaxations
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.derivation import Decision, choose


@dataclasses.dataclass(frozen=True)
class ChoiceTable:
    """What one table of architecture parameters chooses: a primitive for each edge.

    Args:
        edges: (source, target) of each row; edges into one node stand together.
        primitives: names of the columns.
    """

    edges: tuple[tuple[int, int], ...]
    primitives: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the table."""
        return len(self.edges), len(self.primitives)


class Supernet(keras.Model):
    """Base of the supernets: alphas (and betas), what the mixed operations are fed of them, and what is derived.

    A subclass has `relaxation`, `edge_normalization`, `space` and `decisions`, and calls `add_architecture` once.
    """

    built: bool
    relaxation: Any
    edge_normalization: bool = False
    space: str
    has_auxiliary_skip = False
    _at_expected_weights = False

    def add_architecture(self, choices: Mapping[str, ChoiceTable]) -> None:
        """Make the architecture parameters: a table for each kind of cell."""
        self.choices = dict(choices)
        self.alphas = {kind: relaxations.add_alphas(self, own.shape, f"alphas_{kind}") for kind, own in choices.items()}
        self.auxiliary_skip = self.add_weight(
            name="auxiliary_skip",
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self.betas = {}
        if self.edge_normalization:
            self.betas = {
                kind: relaxations.add_alphas(self, own.shape[:1], f"betas_{kind}") for kind, own in choices.items()
            }

    def add_auxiliary_skip(self, weight: float) -> None:
        """Put a skip connection of this weight beside every edge of stride 1, which `derive` knows nothing of.

        What a skip connection does for the training of the others it then does in any case, so that the alphas tell
        what it is worth as an operation. Chains, whose layers have one anyway, get none.

        Reference:
            Chu et al., "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", 2021
            (arXiv 2009.01027), section 3.2, where the weight decays from 1 to 0.
        """
        self.has_auxiliary_skip = True
        self.auxiliary_skip.assign(weight)

    def tables(self, training: bool | None) -> dict[str, dict[str, Any]]:
        """For each kind of cell, what its mixed operations are fed."""
        tables = {}
        for kind, variable in self.alphas.items():
            alphas = ops.convert_to_tensor(variable)
            if self._at_expected_weights:
                weights, active = relaxations.expected(self.relaxation, alphas), None
            else:
                weights, active = self.relaxation(alphas, training=training)
            if training and (penalty := relaxations.penalty(self.relaxation, alphas)) is not None:
                self.add_loss(penalty)
            tables[kind] = {"weights": weights, "active": active, "edge_weights": self._edge_weights(kind)}
            if self.has_auxiliary_skip:
                tables[kind]["auxiliary"] = ops.convert_to_tensor(self.auxiliary_skip)
        return tables

    @contextlib.contextmanager
    def at_expected_weights(self) -> Iterator[None]:
        """Inside, the network computes every primitive, with the weights that the relaxation gives on average."""
        self._at_expected_weights = True
        try:
            yield
        finally:
            self._at_expected_weights = False

    def _edge_weights(self, kind: str) -> Any:
        if not self.edge_normalization:
            return None
        targets = [target for _, target in self.choices[kind].edges]
        return relaxations.normalize_edges(ops.convert_to_tensor(self.betas[kind]), targets)

    @property
    def architecture_parameters(self) -> list[Any]:
        """The alphas, one table `(edges, primitives)` for each kind of cell; with edge normalisation also the betas."""
        return relaxations.split_variables(self.trainable_variables)[1]

    @property
    def network_weights(self) -> list[Any]:
        """The trainable variables that are not alphas."""
        return relaxations.split_variables(self.trainable_variables)[0]

    def expected_weights(self) -> dict[str, Any]:
        """The relaxed choice as it stands, on average over what the relaxation draws.

        Differentiable: for each kind of cell a tensor `(edges, primitives)`. With edge normalisation, each row is
        multiplied by its edge's weight.
        """
        tables = {}
        for kind, alphas in self.alphas.items():
            tables[kind] = relaxations.expected(self.relaxation, alphas)
            if self.edge_normalization:
                tables[kind] = tables[kind] * ops.expand_dims(self._edge_weights(kind), -1)
        return tables

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """`expected_weights` as arrays."""
        return {kind: ops.convert_to_numpy(table) for kind, table in self.expected_weights().items()}

    @property
    def skip_cap(self) -> int | None:
        """How many skip connections a derived cell may well have: a quarter of its edges. None for any number."""
        kept: dict[str, int] = {}
        for options in self.decisions({kind: np.ones(own.shape) for kind, own in self.choices.items()}):
            kept[options[0].kind] = kept.get(options[0].kind, 0) + len(options[0].picks)
        return max(1, min(kept.values()) // 4)

    @abc.abstractmethod
    def decisions(self, weights: Mapping[str, np.ndarray]) -> list[Decision]:
        """The independent decisions that make a genotype, each with all its options, given mixing weights."""

    def derive(self, max_skips: int | None = None, cost: Any = None, limit: float | None = None) -> Genotype:
        """The genotype that the mixing weights point to.

        Args:
            max_skips: most skip connections in each kind of cell. Defaults to None: any number.
            cost: a `kerasnas.cost.CostModel` of this space; with `limit`.
            limit: most that the network may cost. Defaults to None: any cost.

        Returns:
            The strongest genotype; where it breaks a limit, the most probable that does not.

        Raises:
            ValueError: if every network costs more than `limit`.
        """
        chosen = choose(self.decisions(self.mixing_weights()), max_skips, cost, limit)
        cells: dict[str, list[Edge]] = {kind: [] for kind in self.choices}
        for option in chosen:
            own = self.choices[option.kind]
            cells[option.kind] += [Edge(own.primitives[column], *own.edges[row]) for row, column in option.picks]
        return self.assemble(cells)

    def assemble(self, cells: Mapping[str, list[Edge]]) -> Genotype:
        """The genotype of the edges that were kept of each table."""
        return Genotype(self.space, cells)
