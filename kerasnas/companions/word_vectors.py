"""Linear model on runs of words and on pretrained vectors of words, beside those on runs alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from kerasnas.companions.base import Learned, Linear, Parts, Weights, rows_of
from kerasnas.companions.linear import PLAIN, LinearModel, NGramCompanion, counts, regression, runs_of, weighted
from kerasnas.networks.ngrams import Runs
from kerasnas.tasks import Task

_UNKNOWN = 1


@dataclasses.dataclass(frozen=True, eq=False)
class VectorCompanion(NGramCompanion):
    """The linear models of runs of tokens, and one that reads vectors of tokens too, beside a network of texts.

    Args:
        longest: number of tokens of the longest runs.
        vectors: of each token id, `(ids, dimensions)`; zeros where there is none.
        vocabulary: number of ids that runs and network have learned; those from there on they take for unknown ones.
    """

    vectors: np.ndarray
    vocabulary: int
    prior = (0.1, 0.3, 0.3, 0.3)  # type: ignore[assignment]  # one model more
    pretrained = "word vectors"

    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        first, second = parts
        held, runs = super().learn(learned(x, self.vocabulary), y, parts, task, outputs, weights)
        held.append(self.fit(x[first], y[first], task, outputs, rows_of(weights, first)).outputs(x[second]))
        final = self.fit(x, y, task, outputs, weights)
        return held, lambda shares: final.added(runs(shares[:-1]), shares[-1])  # type: ignore[arg-type]

    def fit(self, ids: np.ndarray, y: np.ndarray, task: Task, outputs: int, weights: Weights = None) -> VectorModel:
        """Fit a regression on TF-IDF and on the sum of the vectors of a text's tokens, with a penalty on the weights.

        Each vector counts by the inverse document frequency of its token. What remains of the vectors is a weight for
        each token, also for those that no text here has.

        Example:

        >>> from kerasnas.tasks.known import CLASSIFICATION
        >>> vectors = np.array([[0, 0], [0, 0], [1, 0], [0, 1], [1, 0.1], [0.1, 1]])
        >>> companion = VectorCompanion(1, vectors, vocabulary=4)
        >>> model = companion.fit(np.array([[2], [3]] * 9), np.array([0, 1] * 9), CLASSIFICATION, 2)
        >>> model.outputs(np.array([[4], [5]])).argmax(axis=1).tolist()  # of tokens that no text has
        [0, 1]
        """
        from scipy import sparse

        runs = runs_of(learned(ids, self.vocabulary), self.longest, outputs)
        there, frequency = counts(runs, learned(ids, self.vocabulary))
        tokens, vectors = Runs(1, len(self.vectors), np.arange(len(self.vectors))), self.vectors.astype("float64")
        tokens_there, importance = counts(tokens, ids)
        importance *= vectors.any(axis=1)
        means = weighted(tokens_there, importance) @ vectors
        means /= (length := np.sqrt(np.square(means).sum(axis=1).mean()) or 1.0)
        x = sparse.hstack([weighted(there, frequency), sparse.csr_matrix(means)]).tocsr()
        scale = np.ones((x.shape[1], outputs))
        found, bias = regression(x, task.targets(y, outputs), task, scale, PLAIN, weights)
        of_runs, of_vectors = found[: runs.size], vectors @ found[runs.size :] / length
        return VectorModel(
            self.vocabulary,
            LinearModel(runs, frequency**2, frequency[:, None] * of_runs, bias),
            LinearModel(tokens, importance**2, importance[:, None] * of_vectors, np.zeros(outputs), "vectors"),
        )


@dataclasses.dataclass(frozen=True)
class VectorModel:
    """A linear model of the runs of a text's learned tokens, plus one of all its tokens; see `VectorCompanion.fit`."""

    vocabulary: int
    runs: LinearModel
    tokens: LinearModel

    @property
    def bias(self) -> np.ndarray:
        """See `Linear`."""
        return self.runs.bias

    def outputs(self, ids: np.ndarray) -> np.ndarray:
        """The outputs for texts as token ids, `(samples, outputs)`."""
        return self.runs.outputs(learned(ids, self.vocabulary)) + self.tokens.outputs(ids)

    def apply(self, x: Any) -> Any:
        """See `Linear`."""
        runs = self.runs.apply(ops.where(ops.less(x, self.vocabulary), x, _UNKNOWN))
        return runs + self.tokens.apply(x) if self.tokens.weights.any() else runs

    def added(self, other: LinearModel, share: float) -> Linear:
        """Return `other`, of the same runs, plus a share of this model."""
        weights, bias = other.weights + share * self.runs.weights, other.bias + share * self.bias
        runs = dataclasses.replace(other, weights=weights, bias=bias)
        return VectorModel(self.vocabulary, runs, dataclasses.replace(self.tokens, weights=share * self.tokens.weights))


def learned(ids: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return token ids, with those from `vocabulary` on as unknown ones."""
    return np.where(ids < vocabulary, ids, _UNKNOWN)
