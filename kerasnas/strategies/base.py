"""Base of every black-box search (`ask` for a genotype, `tell` its reward), and random search."""

from __future__ import annotations

import abc
import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, overload

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.registry import Registry
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices

STRATEGIES = Registry("strategy")

_TRIES = 200  # proposals before a strategy that repeats itself gets a random architecture
_BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # raised by a state of another shape


class SpaceExhaustedError(ValueError):
    """Raised by `ask` when every architecture of the space has been asked for or reported."""


def check_space(space: Any) -> SearchSpace:
    """Return `space` if it is a search space; raise TypeError otherwise."""
    return checks.instance("space", space, SearchSpace, "a search space, such as `kerasnas.DARTSSpace()`")


def check_genotype(genotype: Any) -> Genotype:
    """Return `genotype` if it is a genotype; raise TypeError otherwise."""
    return checks.instance("genotype", genotype, Genotype, "a `kerasnas.Genotype`")


@contextlib.contextmanager
def reading_state(kind: str) -> Iterator[None]:
    """Turn errors of a state that a search of class `kind` cannot read into a ValueError about argument `state`."""
    try:
        yield
    except _BROKEN as error:
        if "argument `state`" in str(error):
            raise
        raise ValueError(
            f"Invalid value received for argument `state`. Expected the result of `get_state` of {kind} with the same "
            f"arguments. Received: one that cannot be read ({type(error).__name__}: {error})"
        ) from error


def ask_many(ask: Callable[[], Any], n: int) -> list[Any]:
    """Call `ask` up to `n` times; stop early if a call after the first raises SpaceExhaustedError."""
    n = checks.integer("n", n, 1)
    asked = [ask()]
    with contextlib.suppress(SpaceExhaustedError):
        while len(asked) < n:
            asked.append(ask())
    return asked


