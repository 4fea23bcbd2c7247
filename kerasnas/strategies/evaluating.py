"""A strategy's genotypes, evaluated through an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasnas import checks
from kerasnas.executors import Executor, Local
from kerasnas.genotypes import Genotype
from kerasnas.strategies.base import SearchStrategy, SpaceExhaustedError


def evaluate_batches(
    strategy: SearchStrategy,
    function: Callable[[Any, Genotype], Any],
    evaluations: int,
    batch: int = 1,
    executor: Executor | None = None,
    shared: Any = None,
) -> list[tuple[Genotype, Any]]:
    """Ask for genotypes in batches, evaluate each batch through an executor, and tell the rewards in their order.

    What is found depends on `batch`, and not on the executor: which worker is first changes nothing. A batch is waited
    for, so several genotypes for each worker keep them busy.

    Args:
        strategy: a search by ask and tell.
        function: `(shared, genotype) -> reward`. NaN for a failure.
        evaluations: how many genotypes; fewer where the space is exhausted.
        batch: genotypes that are asked for at a time. Defaults to 1.
        executor: Defaults to None: this process.
        shared: first argument of all calls, which a worker receives once. Defaults to None.

    Returns:
        The genotypes and their rewards, in the order in which they were asked for.

    Raises:
        TypeError: if `strategy` is no search, or `function` cannot be called.
        ValueError: for a number that is not positive.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> from kerasnas.strategies import RandomSearch
    >>> space = NASBench201Space()
    >>> reward = lambda shared, genotype: space.encode(genotype).count(3)
    >>> found = evaluate_batches(RandomSearch(space, seed=0), reward, evaluations=6, batch=4)
    >>> len(found)
    6
    """
    checks.instance("strategy", strategy, SearchStrategy, "a `kerasnas.search.SearchStrategy`")
    checks.function("function", function)
    left, batch = checks.size("evaluations", evaluations), checks.size("batch", batch)
    executor = Local() if executor is None else checks.instance("executor", executor, Executor)
    found: list[tuple[Genotype, Any]] = []
    while left > len(found):
        try:
            asked = strategy.ask(min(batch, left - len(found)))
        except SpaceExhaustedError:
            break
        for genotype, reward in zip(asked, executor.map(function, asked, shared), strict=True):
            strategy.tell(genotype, reward)
            found.append((genotype, reward))
    return found
