"""Gaussian process on architectures: a kernel that compares options, and the posterior of candidates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import check_space

NOISE = 0.3  # variance that the kernel does not explain, of targets with variance 1
NOISES = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)

Codes = tuple[np.ndarray, ...]
"""Input of a kernel: arrays with a row for each architecture."""


class Kernel(Protocol):
    """A similarity of architectures, computed from their codes."""

    def encode(self, architectures: Sequence[Indices]) -> Codes:
        """Return the codes of n architectures."""

    def __call__(self, first: Codes, second: Codes) -> np.ndarray:
        """Return the kernel between n and m architectures, `(n, m)`."""

    def diagonal(self, codes: Codes) -> np.ndarray:
        """Return the kernel of each architecture with itself, `(n,)`."""


class MatchKernel:
    """Similarity of two architectures, given as indices, by the options they share, in the same choices and anywhere.

    `k(a, b) = exp(-d / 4) + exp(-o / 2) + 0.1`

    with `d` the number of choices in which a and b differ, and `o` the number of options that a has and b lacks (as
    multisets of names: three convolutions match three convolutions, in whichever choices). Of an `ordered` choice, two
    options that are a part r of its scale apart count as `1 - exp(-3 r)` in both. Called with the results of `encode`
    for n and m architectures, it returns an array `(n, m)`.
    """

    variance = 2.1
    """`k(a, a)`."""

    def __init__(self, space: SearchSpace):
        check_space(space)
        names = [option for options in space.choices.values() for option in options]
        self._offsets = np.cumsum([0, *space.cardinalities[:-1]])
        unique = {name: column for column, name in enumerate(dict.fromkeys(names))}
        self._named = np.zeros((len(names), len(unique)), np.float32)
        self._named[np.arange(len(names)), [unique[name] for name in names]] = 1
        most = [sum(name in options for options in space.choices.values()) for name in unique]
        self._steps, self._ordered = np.eye(len(names), dtype=np.float32), np.zeros(len(names), bool)
        for (name, options), start in zip(space.choices.items(), self._offsets, strict=True):
            if name in space.ordered:
                own, place = slice(start, start + len(options)), np.linspace(0, 1, len(options))
                self._steps[own, own] = np.linalg.cholesky(np.exp(-3 * np.abs(place[:, None] - place)))
                self._ordered[own], self._named[own] = True, 0
        # An option that occurs n times is n ones: products of such codes count shared options.
        self._column = np.repeat(np.arange(len(unique)), most)
        self._level = np.concatenate([np.arange(count) for count in most])

    def encode(self, architectures: Sequence[Indices]) -> Codes:
        """Return codes whose products count the options shared in place, and anywhere."""
        indices = np.asarray(architectures, np.intp) + self._offsets
        in_place = np.zeros((len(indices), len(self._named)), np.float32)
        np.put_along_axis(in_place, indices, 1, axis=1)
        anywhere = (in_place @ self._named)[:, self._column] > self._level
        if self._ordered.any():
            in_place = in_place @ self._steps
            anywhere = np.concatenate([anywhere, in_place[:, self._ordered]], axis=1)
        return in_place, anywhere.astype(np.float32)

    def __call__(self, first: Codes, second: Codes) -> np.ndarray:
        choices = len(self._offsets)
        differ, lack = (choices - a @ b.T for a, b in zip(first, second, strict=True))
        return np.exp(differ / -4) + np.exp(lack / -2) + np.float32(0.1)

    def diagonal(self, codes: Codes) -> np.ndarray:
        return np.full(len(codes[0]), self.variance)


class Posterior:
    """Posterior of a Gaussian process, given n observed architectures, at m candidates.

    `mean = k' (K + noise I)^-1 y`, `variance = k(c, c) - k' (K + noise I)^-1 k`

    with `K` the kernel between the observed architectures and `k` their kernel with a candidate; `targets` are arrays
    `(n,)` with mean 0 and variance 1, and `noise` is the part of that variance that the kernel does not explain.

    Attributes:
        means: an array `(m,)` for each of `targets`.
        variance: array `(m,)`, without the noise; it does not depend on the targets.

    Reference:
        Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equations 2.25 and 2.26.
    """

    def __init__(
        self,
        kernel: Kernel,
        observed: Sequence[Indices],
        targets: Iterable[np.ndarray],
        candidates: Sequence[Indices],
        noise: float = NOISE,
    ):
        self._kernel, self._codes, self._noise = kernel, kernel.encode(candidates), noise
        codes = kernel.encode(observed)
        inverse = np.linalg.inv(np.linalg.cholesky(kernel(codes, codes) + noise * np.eye(len(observed))))
        self._half = inverse @ kernel(codes, self._codes)
        self.means = [(inverse @ target) @ self._half for target in targets]
        self.variance = kernel.diagonal(self._codes) - np.einsum("nm,nm->m", self._half, self._half)

    def condition(self, candidate: int) -> None:
        """Observe the candidate at this position at its mean: means stay, variances near it fall."""
        codes = tuple(codes[[candidate]] for codes in self._codes)
        covariance = self._kernel(codes, self._codes)[0] - self._half[:, candidate] @ self._half
        row = covariance / math.sqrt(self.variance[candidate] + self._noise)
        self._half = np.vstack([self._half, row])
        self.variance = self.variance - row**2


def fit_noise(kernel: Kernel, observed: Sequence[Indices], target: np.ndarray) -> tuple[float, float]:
    """Choose the noise and the scale of a process with the highest marginal likelihood of a target with mean 0.

    The target of n architectures is normal with mean 0 and covariance `s (K + noise I)`. For each of `NOISES` the best
    s is `y' (K + noise I)^-1 y / n`, and the log-likelihood is `-(n log s + log det (K + noise I)) / 2` plus a
    constant. Returns the noise, as for `Posterior`, and the factor s of its variances.

    Reference:
        Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equation 5.8.
    """
    codes = kernel.encode(observed)
    matrix, count = kernel(codes, codes).astype(float), len(target)
    fits = []
    for noise in NOISES:
        half = np.linalg.cholesky(matrix + noise * np.eye(count))
        white = np.linalg.solve(half, target)
        scale = max(float(white @ white) / count, 1e-12)  # 0 if all targets are equal
        fits.append((-0.5 * count * math.log(scale) - float(np.log(np.diag(half)).sum()), noise, scale))
    return max(fits)[1:]


def normal_quantiles(values: np.ndarray) -> np.ndarray:
    """Return the standard normal quantile of each value's rank; equal values share the middle of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(values)
    return ndtri(middle)[inverse]


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """Return the expected excess of a normal variable over `best`, counted as 0 below it.

    `(mean - best) cdf(z) + deviation pdf(z)` with `z = (mean - best) / deviation`.

    Example:

    >>> expected_improvement(np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1e-6]), best=0.0).round(3).tolist()
    [0.399, 1.083, 2.0]

    Reference:
        Jones et al., "Efficient Global Optimization of Expensive Black-Box Functions", 1998, equation 15.
    """
    z = (mean - best) / deviation
    return (mean - best) * ndtr(z) + deviation * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
