"""ReachableSet: the genotypes that a search can return, from which random baselines are drawn."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import NONE, SKIP, Genotype
from kerasnas.networks.decisions import decisions_of, skip_cap
from kerasnas.networks.derivation import check_cost, least_cap
from kerasnas.networks.skeleton import ChoiceTable

TRIES = 100_000  # draws outside of the set after which it is considered empty


class ReachableSet:
    """The genotypes of a space that `Supernet.derive` can return under its limits, for any mixing weights.

    A search should be compared with random networks of this set: in a space with many worse networks, such as those of
    NAS-Bench-201 with `none` on their edges, any derived network is above the mean of the whole space.

    Args:
        space: a search space. Without `tables`, only the limit of the cost applies.
        max_skips: maximum number of skip connections in each kind of cell; more, as in `derive`, if `limit` leaves no
            network with so few. `"auto"` is the cap of `BilevelTrainer`. Defaults to None: any number.
        cost: a cost model of the space; with `limit`. Defaults to None.
        limit: maximum cost of a network. Defaults to None: any cost.
        allow_none: whether an edge may be `none`. Defaults to False: only in a space whose edges may be left out, as a
            relaxation with a threshold does.
    """

    def __init__(
        self,
        space: Any,
        max_skips: int | str | None = None,
        cost: Any = None,
        limit: float | None = None,
        allow_none: bool = False,
    ):
        self.space = space
        self.tables: Mapping[str, ChoiceTable] = getattr(space, "tables", {})
        if isinstance(max_skips, str) and max_skips == "auto":
            max_skips = skip_cap(self.tables) if self.tables and space.skips_collapse else None
        self.max_skips: int | None = checks.optional(checks.integer, "max_skips", max_skips, least=0)
        if (cost is None) != (limit is None):
            raise ValueError("Pass `cost` and `limit` together, or neither.")
        check_cost(cost)
        self.cost: Any = cost
        self.limit = checks.optional(checks.number, "limit", limit)
        self.allow_none = checks.boolean("allow_none", allow_none)

    @functools.cached_property
    def _primitive_choices(self) -> dict[str, list[str]]:
        """Names of the choices of a primitive, for each table."""
        return {kind: table.primitive_choices(kind) for kind, table in self.tables.items()}

    @functools.cached_property
    def _cap(self) -> int | None:
        """Maximum number of skips in each kind of cell."""
        if self.max_skips is None or not self.tables:
            return None
        decisions = decisions_of(self.tables, allow_none=self.allow_none)
        return least_cap(decisions, self.max_skips, self.cost, self.limit)[0]

    @functools.cached_property
    def _options(self) -> list[list[int]]:
        """Indices of the options that may be derived, for each choice of the space."""
        full = {name for kind, names in self._primitive_choices.items() if not self._leaves_out(kind) for name in names}
        return [
            [i for i, option in enumerate(options) if option != NONE or name not in full]
            for name, options in self.space.choices.items()
        ]

    def _leaves_out(self, kind: str) -> bool:
        """Return True if an edge of this table may be `none`."""
        return self.allow_none or self.tables[kind].sparse

    def __contains__(self, genotype: Any) -> bool:
        """Return True if a search may return `genotype`."""
        assignment = self.space.assignment(genotype)
        for kind, names in self._primitive_choices.items():
            chosen = [assignment[name] for name in names]
            if NONE in chosen and not self._leaves_out(kind):
                return False
            if self._cap is not None and chosen.count(SKIP) > self._cap:
                return False
        if self.limit is None:
            return True
        cost = self.cost.cost(genotype)
        return cost <= self.limit or math.isclose(cost, self.limit, rel_tol=1e-9)

    def __iter__(self) -> Iterator[Genotype]:
        """Iterate over all genotypes: for spaces small enough to enumerate."""
        return (genotype for genotype in map(self.space.decode, self.space) if genotype in self)

    def sample(self, rng: np.random.Generator) -> Genotype:
        """Draw a genotype uniformly over the set."""
        checks.generator("rng", rng)
        genotype = next(self._draws(rng, TRIES), None)
        if genotype is None:
            raise ValueError(
                f"No network of space '{self.space.name}' can be drawn within the limits ({self}): none of "
                f"{TRIES:,} random ones is. Relax the limits."
            )
        return genotype

    def sample_distinct(
        self, rng: np.random.Generator, number: int, besides: Collection[Genotype] = ()
    ) -> list[Genotype]:
        """Draw up to `number` different genotypes, none of them in `besides`; fewer if few are found."""
        checks.generator("rng", rng)
        checks.integer("number", number, least=0)
        distinct: dict[Genotype, None] = {}
        for genotype in self._draws(rng, min(TRIES, 1000 * number)):
            if len(distinct) < number and genotype not in besides:
                distinct[genotype] = None
            if len(distinct) == number:
                break
        return list(distinct)

    def _draws(self, rng: np.random.Generator, tries: int) -> Iterator[Genotype]:
        """Yield those of `tries` random genotypes that are in the set."""
        for _ in range(tries):
            indices = tuple(options[int(rng.integers(len(options)))] for options in self._options)
            if self.space.feasible(indices):
                genotype = self.space.decode(indices)
                if genotype in self:
                    yield genotype

    def __repr__(self) -> str:
        names = ("max_skips", "limit", "allow_none")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
