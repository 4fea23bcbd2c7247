"""What every supernet of mixed cells has: tables of architecture parameters, shared by the cells of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import relaxations
from kerasnas.genotypes import Genotype


class Supernet(keras.Model):
    """Base of the supernets: alphas (and betas), and what the mixed cells are fed of them.

    A subclass has `relaxation`, `edge_normalization` and `derive`, and calls `add_architecture` once.
    """

    built: bool
    relaxation: Any
    edge_normalization: bool

    def add_architecture(self, kinds: Sequence[str], edges: Sequence[tuple[int, int]], primitives: int) -> None:
        """Make the architecture parameters: for each kind of cell a table `(edges, primitives)`."""
        self.edges = tuple(edges)
        shape = (len(edges), primitives)
        self.alphas = {kind: relaxations.add_alphas(self, shape, f"alphas_{kind}") for kind in kinds}
        self.betas = {}
        if self.edge_normalization:
            self.betas = {kind: relaxations.add_alphas(self, shape[:1], f"betas_{kind}") for kind in kinds}

    def tables(self, training: bool | None) -> dict[str, dict[str, Any]]:
        """For each kind of cell, what its mixed operations are fed."""
        tables = {}
        for kind, variable in self.alphas.items():
            alphas = ops.convert_to_tensor(variable)
            weights, active = self.relaxation(alphas, training=training)
            if training and (penalty := relaxations.penalty(self.relaxation, alphas)) is not None:
                self.add_loss(penalty)
            tables[kind] = {"weights": weights, "active": active, "edge_weights": self._edge_weights(kind)}
        return tables

    def _edge_weights(self, kind: str) -> Any:
        if not self.edge_normalization:
            return None
        targets = [target for _, target in self.edges]
        return relaxations.normalize_edges(ops.convert_to_tensor(self.betas[kind]), targets)

    @property
    def architecture_parameters(self) -> list[Any]:
        """The alphas, one table `(edges, primitives)` for each kind of cell; with edge normalisation also the betas."""
        return relaxations.split_variables(self.trainable_variables)[1]

    @property
    def network_weights(self) -> list[Any]:
        """The trainable variables that are not alphas."""
        return relaxations.split_variables(self.trainable_variables)[0]

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """The relaxed choice as it stands: for each kind of cell, weights `(edges, primitives)`.

        With edge normalisation, each row is multiplied by its edge's weight.
        """
        tables = {}
        for kind, alphas in self.alphas.items():
            tables[kind] = ops.convert_to_numpy(relaxations.expected(self.relaxation, alphas))
            if self.edge_normalization:
                tables[kind] = tables[kind] * ops.convert_to_numpy(self._edge_weights(kind))[:, None]
        return tables

    def derive(self) -> Genotype:
        """The genotype that the mixing weights point to."""
        raise NotImplementedError
