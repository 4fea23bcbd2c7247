"""SearchStrategy: ask for a genotype, tell its reward. What every black-box search has in common, and random search."""

from __future__ import annotations

import abc
import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Hashable
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


def ask_many(ask: Callable[[], Any], n: int) -> list[Any]:
    """What `n` calls of `ask` give; fewer if it raises SpaceExhaustedError on the way, which the first call may."""
    if n < 1:
        raise ValueError(f"Invalid value received for argument `n`. Expected at least 1. Received: {n}")
    asked = [ask()]
    with contextlib.suppress(SpaceExhaustedError):
        while len(asked) < n:
            asked.append(ask())
    return asked


class SearchStrategy(abc.ABC):
    """A black-box search: `ask` for the next genotype, evaluate it somehow, `tell` its reward (higher is better).

    A strategy writes `propose`, and what it learns from in `observe`; it computes with architectures as tuples of
    indices (`SearchSpace.encode`) and draws from `self.rng` alone. It gets: batches, pending architectures, no
    duplicate work, rewards that are not finite, and a state from which it goes on identically.
    `kerasnas.testing.check_strategy` checks one.

    Args:
        space: where to search.
        seed: seed of everything it draws. Defaults to 0.
        unique: whether no architecture is asked twice. With False a strategy repeats itself as published.
            Defaults to True.

    Attributes:
        observations: pairs (indices, reward) in the order told; rewards that are not finite are NaN here.
        objectives: how many numbers a reward has: 1, unless a multi-objective strategy says otherwise.

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

    objectives: int = 1

    def __init__(self, space: SearchSpace, seed: int = 0, unique: bool = True):
        self.space = space
        self.seed = seed
        self.unique = unique
        self.rng = np.random.default_rng(seed)
        self.observations: list[tuple[Indices, Any]] = []
        # Several indices may be one genotype: what was asked is learned from, not what `encode` makes of it.
        self._pending: dict[Genotype, list[Indices]] = {}
        self._seen: set[Hashable] = set()
        self._best: tuple[Indices, Any] | None = None
        self._failures = 0

    # What a strategy writes --------------------------------------------------------------------------
    @abc.abstractmethod
    def propose(self) -> Indices:
        """The next architecture to try; `ask` calls it again if that is not feasible, or was tried before."""

    def observe(self, indices: Indices, reward: Any) -> None:  # noqa: B027
        """Learn from a finite reward. It is in `observations` already."""

    def state(self) -> dict[str, Any]:
        """What `set_state` needs beyond the observations and the generator, as JSON knows it."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027
        """The inverse of `state`. The observations are there already."""

    def check_reward(self, reward: Any) -> Any:
        """`reward` as `observations` keep it, or None if it is not finite.

        Raises:
            TypeError: if `reward` is not a number.
        """
        reward = float(reward)
        return reward if math.isfinite(reward) else None

    # What it gets ------------------------------------------------------------------------------------
    @property
    def pending(self) -> tuple[Indices, ...]:
        """Architectures that were asked and not told yet."""
        return tuple(itertools.chain.from_iterable(self._pending.values()))

    @property
    def succeeded(self) -> list[tuple[Indices, Any]]:
        """The observations with a finite reward, in the order told."""
        if not self._failures:
            return self.observations
        return [pair for pair in self.observations if not _failed(pair[1])]

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
            indices = self._next()
            genotype = self.space.decode(indices)
            self._pending.setdefault(genotype, []).append(indices)
            self._seen.add(self.space.key(indices))
            return genotype
        return ask_many(self.ask, n)

    def tell(self, genotype: Genotype, reward: Any) -> None:
        """Report the reward of `genotype`, which need not have been asked.

        A reward that is not finite marks the genotype as failed: it is not learned from and never the best.

        Raises:
            ValueError: if `genotype` is not of the space.
            TypeError: if `reward` is not a number.
        """
        checked = self.check_reward(reward)
        asked = self._pending.get(genotype)
        if asked:
            indices = asked.pop(0)
            if not asked:
                del self._pending[genotype]
        else:
            indices = self.space.encode(genotype)
            if not self.space.feasible(indices):
                raise ValueError(f"This genotype is not in space '{self.space.name}':\n{genotype}")
            self._seen.add(self.space.key(indices))
        if checked is None:
            if not self._failures:
                warnings.warn(
                    f"A reward that is not finite was told ({reward}); such genotypes count as failed. "
                    f"This is said once.\n{genotype}",
                    stacklevel=2,
                )
            self._failures += 1
            self.observations.append((indices, math.nan))
            return
        self.observations.append((indices, checked))
        if self._best is None or checked > self._best[1]:
            self._best = indices, checked
        self.observe(indices, checked)

    def get_state(self) -> dict[str, Any]:
        """Everything that `set_state`, of a strategy made with the same arguments, needs to go on identically.

        It is made of what JSON knows.
        """
        return {
            "strategy": type(self).__name__,
            "space": self.space.name,
            "generator": self.rng.bit_generator.state,
            "observations": [
                [list(indices), None if _failed(reward) else reward] for indices, reward in self.observations
            ],
            "pending": [list(indices) for indices in self.pending],
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
        told = [(tuple(indices), _from_json(reward)) for indices, reward in state["observations"]]
        self.observations = told
        self._failures = sum(_failed(reward) for _, reward in told)
        pending = [tuple(indices) for indices in state["pending"]]
        self._pending = {}
        for indices in pending:
            self._pending.setdefault(self.space.decode(indices), []).append(indices)
        self._seen = {self.space.key(indices) for indices in [*(indices for indices, _ in told), *pending]}
        self._best = max(self.succeeded, key=lambda pair: pair[1], default=None)
        self.restore(state["own"])

    def is_new(self, indices: Indices) -> bool:
        """Whether `indices` was neither asked nor told."""
        return self.space.key(indices) not in self._seen

    def _next(self) -> Indices:
        for draw in (self.propose, lambda: self.space.sample_indices(self.rng)):
            for _ in range(_TRIES):
                indices = draw()
                if self.space.feasible(indices) and (not self.unique or self.is_new(indices)):
                    return indices
        # The space is small, or nearly used up: look at all that is left.
        left = [indices for indices in self.space if self.is_new(indices)]
        if not left:
            raise SpaceExhaustedError(
                f"All architectures of space '{self.space.name}' have been asked or told: {len(self._seen)}."
            )
        return left[self.rng.integers(len(left))]


def _failed(reward: Any) -> bool:
    return isinstance(reward, float) and math.isnan(reward)


def _from_json(reward: Any) -> Any:
    if reward is None:
        return math.nan
    return tuple(reward) if isinstance(reward, list) else reward


@STRATEGIES.register("random")
class RandomSearch(SearchStrategy):
    """Random search: every architecture is as likely as any other.

    Args: as for `SearchStrategy`.

    Reference:
        Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", 2019 (arXiv 1902.07638).
    """

    def propose(self) -> Indices:
        return self.space.sample_indices(self.rng)
