"""Linear models and the network beside them as one Keras model; of texts, a linear model of words and runs of words."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from kerasnas.intervals import paired_difference
from kerasnas.networks.initialization import number_layers
from kerasnas.networks.ngrams import SMALLEST, Runs
from kerasnas.tasks import Task
from kerasnas.tasks.splits import stratified_split

_HELD, _FEW = 0.1, 300  # share, and least number, of the samples that decide how much each model counts
PLAIN, _RATIOS = 30.0, 10.0  # inverse strengths of the penalties, without and with the ratios
_SMOOTHING = 0.3  # of the counts that the ratios are of
_STEPS = 60
_MOST_WEIGHTS = 2_000_000  # of which L-BFGS holds twenty copies
_PRIOR, _PRIOR_STRENGTH = (0.35, 0.35, 0.3), 5.0  # of the mix: the two linear models, the network; in samples

Weights = np.ndarray | None
"""Weights of the samples; None where they count alike."""
Parts = tuple[np.ndarray, np.ndarray]
"""Indices of the samples that the network learns from, and of those that are held out."""
Learned = tuple[list[np.ndarray], Callable[[np.ndarray], "Linear"]]
"""Linear models that have learned, as `Companion.learn` returns them."""


def held_out(task: Task, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The samples that the models learn from, and those that decide how much each of them counts.

    Returns:
        Two sorted arrays of indices into `y`: a tenth of them in the second, or 300, but a quarter at most.

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> [len(part) for part in held_out(CLASSIFICATION, np.arange(2000) % 2, seed=0)]
    [1700, 300]
    """
    share, strata = min(max(_HELD, _FEW / len(y)), 0.25), task.strata(y)
    if len(np.unique(strata)) == len(strata):  # one sample of each
        strata = np.zeros(len(y), int)
    return stratified_split(strata, share, seed)


def rows_of(weights: Weights, rows: np.ndarray) -> Weights:
    """Return the weights of some samples."""
    return None if weights is None else weights[rows]


class Linear(Protocol):
    """A linear model, given a share: `apply` makes its outputs but for the bias, in standard Keras layers."""

    @property
    def bias(self) -> np.ndarray:
        """Of each output, `(outputs,)`."""

    def apply(self, x: Any) -> Any:
        """The outputs, but for the bias, for inputs of a network, a KerasTensor."""


