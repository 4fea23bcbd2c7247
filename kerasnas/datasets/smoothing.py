"""Predictions for the nodes of a graph, smoothed along its edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets.graphs import GraphDataset
from kerasnas.networks.node_mixture import ALPHA, STEPS


def smoothed(data: GraphDataset, probabilities: Any, alpha: float = ALPHA, steps: int = STEPS) -> np.ndarray:
    r"""Smooth predicted probabilities along the edges, as neighbors tend to be of one class.

    $Z \leftarrow (1 - \alpha) G + \alpha D^{-1/2} A D^{-1/2} Z$, where $G$ are the probabilities, and of the training
    nodes their classes. No other node's label is used.

    Args:
        data: the graph, with training nodes.
        probabilities: `(nodes, classes)`, as a network predicts them.
        alpha: weight of the neighbors, from 0 to below 1. Defaults to 0.8.
        steps: number of repetitions. Defaults to 50, after which `alpha` = 0.8 changes nothing more.

    Returns:
        `(nodes, classes)`; rows are scores, whose sum is not 1.

    Raises:
        TypeError: for data of another kind.
        ValueError: for another shape, probabilities that are not finite, and numbers out of range.

    Example:

    >>> from kerasnas.datasets import stochastic_blocks
    >>> data = stochastic_blocks(nodes=120, degree=8.0)
    >>> blurred = np.eye(data.num_classes)[data.y] + np.random.default_rng(0).normal(size=(120, data.num_classes))
    >>> data.accuracy(smoothed(data, blurred), "test") > data.accuracy(blurred, "test")
    True

    Reference:
        Huang et al., "Combining Label Propagation and Simple Models Out-performs Graph Neural Networks", 2020 (arXiv
        2010.13993), the step "smooth".

    Differences from the paper:
        - There is no step "correct" before it, and `alpha` is fixed, not tuned.
    """
    checks.instance("data", data, GraphDataset, "a `kerasnas.datasets.GraphDataset`")
    alpha, steps = checks.number("alpha", alpha, least=0, below=1), checks.integer("steps", steps, least=1)
    guess = checks.array("probabilities", probabilities, rank=2).astype("float64")
    if guess.shape != (len(data.y), data.num_classes):
        expected = f"an array ({len(data.y)}, {data.num_classes})"
        raise ValueError(checks.invalid("probabilities", expected, f"shape {guess.shape}"))
    train = data.parts["train"]
    guess[train] = np.eye(data.num_classes)[data.y[train]]
    sources, targets = data.graph.messages
    degrees = data.graph.degrees
    weights = 1 / np.sqrt(degrees[sources] * degrees[targets])
    found = guess
    for _ in range(steps):
        arrived = np.zeros_like(guess)
        np.add.at(arrived, targets, weights[:, None] * found[sources])
        found = (1 - alpha) * guess + alpha * arrived
    return found
