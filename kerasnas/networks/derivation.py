"""From mixing weights to a genotype: the strongest choice, or the strongest that keeps within limits."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas.pareto import staircase

SKIP, NONE = "skip_connect", "none"
RESOLUTION = 4096  # parts of the cost limit that costs are rounded up to


@dataclasses.dataclass(frozen=True)
class Option:
    """One way to make a decision.

    Args:
        kind: the table of architecture parameters that it belongs to.
        picks: what it keeps: (row, column) of that table.
        strengths: the mixing weight of each pick.
        skips: how many of the picks are skip connections.
        left_out: rows of that table that are kept as `none`. Their strengths count among `strengths`.
        inputs: the probability of the edges that it keeps, where that is a choice with alphas of its own. Defaults
            to 1.
    """

    kind: str
    picks: tuple[tuple[int, int], ...]
    strengths: tuple[float, ...]
    skips: int
    left_out: tuple[int, ...] = ()
    inputs: float = 1.0

    @property
    def rank(self) -> tuple[float, ...]:
        """That of its edges, then the strengths, largest first: the strongest option of a decision ranks highest."""
        return (self.inputs, *sorted(self.strengths, reverse=True))

    @property
    def score(self) -> float:
        """The logarithm of its probability, where mixing weights are probabilities."""
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
    """All ways to keep `keep` of the edges `rows`, each with one primitive; `none` is one only if it is allowed.

    Args:
        kind: name of the table.
        weights: mixing weights `(edges, primitives)`.
        rows: the edges of which some are kept.
        primitives: names of the columns.
        keep: how many edges are kept; all of them where there are fewer. Defaults to 1.
        allow_none: whether `none` is a way to keep an edge. Defaults to False.

    Example:

    >>> options = decision("cell", np.array([[0.5, 0.2, 0.3]]), [0], ["none", "skip_connect", "nor_conv_3x3"])
    >>> [(option.picks, option.skips) for option in options]
    [(((0, 1),), 1), (((0, 2),), 0)]
    """
    columns = [column for column, name in enumerate(primitives) if allow_none or name != NONE]
    options = []
    for kept in itertools.combinations(rows, min(keep, len(rows))):
        for chosen in itertools.product(columns, repeat=len(kept)):
            picks = tuple(zip(kept, chosen, strict=True))
            strengths = tuple(float(weights[pick]) for pick in picks)
            options.append(Option(kind, picks, strengths, sum(primitives[column] == SKIP for column in chosen)))
    return options


def kept_above(options: Decision, threshold: float, primitives: Sequence[str]) -> list[Option]:
    """The options with what is weaker than a threshold left out, as FairDARTS does.

    Args:
        options: of one decision.
        threshold: least strength of a pick.
        primitives: names of the columns.

    Example:

    >>> weights = np.array([[0.9, 0.2], [0.6, 0.7]])
    >>> options = decision("cell", weights, [0, 1], ["skip_connect", "sep_conv_3x3"], keep=2)
    >>> strongest = max(kept_above(options, 0.85, ["skip_connect", "sep_conv_3x3"]), key=lambda option: option.rank)
    >>> strongest.picks, strongest.left_out, strongest.skips
    (((0, 0),), (1,), 1)

    Reference:
        Chu et al., "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", 2020
        (arXiv 1911.12126), section 4; `threshold_sparse` of the original code.

    Differences from the paper:
        - An edge carries one primitive at most. The original code has a second way, `threshold_edge`, by which any edge
          may carry its two strongest.
        - A limit of skip connections, where there is one, comes first: it is no part of the method.
    """
    found = []
    for option in options:
        strong = [strength >= threshold for strength in option.strengths]
        picks = tuple(pick for pick, kept in zip(option.picks, strong, strict=True) if kept)
        left_out = tuple(row for (row, _), kept in zip(option.picks, strong, strict=True) if not kept)
        skips = sum(primitives[column] == SKIP for _, column in picks)
        found.append(dataclasses.replace(option, picks=picks, skips=skips, left_out=left_out))
    return found


def choose(
    decisions: Sequence[Decision], max_skips: int | None = None, cost: Any = None, limit: float | None = None
) -> list[Option]:
    """For each decision its option: the strongest, unless that breaks a limit.

    Then the most probable of all combinations that keep within the limits, by dynamic programming over the decisions.
    Costs are rounded up to parts of the limit, so that it holds exactly. Where the limit of the cost leaves no
    combination with so few skips, there are as few more as must be.

    Args:
        decisions: the options of each decision; a decision has at least one.
        max_skips: most skip connections in each kind of cell. Defaults to None: any number.
        cost: with `base` and `tables`, a cost for each (row, column) of each kind's table. Defaults to None.
        limit: most cost of the whole. Defaults to None: any.

    Raises:
        ValueError: if no combination is within `limit`; says what the cheapest costs.

    Reference:
        The cap of skips is that of Chen et al., "Progressive Differentiable Architecture Search", 2019
        (arXiv 1904.12760), section 3.3.2.

    Differences from the paper:
        - The most probable cell within the cap is found at once; the original code sets the weakest skip to 0 and
          derives again, until few enough are left.
        - No stages, in which the network grows and primitives are left out, and no dropout after skips.
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
    _, found = _least_cap(decisions, max_skips, cost, limit)
    if found is not None:
        return found
    assert cheapest is not None  # only a limit of the cost can leave nothing, and only by rounding
    return cheapest


