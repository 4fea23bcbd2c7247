"""Weights of a regression and of networks in the prediction of a graph's nodes, by the validation nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from kerasnas.companions.linear import mix
from kerasnas.datasets import GraphDataset
from kerasnas.datasets.smoothing import smoothed
from kerasnas.tasks.known import CLASSIFICATION

_LEAST = 0.02  # of a weight: what counts for less is left out


@dataclasses.dataclass(frozen=True)
class Mixed:
    """A mixture of two models of a graph's nodes.

    Args:
        weights: `"regression"` and `"networks"` -> the weight of the logarithms of its probabilities, at least 0.
        smoothed: whether predictions are smoothed along the edges.
        parts: the probabilities of `"regression"` and `"networks"` alone, `(nodes, classes)` each.
    """

    weights: Mapping[str, float]
    smoothed: bool
    parts: Mapping[str, np.ndarray]


def choose(data: GraphDataset, regression: np.ndarray, networks: np.ndarray) -> Mixed:
    """Return the mixture that suits the validation nodes.

    The weights are those of the least loss (`kerasnas.companions.linear.mix`); predictions are smoothed along the edges
    if more of the validation nodes are then right.

    Example:

    >>> from kerasnas.datasets import stochastic_blocks
    >>> data = stochastic_blocks()
    >>> right, wrong = np.eye(3)[data.y], np.roll(np.eye(3)[data.y], 1, axis=1)
    >>> mixed = choose(data, regression=wrong, networks=right)
    >>> mixed.weights["regression"], mixed.smoothed
    (0.0, False)
    """
    held_out = data.parts["validation"]
    outputs = {"regression": regression, "networks": networks}
    found = mix(CLASSIFICATION, [one[held_out] for one in outputs.values()], data.y[held_out])
    found = np.where(found < _LEAST, 0, found) if found.max() >= _LEAST else np.ones(2)
    weights = dict(zip(outputs, found.tolist(), strict=True))
    together = CLASSIFICATION.answers(sum(weights[name] * one for name, one in outputs.items()))
    along = smoothed(data, together)
    helps = data.accuracy(along, "validation") > data.accuracy(together, "validation")
    return Mixed(weights, helps, {name: CLASSIFICATION.answers(one) for name, one in outputs.items()})
