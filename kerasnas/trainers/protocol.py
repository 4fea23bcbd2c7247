"""Supernet protocol: what trainers, callbacks and meta-learners require, and an adapter of plain models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.genotypes import Genotype
from kerasnas.primitives import MixedOp
from kerasnas.relaxations import Relaxation
from kerasnas.relaxations.base import split_variables


class SupernetProtocol(Protocol):
    """Interface of a supernet, in addition to that of a Keras model."""

    relaxation: Relaxation

    @property
    def architecture_parameters(self) -> list[Any]:
        """Alphas."""

    @property
    def network_weights(self) -> list[Any]:
        """Trainable variables that are not alphas."""

    @property
    def skip_cap(self) -> int | None:
        """Recommended maximum of skip connections in each kind of derived cell; None for no limit."""

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """Return the relaxed choices: name -> weights `(edges, primitives)`."""

    def expected_weights(self) -> Mapping[str, Any]:
        """Return the same as differentiable tensors."""

    def at_expected_weights(self) -> AbstractContextManager[None]:
        """A context in which every primitive is computed, with its mean weight."""

    def add_auxiliary_skip(self, weight: float) -> int | None:
        """Add a skip connection alongside every edge of stride 1; return the number of edges, None if unknown."""

    def derive(self, max_skips: int | None = None, cost: Any = None, limit: float | None = None) -> Genotype:
        """Return the genotype that the mixing weights point to, within limits."""


_MEMBERS = [name for name in vars(SupernetProtocol) if not name.startswith("_")]


def is_supernet(model: Any) -> bool:
    """Return True if the class of `model` has every method and property of `SupernetProtocol`."""
    return all(hasattr(type(model), name) for name in _MEMBERS)


class PlainSupernet:
    """Adapter of a user's own Keras model with `MixedOp` layers: alphas, but no space.

    Attributes:
        rule: the model's own `derive`, a function without arguments; None without one.
    """

    skip_cap = None

    def __init__(self, model: keras.Model):
        self.model = model
        self.rule = getattr(model, "derive", None)

    @property
    def architecture_parameters(self) -> list[Any]:
        """Alphas."""
        return split_variables(self.model.trainable_variables)[1]

    def relaxations(self) -> list[Relaxation]:
        """Return the relaxations of mixed operations that own their alphas."""
        return [mixed.relaxation for mixed in self._mixed_operations()]

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """Return every mixed operation's mean weights by the path of its alphas; for other alphas the softmax."""
        owners = {id(mixed.alphas): mixed.relaxation.expected for mixed in self._mixed_operations()}
        return {
            variable.path: ops.convert_to_numpy(owners.get(id(variable), ops.softmax)(ops.convert_to_tensor(variable)))
            for variable in self.architecture_parameters
        }

    def drawn_paths(self) -> list[tuple[Any, Any]]:
        """Return the alphas of each mixed operation that draws, and the primitives of its next training pass."""
        drawing = [mixed for mixed in self._mixed_operations() if mixed.relaxation.keeps_others]
        return [(m.alphas, m.relaxation(ops.convert_to_tensor(m.alphas), training=True)[1]) for m in drawing]

    def add_auxiliary_skip(self, weight: float) -> int:
        """Return 0: the edges of a plain model are unknown."""
        return 0

    def derive(self) -> Genotype:
        """Return the genotype by the model's own rule; raise TypeError if it has none."""
        if self.rule is None:
            raise TypeError(
                f"The supernet '{self.model.name}' was not built by a space: it has no rule to derive a genotype."
            )
        return self.rule()

    def _mixed_operations(self) -> list[MixedOp]:
        layers = flatten_layers(self.model)
        return [layer for layer in layers if isinstance(layer, MixedOp) and layer.alphas is not None]
