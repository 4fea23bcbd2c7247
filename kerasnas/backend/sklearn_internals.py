"""The private names of scikit-learn's histogram gradient boosting that the package uses, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np


def raw_outputs(model: Any, x: np.ndarray) -> np.ndarray:
    """Return the sums of a boosted model, `(samples, raw outputs)`: logits, numbers or logarithms of rates."""
    return np.asarray(model._raw_predict(x))


def baseline(model: Any) -> np.ndarray:
    """Return the raw outputs that the trees add to, `(raw outputs,)`."""
    return np.ravel(model._baseline_prediction)


def tree_nodes(model: Any) -> list[list[np.ndarray]]:
    """Return the nodes of each tree, structured arrays: of each round, the trees of each raw output."""
    return [[tree.nodes for tree in trees] for trees in model._predictors]
