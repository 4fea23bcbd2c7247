"""EHVI: Bayesian optimization of two objectives by the expected growth of the area under their front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnas import checks
from kerasnas.pareto import crowding_distance, non_dominated_sort, staircase
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES
from kerasnas.strategies.candidates import Batches
from kerasnas.strategies.gaussian_process import Posterior, expected_improvement, fit_noise
from kerasnas.strategies.multi_objective import ParetoSearch

_PARENTS = 10  # architectures on the front whose neighbors are all candidates


def expected_hypervolume_improvement(
    means: np.ndarray, deviations: np.ndarray, front: np.ndarray, reference: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return the expected growth of a front's dominated area by points with two independent normal coordinates.

    With the front ascending in its first objective, `a_1 < ... < a_n`, and so descending in its second,
    `b_1 > ... > b_n`; `a_0` and `b_(n+1)` from the reference, and `a_(n+1)` infinite, a point grows the area in n + 1
    strips, each a product of two independent terms:

    `sum_i (EI_1(a_(i-1)) - EI_1(a_i)) EI_2(b_i)`, `i = 1 ... n + 1`

    with `EI(y) = E[max(Y - y, 0)]` in closed form (`expected_improvement`).

    Args:
        means, deviations: `(m, 2)`, coordinates of m points, both maximized; deviations above 0.
        front: `(n, 2)`, rewards; dominated ones, and those not above the reference, are ignored.
        reference: two numbers, the corner from which the area is measured.

    Reference:
        Emmerich et al., "Hypervolume-based Expected Improvement: Monotonicity Properties and Exact Computation", 2011;
        in strips: Yang et al., "Efficient Computation of Expected Hypervolume Improvement Using Box Decomposition
        Algorithms", 2019 (arXiv 1904.12672).

    Differences from the paper:
        - Both objectives are maximized.
        - Strips use one-sided improvements, whose differences are the paper's integrals.
    """
    inside = front[(front > reference).all(axis=1)]
    # Ascending in the first objective: the staircase of -first (a cost) and second, backwards.
    steps = inside[staircase((-inside[:, 0]).tolist(), inside[:, 1].tolist())[::-1]]
    firsts, seconds = np.append(reference[0], steps[:, 0]), np.append(steps[:, 1], reference[1])
    first = np.stack([expected_improvement(means[:, 0], deviations[:, 0], level) for level in firsts])
    second = np.stack([expected_improvement(means[:, 1], deviations[:, 1], level) for level in seconds])
    widths = first - np.append(first[1:], np.zeros((1, len(means))), axis=0)
    return (widths * second).sum(axis=0)


@STRATEGIES.register("ehvi")
class EHVISearch(Batches, ParetoSearch):
    """Expected hypervolume improvement: Bayesian optimization of two objectives with a Gaussian process for each.

    A reward is a pair, both entries of which are maximized; one with an entry that is not finite has failed. After
    `initial` random architectures it repeats: fit a process to each objective, predict new candidates, and propose
    those with the largest expected growth of the area under the front. Candidates are as for `PredictorSearch`, around
    up to ten architectures of the front that are far from one another. Pending architectures count with their
    predicted rewards.

    The area is that of the rewards, each divided by its standard deviation, above one deviation below the lowest. A
    reward further below the median than the best is above it is clipped to that distance, so that networks that fail to
    learn hide nothing. The noise and the scale of each process have the highest marginal likelihood. A choice takes
    some milliseconds after 100 evaluations on one core.

    Args:
        space, seed, unique: as for `SearchStrategy`; it never repeats itself while there is a new candidate.
        initial: number of random architectures before the first fit. Defaults to 10.
        batch_size: number of architectures chosen per fit. Defaults to 2.
        objectives: number of entries in a reward; 2, for which the expectation is exact. Defaults to 2.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> strategy = EHVISearch(NASBench201Space(), seed=0)
    >>> for _ in range(60):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, [genotype.count("nor_conv_3x3"), genotype.count("skip_connect")])
    >>> sorted({rewards for _, rewards in strategy.pareto_front()})
    [(0.0, 6.0), (1.0, 5.0), (2.0, 4.0), (3.0, 3.0), (4.0, 2.0), (5.0, 1.0), (6.0, 0.0)]

    Reference:
        Emmerich et al., "Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random Field
        Metamodels", 2006; pending ones and batches: Daulton et al., "Differentiable Expected Hypervolume Improvement
        for Parallel Multi-Objective Bayesian Optimization", 2020 (arXiv 2006.05078).

    Differences from the paper:
        - The processes use a kernel on choices, `MatchKernel`; the best of a list of candidates is chosen: there is
          no gradient to follow.
        - Architectures of a batch, and pending ones, get their predicted rewards instead of an expectation over their
          joint rewards.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        unique: bool = True,
        initial: int = 10,
        batch_size: int = 2,
        objectives: int = 2,
    ):
        super().__init__(space, seed, unique, initial, batch_size)
        if checks.integer("objectives", objectives, 1) != 2:
            expected = "2, for which the expectation is exact; for others there is `NSGA2`"
            raise ValueError(checks.invalid("objectives", expected, objectives))

    def _choose(self) -> list[Indices]:
        observed = [indices for indices, _ in self.succeeded]
        rewards = np.array([reward for _, reward in self.succeeded])
        targets, corner = self._scaled(rewards)
        pending = list(self.pending)
        best = [observed[position] for position in _spread_front(rewards)]
        candidates = [*pending, *self._around(best, self.rng, self.is_new)]
        if len(candidates) == len(pending):
            return []
        fits = [fit_noise(self._kernel, observed, target) for target in targets.T]
        posteriors = [
            Posterior(self._kernel, observed, [target], candidates, noise)
            for target, (noise, _) in zip(targets.T, fits, strict=True)
        ]
        means = np.stack([posterior.means[0] for posterior in posteriors], axis=1)
        front = np.concatenate([targets, means[: len(pending)]])
        chosen = list(range(len(pending)))
        for position in chosen:
            _condition(posteriors, position)
        while len(chosen) < min(len(pending) + self.batch_size, len(candidates)):
            variances = [scale * p.variance for p, (_, scale) in zip(posteriors, fits, strict=True)]
            deviations = np.sqrt(np.maximum(np.stack(variances, axis=1), 1e-9))
            growth = expected_hypervolume_improvement(means, deviations, front, corner)
            growth[chosen] = -1
            chosen.append(int(np.argmax(growth)))
            front = np.concatenate([front, means[chosen[-1:]]])
            _condition(posteriors, chosen[-1])
        return [candidates[position] for position in chosen[len(pending) :]]

    def _scaled(self, rewards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standardize rewards `(n, 2)`, those far below the median clipped; return the area's corner too."""
        median = np.median(rewards, axis=0)
        raised = np.maximum(rewards, 2 * median - rewards.max(axis=0))
        scale = raised.std(axis=0)
        scale[scale == 0] = 1
        targets = (raised - raised.mean(axis=0)) / scale
        return targets, targets.min(axis=0) - 1


def _spread_front(rewards: np.ndarray) -> list[int]:
    """Return positions of up to ten rewards on the front, the least crowded first."""
    front = non_dominated_sort(rewards)[0]
    order = np.argsort(-crowding_distance(rewards[front]), kind="stable")
    return [int(position) for position in front[order[:_PARENTS]]]


def _condition(posteriors: Sequence[Posterior], position: int) -> None:
    for posterior in posteriors:
        posterior.condition(position)
