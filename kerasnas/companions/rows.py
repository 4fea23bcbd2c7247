"""A linear model and boosted trees of the rows of a table, beside a network of them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import keras
import numpy as np

from kerasnas.backend.sklearn_internals import baseline, raw_outputs, tree_nodes
from kerasnas.companions.base import Companion, Learned, Parts, Weights, rows_of
from kerasnas.companions.linear import regression
from kerasnas.networks.trees import Trees
from kerasnas.tasks import Task
from kerasnas.tasks.splits import split_samples

_HELD, _STRENGTHS = 0.2, np.logspace(-3, 3, 7)  # of the linear model: held-out share, inverse penalties
_MOST_ROWS = 20_000  # that models are fitted to: more take too much of a short budget
_ROUNDS, _TREES, _LEAST_ROUNDS = 100, 1000, 20  # of boosting; of trees, of which each round has one for each output
_WORK, _LEAST_ROWS = 150_000_000, 1000  # rows times columns times trees: about four seconds of one core


@dataclasses.dataclass(frozen=True)
class LinearRows:
    """A linear model of the features, with the loss of the task; held-out rows choose its penalty."""

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fitted(
        cls, x: np.ndarray, y: np.ndarray, task: Task, outputs: int, seed: int, weights: Weights = None
    ) -> LinearRows:
        from scipy.sparse import csr_matrix

        x, y, weights = _some(x, y, weights, seed)
        targets = task.targets(y, outputs)
        scale = np.ones((x.shape[1], outputs))
        first, second = split_samples(task, y, _HELD, seed)
        losses = []
        for strength in _STRENGTHS:
            early = rows_of(weights, first)
            kernel, bias = regression(csr_matrix(x[first]), targets[first], task, scale, strength, early)
            losses.append(task.linear_loss(x[second] @ kernel + bias, targets[second], rows_of(weights, second))[0])
        best = _STRENGTHS[int(np.argmin(losses))]
        return cls(*regression(csr_matrix(x), targets, task, scale, best, weights))

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for other rows."""
        return x @ self.weights + self.bias


@dataclasses.dataclass(frozen=True)
class BoostedRows:
    """Gradient boosting by scikit-learn: of classes one model, of labels and numbers one for each.

    Args:
        models: the models.
        shares: of each model, how much its raw outputs add to each output, `(raw outputs, outputs)`.
        constant: what is added to each output.

    Reference:
        Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", 2017, which scikit-learn follows.
    """

    models: tuple[Any, ...]
    shares: tuple[np.ndarray, ...]
    constant: np.ndarray

    @classmethod
    def fitted(
        cls, x: np.ndarray, y: np.ndarray, task: Task, outputs: int, seed: int, weights: Weights = None
    ) -> BoostedRows:
        """Return the trees that are fitted to rows and labels, which count by their weights."""
        each = x.shape[1] * outputs  # of a row in a round
        x, y, weights = _some(x, y, weights, seed, max(_WORK // (_LEAST_ROUNDS * each), _LEAST_ROWS))
        rounds = max(min(_ROUNDS, _TREES // outputs, _WORK // (len(x) * each)), _LEAST_ROUNDS)
        new = functools.partial(task.boosting, max_iter=rounds, random_state=seed)
        if y.ndim == 1:
            classes = np.unique(y)
            constant = np.full(outputs, -np.log(2.0 * len(y)))  # of classes that no row has
            constant[classes] = 0
            share = np.eye(outputs)[classes]
            columns = [(y, share if len(classes) > 2 else (share[-1:] - share[:1]) / 2)]
        else:
            targets = task.targets(y, outputs)
            constant = np.where(np.ptp(targets, axis=0) > 0, 0, task.ridge_targets(targets)[0])  # the same in all rows
            columns = list(zip(targets.T, np.eye(outputs)[:, None], strict=True))
        varied = [(labels, share) for labels, share in columns if np.ptp(labels) > 0]
        models = tuple(new().fit(x, labels, weights) for labels, _ in varied)
        return cls(models, tuple(share for _, share in varied), constant)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for other rows."""
        found = np.tile(self.constant, (len(x), 1))
        for model, share in zip(self.models, self.shares, strict=True):
            found += raw_outputs(model, x.astype("float32")) @ share
        return found

    @property
    def bias(self) -> np.ndarray:
        """The part of each output that no tree adds."""
        return self.constant + sum(
            baseline(model) @ share for model, share in zip(self.models, self.shares, strict=True)
        )

    def trees(self) -> Trees | None:
        """Return the trees; None where there are none."""
        found = [
            (nodes, share[column])
            for model, share in zip(self.models, self.shares, strict=True)
            for trees in tree_nodes(model)
            for column, nodes in enumerate(trees)
        ]
        return Trees.of(*zip(*found, strict=True)) if found else None


@dataclasses.dataclass(frozen=True)
class RowModel:
    """The sum of both, each times its share."""

    linear: LinearRows
    boosted: BoostedRows
    shares: np.ndarray

    @property
    def bias(self) -> np.ndarray:
        return self.shares[0] * self.linear.bias + self.shares[1] * self.boosted.bias

    def apply(self, x: Any) -> Any:
        """See `kerasnas.companions.base.Linear`."""
        layer = keras.layers.Dense(len(self.linear.bias), use_bias=False, dtype="float32", name="weights_of_columns")
        found = layer(x)
        layer.set_weights([self.shares[0] * self.linear.weights])
        trees = self.boosted.trees() if self.shares[1] else None
        if trees is None:
            return found
        scaled = dataclasses.replace(trees, values=self.shares[1] * trees.values)
        return keras.layers.Add(dtype="float32")([found, scaled.apply(x)])


@dataclasses.dataclass(frozen=True)
class RowCompanion(Companion):
    """A linear model and boosted trees, beside a network of rows.

    Args:
        seed: of the models.
    """

    seed: int = 0
    samples = "rows"
    prior = (0.3, 0.4, 0.3)

    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        first, second = parts

        def fitted(rows: np.ndarray) -> tuple[LinearRows, BoostedRows]:
            data = x[rows], y[rows], task, outputs, self.seed, rows_of(weights, rows)
            return LinearRows.fitted(*data), BoostedRows.fitted(*data)

        final = fitted(np.arange(len(x)))
        return [model.outputs(x[second]) for model in fitted(first)], lambda shares: RowModel(*final, shares)

    def __str__(self) -> str:
        return "linear model and boosted trees"


def _some(
    x: np.ndarray, y: np.ndarray, weights: Weights, seed: int, most: int = _MOST_ROWS
) -> tuple[np.ndarray, np.ndarray, Weights]:
    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[: min(most, _MOST_ROWS)])
    return x[rows], np.asarray(y)[rows], rows_of(weights, rows)
