"""ReadoutScore: an untrained graph network with a classifier in closed form."""

from __future__ import annotations

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets.graphs import GraphDataset
from kerasnas.genotypes import Genotype
from kerasnas.primitives.normalization import batch_norms
from kerasnas.spaces import GraphSpace

_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # times 1/10 of the mean squared length of a training node's features
_SHARPNESS = (2.0, 4.0, 8.0, 16.0)  # of the softmax of the regression's outputs


class ReadoutScore:
    """The score of a space's graph networks with their initial weights and the best linear classifier on top of them.

    The classifier is a ridge regression of the classes of the training nodes on its inputs in the network; penalty and
    sharpness are chosen on the validation nodes. The score is the mean log-likelihood of these; higher is better. It
    takes one pass through a network, a tenth of a short training, and works because kernels start near the identity:
    the neighbors' messages reach the classifier. It finds networks that classify well untrained; longer trainings in
    other settings rank architectures differently.

    Args:
        space: a `GraphSpace` on the graph of `data`.
        data: the graph, with training and validation nodes.
        draws: number of initial weights whose probabilities are averaged. Defaults to 2.
        seed: of the first; the others follow. Defaults to 0.

    Raises:
        TypeError: for a `space` or `data` of another kind.
        ValueError: for a space on another graph, and if there are no training or validation nodes.

    Example:

    >>> from kerasnas.datasets import stochastic_blocks
    >>> data = stochastic_blocks(nodes=120, degree=8.0, signal=0.1)
    >>> space = GraphSpace(data.graph, filters=8, num_nodes=1, primitives=["gcn", "fc"])
    >>> score = ReadoutScore(space, data)
    >>> neighbors, features = (Genotype("graphs", {"cell": [(name, 0, 1)]}) for name in ("gcn", "fc"))
    >>> score(neighbors) > score(features)
    True
    """

    def __init__(self, space: GraphSpace, data: GraphDataset, draws: int = 2, seed: int = 0):
        checks.instance("space", space, GraphSpace, "a `kerasnas.spaces.GraphSpace`")
        self.data = checks.instance("data", data, GraphDataset, "a `kerasnas.datasets.GraphDataset`")
        if space.graph is not data.graph:
            raise ValueError(checks.invalid("space", "one on the graph of `data`", f"graph={space.graph}"))
        for part in ("train", "validation"):
            data.weights(part)  # raises if the data lacks the part
        self.space, self.draws, self.seed = space, checks.size("draws", draws), checks.seed(seed)
        self._known: dict[Genotype, np.ndarray] = {}

    def __call__(self, genotype: Genotype) -> float:
        """Return the score of the network of `genotype`; computed once.

        Raises:
            ValueError: if the genotype is not of the space.
        """
        nodes = self.data.parts["validation"]
        return float(np.log(self.probabilities(genotype)[nodes, self.data.y[nodes]]).mean())

    def probabilities(self, genotype: Genotype) -> np.ndarray:
        """Return the probabilities of the classes for all nodes, `(nodes, classes)`: the mean over the draws.

        Raises:
            ValueError: if the genotype is not of the space.
        """
        key = self.space.canonical(genotype)
        if key not in self._known:
            seeds = range(self.seed, self.seed + self.draws)
            self._known[key] = np.mean([self._solved(self._features(key, seed)[1])[0] for seed in seeds], axis=0)
        return self._known[key]

    def networks(self, genotype: Genotype) -> list[keras.Model]:
        """Return the networks of the draws with their classifiers, as trainable Keras models of logits.

        Raises:
            ValueError: if the genotype is not of the space.
        """
        key, data, networks = self.space.canonical(genotype), self.data, []
        for seed in range(self.seed, self.seed + self.draws):
            body, features = self._features(key, seed)
            _, kernel, bias = self._solved(features)
            body.layers[-1].set_weights([kernel, bias])
            network = self.space.build_network(key, data.input_shape, data.num_classes, seed=seed)
            network.set_weights(body.get_weights())  # its dropout has none
            networks.append(network)
        return networks

    def _features(self, genotype: Genotype, seed: int) -> tuple[keras.Model, np.ndarray]:
        """Return an untrained network without dropout, batch norms fitted to these nodes, and its classifier's
        inputs.
        """
        data = self.data
        network = self.space.build_network(genotype, data.input_shape, data.num_classes, seed=seed, dropout=0.0)
        norms = batch_norms(network)
        momenta = [layer.momentum for layer in norms]
        for layer in norms:
            layer.momentum = 0.0
        features = keras.Model(network.inputs[0], network.layers[-1].input)(data.x, training=True)
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        return network, keras.ops.convert_to_numpy(features).astype("float64")

    def _solved(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the probabilities of all nodes, and the kernel and bias of their classifier."""
        train, held_out = self.data.parts["train"], self.data.parts["validation"]
        mean = features[train].mean(axis=0)
        features = features - mean
        classes = np.eye(self.data.num_classes)[self.data.y[train]]
        values, vectors = np.linalg.eigh(features[train] @ features[train].T)
        targets = vectors.T @ (classes - classes.mean(axis=0))
        scale = max(float(values.mean()), 1e-12) / 10
        truth = held_out, self.data.y[held_out]
        best, solution = -np.inf, (features, features, mean)
        for penalty in _PENALTIES:
            dual = vectors @ (targets / (np.maximum(values, 0) + penalty * scale)[:, None])
            for sharpness in _SHARPNESS:
                kernel = sharpness * features[train].T @ dual
                probabilities = _softmax(features @ kernel)
                score = float(np.log(probabilities[truth]).mean())
                if score > best:
                    best, solution = score, (probabilities, kernel, -mean @ kernel)
        return solution


def _softmax(x: np.ndarray) -> np.ndarray:
    """Return positive probabilities."""
    x = np.exp(x - x.max(axis=1, keepdims=True)) + 1e-9
    return x / x.sum(axis=1, keepdims=True)
