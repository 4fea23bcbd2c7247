"""The supernet protocol: what trainers, callbacks and meta-learners ask of one, and a plain model seen as one."""

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
    """The interface of a supernet, beside that of a Keras model, to trainers, callbacks and meta-learners."""

    relaxation: Relaxation

    @property
    def architecture_parameters(self) -> list[Any]:
        """The trainable variables that are alphas."""

    @property
    def network_weights(self) -> list[Any]:
        """The trainable variables that are not."""

    @property
    def skip_cap(self) -> int | None:
        """Most skip connections that each kind of derived cell should have; None for any number."""

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """The relaxed choices as they stand: name -> weights `(edges, primitives)`."""

    def expected_weights(self) -> Mapping[str, Any]:
        """The same as tensors, differentiable."""

    def at_expected_weights(self) -> AbstractContextManager[None]:
        """A context in which every primitive is computed, with its mean weight."""

    def add_auxiliary_skip(self, weight: float) -> int | None:
        """Put a skip connection beside every edge of stride 1; returns how many edges got one, None if not known."""

    def derive(self, max_skips: int | None = None, cost: Any = None, limit: float | None = None) -> Genotype:
        """The genotype that the mixing weights point to, within limits."""


_MEMBERS = [name for name in vars(SupernetProtocol) if not name.startswith("_")]


def is_supernet(model: Any) -> bool:
    """Return True if the class of `model` has every method and property of `SupernetProtocol`."""
    return all(hasattr(type(model), name) for name in _MEMBERS)


class PlainSupernet:
    """A user's own Keras model with `MixedOp` layers in it, as trainers see it: alphas, but no space behind them.

    Args:
        model: the model; it is held, not changed.

    Attributes:
        rule: the model's own `derive`, a function without arguments; None without one.
    """

    skip_cap = None

    def __init__(self, model: keras.Model):
        self.model = model
        self.rule = getattr(model, "derive", None)

    @property
    def architecture_parameters(self) -> list[Any]:
        """The trainable variables that are alphas."""
        return split_variables(self.model.trainable_variables)[1]

    @property
    def network_weights(self) -> list[Any]:
        """The trainable variables that are not."""
        return split_variables(self.model.trainable_variables)[0]

    def relaxations(self) -> list[Relaxation]:
        """Those of the mixed operations that own their alphas."""
        return [mixed.relaxation for mixed in self._mixed_operations()]

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """The mean weights of every mixed operation, by the path of its alphas; of other alphas their softmax."""
        owners = {id(mixed.alphas): mixed.relaxation.expected for mixed in self._mixed_operations()}
        return {
            variable.path: ops.convert_to_numpy(owners.get(id(variable), ops.softmax)(ops.convert_to_tensor(variable)))
            for variable in self.architecture_parameters
        }

    def drawn_paths(self) -> list[tuple[Any, Any]]:
        """The alphas of each mixed operation that draws, with the primitives of its next pass in training."""
        own = [mixed for mixed in self._mixed_operations() if mixed.relaxation.keeps_others]
        return [(m.alphas, m.relaxation(ops.convert_to_tensor(m.alphas), training=True)[1]) for m in own]

    def add_auxiliary_skip(self, weight: float) -> int:
        """Do nothing, and say so: the edges of a plain model are not known."""
        return 0

    def derive(self) -> Genotype:
        """The genotype by the model's own rule.

        Raises:
            TypeError: if it has none.
        """
        if self.rule is None:
            raise TypeError(f"The supernet '{self.model.name}' was not built by a space: it has no rule to derive.")
        return self.rule()

    def _mixed_operations(self) -> list[MixedOp]:
        layers = flatten_layers(self.model)
        return [layer for layer in layers if isinstance(layer, MixedOp) and layer.alphas is not None]
