"""Ensemble of small neural networks, whose disagreement measures the uncertainty of a prediction."""

from __future__ import annotations

import itertools

import numpy as np

from kerasnas import checks
from kerasnas.strategies.numpy_networks import Adam, Arrays


class NetworkEnsemble:
    """An ensemble of perceptrons, trained on the same data from different initial weights.

    Hidden layers are ReLU; the loss is the mean squared error, minimized by Adam on the whole data in every step, with
    decoupled weight decay: each step removes `learning_rate * weight_decay` of the weights. All members are trained at
    once, as one stack of matrices. `inputs` are `(n, features)`, `targets` `(n,)` with mean 0 and variance 1; called
    with inputs `(m, features)`, it returns all members' predictions `(members, m)`.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> inputs = rng.random((60, 2))
    >>> ensemble = NetworkEnsemble(inputs, 3 * inputs[:, 0] - 1.5, rng)
    >>> ensemble(np.array([[0.2, 0.5], [0.8, 0.5]])).mean(axis=0).round(1).tolist()
    [-0.9, 0.9]

    Reference:
        Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2016
        (arXiv 1612.01474).

    Differences from the paper:
        - The networks predict a value without a variance; their disagreement is the uncertainty.
        - No adversarial examples.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        rng: np.random.Generator,
        members: int = 5,
        units: int = 32,
        layers: int = 2,
        steps: int = 100,
        learning_rate: float = 0.01,
        weight_decay: float = 0.1,
    ):
        data, wanted = checks.array("inputs", inputs, rank=2), checks.array("targets", targets, rank=1)
        if len(data) != len(wanted):
            raise ValueError(checks.invalid("targets", f"{len(data)} numbers, one for each of `inputs`", wanted.shape))
        checks.instance("rng", rng, np.random.Generator, "a `numpy.random.Generator`")
        self.members, self.layers = checks.integer("members", members, 1), checks.integer("layers", layers, 1)
        units, steps = checks.integer("units", units, 1), checks.integer("steps", steps, 1)
        learning_rate = checks.number("learning_rate", learning_rate, above=0)
        decay = learning_rate * checks.number("weight_decay", weight_decay, least=0)
        self.weights: Arrays = {}
        sizes = [data.shape[1], *[units] * self.layers, 1]
        for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
            scale = np.float32(np.sqrt(2 / max(before, 1)))  # He initialization
            drawn = rng.standard_normal((self.members, before, after), np.float32)
            self.weights[f"kernel/{layer}"] = scale * drawn
            self.weights[f"bias/{layer}"] = np.zeros((self.members, 1, after), np.float32)
        optimizer = Adam(learning_rate)
        data, wanted = data.astype(np.float32), wanted.astype(np.float32)
        for _ in range(steps):
            gradients = self.gradients(data, wanted)
            for values in self.weights.values():
                values *= np.float32(1 - decay)
            optimizer.ascend(self.weights, {name: -gradient for name, gradient in gradients.items()})

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        return self._activations(inputs)[-1][:, :, 0]

    def gradients(self, inputs: np.ndarray, targets: np.ndarray) -> Arrays:
        """Return the gradient of each member's mean squared error with respect to its weights, by name."""
        activations = self._activations(inputs)
        back = 2 / len(targets) * (activations[-1] - targets[:, None])
        gradients = {}
        for layer in reversed(range(self.layers + 1)):
            gradients[f"kernel/{layer}"] = activations[layer].swapaxes(1, 2) @ back
            gradients[f"bias/{layer}"] = back.sum(axis=1, keepdims=True)
            if layer:  # the inputs need no gradient
                back = (back @ self.weights[f"kernel/{layer}"].swapaxes(1, 2)) * (activations[layer] > 0)
        return gradients

    def _activations(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Return the inputs and each layer's outputs, `(members, n, units)`."""
        activations = [np.broadcast_to(inputs, (self.members, *inputs.shape))]
        for layer in range(self.layers + 1):
            outputs = activations[-1] @ self.weights[f"kernel/{layer}"] + self.weights[f"bias/{layer}"]
            activations.append(np.maximum(outputs, 0) if layer < self.layers else outputs)
        return activations
