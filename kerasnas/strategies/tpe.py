"""Tree-structured Parzen estimator with densities of categorical choices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnas import checks
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy

_LEAST_BANDWIDTH = 1e-3  # an option that occurs nowhere is improbable, not impossible


class CategoricalDensity:
    """A kernel density estimate of architectures: each observed one, with every choice changed by chance.

    `p(x) = 1/n sum_i prod_j (1 - b_j if x_j = x_ij else b_j / (c_j - 1))`

    with c_j the number of options of choice j (Aitchison and Aitken's kernel), and the bandwidth
    `b_j = 1.06 s_j n^(-1 / (4 + d))` for d choices, where `s_j^2` is half the probability that two observations, drawn
    with replacement, differ in choice j: the variance, if it has two options. A bandwidth is at most `(c_j - 1) / c_j`,
    which makes all options equal, and 0 for a choice with one option.

    Reference:
        Aitchison and Aitken, "Multivariate Binary Discrimination by the Kernel Method", 1976; the rule for bandwidths:
        Silverman, "Density Estimation for Statistics and Data Analysis", 1986.
    """

    def __init__(self, architectures: Sequence[Indices], cardinalities: Sequence[int]):
        self.architectures = np.array(architectures, np.intp)
        self._sizes = np.array(cardinalities, np.intp)
        count, choices = self.architectures.shape
        shares = [np.bincount(column) / count for column in self.architectures.T]
        spread = np.sqrt([0.5 * (1 - share @ share) for share in shares])
        self._most = (self._sizes - 1) / self._sizes
        silverman = 1.06 * spread * count ** (-1 / (4 + choices))
        self.bandwidths = np.minimum(np.maximum(silverman, _LEAST_BANDWIDTH), self._most)

    def __call__(self, architectures: Sequence[Indices]) -> np.ndarray:
        """Return the probability of each of m architectures, `(m,)`."""
        same = np.array(architectures, np.intp)[:, None] == self.architectures
        other = self.bandwidths / np.maximum(self._sizes - 1, 1)
        return np.where(same, 1 - self.bandwidths, other).prod(axis=2).mean(axis=1)

    def sample(self, rng: np.random.Generator, count: int, factor: float = 1.0) -> list[Indices]:
        """Draw architectures, with repetitions, with bandwidths multiplied by `factor`."""
        drawn = self.architectures[rng.integers(len(self.architectures), size=count)]
        change = rng.random(drawn.shape) < np.minimum(factor * self.bandwidths, self._most)
        shift = rng.integers(1, np.maximum(self._sizes, 2), size=drawn.shape)
        return [tuple(row) for row in np.where(change, (drawn + shift) % self._sizes, drawn).tolist()]


@STRATEGIES.register("tpe")
class TPESearch(SearchStrategy):
    """BOHB's tree-structured Parzen estimator: proposes where good architectures are dense and bad ones are not.

    Of n rewards, the best `good_share` (at least d + 1, for d choices) form the density l, the others (at least as
    many) the density g. Of `candidates` draws from l, with its bandwidths widened, the one with the highest l / g is
    proposed; with probability `random_share`, and below d + 3 rewards, a random architecture is.

    Args:
        space, seed, unique: as for `SearchStrategy`.
        good_share: fraction of the rewards that count as good (q). Defaults to 0.15.
        candidates: number of draws (N_s). Defaults to 64.
        random_share: fraction of random architectures (rho). Defaults to 1/3.
        bandwidth_factor: factor of the draws' bandwidths (b_w). Defaults to 3.

    Attributes:
        evidence: pairs (indices, reward) to learn from instead of the search's own. Defaults to None.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> strategy = TPESearch(NASBench201Space(), seed=0)
    >>> for _ in range(100):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("nor_conv_3x3"))
    >>> strategy.best[1] >= 5  # of 6 edges
    True

    Reference:
        Falkner et al., "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", 2018 (arXiv 1807.01774),
        section 3.2; Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011.

    Differences from the paper:
        - Bandwidths follow the same rule, but from a spread that does not depend on the order of a choice's options.
        - Infeasible or repeated draws are replaced by random architectures as candidates, unless `unique` is False.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        unique: bool = True,
        good_share: float = 0.15,
        candidates: int = 64,
        random_share: float = 1 / 3,
        bandwidth_factor: float = 3.0,
    ):
        super().__init__(space, seed, unique)
        self.good_share = checks.number("good_share", good_share, above=0, below=1)
        self.candidates = checks.integer("candidates", candidates, 1)
        self.random_share = checks.number("random_share", random_share, least=0, most=1)
        self.bandwidth_factor = checks.number("bandwidth_factor", bandwidth_factor, above=0)
        self.evidence: Sequence[tuple[Indices, float]] | None = None

    @property
    def least(self) -> int:
        """Number of rewards below which architectures are random: d + 3."""
        return len(self.space.cardinalities) + 3

    def propose(self) -> Indices:
        evidence = self.succeeded if self.evidence is None else self.evidence
        if len(evidence) < self.least or self.rng.random() < self.random_share:
            return self.space.sample_indices(self.rng)
        good, bad = self.densities(evidence)
        drawn = good.sample(self.rng, self.candidates, self.bandwidth_factor)
        allowed = [
            indices
            if self.space.feasible(indices) and (not self.unique or self.is_new(indices))
            else self.space.sample_indices(self.rng)
            for indices in drawn
        ]
        return allowed[int(np.argmax(good(allowed) / bad(allowed)))]

    def densities(self, evidence: Sequence[tuple[Indices, float]]) -> tuple[CategoricalDensity, CategoricalDensity]:
        """Return the densities of good and of bad architectures, given pairs (indices, reward)."""
        ordered = [indices for indices, _ in sorted(evidence, key=lambda pair: -pair[1])]
        least, sizes = self.least - 2, self.space.cardinalities
        good = max(least, int(self.good_share * len(ordered)))
        bad = max(least, len(ordered) - good)
        return CategoricalDensity(ordered[:good], sizes), CategoricalDensity(ordered[-bad:], sizes)
