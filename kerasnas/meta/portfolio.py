"""Portfolios: a few candidates that together do well on every task."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasnas import checks


def greedy_portfolio(accuracies: Any, size: int) -> list[int]:
    r"""Select candidates that together do best over tasks, by greedy forward selection.

    With $a_{tc}$ the accuracy of candidate $c$ on task $t$, the portfolio $P$ grows by

    $$ \arg\max_c \; \frac{1}{T} \sum_t \max_{p \in P \cup \{c\}} a_{tp} . $$

    Gains do not increase, and the portfolio gains at least $1 - 1 / e$ of what the best one of this size would gain.

    Args:
        accuracies: `(tasks, candidates)`.
        size: number of candidates to select; all if there are fewer.

    Returns:
        Indices of candidates in the order in which to try them; ties go to the candidate with the higher mean.

    Raises:
        ValueError: if `accuracies` is not a table of finite numbers, or `size` is not positive.

    Example: the second candidate is good where the first one is; the third helps elsewhere.

    >>> accuracies = [[0.9, 0.85, 0.2], [0.5, 0.5, 0.8]]
    >>> greedy_portfolio(accuracies, 2)
    [0, 2]

    Reference:
        Feurer et al., "Auto-Sklearn 2.0: Hands-free AutoML via Meta-Learning", 2022 (arXiv 2007.04074), algorithm 2;
        there losses are normalized on each task, here they are as given. Nemhauser et al., "An analysis of
        approximations for maximizing submodular set functions", Mathematical Programming 14, 1978.
    """
    table = _table(accuracies)
    chosen: list[int] = []
    best = np.full(len(table), -np.inf)
    for _ in range(min(checks.size("size", size), table.shape[1])):
        rest = [index for index in range(table.shape[1]) if index not in chosen]
        scores = [(np.maximum(best, table[:, index]).mean(), table[:, index].mean()) for index in rest]
        chosen.append(rest[max(range(len(rest)), key=lambda place: scores[place])])
        best = np.maximum(best, table[:, chosen[-1]])
    return chosen


def regret(accuracies: Any, chosen: Any) -> np.ndarray:
    """Return for each task the accuracy that the best of the `chosen` candidates lacks to the best of all."""
    table = _table(accuracies)
    return table.max(axis=1) - table[:, list(chosen)].max(axis=1)


def random_regret(accuracies: Any, size: int) -> np.ndarray:
    r"""Return the expected regret of `size` candidates drawn at random without replacement, in closed form.

    The $k$-th best of $n$ candidates is the best of $m$ drawn ones with probability
    $\binom{n - k}{m - 1} / \binom{n}{m}$.
    """
    table = -np.sort(-_table(accuracies), axis=1)
    number, size = table.shape[1], min(checks.size("size", size), table.shape[1])
    chances = [math.comb(number - place, size - 1) / math.comb(number, size) for place in range(1, number + 1)]
    return table[:, 0] - table @ np.array(chances)


def _table(accuracies: Any) -> np.ndarray:
    table = np.asarray(accuracies, float)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(checks.invalid("accuracies", "finite numbers (tasks, candidates)", accuracies))
    return table
