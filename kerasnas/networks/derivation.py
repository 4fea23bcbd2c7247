"""From mixing weights to a genotype: the strongest choice, or the strongest within limits."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.constraints import Instance
from kerasnas.genotypes import NONE, SKIP
from kerasnas.pareto import staircase

RESOLUTION = 4096  # parts of the cost limit that costs are rounded up to


@dataclasses.dataclass(frozen=True)
class Option:
    """One way to make a decision.

    Args:
        kind: the table of architecture parameters that it belongs to.
        picks: (row, column) of that table for each primitive that it keeps.
        strengths: the mixing weight of each pick.
        skips: number of skip connections among the picks.
        left_out: rows of that table that are kept as `none`. Their strengths count among `strengths`.
        inputs: the probability of the edges that it keeps, if that is a choice with alphas of its own. Defaults to 1.
    """

    kind: str
    picks: tuple[tuple[int, int], ...]
    strengths: tuple[float, ...]
    skips: int
    left_out: tuple[int, ...] = ()
    inputs: float = 1.0

    @property
    def rank(self) -> tuple[float, ...]:
        """Probability of the edges, then strengths, largest first: the strongest option ranks highest."""
        return (self.inputs, *sorted(self.strengths, reverse=True))

    @property
    def score(self) -> float:
        """Logarithm of its probability, if mixing weights are probabilities."""
        return sum(math.log(max(strength, 1e-30)) for strength in (self.inputs, *self.strengths))


Decision = Sequence[Option]


def decision(
    kind: str,
    weights: np.ndarray,
    rows: Sequence[int],
    primitives: Sequence[str],
    keep: int = 1,
    allow_none: bool = False,
) -> list[Option]:
    """Return all ways to keep `keep` of the edges `rows`, each with one primitive; `none` only if `allow_none`."""
    columns = [column for column, name in enumerate(primitives) if allow_none or name != NONE]
    options = []
    for kept in itertools.combinations(rows, min(keep, len(rows))):
        for chosen in itertools.product(columns, repeat=len(kept)):
            picks = tuple(zip(kept, chosen, strict=True))
            strengths = tuple(float(weights[pick]) for pick in picks)
            options.append(Option(kind, picks, strengths, sum(primitives[column] == SKIP for column in chosen)))
    return options


def kept_above(options: Decision, threshold: float, primitives: Sequence[str]) -> list[Option]:
    """Leave out the picks weaker than a threshold, as FairDARTS does.

    Reference:
        Chu et al., "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", 2020 (arXiv
        1911.12126), section 4; `threshold_sparse` of the original code.

    Differences from the paper:
        - An edge carries one primitive at most. The original code has a second way, `threshold_edge`, by which any edge
          may carry its two strongest.
        - A limit of skip connections, where there is one, comes first: it is no part of the method.
    """
    kept = []
    for option in options:
        strong = [strength >= threshold for strength in option.strengths]
        picks = tuple(itertools.compress(option.picks, strong))
        left_out = tuple(pick[0] for pick in option.picks if pick not in picks)
        skips = sum(primitives[column] == SKIP for _, column in picks)
        kept.append(dataclasses.replace(option, picks=picks, skips=skips, left_out=left_out))
    return kept


def choose(
    decisions: Sequence[Decision], max_skips: int | None = None, cost: Any = None, limit: float | None = None
) -> list[Option]:
    """Return an option for each decision: the strongest, unless that breaks a limit.

    If it does, the most probable of all combinations within the limits is found by dynamic programming over the
    decisions. Costs are rounded up to parts of the limit, so that it holds exactly. If the limit of the cost leaves no
    combination with so few skips, the cap of skips rises as little as possible.

    Args:
        decisions: the options of each decision, at least one each.
        max_skips: maximum number of skip connections in each kind of cell. Defaults to None: any number.
        cost: with `base` and `tables`, a cost for each (row, column) of each kind's table. Defaults to None.
        limit: maximum cost of the whole. Defaults to None: any.

    Reference:
        The cap of skips is that of Chen et al., "Progressive Differentiable Architecture Search", 2019 (arXiv
        1904.12760), section 3.3.2.

    Differences from the paper:
        - The most probable cell within the cap is found at once; the original code sets the weakest skip to 0 and
          derives again, until few enough are left.
        - Here alone, or with the stages and the dropout after skips of `kerasnas.search.ProgressiveSearch`.
    """
    strongest = [max(options, key=lambda option: option.rank) for options in decisions]
    if _within(strongest, max_skips, cost, limit):
        return strongest
    cheapest = None
    if limit is not None:
        cheapest = [
            min(options, key=lambda option: (option_cost(cost, option), -option.score)) for options in decisions
        ]
        least = total_cost(cost, cheapest)
        if least > limit and not math.isclose(least, limit, rel_tol=1e-9):  # the sum of a table in another order
            raise ValueError(
                f"No network of this space is within the limit of {limit:g}. The {getattr(cost, 'least', 'cheapest')} "
                f"network there is has {least:g}{getattr(cost, 'unit', '')}."
            )
    _, best = least_cap(decisions, max_skips, cost, limit)
    return best or cheapest or strongest  # only rounding of a limited cost can leave no combination


def least_cap(
    decisions: Sequence[Decision], max_skips: int | None, cost: Any, limit: float | None
) -> tuple[int, list[Option] | None]:
    """Return the cap that `choose` applies, the least from `max_skips` on that `limit` allows; the best combination."""
    most = max(sum(options[0].kind == kind for options in decisions) for kind in {o[0].kind for o in decisions})
    most *= max(len(option.picks) for options in decisions for option in options)
    for cap in range(most if max_skips is None else min(max_skips, most), most + 1):
        best = _search(decisions, cap, cost, limit)
        if best is not None:
            return cap, best
    return most, None


def check_cost(cost: Any) -> None:
    """Raise TypeError unless `cost` is None or a cost model."""
    if cost is not None and (not Instance((object,)).accepts(cost) or not callable(getattr(cost, "cost", None))):
        raise TypeError(checks.invalid("cost", "a `kerasnas.cost.CostModel`", cost))


def option_cost(cost: Any, option: Option) -> float:
    """Return the cost of an option, summed over its picks."""
    return sum(float(cost.tables[option.kind][pick]) for pick in option.picks)


def total_cost(cost: Any, options: Sequence[Option]) -> float:
    """Return the cost of the network of these options."""
    return float(cost.base) + sum(option_cost(cost, option) for option in options)


def count_skips(options: Sequence[Option]) -> Mapping[str, int]:
    """Count the skip connections in each kind of cell."""
    counts: dict[str, int] = {}
    for option in options:
        counts[option.kind] = counts.get(option.kind, 0) + option.skips
    return counts


def _within(options: Sequence[Option], max_skips: int | None, cost: Any, limit: float | None) -> bool:
    few = max_skips is None or max(count_skips(options).values()) <= max_skips
    return few and (limit is None or total_cost(cost, options) <= limit)


_State = tuple[int, float, Any]  # cost in parts of the limit; score; the options so far, as nested pairs


def _search(decisions: Sequence[Decision], cap: int, cost: Any, limit: float | None) -> list[Option] | None:
    """Return the most probable combination with at most `cap` skips in each kind of cell, within `limit`."""
    left = 0.0 if limit is None else limit - float(cost.base)

    def parts(option: Option) -> int:
        if limit is None or not option_cost(cost, option):
            return 0
        if left <= 0:
            return RESOLUTION + 1  # the parts of every network use up the limit
        return math.ceil(option_cost(cost, option) / left * RESOLUTION)

    kinds = sorted({options[0].kind for options in decisions})
    # Number of skips of each kind -> the front of the decisions so far, cheaper ones first.
    fronts: dict[tuple[int, ...], list[_State]] = {(0,) * len(kinds): [(0, 0.0, None)]}
    for options in decisions:
        position = kinds.index(options[0].kind)
        by_skips: dict[int, list[_State]] = {}
        for option in options:
            by_skips.setdefault(option.skips, []).append((parts(option), option.score, option))
        grown: dict[tuple[int, ...], list[_State]] = {}
        for skips, candidates in by_skips.items():
            candidates = _front(candidates)
            for counts, states in fronts.items():
                after = (*counts[:position], counts[position] + skips, *counts[position + 1 :])
                if after[position] > cap:
                    continue
                grown.setdefault(after, []).extend(
                    (spent + more, score + gain, (past, option))
                    for spent, score, past in states
                    for more, gain, option in candidates
                    if spent + more <= RESOLUTION
                )
        fronts = {counts: _front(states) for counts, states in grown.items()}
    ends = [states[-1] for states in fronts.values() if states]
    if not ends:
        return None
    past = max(ends, key=lambda state: state[1])[2]
    chosen: list[Option] = []
    while past is not None:
        past, option = past
        chosen.append(option)
    return chosen[::-1]


def _front(states: list[_State]) -> list[_State]:
    """Return the states that no other dominates in cost and score, cheaper ones first."""
    if not states:
        return []
    costs, scores, _ = zip(*states, strict=True)
    return [states[position] for position in staircase(costs, scores)]
