"""ASHA: asynchronous successive halving, which promotes the best of a rung at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kerasnas.genotypes import Genotype
from kerasnas.strategies.brackets import Result, Trial
from kerasnas.strategies.multi_fidelity import MultiFidelitySearch


class ASHA(MultiFidelitySearch):
    """Asynchronous successive halving: promotes an architecture as soon as it is among the best of its rung.

    Each `ask` scans the rungs from the highest: of n architectures with a reward at a budget, the best `floor(n / eta)`
    qualify for the next one, and the best of them not yet promoted is. If no rung has one, a new architecture starts
    at the lowest budget. No worker ever waits for another one. A failed trial counts as the worst of its rung.

    Args: as for `Hyperband`; the strategy receives the first reward of each architecture.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import DARTSSpace
    >>> search = ASHA(RandomSearch(DARTSSpace()), budgets=(1, 3, 9))
    >>> for _ in range(13):
    ...     trial = search.ask()
    ...     search.tell(trial.genotype, reward=trial.genotype.count("skip_connect"), budget=trial.budget)
    >>> [result.budget for result in search.results][:5]  # the best of three is promoted without delay
    [1, 1, 1, 3, 1]
    >>> [sum(result.budget == budget for result in search.results) for budget in search.budgets]
    [9, 3, 1]

    Reference:
        Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2018 (arXiv 1810.05934), algorithm 2.

    Differences from the paper:
        - Any strategy proposes the architectures that start; the paper draws them at random (`RandomSearch`).
        - The paper's minimum early-stopping rate s corresponds to `budgets` without the lowest s.
        - A promoted architecture is trained from scratch unless the evaluator resumes its training.
    """

    @property
    def running(self) -> list[Trial]:
        return list(self._running)

    def promotable(self) -> Trial | None:
        """Return the next trial of the best architecture that qualifies, from the highest rung; None if none does."""
        for rung in reversed(range(len(self.budgets) - 1)):
            rewards, higher = self._rungs[rung], self.budgets[rung + 1]
            finite = [genotype for genotype, reward in rewards.items() if not math.isnan(reward)]
            best = sorted(finite, key=lambda genotype: -rewards[genotype])[: len(rewards) // self.eta]
            for genotype in best:
                if genotype not in self._rungs[rung + 1] and Trial(genotype, higher) not in self._running:
                    return Trial(genotype, higher)
        return None

    def _next_trial(self) -> Trial:
        trial = self.promotable() or Trial(self._start(), self.budgets[0])
        self._running.append(trial)
        return trial

    def _told(self, result: Result) -> None:
        trial = Trial(result.genotype, result.budget)
        if trial in self._running:
            self._running.remove(trial)

    def _record(self, result: Result) -> None:
        super()._record(result)
        self._rungs[self.budgets.index(result.budget)][result.genotype] = result.reward

    def _forget(self) -> None:
        super()._forget()
        self._running: list[Trial] = []
        self._rungs: list[dict[Genotype, float]] = [{} for _ in self.budgets]

    def _own_state(self) -> dict[str, Any]:
        return {"running": [[trial.genotype.to_json(), trial.budget] for trial in self._running]}

    def _restored(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return {"_running": [Trial(Genotype.from_json(text), budget) for text, budget in state["running"]]}