def least_cap(
    decisions: Sequence[Decision], max_skips: int | None = None, cost: Any = None, limit: float | None = None
) -> int:
    """The number of skips that `choose` leaves in each kind of cell: `max_skips`, or more where the limit needs more.

    Args: as for `choose`.
    """
    return _least_cap(decisions, max_skips, cost, limit)[0]


def _least_cap(
    decisions: Sequence[Decision], max_skips: int | None, cost: Any, limit: float | None
) -> tuple[int, list[Option] | None]:
    """The least cap of skips, from `max_skips` on, under which a combination is within `limit`, and the best one."""
    most = max(sum(options[0].kind == kind for options in decisions) for kind in {o[0].kind for o in decisions})
    most *= max(len(option.picks) for options in decisions for option in options)
    for cap in range(most if max_skips is None else min(max_skips, most), most + 1):
        found = _search(decisions, cap, cost, limit)
        if found is not None:
            return cap, found
    return most, None


def option_cost(cost: Any, option: Option) -> float:
    """The cost of an option, of its picks added up."""
    return sum(float(cost.tables[option.kind][pick]) for pick in option.picks)


def total_cost(cost: Any, options: Sequence[Option]) -> float:
    """The cost of the network of these options."""
    return float(cost.base) + sum(option_cost(cost, option) for option in options)


def count_skips(options: Sequence[Option]) -> Mapping[str, int]:
    """The number of skip connections in each kind of cell."""
    counts: dict[str, int] = {}
    for option in options:
        counts[option.kind] = counts.get(option.kind, 0) + option.skips
    return counts


def _within(options: Sequence[Option], max_skips: int | None, cost: Any, limit: float | None) -> bool:
    few = max_skips is None or max(count_skips(options).values()) <= max_skips
    return few and (limit is None or total_cost(cost, options) <= limit)


_State = tuple[int, float, Any]  # cost in parts of the limit; score; the options so far, as nested pairs


def _search(decisions: Sequence[Decision], cap: int, cost: Any, limit: float | None) -> list[Option] | None:
    """The most probable combination with at most `cap` skips in each kind of cell, within `limit`."""
    left = 0.0 if limit is None else limit - float(cost.base)

    def parts(option: Option) -> int:
        if limit is None or not option_cost(cost, option):
            return 0
        if left <= 0:
            return RESOLUTION + 1  # all of the limit is spent on what every network has
        return math.ceil(option_cost(cost, option) / left * RESOLUTION)

    kinds = sorted({options[0].kind for options in decisions})
    # Number of skips of each kind -> what is best of the decisions so far, cheaper ones first.
    fronts: dict[tuple[int, ...], list[_State]] = {(0,) * len(kinds): [(0, 0.0, None)]}
    for options in decisions:
        position = kinds.index(options[0].kind)
        by_skips: dict[int, list[_State]] = {}
        for option in options:
            by_skips.setdefault(option.skips, []).append((parts(option), option.score, option))
        grown: dict[tuple[int, ...], list[_State]] = {}
        for skips, own in by_skips.items():
            own = _front(own)
            for counts, states in fronts.items():
                after = (*counts[:position], counts[position] + skips, *counts[position + 1 :])
                if after[position] > cap:
                    continue
                grown.setdefault(after, []).extend(
                    (spent + more, score + gain, (past, option))
                    for spent, score, past in states
                    for more, gain, option in own
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
    """Those that no other one beats in cost and score, cheaper ones first."""
    if not states:
        return []
    costs, scores, _ = zip(*states, strict=True)
    return [states[position] for position in staircase(costs, scores)]