class Companion(abc.ABC):
    """A kind of linear models that stand beside a network of the same samples.

    Attributes:
        samples: the samples, in words.
        prior: of the mix: of each linear model, and of the network.
        pretrained: what the last linear model reads beside what the others do, in words: held-out samples decide
            whether it takes part. Defaults to "": nothing.
    """

    samples: str
    pretrained = ""
    prior: tuple[float, ...]

    @abc.abstractmethod
    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        """Fit the models, to samples that count by their weights.

        Returns:
            The outputs of each for the held-out samples, of which it has not learned; and a function which, of a share
            for each, makes the sum of those that have learned from all samples.
        """

    @abc.abstractmethod
    def __str__(self) -> str:
        """The models, in words."""

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The entries on them in the record of a run, by name."""


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
        """See `Linear`."""
        return self.runs.linear(x, self.weights, self.squares, self.name)


@dataclasses.dataclass(frozen=True)
class NGramCompanion(Companion):
    """The linear models of `fit`, beside a network of texts."""

    longest: int
    samples = "texts"
    prior = _PRIOR

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

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> plain, ratios = fit(np.array([[2, 3], [2, 4]] * 9), np.array([0, 1] * 9), CLASSIFICATION, 2, longest=1)
    >>> ratios.outputs(np.array([[3, 0], [4, 0]])).argmax(axis=1).tolist()
    [0, 1]

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


def _minimum(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, **options: Any) -> np.ndarray:
    """The minimum of a convex function, which returns its gradient too, by L-BFGS."""
    from scipy.optimize import minimize

    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}, **options).x


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

    values = _minimum(loss, np.zeros(scale.size + shape[1]))
    return scale * values[: scale.size].reshape(shape), values[scale.size :]


def mix(
    task: Task,
    outputs: Sequence[np.ndarray],
    y: np.ndarray,
    prior: Sequence[float] | None = None,
    strength: float = _PRIOR_STRENGTH,
    weights: Weights = None,
) -> np.ndarray:
    """The weights of several models in the sum of their outputs, by which the loss of held-out data is least.

    None counts less than nothing. The fewer the samples, the nearer to what was best on other data.

    Args:
        task: what is predicted.
        outputs: of each model, of a linear one or two and of a network, in this order, `(samples, outputs)` each.
        y: the labels of these samples.
        prior: what was best on other data. Defaults to None: that of linear models of texts.
        strength: how many samples that counts as. Defaults to 5.
        weights: of the samples. Defaults to None: they count alike.

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> y = np.arange(200) % 2
    >>> right, wrong = 3 * np.eye(2)[y], 3 * np.eye(2)[1 - y]
    >>> bool(mix(CLASSIFICATION, [right, right, wrong], y)[-1] == 0)
    True
    """
    targets, values = task.targets(y, outputs[0].shape[1]), np.stack(outputs)
    if prior is None or len(prior) != len(outputs):
        prior = _PRIOR if len(outputs) == len(_PRIOR) else (1 - _PRIOR[-1], _PRIOR[-1])
    usual = np.array(prior)

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        found, gradient = task.linear_loss(np.tensordot(shares, values, 1), targets, weights)
        off = shares - usual
        of_shares = np.einsum("mso,so->m", values, gradient) + strength * off
        return found + 0.5 * strength * float(off @ off), of_shares

    return _minimum(loss, usual, bounds=[(0, None)] * len(usual))


def crossed(
    task: Task,
    outputs: Sequence[np.ndarray],
    y: np.ndarray,
    prior: Sequence[float] | None = None,
    weights: Weights = None,
) -> np.ndarray:
    """Return the mix of held-out outputs, of each half of the samples by the shares that suit the other half."""
    halves, mixed = np.arange(len(y)) % 2, np.zeros(outputs[0].shape)
    for half in (0, 1):
        learned, measured = halves != half, halves == half
        seen = rows_of(weights, learned)
        shares = mix(task, [part[learned] for part in outputs], y[learned], prior, weights=seen)
        mixed[measured] = np.tensordot(shares, np.stack(outputs)[:, measured], 1)
    return mixed


def comparison(
    task: Task, fuller: np.ndarray, simpler: np.ndarray, y: np.ndarray, weights: Weights = None, sure: float = 0.0
) -> dict[str, Any]:
    """Return whether the fuller of two models is worth it, and the mean losses `"with"` and `"without"` what it adds.

    It is if its loss is lower by more than `sure` standard errors of the paired difference, and its score no worse.

    Args:
        task: what is predicted.
        fuller: outputs for held-out samples.
        simpler: those of the other model.
        y: the labels of these samples.
        weights: of the samples. Defaults to None: they count alike.
        sure: number of standard errors. Defaults to 0.

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> y = np.arange(200) % 2
    >>> right = 3.0 * np.eye(2)[y]
    >>> comparison(CLASSIFICATION, right, 0 * right, y)["used"], comparison(CLASSIFICATION, right, right, y)["used"]
    (True, False)
    """
    targets, counts = task.targets(y, fuller.shape[1]), np.ones(len(y)) if weights is None else weights
    lost = [task.linear_losses(one, targets)[0].sum(axis=1) * counts for one in (fuller, simpler)]
    scored = [float((task.scores(one, y) * counts).sum()) for one in (fuller, simpler)]
    gain, error = paired_difference(lost[1], lost[0])
    used = gain > sure * error and scored[0] >= scored[1]
    return {"used": used, "with": float(lost[0].mean()), "without": float(lost[1].mean())}


def _shares(
    task: Task, outputs: list[np.ndarray], y: np.ndarray, kind: Companion, weights: Weights
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return how much each model counts, and the losses that decided whether two of them take part.

    A model that is pretrained counts only where cross-validated mixes are better with it; the network, as the linear
    models are the simpler answer, where they are better by a standard error.
    """
    prior = np.array(kind.prior if len(kind.prior) == len(outputs) else (*_PRIOR[: len(outputs) - 1], _PRIOR[-1]))
    used, record = list(range(len(outputs))), dict[str, Any]()

    def mixed(models: list[int]) -> np.ndarray:
        return crossed(task, [outputs[model] for model in models], y, prior[models] / prior[models].sum(), weights)

    optional = [("pretrained", len(outputs) - 2, 0.0)] if kind.pretrained else []
    for name, model, sure in [*optional, ("network", len(outputs) - 1, 1.0)] if len(y) > 1 else []:
        others = [other for other in used if other != model]
        record[name] = comparison(task, mixed(used), mixed(others), y, weights, sure)
        used = used if record[name]["used"] else others
    shares = np.zeros(len(outputs))
    share = prior[used] / prior[used].sum()
    shares[used] = mix(task, [outputs[model] for model in used], y, share, weights=weights)
    if "network" in record:
        record["network"]["used"] = bool(shares[-1])  # the bound of the mix may be 0 as well
    if "pretrained" in record:
        record["pretrained"]["name"] = kind.pretrained
    return shares, record


