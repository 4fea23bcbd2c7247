"""Policies over architectures with closed-form gradients in NumPy: independent categoricals, and ENAS' LSTM."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.strategies.numpy_networks import Arrays, lstm_gradients, lstm_step

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
    def gradients(self, indices: np.ndarray, coefficients: np.ndarray, entropy_weight: float = 0.0) -> Arrays:
        """Return the gradient of `sum_i coefficients[i] * log_prob_i + entropy_weight * entropy_i`, by parameter."""

    # Where the decisions of the policy are not the choices of the space, one for one ---------------------
    def architecture(self, decisions: Sequence[int]) -> tuple[int, ...]:
        """Map a row of the policy's decisions to indices of the space; the identity by default."""
        return tuple(decisions)

    def decisions(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Map indices of the space to a row of the policy's decisions; the identity by default."""
        return tuple(indices)


class CategoricalPolicy(Policy):
    """An independent categorical distribution for every choice, initially uniform.

    Example:

    >>> policy = CategoricalPolicy([2, 4])
    >>> np.exp(policy.log_prob(np.array([[1, 3]])))
    array([0.125])
    """

    def __init__(self, cardinalities: Sequence[int]):
        options = np.arange(max(cardinalities))
        # Options that a choice does not have keep probability 0: the gradient of their logits is 0.
        self.parameters = {"logits": np.where(options < np.array(cardinalities)[:, None], 0.0, _NEVER)}
        self._rows = np.arange(len(cardinalities))

    def _logarithms(self) -> np.ndarray:
        logits = self.parameters["logits"]
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def sample(self, rng: np.random.Generator, n: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logarithms = self._logarithms()
        probabilities = np.exp(logarithms)
        indices = draw(probabilities, rng.random((n, len(probabilities))))
        entropy = -(probabilities * logarithms).sum()
        return indices, logarithms[self._rows, indices].sum(axis=1), np.full(n, entropy)

    def log_prob(self, indices: np.ndarray) -> np.ndarray:
        return self._logarithms()[self._rows, indices].sum(axis=1)

    def gradients(self, indices: np.ndarray, coefficients: np.ndarray, entropy_weight: float = 0.0) -> Arrays:
        logarithms = self._logarithms()
        probabilities = np.exp(logarithms)
        gradient = -coefficients.sum() * probabilities
        np.add.at(gradient, (self._rows, indices), coefficients[:, None])
        if entropy_weight:
            entropies = -(probabilities * logarithms).sum(axis=1, keepdims=True)
            gradient -= len(indices) * entropy_weight * probabilities * (logarithms + entropies)
        return {"logits": gradient}


class LSTMPolicy(Policy):
    """ENAS' controller: an LSTM that decides one choice after another and reads an embedding of its last decision.

    `units` is the size of the LSTM and of the embeddings; a score `s` becomes the logit
    `tanh_constant * tanh(s / temperature)`; parameters start uniform in ±0.1.

    Example:

    >>> policy = LSTMPolicy([2, 3], units=4)
    >>> indices, log_probs, entropies = policy.sample(np.random.default_rng(0), 5)
    >>> indices.shape, bool(np.allclose(policy.log_prob(indices), log_probs))
    ((5, 2), True)

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).

    Differences from the paper:
        - Each choice has its own softmax and embeddings, which suits any space; `AttentionPolicy` is the published one,
          for ENAS' spaces only.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        units: int = 100,
        temperature: float = 5.0,
        tanh_constant: float = 2.5,
        seed: int = 0,
    ):
        self.cardinalities = tuple(cardinalities)
        self.units = units = checks.size("units", units)
        self.temperature = checks.number("temperature", temperature, above=0)
        self.tanh_constant = checks.number("tanh_constant", tanh_constant, above=0)
        shapes: dict[str, tuple[int, ...]] = {"start": (units,), "lstm": (2 * units, 4 * units)}
        for choice, size in enumerate(self.cardinalities):
            shapes[f"logits/{choice}"] = (units, size)
            if choice + 1 < len(self.cardinalities):  # nothing reads the last decision
                shapes[f"embedding/{choice}"] = (size, units)
        rng = np.random.default_rng(checks.seed(seed))
        self.parameters = {name: rng.uniform(-0.1, 0.1, shape) for name, shape in shapes.items()}

    def sample(self, rng: np.random.Generator, n: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        steps = self._forward(n, uniform=rng.random((n, len(self.cardinalities))))
        return np.stack([step["index"] for step in steps], axis=1), *self._totals(steps)

    def log_prob(self, indices: np.ndarray) -> np.ndarray:
        return self._totals(self._forward(len(indices), indices=np.asarray(indices)))[0]

    def _forward(
        self, n: int, uniform: np.ndarray | None = None, indices: np.ndarray | None = None
    ) -> list[dict[str, Any]]:
        """Make all decisions, drawn by the numbers `uniform` or given by `indices`, with values for the gradients."""
        rows, steps = np.arange(n), []
        x = np.broadcast_to(self.parameters["start"], (n, self.units))
        h = c = np.zeros((n, self.units))
        for choice in range(len(self.cardinalities)):
            h, c, cell = lstm_step(self.parameters["lstm"], x, h, c)
            tanh = np.tanh(h @ self.parameters[f"logits/{choice}"] / self.temperature)
            logits = self.tanh_constant * tanh
            logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))  # bounded by tanh: no overflow
            probabilities = np.exp(logarithms)
            index = draw(probabilities, uniform[:, choice]) if indices is None else indices[:, choice]  # type: ignore[index]
            steps.append(
                {
                    "cell": cell,
                    "h": h,
                    "tanh": tanh,
                    "logarithms": logarithms,
                    "probabilities": probabilities,
                    "index": index,
                    "log_prob": logarithms[rows, index],
                    "entropy": -(probabilities * logarithms).sum(axis=1),
                }
            )
            if choice + 1 < len(self.cardinalities):
                x = self.parameters[f"embedding/{choice}"][index]
        return steps

    def _totals(self, steps: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        return sum(step["log_prob"] for step in steps), sum(step["entropy"] for step in steps)

    def gradients(self, indices: np.ndarray, coefficients: np.ndarray, entropy_weight: float = 0.0) -> Arrays:
        n = len(indices)
        steps = self._forward(n, indices=np.asarray(indices))
        gradients: Arrays = {}
        rows, reads, dgates = np.arange(n), [], []
        dh = dc = np.zeros((n, self.units))
        for choice in reversed(range(len(steps))):  # back-propagation through time
            step = steps[choice]
            probabilities = step["probabilities"]
            # d log p(index) = onehot(index) - p, and d entropy = -p (log p + entropy), with respect to the logits
            dlogits = -coefficients[:, None] * probabilities
            dlogits[rows, step["index"]] += coefficients
            dlogits -= entropy_weight * probabilities * (step["logarithms"] + step["entropy"][:, None])
            dscores = dlogits * self.tanh_constant * (1 - step["tanh"] ** 2) / self.temperature
            gradients[f"logits/{choice}"] = step["h"].T @ dscores
            dh = dh + dscores @ self.parameters[f"logits/{choice}"].T

            reads.append(step["cell"]["read"])
            dgate, dx, dh, dc = lstm_gradients(self.parameters["lstm"], step["cell"], dh, dc)
            dgates.append(dgate)
            if choice:
                gradients[f"embedding/{choice - 1}"] = np.zeros((self.cardinalities[choice - 1], self.units))
                np.add.at(gradients[f"embedding/{choice - 1}"], steps[choice - 1]["index"], dx)
            else:
                gradients["start"] = dx.sum(axis=0)
        gradients["lstm"] = np.concatenate(reads).T @ np.concatenate(dgates)  # of all steps at once
        return gradients


def draw(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the option into whose interval of [0, 1] each number of `uniform` falls; rows as in `probabilities`."""
    shares = probabilities.cumsum(axis=-1)
    return (shares > uniform[..., None] * shares[..., -1:]).argmax(axis=-1)  # their sum may round to less than 1
