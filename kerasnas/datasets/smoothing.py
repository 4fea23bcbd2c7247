"""Predictions for the nodes of a graph, smoothed along its edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets.graphs import GraphDataset
from kerasnas.networks.node_mixture import ALPHA, STEPS


def smoothed(data: GraphDataset, probabilities: Any, alpha: float = ALPHA, steps: int = STEPS) -> np.ndarray:
    r"""Smooth predicted probabilities along the edges of a graph, as neighbors tend to share a class.

    $Z \leftarrow (1 - \alpha) G + \alpha D^{-1/2} A D^{-1/2} Z$, where $G$ are the probabilities, and the classes of
    the training nodes. No other node's label is read.

    Args:
        data: the graph, with training nodes.
        probabilities: `(nodes, classes)`, a network's predictions.
        alpha: weight of the neighbors, from 0 to below 1. Defaults to 0.8.
        steps: number of repetitions. Defaults to 50, at which `alpha` = 0.8 has converged.

    Returns:
        `(nodes, classes)` scores; rows do not sum to 1.

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
    from scipy.sparse import csr_matrix

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
    edges = csr_matrix((1 / np.sqrt(degrees[sources] * degrees[targets]), (targets, sources)), (len(guess),) * 2)
    scores = guess
    for _ in range(steps):
        scores = (1 - alpha) * guess + alpha * (edges @ scores)
    return scores
