"""TransferPredictor: predictor-based search whose Gaussian process starts from what earlier searches found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kerasnas.meta.experience import SearchExperience, check_sources
from kerasnas.meta.source_predictions import NOISE, SourcePredictions, SourceSurrogate
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies import PredictorSearch
from kerasnas.strategies.gaussian_process import Codes, MatchKernel, Posterior

_PROMISING = 100  # architectures of which the sources expect most: candidates all along
_EXPANDED = 30  # of them, those whose neighbours are looked at in every round
_ROUNDS = 20
_RIDGE = 1e-3  # so that sources that say the same can be told apart from none
_ALONE = 0.2  # mean and deviation of the weight of a single source
_LEAST = 0.2  # deviation of the weights that is left at least: a task may be unlike what the sources show


class SourceKernel:
    """`MatchKernel`, and what follows from not knowing how much a task resembles the sources.

    `k(a, b) + deviation^2 sum_s m_s(a) m_s(b)`

    with `m_s` the predictions of the sources: the kernel of `sum_s w_s m_s(a)` with independent weights `w_s` of that
    deviation. Observations of the task decide what the weights are.

    Args:
        space: whose architectures, as indices.
        predictions: of the sources.
        deviation: of the weights.
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
    """What several sources say of a task before it is searched: how its scores depend on the sources' predictions.

    The score of an architecture is `sum_s w_s m_s(a)` and a residual, with `w_s ~ N(mean, deviation^2)`.

    Args:
        space: where to search.
        sources: at least one.

    Attributes:
        mean, deviation: of the weights, learned by predicting each source from the others (generalised least squares).
            With one source there is nothing to learn from: 0.2 and 0.2.
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
        """The prior mean `(n,)` of the scores of n architectures."""
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
        found = np.concatenate(weights)
        # What the weights differ by, less what their estimates are wrong by.
        variance = found.var() - np.concatenate(errors).mean()
        return float(found.mean()), math.sqrt(max(variance, _LEAST**2))

    def _climb(self) -> list[Indices]:
        """From good architectures of the sources to better neighbours, as long as there are any."""
        told = (indices for surrogate in self.predictions.surrogates for indices in surrogate.source.architectures)
        # In another table of the space, what a source evaluated may be missing.
        new = [indices for indices in dict.fromkeys(told) if self.space.feasible(indices)]
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

    The process of `PredictorSearch` gets a prior: the score of an architecture is a weighted sum of what each source
    predicts for it, and a residual with the usual kernel. Weights are normal variables, `w_s ~ N(mean, deviation^2)`.
    Their mean and deviation are learned from the sources, which are predicted from one another (leave one out, by
    generalised least squares); with one source, they are 0.2. What the weights are in the new task follows from its
    own observations, source by source. The prior mean fades as `trust / (trust + n)` with the number n of observations:
    in a task unlike the sources it soon is the process from scratch, which may still find a weight for each source.

    Nothing is drawn at random at the start: the first architectures are those of which the sources expect most. These
    stay candidates throughout. The expected improvement counts the variance that the kernel does not explain.

    Without sources it is `PredictorSearch`: the same architectures with the same arguments.

    Args:
        space: where to search.
        sources: what earlier searches of the space were told. Defaults to none.
        seed: seed of everything it draws. Defaults to 0.
        unique, initial, cost_limit: as for `PredictorSearch`; `initial` is for a search without sources.
        batch_size: how many architectures are chosen with each fit. Defaults to 1 with sources, to 2 without.
        trust: number of observations after which the prior mean is halved. Defaults to 20.

    Attributes:
        prior: what was learned from the sources, a `SourcePrior`; None without sources.

    Raises:
        TypeError: if a source is no `SearchExperience`.
        ValueError: if a source is of another space, or an argument is out of its range.

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
        Transfer Learning", 2019 (arXiv 1909.13595): a residual on normal quantiles. That the weights are part of the
        kernel, and how their prior is learned and fades, is this project's own.
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
        if not 0 < trust < math.inf:
            raise ValueError(
                f"Invalid value received for argument `trust`. Expected a positive number. Received: {trust}"
            )
        self.trust = trust
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
        # Scores are ranks among architectures that grow alike, the prior mean is in terms of random ones: it fades.
        trust = self.trust / (self.trust + len(observed))
        targets = [targets[0] - trust * self.prior(observed), *targets[1:]]
        posterior = Posterior(self.prior.kernel, observed, targets, candidates, NOISE)
        posterior.means[0] = posterior.means[0] + trust * self.prior(candidates)
        return posterior

    def _candidates(self, best: Sequence[Indices]) -> list[Indices]:
        candidates = super()._candidates(best)
        if self.prior is None:
            return candidates
        known = {self.space.key(indices) for indices in candidates}
        promising = {self.space.key(i): i for i in self.prior.promising if self.is_new(i)}
        return candidates + [indices for key, indices in promising.items() if key not in known]
