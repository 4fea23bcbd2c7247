"""BANANAS: an ensemble of networks predicts scores of mutations; independent Thompson sampling picks among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import STRATEGIES, SearchStrategy
from kerasnas.strategies.candidates import INCUMBENTS, Candidates
from kerasnas.strategies.ensemble import NetworkEnsemble
from kerasnas.strategies.gaussian_process import MatchKernel, normal_quantiles


@STRATEGIES.register("bananas")
class BANANAS(SearchStrategy):
    """BANANAS: mutations of the best, scored by an ensemble of networks and picked by Thompson sampling.

    After `initial` random architectures it repeats: train the networks on the scores so far, predict new candidates,
    draw a score for each candidate independently from the normal distribution with the mean and the deviation of the
    predictions, and propose those with the highest draws. Every draw differs, which also spreads parallel workers.
    Training takes some tens of milliseconds for 100 evaluations on one core.

    Args:
        space, seed, unique: as for `SearchStrategy`; it never repeats itself while there is a new candidate.
        initial: number of random architectures before the first training. Defaults to 10.
        batch_size: number of architectures chosen per training. Defaults to 2.
        members: number of networks in the ensemble, at least 2. Defaults to 5.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> strategy = BANANAS(NASBench201Space(), seed=0)
    >>> for _ in range(60):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, reward=genotype.count("nor_conv_3x3"))
    >>> strategy.best[1]  # of 6 edges
    6.0

    Reference:
        White et al., "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search", 2019
        (arXiv 1910.11858).

    Differences from the paper:
        - The encoding is that of `MatchKernel`: each option in its choice, and how often each occurs. It serves every
          space, while only cells have paths from input to output. On NAS-Bench-201 and -101 the paper's path encoding
          was no better, nor were both together.
        - Networks have 2 hidden layers of 32 units instead of 10 of 20, and are trained on all data in each step.
        - The loss is the squared error of the normal quantiles of the rewards' ranks; the paper's relative error needs
          the highest possible reward.
        - Candidates are all neighbors of the 5 best, 150 that are two changes away from one of these, and 50 random
          ones; the paper has 100 mutations of the best.
        - 2 architectures are chosen per training; the paper has 10.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        unique: bool = True,
        initial: int = 10,
        batch_size: int = 2,
        members: int = 5,
    ):
        super().__init__(space, seed, unique)
        self.initial = checks.integer("initial", initial, 1)
        self.batch_size = checks.integer("batch_size", batch_size, 1)
        self.members = checks.integer("members", members, 2)
        self._kernel, self._around = MatchKernel(space), Candidates(space)
        self._chosen: list[Indices] = []  # with the last training, not asked for yet

    def propose(self) -> Indices:
        if not self._chosen and len(self.succeeded) >= self.initial:
            self._chosen = self._choose()
        return self._chosen.pop(0) if self._chosen else self.space.sample_indices(self.rng)

    def _choose(self) -> list[Indices]:
        observed = [indices for indices, _ in self.succeeded]
        scores = normal_quantiles(np.array([reward for _, reward in self.succeeded]))
        best = [observed[position] for position in np.argsort(-scores, kind="stable")[:INCUMBENTS]]
        candidates = self._around(best, self.rng, self.is_new)
        if not candidates:
            return []
        draws = thompson_draws(self._predictions(observed, scores, candidates), self.rng)
        return [candidates[position] for position in np.argsort(-draws, kind="stable")[: self.batch_size]]

    def _predictions(
        self, observed: Sequence[Indices], scores: np.ndarray, candidates: Sequence[Indices]
    ) -> np.ndarray:
        """Return each member's predicted scores of m candidates, `(members, m)`."""
        known, new = (np.concatenate(self._kernel.encode(some), axis=1) for some in (observed, candidates))
        return NetworkEnsemble(known, scores, self.rng, self.members)(new)

    def state(self) -> dict[str, Any]:
        return {"chosen": [list(indices) for indices in self._chosen]}

    def restore(self, state: dict[str, Any]) -> None:
        self._chosen = [tuple(indices) for indices in state["chosen"]]


def thompson_draws(predictions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a score for each of m candidates, independently, from the normal distribution of predictions `(members, m)`.

    Example:

    >>> thompson_draws(np.array([[1.0, 5.0], [1.0, 5.0]]), np.random.default_rng(0)).tolist()  # they agree
    [1.0, 5.0]

    Reference:
        White et al., "BANANAS", 2019 (arXiv 1910.11858), section 4: independent Thompson sampling.

    Differences from the paper:
        - None.
    """
    return rng.normal(predictions.mean(axis=0), predictions.std(axis=0, ddof=1))
