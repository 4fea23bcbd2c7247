"""Trials and brackets of successive halving."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kerasnas.genotypes import Genotype


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial to run: a genotype and its budget, the length of its training (for example in epochs)."""

    genotype: Genotype
    budget: int


class Result(NamedTuple):
    """A reported trial; the reward of a failed one is NaN."""

    genotype: Genotype
    reward: float
    budget: int

    def to_json(self) -> list[Any]:
        """Return the result in JSON-serializable form."""
        return [self.genotype.to_json(), None if math.isnan(self.reward) else self.reward, self.budget]

    @classmethod
    def from_json(cls, saved: Sequence[Any]) -> Result:
        """Invert `to_json`."""
        text, reward, budget = saved
        return cls(Genotype.from_json(text), math.nan if reward is None else reward, budget)


@dataclasses.dataclass
class Bracket:
    """One run of successive halving, at one of its rungs.

    Attributes:
        rung: index of its trials' current budget.
        fresh: number of architectures still to be taken from the strategy; 0 above the first rung.
        queue: genotypes waiting for their trial at this rung.
        running: genotypes whose trial at this rung is not yet reported.
        results: trials reported at this rung.
    """

    rung: int
    fresh: int
    queue: list[Genotype] = dataclasses.field(default_factory=list)
    running: list[Genotype] = dataclasses.field(default_factory=list)
    results: list[Result] = dataclasses.field(default_factory=list)

    def promote(self, eta: int) -> None:
        """Move up with the best `1 / eta` of this rung (at least one) once all its trials are reported."""
        if self.fresh or self.queue or self.running:
            return
        kept = max(1, len(self.results) // eta)
        finite = [result for result in self.results if not math.isnan(result.reward)]
        self.queue = [result.genotype for result in sorted(finite, key=lambda result: -result.reward)[:kept]]
        self.rung, self.results = self.rung + 1, []

    def to_json(self) -> dict[str, Any]:
        """Return the bracket in JSON-serializable form."""
        return {
            "rung": self.rung,
            "fresh": self.fresh,
            "queue": [genotype.to_json() for genotype in self.queue],
            "running": [genotype.to_json() for genotype in self.running],
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Bracket:
        """Invert `to_json`."""
        return cls(
            rung=saved["rung"],
            fresh=saved["fresh"],
            queue=[Genotype.from_json(text) for text in saved["queue"]],
            running=[Genotype.from_json(text) for text in saved["running"]],
            results=[Result.from_json(result) for result in saved["results"]],
        )
