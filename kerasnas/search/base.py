"""SearchStrategy: ask for a genotype, tell its reward. What every black-box search has in common, and random search."""

from __future__ import annotations

import abc
import contextlib
import math
import warnings
from collections.abc import Hashable
from typing import Any, overload

import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.registry import Registry
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices

STRATEGIES = Registry("strategy")

_TRIES = 200  # proposals before a strategy that repeats itself gets a random architecture instead


class SpaceExhaustedError(ValueError):
    """Raised by `ask` when every architecture of the space has been asked or told."""


class SearchStrategy(abc.ABC):
    """A black-box search: `ask` for the next genotype, evaluate it somehow, `tell` its reward (higher is better).

    A strategy writes `propose`, and what it learns from in `observe`; it computes with architectures as tuples of
    indices (`SearchSpace.encode`) and draws from `self.rng` alone. It gets: batches, pending architectures, no
    duplicate work, rewards that are not finite, and a state from which it goes on identically.

    Args:
        space: where to search.
        seed: seed of everything it draws. Defaults to 0.
        unique: whether no architecture is asked twice. With False a strategy repeats itself as published.
            Defaults to True.

    Attributes:
        observations: pairs (indices, reward) in the order told; rewards that are not finite are NaN here.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> strategy = RandomSearch(DARTSSpace(num_nodes=1), seed=0)
    >>> for _ in range(20):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("sep_conv_3x3"))
    >>> genotype, reward = strategy.best
    >>> genotype.count("sep_conv_3x3") == reward
    True
    """

    def __init__(self, space: SearchSpace, seed: int = 0, unique: bool = True):
        self.space = space
        self.seed = seed
        self.unique = unique
        self.rng = np.random.default_rng(seed)
        self.observations: list[tuple[Indices, float]] = []
        self._pending: list[Indices] = []
        self._seen: set[Hashable] = set()
        self._best: tuple[Indices, float] | None = None

    # What a strategy writes --------------------------------------------------------------------------
    @abc.abstractmethod
    def propose(self) -> Indices:
        """The next architecture to try; `ask` calls it again if that was tried before."""

    def observe(self, indices: Indices, reward: float) -> None:
        """Learn from a finite reward. It is in `observations` already."""

    def state(self) -> dict[str, Any]:
        """What `set_state` needs beyond the observations and the generator, as JSON knows it."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. The observations are there already."""

    # What it gets ------------------------------------------------------------------------------------
    @property
    def pending(self) -> tuple[Indices, ...]:
        """Architectures that were asked and not told yet."""
        return tuple(self._pending)

    @property
    def best(self) -> tuple[Genotype, float] | None:
        """The genotype with the highest reward and that reward; None before a finite reward was told."""
        return None if self._best is None else (self.space.decode(self._best[0]), self._best[1])

    @overload
    def ask(self, n: None = None) -> Genotype: ...

    @overload
    def ask(self, n: int) -> list[Genotype]: ...

    def ask(self, n: int | None = None) -> Genotype | list[Genotype]:
        """The next genotype to evaluate; may be called again before its reward is told.

        Args:
            n: for as many parallel workers: a list of `n` genotypes, or of all that the space still holds.

        Raises:
            SpaceExhaustedError: if every architecture has been asked or told (and `unique` is True).
        """
        if n is None:
            indices = self._unseen() if self.unique else self.propose()
            self._pending.append(indices)
            self._seen.add(self.space.key(indices))
            return self.space.decode(indices)
        if n < 1:
            raise ValueError(f"Invalid value received for argument `n`. Expected at least 1. Received: {n}")
        asked = [self.ask()]
        with contextlib.suppress(SpaceExhaustedError):
            while len(asked) < n:
                asked.append(self.ask())
        return asked

    def tell(self, genotype: Genotype, reward: float) -> None:
        """Report the reward of `genotype`, which need not have been asked.

        A reward that is not finite marks the genotype as failed: it is not learned from and never the best.

        Raises:
            ValueError: if `genotype` is not of the space.
            TypeError: if `reward` is not a number.
        """
        indices, reward = self.space.encode(genotype), float(reward)
        if not self.space.feasible(indices):
            raise ValueError(f"This genotype is not in space '{self.space.name}':\n{genotype}")
        if indices in self._pending:
            self._pending.remove(indices)
        self._seen.add(self.space.key(indices))
        if not math.isfinite(reward):
            if not any(math.isnan(earlier) for _, earlier in self.observations):
                warnings.warn(
                    f"A reward that is not finite was told ({reward}); such genotypes count as failed. "
                    f"This is said once.\n{genotype}",
                    stacklevel=2,
                )
            self.observations.append((indices, math.nan))
            return
        self.observations.append((indices, reward))
        if self._best is None or reward > self._best[1]:
            self._best = indices, reward
        self.observe(indices, reward)

    def get_state(self) -> dict[str, Any]:
        """Everything that `set_state` needs to go on identically, as JSON knows it."""
        return {
            "strategy": type(self).__name__,
            "space": self.space.name,
            "generator": self.rng.bit_generator.state,
            "observations": [
                [list(indices), None if math.isnan(reward) else reward] for indices, reward in self.observations
            ],
            "pending": [list(indices) for indices in self._pending],
            "own": self.state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called.

        Raises:
            ValueError: if the state is that of another strategy or space.
        """
        for name, own in (("strategy", type(self).__name__), ("space", self.space.name)):
            if state.get(name) != own:
                raise ValueError(f"This state is of {name} {state.get(name)!r}, not of '{own}'.")
        self.rng.bit_generator.state = state["generator"]
        told = [(tuple(indices), math.nan if reward is None else reward) for indices, reward in state["observations"]]
        self.observations = told
        self._pending = [tuple(indices) for indices in state["pending"]]
        self._seen = {self.space.key(indices) for indices in [*(indices for indices, _ in told), *self._pending]}
        finite = [pair for pair in told if math.isfinite(pair[1])]
        self._best = max(finite, key=lambda pair: pair[1], default=None)
        self.restore(state["own"])

    def is_new(self, indices: Indices) -> bool:
        """Whether `indices` was neither asked nor told."""
        return self.space.key(indices) not in self._seen

    def _unseen(self) -> Indices:
        for draw in (self.propose, lambda: self.space.sample_indices(self.rng)):
            for _ in range(_TRIES):
                indices = draw()
                if self.is_new(indices):
                    return indices
        # The space is small, or nearly used up: look at all that is left.
        left = [indices for indices in self.space if self.is_new(indices)]
        if not left:
            raise SpaceExhaustedError(
                f"All architectures of space '{self.space.name}' have been asked or told: {len(self._seen)}."
            )
        return left[self.rng.integers(len(left))]


@STRATEGIES.register("random")
class RandomSearch(SearchStrategy):
    """Random search: every architecture is as likely as any other.

    Args: as for `SearchStrategy`.

    Reference:
        Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", 2019 (arXiv 1902.07638).
    """

    def propose(self) -> Indices:
        return self.space.sample_indices(self.rng)
