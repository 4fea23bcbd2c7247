"""TransferPredictor: predictor-based search whose Gaussian process has a prior learned from earlier searches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kerasnas import checks
from kerasnas.meta.experience import SearchExperience, check_sources
from kerasnas.search import PredictorSearch
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.gaussian_process import Codes, MatchKernel, Posterior, fit_noise, normal_quantiles

NOISE = 0.6  # variance, for rewards with variance 1: a source should contribute trends, not the noise of its run

_REFERENCE = 500  # random architectures over which predictions are standardized


class SourceSurrogate:
    """The posterior mean of a Gaussian process fitted to one source, standardized over random architectures.

    The process is that of `PredictorSearch`, on the normal quantiles of the rewards' ranks, which makes sources with
    rewards in different units comparable. A prediction of 1 is one standard deviation above the mean of random
    architectures.
    """

    def __init__(self, space: SearchSpace, source: SearchExperience):
        self.source = source
        self._kernel = MatchKernel(space)
        self._codes = self._kernel.encode(source.architectures)
        self.scores = normal_quantiles(source.rewards)
        gram = self._kernel(self._codes, self._codes) + NOISE * np.eye(len(source))
        self._weights = np.linalg.solve(gram, self.scores)
        self._center, self._scale = 0.0, 1.0
        rng = np.random.default_rng(0)
        reference = self([space.sample_indices(rng) for _ in range(_REFERENCE)])
        self._center, self._scale = float(reference.mean()), float(reference.std()) or 1.0

    def __call__(self, architectures: Sequence[Indices]) -> np.ndarray:
        """Return the predictions `(n,)` for n architectures."""
        raw = self._kernel(self._kernel.encode(architectures), self._codes) @ self._weights
        return (raw - self._center) / self._scale


class SourcePredictions:
    """The predictions of several sources, cached by architecture."""

    def __init__(self, surrogates: Sequence[SourceSurrogate]):
        self.surrogates = list(surrogates)
        self._known: dict[Indices, np.ndarray] = {}

    def __call__(self, architectures: Sequence[Indices]) -> np.ndarray:
        """Return `(n, sources)` predictions for n architectures."""
        new = [indices for indices in dict.fromkeys(architectures) if indices not in self._known]
        if new:
            predictions = np.stack([surrogate(new) for surrogate in self.surrogates], axis=1)
            self._known.update(zip(new, predictions, strict=True))
        return np.array([self._known[indices] for indices in architectures])


_PROMISING = 100  # architectures with the highest predictions of the sources, candidates throughout
_EXPANDED, _ROUNDS = 30, 20  # promising architectures whose neighbors are considered in a round, and rounds
_RIDGE = 1e-3  # keeps the regression solvable if sources agree exactly
_ALONE = 0.2  # mean and deviation of the weight of a single source
_LEAST = 0.2  # lower bound of the weights' deviation: a task may be unlike the sources


class SourceKernel:
    """`MatchKernel`, plus a term for the unknown resemblance of a task to the sources.

    `k(a, b) + deviation^2 sum_s m_s(a) m_s(b)`

    with `m_s` the predictions of the sources: the kernel of `sum_s w_s m_s(a)` with independent weights `w_s` of
    standard deviation `deviation`. Observations of the task determine the weights.
    """

    def __init__(self, space: SearchSpace, predictions: SourcePredictions, deviation: float):
        self._match, self._predictions, self.deviation = MatchKernel(space), predictions, deviation

    def encode(self, architectures: Sequence[Indices]) -> Codes:
        return *self._match.encode(architectures), self.deviation * self._predictions(architectures)

    def __call__(self, first: Codes, second: Codes) -> np.ndarray:
        return self._match(first[:2], second[:2]) + first[2] @ second[2].T

    def diagonal(self, codes: Codes) -> np.ndarray:
        return self._match.variance + (codes[2] ** 2).sum(axis=1)


class SourcePrior:
    """A prior for the scores of a task, given the predictions of several sources.

    The score of an architecture is `sum_s w_s m_s(a)` plus a residual, with `w_s ~ N(mean, deviation^2)`.

    Attributes:
        mean, deviation: mean and standard deviation of the weights, learned by predicting each source from the others
            (generalized least squares). With a single source: 0.2 and 0.2.
        kernel: `SourceKernel`.
        promising: architectures with the highest prior mean, the highest first.
    """

    def __init__(self, space: SearchSpace, sources: Sequence[SearchExperience]):
        self.space = space
        self.predictions = SourcePredictions([SourceSurrogate(space, source) for source in sources])
        self.mean, self.deviation = self._learn_weights()
        self.kernel = SourceKernel(space, self.predictions, self.deviation)
        self.promising = self._climb()

    def __call__(self, architectures: Sequence[Indices]) -> np.ndarray:
        """Return the prior mean `(n,)` of the scores of n architectures."""
        return self.mean * self.predictions(architectures).sum(axis=1)

    def _learn_weights(self) -> tuple[float, float]:
        surrogates, match = self.predictions.surrogates, MatchKernel(self.space)
        if len(surrogates) == 1:
            return _ALONE, _ALONE
        weights, errors = [], []
        for position, surrogate in enumerate(surrogates):
            architectures = surrogate.source.architectures
            others = np.delete(self.predictions(architectures), position, axis=1)
            others = others - others.mean(axis=0)
            codes = match.encode(architectures)
            solved = np.linalg.solve(match(codes, codes) + NOISE * np.eye(len(architectures)), others)
            covariance = np.linalg.inv(others.T @ solved + _RIDGE * np.eye(others.shape[1]))
            weights.append(covariance @ solved.T @ surrogate.scores)
            errors.append(np.diag(covariance))
        estimates = np.concatenate(weights)
        variance = estimates.var() - np.concatenate(errors).mean()  # less the variance of estimation
        return float(estimates.mean()), math.sqrt(max(variance, _LEAST**2))

    def _climb(self) -> list[Indices]:
        """Climb from the architectures of the sources to better neighbors, as long as there are any."""
        evaluated = (indices for surrogate in self.predictions.surrogates for indices in surrogate.source.architectures)
        # An architecture of a source may be missing from the table that defines this space.
        new = [indices for indices in dict.fromkeys(evaluated) if self.space.feasible(indices)]
        values: dict[Indices, float] = {}
        expanded: set[Indices] = set()
        for _ in range(_ROUNDS):
            if not new:
                break
            values |= zip(new, self(new).tolist(), strict=True)
            front = [i for i in sorted(values, key=values.__getitem__, reverse=True)[:_EXPANDED] if i not in expanded]
            expanded.update(front)
            around = dict.fromkeys(near for indices in front for near in self.space.neighbors(indices))
            new = [indices for indices in around if indices not in values]
        return sorted(values, key=values.__getitem__, reverse=True)[:_PROMISING]


class TransferPredictor(PredictorSearch):
    """Predictor-based search that starts from earlier searches of the same space: a warm-started Gaussian process.

    The process of `PredictorSearch` gets a prior: the score of an architecture is a weighted sum of the sources'
    predictions and a residual with the usual kernel. The weights are normal variables, `w_s ~ N(mean, deviation^2)`,
    whose mean and deviation are learned from the sources, each predicted from the others (leave one out, by generalized
    least squares); with a single source, both are 0.2. Observations of the new task determine the weights source by
    source. The prior mean fades as `trust / (trust + n)` with the number n of observations: in a task unlike the
    sources the process soon equals the one without a prior, which may still find a weight for each source.

    There is no random phase at the start: the first architectures are those with the highest predictions, which remain
    candidates throughout. The expected improvement includes the variance that the kernel does not explain.

    Without sources it equals `PredictorSearch`: the same architectures with the same arguments.

    Args:
        space: the space to search.
        sources: records of earlier searches of the space. Defaults to none.
        seed: seed of all draws. Defaults to 0.
        unique, initial, cost_limit: as for `PredictorSearch`; `initial` applies to a search without sources.
        batch_size: number of architectures chosen with each fit. Defaults to 1 with sources, to 2 without.
        trust: number of observations after which the prior mean is halved. Defaults to 20.

    Attributes:
        prior: the `SourcePrior` learned from the sources; None without sources.

    Raises:
        TypeError: if a source is not a `SearchExperience`.
        ValueError: if a source is of another space, or an argument is out of range.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import NASBench201Space
    >>> space, sources = NASBench201Space(), []
    >>> for primitive in ("nor_conv_3x3", "nor_conv_1x1"):
    ...     search = RandomSearch(space, seed=1)
    ...     for genotype in search.ask(50):
    ...         search.tell(genotype, genotype.count(primitive) - genotype.count("none"))
    ...     sources.append(SearchExperience.of(search, primitive))
    >>> strategy = TransferPredictor(space, sources, seed=0)
    >>> strategy.ask().count("none")
    0

    Reference:
        Feurer et al., "Practical Transfer Learning for Bayesian Optimization", 2018 (arXiv 1802.02219): sources as
        Gaussian processes whose predictions are weighted. Salinas et al., "A Quantile-based Approach for Hyperparameter
        Transfer Learning", 2019 (arXiv 1909.13595): a residual on normal quantiles. Weights as part of the kernel, with
        a prior that is learned and fades, are this project's own.
    """

    def __init__(
        self,
        space: SearchSpace,
        sources: Sequence[SearchExperience] = (),
        seed: int = 0,
        unique: bool = True,
        initial: int = 10,
        batch_size: int | None = None,
        cost_limit: float | None = None,
        trust: float = 20.0,
    ):
        useful = check_sources(space, sources)
        if batch_size is None:
            batch_size = 1 if useful else 2
        super().__init__(space, seed, unique, initial, batch_size, cost_limit)
        self.trust = checks.number("trust", trust, above=0)
        self.prior = SourcePrior(space, useful) if useful else None
        if self.prior is not None:
            self.initial, self._unexplained = 1, NOISE

    def propose(self) -> Indices:
        if self.prior is not None and not self.succeeded:
            new = (indices for indices in self.prior.promising if self.is_new(indices))
            return next(new, None) or self.space.sample_indices(self.rng)
        return super().propose()

    def _posterior(
        self, observed: Sequence[Indices], targets: Sequence[np.ndarray], candidates: Sequence[Indices]
    ) -> Posterior:
        if self.prior is None:
            return super()._posterior(observed, targets, candidates)
        # Scores rank architectures that become alike; the prior mean is in units of random ones, so it fades.
        trust = self.trust / (self.trust + len(observed))
        targets = [targets[0] - trust * self.prior(observed), *targets[1:]]
        posterior = Posterior(self.prior.kernel, observed, targets, candidates, NOISE)
        posterior.means[0] = posterior.means[0] + trust * self.prior(candidates)
        return posterior

    def _expected(self, observed: Sequence[Indices], scores: np.ndarray) -> np.ndarray:
        if self.prior is None:
            return super()._expected(observed, scores)
        prior = self.prior(observed)  # in full: reported rewards may be noise
        rest = scores - (prior - prior.mean())
        noise, _ = fit_noise(self.prior.kernel, observed, rest)
        return prior + Posterior(self.prior.kernel, observed, [rest], observed, noise).means[0]

    def _candidates(self, best: Sequence[Indices]) -> list[Indices]:
        candidates = super()._candidates(best)
        if self.prior is None:
            return candidates
        known = {self.space.key(indices) for indices in candidates}
        promising = {self.space.key(i): i for i in self.prior.promising if self.is_new(i)}
        return candidates + [indices for key, indices in promising.items() if key not in known]