class SearchStrategy(abc.ABC):
    """A black-box search: `ask` for the next genotype, evaluate it, `tell` its reward (higher is better).

    A strategy implements `propose`, and `observe` if it learns. It works on architectures as tuples of indices
    (`SearchSpace.encode`) and draws from `self.rng` alone. It gets for free: batches, pending architectures, no
    duplicate work, failed evaluations, and a state from which it resumes identically.
    `kerasnas.testing.check_strategy` checks one.

    Args:
        space: the space to search.
        seed: seed of all random draws. Defaults to 0.
        unique: if True, no architecture is proposed twice; if False, a strategy repeats itself as published.
            Defaults to True.

    Attributes:
        observations: pairs (indices, reward) in the order of the reports; NaN for a reward that is not finite.
        objectives: number of values in a reward; 1 except for multi-objective strategies.

    Raises:
        TypeError: if `space` is not a search space.
        ValueError: if `seed` is not an integer of at least 0, or `unique` is not a bool.

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
        self.space = check_space(space)
        self.seed = checks.seed(seed)
        self.unique = checks.boolean("unique", unique)
        self.rng = np.random.default_rng(self.seed)
        self.observations: list[tuple[Indices, Any]] = []
        # Several indices may decode to one genotype: a strategy must learn from those it proposed, not `encode`'s.
        self._pending: dict[Genotype, list[Indices]] = {}
        self._seen: set[Hashable] = set()
        self._best: tuple[Indices, Any] | None = None
        self._failures = 0

    # Implemented by a strategy -----------------------------------------------------------------------
    @abc.abstractmethod
    def propose(self) -> Indices:
        """Return the next architecture to try; `ask` calls again if it is not feasible or was tried before."""

    def observe(self, indices: Indices, reward: Any) -> None:  # noqa: B027
        """Learn from a finite reward, which `observations` already holds."""

    def state(self) -> dict[str, Any]:
        """Return the JSON-serializable state beyond the observations and the generator."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Set the result of `state`; the observations are already restored."""

    def check_reward(self, reward: Any) -> Any:
        """Return `reward` as `observations` stores it, None if not finite; raise TypeError if it is not a number."""
        return real("reward", reward)

    # Provided ----------------------------------------------------------------------------------------
    @property
    def pending(self) -> tuple[Indices, ...]:
        """Architectures asked for and not yet reported."""
        return tuple(itertools.chain.from_iterable(self._pending.values()))

    @property
    def succeeded(self) -> list[tuple[Indices, Any]]:
        """Observations with a finite reward, in the order of the reports."""
        if not self._failures:
            return self.observations
        return [pair for pair in self.observations if not _failed(pair[1])]

    @property
    def best(self) -> tuple[Genotype, float] | None:
        """Genotype with the highest reward, and that reward; None before the first finite reward."""
        return None if self._best is None else (self.space.decode(self._best[0]), self._best[1])

    @overload
    def ask(self, n: None = None) -> Genotype: ...

    @overload
    def ask(self, n: int) -> list[Genotype]: ...

    def ask(self, n: int | None = None) -> Genotype | list[Genotype]:
        """Return the next genotype to evaluate; may be called again before its reward is reported.

        Args:
            n: number of genotypes, for parallel workers; the result is then a list, shorter than `n` if the space is
                exhausted. Defaults to None: a single genotype.

        Raises:
            SpaceExhaustedError: if every architecture has been asked for or reported (and `unique` is True).
            ValueError: if `n` is not a positive integer.
        """
        if n is None:
            indices = self._next()
            genotype = self.space.decode(indices)
            self._pending.setdefault(genotype, []).append(indices)
            self._seen.add(self.space.key(indices))
            return genotype
        return ask_many(self.ask, n)

    def tell(self, genotype: Genotype, reward: Any) -> None:
        """Report the reward of `genotype`, which need not have been asked for.

        A reward that is not finite marks the genotype as failed: the strategy does not learn from it, and it is never
        the best.

        Raises:
            ValueError: if the space does not contain `genotype`.
            TypeError: if `genotype` is not a genotype, or `reward` is not a number.
        """
        check_genotype(genotype)
        checked = self.check_reward(reward)
        asked = self._pending.get(genotype)
        if asked:
            indices = asked.pop(0)
            if not asked:
                del self._pending[genotype]
        else:
            indices = self.space.encode(genotype)
            if not self.space.feasible(indices):
                raise ValueError(
                    "Invalid value received for argument `genotype`. "
                    f"It is not in space '{self.space.name}':\n{genotype}"
                )
            self._seen.add(self.space.key(indices))
        if checked is None:
            if not self._failures:
                warnings.warn(
                    f"A reward that is not finite was reported ({reward}); such genotypes count as failed. "
                    f"This warning is shown once.\n{genotype}",
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
        """Return the JSON-serializable state from which a strategy made with the same arguments resumes identically."""
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

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from the result of `get_state`.

        Raises:
            TypeError: if `state` is not a mapping.
            ValueError: if the state is that of another strategy or space, or cannot be read.
        """
        checks.instance("state", state, Mapping, "the result of `get_state`")
        for name, wanted in (("strategy", type(self).__name__), ("space", self.space.name)):
            if state.get(name) != wanted:
                expected = f"a state of {name} '{wanted}'"
                raise ValueError(checks.invalid("state", expected, state.get(name), f"It is the state's {name}."))
        with reading_state(type(self).__name__):
            rng = np.random.default_rng()
            rng.bit_generator.state = state["generator"]
            observations = [(self._known(indices), _from_json(reward)) for indices, reward in state["observations"]]
            pending = [self._known(indices) for indices in state["pending"]]
            self.rng.bit_generator.state = rng.bit_generator.state
            self.observations = observations
            self._failures = sum(_failed(reward) for _, reward in observations)
            self._pending = {}
            for indices in pending:
                self._pending.setdefault(self.space.decode(indices), []).append(indices)
            self._seen = {self.space.key(indices) for indices in [*(indices for indices, _ in observations), *pending]}
            self._best = max(self.succeeded, key=lambda pair: pair[1], default=None)
            self.restore(state["own"])

    def _known(self, indices: Iterable[int]) -> Indices:
        """Return `indices` from a state as a tuple; raise ValueError unless each is an option of its choice."""
        known, sizes = tuple(indices), self.space.cardinalities
        if len(known) != len(sizes) or not all(0 <= index < size for index, size in zip(known, sizes, strict=True)):
            expected = f"architectures of space '{self.space.name}' with {len(sizes)} choices of {sizes} options"
            raise ValueError(checks.invalid("state", expected, known))
        return known

    def is_new(self, indices: Indices) -> bool:
        """Return True if `indices` was neither asked for nor reported."""
        return self.space.key(indices) not in self._seen

    def _next(self) -> Indices:
        for draw in (self.propose, lambda: self.space.sample_indices(self.rng)):
            for _ in range(_TRIES):
                indices = draw()
                if self.space.feasible(indices) and (not self.unique or self.is_new(indices)):
                    return indices
        # The space is small or nearly exhausted: enumerate what is left.
        left = [indices for indices in self.space if self.is_new(indices)]
        if not left:
            raise SpaceExhaustedError(
                f"All architectures of space '{self.space.name}' have been asked for or reported: {len(self._seen)}."
            )
        return left[self.rng.integers(len(left))]


def real(argument: str, value: Any) -> float | None:
    """Return `value` as a `float`, None if not finite; raise TypeError naming `argument` if it is not a number."""
    try:
        number = checks.number(argument, value, finite=False)
    except ValueError as error:
        raise TypeError(str(error)) from None
    return number if math.isfinite(number) else None


def _failed(reward: Any) -> bool:
    return isinstance(reward, float) and math.isnan(reward)


def _from_json(reward: Any) -> Any:
    if reward is None:
        return math.nan
    return tuple(reward) if isinstance(reward, list) else reward


@STRATEGIES.register("random")
class RandomSearch(SearchStrategy):
    """Random search: every architecture is equally likely.

    Args: as for `SearchStrategy`.

    Reference:
        Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", 2019 (arXiv 1902.07638).
    """

    def propose(self) -> Indices:
        return self.space.sample_indices(self.rng)
