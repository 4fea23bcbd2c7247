"""Evaluation of a strategy's genotypes through an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasnas import checks
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
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
    """Ask for genotypes in batches, evaluate each batch through an executor, and tell the rewards in order.

    The result depends on `batch`, but not on the executor or on which worker finishes first. Each batch is waited for,
    so batches of several genotypes per worker keep the workers busy.

    Args:
        strategy: a search with `ask` and `tell`.
        function: `(shared, genotype) -> reward`; NaN marks a failure.
        evaluations: number of genotypes; fewer if the space is exhausted.
        batch: number of genotypes asked for at a time. Defaults to 1.
        executor: Defaults to None: this process.
        shared: first argument of all calls, sent to each worker once. Defaults to None.

    Returns:
        Pairs (genotype, reward), in the order of the proposals.

    Raises:
        TypeError: if `strategy` is not a search, or `function` is not callable.
        ValueError: if a number is not positive.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import NASBench201Space
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
    results: list[tuple[Genotype, Any]] = []
    while left > len(results):
        try:
            asked = strategy.ask(min(batch, left - len(results)))
        except SpaceExhaustedError:
            break
        for genotype, reward in zip(asked, executor.map(function, asked, shared), strict=True):
            strategy.tell(genotype, reward)
            results.append((genotype, reward))
    return results
