"""Boosted trees in standard Keras layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers, ops


@dataclasses.dataclass(frozen=True)
class Trees:
    """A sum of binary trees, each of comparisons of one feature with one number.

    Args:
        features: of each inner node of each tree, `(trees, nodes)`.
        thresholds: larger features go right, `(trees, nodes)`.
        paths: for each leaf of each tree 1 for a node that it lies right of, -1 for one that it lies left of, else 0,
            `(trees, nodes, leaves)`.
        values: what each leaf adds to each output, `(trees, leaves, outputs)`.
    """

    features: np.ndarray
    thresholds: np.ndarray
    paths: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, trees: Sequence[Any], shares: Sequence[np.ndarray]) -> Trees:
        """Return the sum of scikit-learn's histogram trees.

        Args:
            trees: the nodes of each, arrays with its `TreePredictor`'s fields.
            shares: of each tree, how much a leaf's value adds to each output, `(outputs,)`.
        """
        nodes = max((int((1 - tree["is_leaf"]).sum()) for tree in trees), default=1) or 1
        found = cls(
            np.zeros((len(trees), nodes), int),
            np.zeros((len(trees), nodes), "float32"),
            np.zeros((len(trees), nodes, nodes + 1), "float32"),
            np.zeros((len(trees), nodes + 1, len(shares[0])), "float32"),
        )
        for number, (tree, share) in enumerate(zip(trees, shares, strict=True)):
            rank = np.cumsum(1 - tree["is_leaf"]) - 1
            inner = tree["is_leaf"] == 0
            found.features[number, : inner.sum()] = tree["feature_idx"][inner]
            found.thresholds[number, : inner.sum()] = _not_above(tree["num_threshold"][inner])
            waiting, leaf = [(0, np.zeros(nodes, "float32"))], 0
            while waiting:
                at, path = waiting.pop()
                if tree["is_leaf"][at]:
                    found.paths[number, :, leaf] = path
                    found.values[number, leaf] = tree["value"][at] * share
                    leaf += 1
                    continue
                for side, sign in (("left", -1), ("right", 1)):
                    further = path.copy()
                    further[rank[at]] = sign
                    waiting.append((int(tree[side][at]), further))
        return found

    def apply(self, x: Any) -> Any:
        """Return the outputs `(batch, outputs)` for rows of features, a KerasTensor, from frozen standard layers.

        A leaf is where as many comparisons agree with its path as that is long.
        """
        trees, nodes, count = self.paths.shape
        compared = layers.EinsumDense(
            "btn,tn->btn", (trees, nodes), bias_axes="tn", dtype="float32", trainable=False, name="thresholds_of_trees"
        )
        matched = layers.EinsumDense(
            "btn,tnl->btl", (trees, count), bias_axes="tl", dtype="float32", trainable=False, name="paths_of_trees"
        )
        total = layers.Dense(
            self.values.shape[-1], use_bias=False, dtype="float32", trainable=False, name="leaves_of_trees"
        )
        taken = ops.take(ops.cast(x, "float32"), self.features.ravel().tolist(), axis=1)
        right = 2 * ops.cast(compared(ops.reshape(taken, (-1, trees, nodes))) > 0, "float32") - 1
        compared.set_weights([np.ones((trees, nodes), "float32"), -self.thresholds])
        there = ops.cast(matched(right) > 0, "float32")
        lengths = np.abs(self.paths).sum(axis=1)
        matched.set_weights([self.paths, 0.5 - lengths])
        found = total(ops.reshape(there, (-1, trees * count)))
        total.set_weights([self.values.reshape(trees * count, -1)])
        return found


def _not_above(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest float32 that are not above these: what is above one of them stays so."""
    found = thresholds.astype("float32")
    return np.where(found > thresholds, np.nextafter(found, np.float32(-np.inf)), found)
