"""Linear models of texts: of words and runs of words."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from kerasnas.companions.base import PRIOR, Companion, Learned, Parts, Weights, minimum, rows_of
from kerasnas.networks.ngrams import SMALLEST, Runs
from kerasnas.tasks import Task

PLAIN, _RATIOS = 30.0, 10.0  # inverse strengths of the penalties, without and with the ratios
_SMOOTHING = 0.3  # of the counts that the ratios are of
_MOST_WEIGHTS = 2_000_000  # of which L-BFGS holds twenty copies


@dataclasses.dataclass(frozen=True)
class LinearModel:
    """A linear model of which runs of tokens a text has; `fit` makes one.

    Args:
        runs: the runs, in rows.
        squares: of each row the square of its inverse document frequency.
        weights: of each row `(size, outputs)`, times that frequency.
        bias: `(outputs,)`.
        name: end of the names of its layers. Defaults to `"runs"`.
    """

    runs: Runs
    squares: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    name: str = "runs"

    def outputs(self, ids: np.ndarray) -> np.ndarray:
        """The outputs for texts as token ids, `(samples, outputs)`."""
        texts, rows = self.runs.find(ids)
        length = np.sqrt(np.maximum(np.bincount(texts, self.squares[rows], len(ids)), SMALLEST))
        sums = [np.bincount(texts, column[rows], len(ids)) / length for column in self.weights.T]
        return np.stack(sums, axis=1) + self.bias

    def apply(self, x: Any) -> Any:
        """See `kerasnas.companions.base.Linear`."""
        return self.runs.linear(x, self.weights, self.squares, self.name)


@dataclasses.dataclass(frozen=True)
class NGramCompanion(Companion):
    """The linear models of `fit`, beside a network of texts."""

    longest: int
    samples = "texts"
    prior = PRIOR

    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        first, second = parts
        early = fit(x[first], y[first], task, outputs, self.longest, rows_of(weights, first))
        held = [model.outputs(x[second]) for model in early]
        final = fit(x, y, task, outputs, self.longest, weights)

        def whole(shares: np.ndarray) -> LinearModel:
            weights = sum(share * one.weights for share, one in zip(shares, final, strict=True))
            bias = sum(share * one.bias for share, one in zip(shares, final, strict=True))
            return LinearModel(final[0].runs, final[0].squares, weights, bias)

        return held, whole

    def __str__(self) -> str:
        return f"linear model on runs of up to {self.longest} tokens"

    def get_config(self) -> dict[str, Any]:
        return {"longest": self.longest}


def fit(
    ids: np.ndarray, y: np.ndarray, task: Task, outputs: int, longest: int, weights: Weights = None
) -> tuple[LinearModel, ...]:
    """Two linear models of texts: regressions on TF-IDF with a penalty on the squares of the weights.

    A text is the vector of its runs' inverse document frequencies, divided by its length. Of the first model it is as
    it is; of the second, which regressions of numbers lack, each run is multiplied for each class or label by the
    logarithm of how much more often it occurs with it than without: NB-SVM.

    Args:
        ids: token ids `(samples, length)`.
        y: the labels.
        task: what is predicted.
        outputs: number of classes, labels or numbers.
        longest: number of tokens of the longest runs.
        weights: of the samples. Defaults to None: they count alike.

    Reference:
        Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", 2012.
    """
    runs = runs_of(ids, longest, outputs)
    there, frequency = counts(runs, ids)
    x, once = weighted(there, frequency), there.sign()
    targets = task.targets(y, outputs)
    scales = [(np.ones((runs.size, outputs)), PLAIN)]
    if task.logits:
        counted = 1.0 if weights is None else weights[:, None]
        with_label, without = (once.T @ (part * counted) + _SMOOTHING for part in (targets, 1 - targets))
        scales.append((np.log(with_label / with_label.sum(0)) - np.log(without / without.sum(0)), _RATIOS))
    models = []
    for scale, strength in scales:
        found, bias = regression(x, targets, task, scale, strength, weights)
        models.append(LinearModel(runs, frequency**2, frequency[:, None] * found, bias))
    return tuple(models)


def runs_of(ids: np.ndarray, longest: int, outputs: int) -> Runs:
    """Return the runs of texts, the most frequent ones, for a model of this many outputs."""
    return Runs.of(ids, longest, max(_MOST_WEIGHTS // outputs, 1))


def counts(runs: Runs, ids: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return how often each text has each run, `(texts, runs)`, and the inverse document frequency of each."""
    from scipy import sparse

    texts, rows = runs.find(ids)
    there = sparse.csr_matrix((np.ones(len(texts)), (texts, rows)), (len(ids), runs.size))
    frequency = np.log((1 + len(ids)) / (1 + np.asarray(there.sign().sum(axis=0)).ravel())) + 1
    frequency[0] = 0  # all other runs
    return there, frequency


def weighted(there: Any, frequency: np.ndarray) -> Any:
    """Return counts times the weight of each column, of each row divided by its length: a sparse matrix."""
    from scipy import sparse

    length = np.sqrt(np.maximum(there @ frequency**2, SMALLEST))
    return (sparse.diags(1 / length) @ there @ sparse.diags(frequency)).tocsr()


def regression(
    x: Any, targets: np.ndarray, task: Task, scale: np.ndarray, strength: float, weights: Weights = None
) -> tuple[np.ndarray, np.ndarray]:
    """The weights and the bias of a linear model with a penalty on the squares of its weights, by 60 steps of L-BFGS.

    Args:
        x: features, a sparse matrix `(samples, features)`.
        targets: of each output, `(samples, outputs)`: of a classification rows with a 1 for the class.
        task: whose loss it is.
        scale: what each column is multiplied by for each output, `(features, outputs)`.
        strength: the inverse of the penalty's, which is on the weights of the scaled columns.
        weights: of the samples. Defaults to None: they count alike.
    """
    shape, transposed = scale.shape, x.T.tocsr()

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        free, bias = values[: scale.size].reshape(shape), values[scale.size :]
        found, gradient = task.linear_loss(x @ (scale * free) + bias, targets, weights)
        of_free = strength * scale * (transposed @ gradient) + free
        both = np.concatenate([of_free.ravel(), strength * gradient.sum(axis=0)])
        return strength * found + 0.5 * float(np.square(free).sum()), both

    values = minimum(loss, np.zeros(scale.size + shape[1]))
    return scale * values[: scale.size].reshape(shape), values[scale.size :]
