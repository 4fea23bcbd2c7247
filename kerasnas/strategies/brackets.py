"""Trial and Bracket: one run of successive halving, rung by rung."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kerasnas.genotypes import Genotype


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial to run: a genotype, and how long to train it (in epochs, say)."""

    genotype: Genotype
    budget: int


class Result(NamedTuple):
    """A reported trial; NaN is the reward of a failed one."""

    genotype: Genotype
    reward: float
    budget: int

    def to_json(self) -> list[Any]:
        """The result in JSON-serializable form."""
        return [self.genotype.to_json(), None if math.isnan(self.reward) else self.reward, self.budget]

    @classmethod
    def from_json(cls, saved: Sequence[Any]) -> Result:
        """The inverse of `to_json`."""
        text, reward, budget = saved
        return cls(Genotype.from_json(text), math.nan if reward is None else reward, budget)


@dataclasses.dataclass
class Bracket:
    """One run of successive halving, at one of its rungs.

    Attributes:
        rung: index of the budget that its trials have now.
        fresh: number of architectures that it still takes from the strategy; 0 above its first rung.
        queue: genotypes that wait for their trial at this rung.
        running: genotypes whose trial at this rung was asked for and is not reported yet.
        results: the trials reported at this rung.
    """

    rung: int
    fresh: int
    queue: list[Genotype] = dataclasses.field(default_factory=list)
    running: list[Genotype] = dataclasses.field(default_factory=list)
    results: list[Result] = dataclasses.field(default_factory=list)

    def promote(self, eta: int) -> None:
        """Once all trials of this rung are reported, continue with the best `1 / eta` of them, at least with one."""
        if self.fresh or self.queue or self.running:
            return
        kept = max(1, len(self.results) // eta)
        finite = [result for result in self.results if not math.isnan(result.reward)]
        self.queue = [result.genotype for result in sorted(finite, key=lambda result: -result.reward)[:kept]]
        self.rung, self.results = self.rung + 1, []

    def to_json(self) -> dict[str, Any]:
        """The bracket in JSON-serializable form."""
        return {
            "rung": self.rung,
            "fresh": self.fresh,
            "queue": [genotype.to_json() for genotype in self.queue],
            "running": [genotype.to_json() for genotype in self.running],
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Bracket:
        """The inverse of `to_json`."""
        return cls(
            rung=saved["rung"],
            fresh=saved["fresh"],
            queue=[Genotype.from_json(text) for text in saved["queue"]],
            running=[Genotype.from_json(text) for text in saved["running"]],
            results=[Result.from_json(result) for result in saved["results"]],
        )