def join(
    network: keras.Model,
    data: tuple[np.ndarray, ...],
    parts: Parts,
    task: Task,
    kind: Companion,
    batch_size: int,
    log: Callable[[str], Any] = lambda line: None,
) -> tuple[keras.Model, dict[str, Any]]:
    """The network and linear models of the same samples as one model, and what the held-out samples say of each.

    Without the network where the linear models are as good alone, within a standard error.

    Args:
        network: trained on the first part of the data.
        data: `(x, y)`, or `(x, y, weights)`, of which the linear models learn from all in the end.
        parts: indices, as `held_out` returns them.
        task: what is predicted.
        kind: of the linear models.
        batch_size: of the network's predictions.
        log: called with lines on what the held-out samples say. Defaults to nothing.

    Returns:
        The model; and `{"samples", "weights", "losses"}` beside the configuration of `kind`: the number of held-out
        samples, how much each model counts, and the mean loss of the linear models, of the network, and of both
        together.
    """
    x, y, *rest = (np.asarray(part) for part in data)
    held, whole = kind.learn(x, y, parts, task, int(network.output_shape[-1]), *rest)
    record = weigh(network, data, parts, task, kind, batch_size, held, log)
    return combined(network, whole, record["weights"]), record


def weigh(
    network: keras.Model,
    data: tuple[np.ndarray, ...],
    parts: Parts,
    task: Task,
    kind: Companion,
    batch_size: int,
    held: Sequence[np.ndarray],
    log: Callable[[str], Any],
) -> dict[str, Any]:
    """Return the record of `join`: how much a network and linear models count; `held`: their outputs, held out."""
    x, y, *rest = (np.asarray(part) for part in data)
    _, second = parts
    weights = rows_of(rest[0], second) if rest else None
    found = [*held, network.predict(x[second], batch_size=batch_size, verbose=0)]
    shares, parted = _shares(task, found, y[second], kind, weights)
    targets = task.targets(y[second], found[-1].shape[1])
    alone = shares[:-1] / max(shares[:-1].sum(), 1e-9)
    mixes = {"linear": np.append(alone, 0), "network": np.eye(len(shares))[-1], "both": shares}
    losses = {
        name: task.linear_loss(np.tensordot(one, np.stack(found), 1), targets, weights)[0] / len(second)
        for name, one in mixes.items()
    }
    log(
        f"  held-out loss ({len(second):,} {kind.samples}): network {losses['network']:.3f}, "
        f"{kind} {losses['linear']:.3f}, combined {losses['both']:.3f}"
        f"{'' if shares[-1] else '; the network is left out'}"
    )
    if taken := parted.get("pretrained"):
        log(
            f"  pretrained {taken['name']}: {'used' if taken['used'] else 'not used'}, cross-validated loss "
            f"{taken['with']:.3f} with them, {taken['without']:.3f} without"
        )
    entries = {"words": str(kind), "samples": len(second), "weights": shares.tolist(), "losses": losses}
    return {**kind.get_config(), **entries, **parted}


def combined(network: keras.Model, whole: Callable[[np.ndarray], Linear], shares: Sequence[float]) -> keras.Model:
    """Return linear models, and the network if it counts, as one model: the sum of their outputs times their shares."""
    linear = whole(np.array(shares[:-1]))
    summed, bias = linear.apply(network.inputs[0]), linear.bias.tolist()
    if shares[-1]:
        scaled = keras.layers.Rescaling(float(shares[-1]), bias, dtype="float32")(network.outputs[0])
        summed = keras.layers.Add(dtype="float32")([scaled, summed])
    else:
        summed = keras.layers.Rescaling(1.0, bias, dtype="float32")(summed)
    model = keras.Model(network.inputs[0], summed, name=network.name)
    number_layers(model)
    return model
