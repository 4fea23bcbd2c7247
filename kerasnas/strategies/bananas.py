"""BANANAS: an ensemble of networks predicts scores of mutations; independent Thompson sampling picks among them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy
from kerasnas.strategies.candidates import INCUMBENTS, Batches
from kerasnas.strategies.gaussian_process import normal_quantiles
from kerasnas.strategies.numpy_networks import Adam, Arrays


class NetworkEnsemble:
    """An ensemble of perceptrons, trained on the same data from different initial weights.

    Hidden layers are ReLU; the loss is the mean squared error, minimized by Adam on the whole data in every step, with
    decoupled weight decay: each step removes `learning_rate * weight_decay` of the weights. All members are trained at
    once, as one stack of matrices. `inputs` are `(n, features)`, `targets` `(n,)` with mean 0 and variance 1; called
    with inputs `(m, features)`, it returns all members' predictions `(members, m)`.

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
        self.members, self.layers = members, layers
        self.weights: Arrays = {}
        sizes = [inputs.shape[1], *[units] * layers, 1]
        for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
            scale = np.float32(np.sqrt(2 / max(before, 1)))  # He initialization
            drawn = rng.standard_normal((members, before, after), np.float32)
            self.weights[f"kernel/{layer}"] = scale * drawn
            self.weights[f"bias/{layer}"] = np.zeros((members, 1, after), np.float32)
        optimizer = Adam(learning_rate)
        inputs, targets = inputs.astype(np.float32), targets.astype(np.float32)
        for _ in range(steps):
            gradients = self.gradients(inputs, targets)
            for values in self.weights.values():
                values *= np.float32(1 - learning_rate * weight_decay)
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


@STRATEGIES.register("bananas")
class BANANAS(Batches, SearchStrategy):
    """BANANAS: mutations of the best, scored by an ensemble of networks and picked by Thompson sampling.

    After `initial` random architectures it repeats: train the networks on the scores so far, predict new candidates,
    draw a score for each candidate independently from the normal distribution with the mean and the deviation of the
    predictions, and propose those with the highest draws. Every draw differs, which also spreads parallel workers.
    Training takes some tens of milliseconds for 100 evaluations on one core.

    Args:
        space, seed, unique: as for `SearchStrategy`; it never repeats itself while there is a new candidate.
        initial: number of random architectures before the first training. Defaults to 10.
        batch_size: number of architectures chosen per training. Defaults to 2.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> strategy = BANANAS(NASBench201Space(), seed=0)
    >>> for _ in range(30):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, reward=genotype.count("nor_conv_3x3"))
    >>> strategy.best[1]  # of 6 edges
    6.0

    Reference:
        White et al., "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search", 2019
        (arXiv 1910.11858).

    Differences from the paper:
        - The encoding is that of `MatchKernel`: each option in its choice, and how often each occurs. It serves every
          space, while only cells have paths from input to output. On NAS-Bench-201 and -101 the paper's path encoding
          was no better, nor were both together.
        - Networks have 2 hidden layers of 32 units instead of 10 of 20, and are trained on all data in each step.
        - The loss is the squared error of the normal quantiles of the rewards' ranks; the paper's relative error needs
          the highest possible reward.
        - Candidates are all neighbors of the 5 best, 150 that are two changes away from one of these, and 50 random
          ones; the paper has 100 mutations of the best.
        - 2 architectures are chosen per training; the paper has 10.
    """

    def _choose(self) -> list[Indices]:
        observed = [indices for indices, _ in self.succeeded]
        scores = normal_quantiles(np.array([reward for _, reward in self.succeeded]))
        best = [observed[position] for position in np.argsort(-scores, kind="stable")[:INCUMBENTS]]
        candidates = self._around(best, self.rng, self.is_new)
        if not candidates:
            return []
        draws = thompson_draws(self._predictions(observed, scores, candidates), self.rng)
        return [candidates[position] for position in np.argsort(-draws, kind="stable")[: self.batch_size]]

    def _predictions(
        self, observed: Sequence[Indices], scores: np.ndarray, candidates: Sequence[Indices]
    ) -> np.ndarray:
        """Return each member's predicted scores of m candidates, `(members, m)`."""
        known, new = (np.concatenate(self._kernel.encode(some), axis=1) for some in (observed, candidates))
        return NetworkEnsemble(known, scores, self.rng)(new)


def thompson_draws(predictions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a score for each of m candidates, independently, from the normal distribution of predictions `(members, m)`.

    Example:

    >>> thompson_draws(np.array([[1.0, 5.0], [1.0, 5.0]]), np.random.default_rng(0)).tolist()  # they agree
    [1.0, 5.0]

    Reference:
        White et al., "BANANAS", 2019 (arXiv 1910.11858), section 4: independent Thompson sampling.

    Differences from the paper:
        - None.
    """
    return rng.normal(predictions.mean(axis=0), predictions.std(axis=0, ddof=1))
