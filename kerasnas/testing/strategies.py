"""Contract check of search strategies."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from kerasnas.genotypes import Genotype
from kerasnas.search import STRATEGIES, SearchStrategy
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import SpaceExhaustedError
from kerasnas.testing.common import no_error, refuses, require

_TINY = ((1,), (2,), (3,), (2, 2), (1, 4))
_STOPS = (0, 2, 11, 30)
_WORKERS = 3

Make = Callable[..., SearchStrategy]


class GridSpace(SearchSpace):
    """Choices without a network. With constraints some combinations are infeasible, and others are equivalent."""

    name = "grid"

    def __init__(self, cardinalities: Indices, constrained: bool = False):
        self._sizes, self.constrained = cardinalities, constrained

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        return {f"choice/{i}": tuple(f"option_{j}" for j in range(size)) for i, size in enumerate(self._sizes)}

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        return Genotype(self.name, {"choices": [(option, i, i + 1) for i, option in enumerate(assignment.values())]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        return {f"choice/{edge.source}": edge.primitive for edge in genotype["choices"]}

    def feasible(self, indices: Indices) -> bool:
        return not self.constrained or sum(indices) % 5 != 0

    def key(self, indices: Indices) -> Indices:
        return (*sorted(indices[:2]), *indices[2:]) if self.constrained else indices


def check_strategy(strategy: str | Make) -> None:
    """Check that `strategy` satisfies the contract of search strategies, on small spaces.

    It proposes architectures of the space and, with `unique`, none twice, pending or reported; the seed determines all
    of them; from `get_state`, through JSON, it resumes identically, with pending architectures too; it accepts rewards
    of architectures that it did not propose, and rejects those of other spaces; it warns once of rewards that are not
    finite and continues; `best` is the highest finite reward; spaces of 1 to 4 architectures are exhausted.

    Args:
        strategy: a registered name, or a callable that returns the strategy for `(space, seed=...)`.

    Raises:
        AssertionError: naming the first violation.

    Example:

    >>> check_strategy("random")
    """
    if isinstance(strategy, str):
        require(strategy in STRATEGIES, f"No strategy is registered as {strategy!r}. Registered: {sorted(STRATEGIES)}")
    make: Make = STRATEGIES[strategy] if isinstance(strategy, str) else strategy
    what = f"Strategy {strategy!r}"
    for space in (GridSpace((4, 4, 3, 3)), GridSpace((4, 4, 3, 3), constrained=True)):
        case = f"{what} in a space {'with' if space.constrained else 'without'} constraints"
        with no_error(case):
            _check_trajectory(case, make, space)
            _check_states(case, make, space)
    space = GridSpace((4, 4, 3, 3))
    for check in (_check_batches, _check_foreign_tells, _check_failures, _check_refusals):
        with no_error(what):
            check(what, make, space)
    for cardinalities in _TINY:
        case = f"{what} in a space of {math.prod(cardinalities)} architectures"
        with no_error(case):
            _check_exhaustion(case, make, GridSpace(cardinalities))


def _reward(strategy: SearchStrategy, genotype: Genotype) -> Any:
    indices = strategy.space.encode(genotype)
    first = sum((position + 1.5) * index for position, index in enumerate(indices))
    return first if strategy.objectives == 1 else [first, *range(-indices[0], strategy.objectives - 1 - indices[0])]


def _failed_reward(strategy: SearchStrategy, value: float) -> Any:
    return value if strategy.objectives == 1 else [1.0] * (strategy.objectives - 1) + [value]


def _advance(strategy: SearchStrategy, evaluations: int, fail: bool = True) -> list[Genotype]:
    """Evaluate on parallel workers, the oldest reported first, every ninth a failure; return the proposals."""
    asked = []
    running = [strategy.space.decode(indices) for indices in strategy.pending]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(evaluations):
            while len(running) < _WORKERS:
                running.append(strategy.ask())
                asked.append(running[-1])
                require(
                    strategy.space.feasible(strategy.space.encode(asked[-1])),
                    f"{type(strategy).__name__} asks for an infeasible architecture:\n{asked[-1]}",
                )
            done = running.pop(0)
            failed = fail and len(strategy.observations) % 9 == 4
            strategy.tell(done, _failed_reward(strategy, math.nan) if failed else _reward(strategy, done))
    return asked


def _check_trajectory(what: str, make: Make, space: SearchSpace) -> None:
    strategy = make(space, seed=3)
    asked = _advance(strategy, 40)
    for genotype in asked:
        space.validate(genotype)
    keys = [space.key(space.encode(genotype)) for genotype in asked]
    require(
        not strategy.unique or len(set(keys)) == len(keys),
        f"{what}: it asks for an architecture twice, though `unique` is True.",
    )
    require(asked == _advance(make(space, seed=3), 40), f"{what}: the same seed asks for others the second time.")
    require(
        len(strategy.observations) == 40 and len(strategy.pending) == _WORKERS - 1,
        f"{what}: expected 40 observations and 2 pending. Received: {len(strategy.observations)}, "
        f"{len(strategy.pending)}",
    )
    if strategy.objectives == 1:
        rewards = [reward for _, reward in strategy.observations if not math.isnan(reward)]
        best = strategy.best
        require(
            best is not None and best[1] == max(rewards) == _reward(strategy, best[0]),
            f"{what}: expected `best` with the highest reward, {max(rewards)}. Received: {best}",
        )


def _check_states(what: str, make: Make, space: SearchSpace) -> None:
    for stop in _STOPS:
        strategy = make(space, seed=5)
        _advance(strategy, stop)
        state = strategy.get_state()
        text = json.dumps(state)
        expected = _advance(strategy, 12)
        require(json.dumps(state) == text, f"{what}: the result of `get_state` changes as the search continues.")
        again = make(space, seed=6)
        again.set_state(json.loads(text))
        case = f"{what}, saved after {stop} rewards with {len(again.pending)} pending"
        require(json.dumps(again.get_state()) == text, f"{case}: `set_state` leads to another state than it received.")
        require(_advance(again, 12) == expected, f"{case}: it does not resume identically after `set_state`.")


def _check_batches(what: str, make: Make, space: SearchSpace) -> None:
    strategy = make(space, seed=0)
    batch = strategy.ask(7)
    require(isinstance(batch, list) and len(batch) == 7, f"{what}: expected a list of 7 of `ask(7)`. Received: {batch}")
    later = strategy.ask()
    require(not strategy.unique or len({*batch, later}) == 8, f"{what}: it asks for a pending architecture again.")
    require(len(strategy.pending) == 8, f"{what}: expected 8 pending. Received: {len(strategy.pending)}")
    for genotype in reversed(batch):
        strategy.tell(genotype, _reward(strategy, genotype))
    require(
        strategy.pending == (space.encode(later),),
        f"{what}: expected one pending after reports in another order. Received: {strategy.pending}",
    )


def _check_foreign_tells(what: str, make: Make, space: SearchSpace) -> None:
    strategy = make(space, seed=0)
    last = space.decode(tuple(size - 1 for size in space.cardinalities))  # the best one
    strategy.tell(last, _reward(strategy, last))
    require(
        [indices for indices, _ in strategy.observations] == [space.encode(last)],
        f"{what}: the reward of an architecture that it never asked for is not among its observations.",
    )
    if strategy.objectives == 1:
        require(strategy.best == (last, _reward(strategy, last)), f"{what}: `best` is not the best report.")
    asked = _advance(strategy, 40)
    require(not strategy.unique or last not in asked, f"{what}: it asks for an architecture that was reported before.")


def _check_failures(what: str, make: Make, space: SearchSpace) -> None:
    strategy = make(space, seed=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(40):
            value = (math.nan, math.inf, -math.inf)[step % 3]
            strategy.tell(strategy.ask(), _failed_reward(strategy, value))
    require(len(caught) == 1, f"{what}: expected one warning of rewards that are not finite. Received: {len(caught)}")
    if strategy.objectives == 1:
        require(strategy.best is None, f"{what}: a reward that is not finite is `best`: {strategy.best}")
    require(len(strategy.observations) == 40, f"{what}: expected 40 observations after 40 failed rewards.")
    _advance(strategy, 12, fail=False)


def _check_refusals(what: str, make: Make, space: SearchSpace) -> None:
    strategy = make(space, seed=0)
    genotype = strategy.ask()
    foreign = Genotype("not the space", genotype.cells)
    state = strategy.get_state()
    for description, call in (
        ("for a genotype of another space", lambda: strategy.tell(foreign, _reward(strategy, genotype))),
        ("for the state of another strategy", lambda: strategy.set_state({**state, "strategy": "other"})),
        ("for the state of another space", lambda: strategy.set_state({**state, "space": "other"})),
    ):
        refuses(call, f"{what}: no ValueError {description}.")


def _check_exhaustion(what: str, make: Make, space: SearchSpace) -> None:
    if not make(space, seed=0).unique:
        return
    one_by_one, batched = make(space, seed=0), make(space, seed=0)
    asked = []
    for _ in range(space.size):
        asked.append(one_by_one.ask())
        one_by_one.tell(asked[-1], _reward(one_by_one, asked[-1]))
    for how, strategy, received in (("one by one", one_by_one, asked), ("in one batch", batched, batched.ask(10))):
        require(
            len(received) == len(set(received)) == space.size,
            f"{what}: asked {how}, expected each architecture once. Received {len(received)}, {len(set(received))} of "
            "them distinct.",
        )
        try:
            extra = strategy.ask()
        except SpaceExhaustedError:
            continue
        raise AssertionError(f"{what}: expected SpaceExhaustedError after all architectures, {how}. Received:\n{extra}")
