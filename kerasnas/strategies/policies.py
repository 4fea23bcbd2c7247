"""Policies over architectures with closed-form gradients in NumPy: their base, and independent categoricals."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import log_softmax

from kerasnas import checks
from kerasnas.strategies.numpy_networks import Arrays

_NEVER = -1e30  # the logit of a missing option; finite, so that its product with the probability 0 is 0


class Policy(abc.ABC):
    """A distribution over architectures, as arrays of indices `(n, choices)`.

    Attributes:
        parameters: name -> array, changed in place by an optimizer.
    """

    parameters: Arrays

    def set_parameters(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Copy `parameters` into the policy's own; raise ValueError if a name, a shape or a number is wrong."""
        checks.instance("parameters", parameters, Mapping, "a mapping from names to arrays")
        parameters = {name: checks.array("parameters", array, finite=False) for name, array in parameters.items()}
        shapes = {name: np.shape(array) for name, array in parameters.items()}
        expected = {name: array.shape for name, array in self.parameters.items()}
        for name in sorted(shapes.keys() | expected.keys(), key=str):
            if shapes.get(name) != expected.get(name):
                right = f"'{name}' of shape {expected.get(name, 'none')}"
                raise ValueError(checks.invalid("parameters", right, shapes.get(name)))
            if not np.isfinite(parameters[name]).all():
                raise ValueError(checks.invalid("parameters", "finite numbers", f"NaN or infinity in {name}"))
        for name, array in parameters.items():
            self.parameters[name] = np.array(array, np.float64)

    @abc.abstractmethod
    def sample(self, rng: np.random.Generator, n: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw `n` architectures: (indices `(n, choices)`, their log-probabilities `(n,)`, entropies `(n,)`)."""

    @abc.abstractmethod
    def log_prob(self, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities `(n,)` of `indices`."""

    @abc.abstractmethod
    def gradients(
        self, indices: np.ndarray, coefficients: np.ndarray, entropy_weight: float = 0.0, penalty_weight: float = 0.0
    ) -> Arrays:
        """Return the gradient of `sum_i coefficients[i] * log_prob_i + entropy_weight * entropy_i`, by parameter.

        A policy with a penalty of its samples subtracts `penalty_weight * penalty_i`.
        """

    # Where the decisions of the policy are not the choices of the space, one for one ---------------------
    def architecture(self, decisions: Sequence[int]) -> tuple[int, ...]:
        """Map a row of the policy's decisions to indices of the space; the identity by default."""
        return tuple(decisions)

    def decisions(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Map indices of the space to a row of the policy's decisions; the identity by default."""
        return tuple(indices)


class CategoricalPolicy(Policy):
    """An independent categorical distribution for every choice, initially uniform."""

    def __init__(self, cardinalities: Sequence[int]):
        options = np.arange(max(cardinalities))
        # Options that a choice does not have keep probability 0: the gradient of their logits is 0.
        self.parameters = {"logits": np.where(options < np.array(cardinalities)[:, None], 0.0, _NEVER)}
        self._rows = np.arange(len(cardinalities))

    def _logarithms(self) -> np.ndarray:
        return log_softmax(self.parameters["logits"], axis=1)

    def sample(self, rng: np.random.Generator, n: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logarithms = self._logarithms()
        probabilities = np.exp(logarithms)
        indices = draw(probabilities, rng.random((n, len(probabilities))))
        entropy = -(probabilities * logarithms).sum()
        return indices, logarithms[self._rows, indices].sum(axis=1), np.full(n, entropy)

    def log_prob(self, indices: np.ndarray) -> np.ndarray:
        return self._logarithms()[self._rows, indices].sum(axis=1)

    def gradients(
        self, indices: np.ndarray, coefficients: np.ndarray, entropy_weight: float = 0.0, penalty_weight: float = 0.0
    ) -> Arrays:
        logarithms = self._logarithms()
        probabilities = np.exp(logarithms)
        gradient = -coefficients.sum() * probabilities
        np.add.at(gradient, (self._rows, indices), coefficients[:, None])
        if entropy_weight:
            entropies = -(probabilities * logarithms).sum(axis=1, keepdims=True)
            gradient -= len(indices) * entropy_weight * probabilities * (logarithms + entropies)
        return {"logits": gradient}


def draw(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the option into whose interval of [0, 1] each number of `uniform` falls; rows as in `probabilities`."""
    shares = probabilities.cumsum(axis=-1)
    return (shares > uniform[..., None] * shares[..., -1:]).argmax(axis=-1)  # their sum may round to less than 1
