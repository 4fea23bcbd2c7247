"""A space restricted to listed architectures, for searches of a partial table of results."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.spaces.arguments import check_indices
from kerasnas.spaces.base import Indices, SearchSpace


class SubsetSpace(SearchSpace):
    """`space` restricted to listed architectures, so that strategies can search a table that lacks some.

    Its architectures are drawn uniformly over the list. The neighbors of one are the listed architectures within
    `reach` edits of `space`, over any architecture between; if there are none, those two edits away. Architectures are
    compared by `key`. A mutation is a neighbor drawn uniformly; failing that, any listed architecture.

    Args:
        space: the whole space.
        architectures: indices of the listed ones, each once.
        reach: 1, or 2 where the list is so short that few have a neighbour one edit away. Defaults to 1.

    Reference:
        The restriction is this project's own; it changes what local search and evolution see, and results obtained with
        it are those of the listed architectures.
    """

    @checks.arguments(space=SearchSpace, architectures=Collection)
    def __init__(self, space: SearchSpace, architectures: Sequence[Indices], reach: int = 1):
        if not len(architectures):
            raise ValueError(checks.invalid("architectures", "at least one", architectures))
        if not hasattr(architectures, "__getitem__") or isinstance(architectures, (str, bytes, Mapping)):
            raise TypeError(checks.invalid("architectures", "a sequence of architectures, as indices", architectures))
        try:
            check_indices(space, architectures[0])
        except ValueError as error:
            raise ValueError(f"Invalid value received for argument `architectures`. {error}") from None
        self.space, self.architectures = space, architectures
        self.reach = checks.size("reach", reach, allowed=(1, 2))
        self.name = space.name
        self._rows: dict[Hashable, int] = {}
        self._near: dict[Hashable, list[Indices]] = {}

    def _listed(self) -> dict[Hashable, int]:
        """Return key -> position in the list; built when first needed, as a table may only be looked up."""
        if not self._rows:
            self._rows = {self.space.key(indices): i for i, indices in enumerate(self.architectures)}
        return self._rows

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        return self.space.choices

    @property
    def size(self) -> int:
        return len(self.architectures)

    def genotype(self, *arguments: Any) -> Genotype:
        """Return the whole space's genotype; it need not be listed."""
        return self.space.genotype(*arguments)

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        return self.space.assignment(genotype)

    def feasible(self, indices: Indices) -> bool:
        return self.space.key(indices) in self._listed()

    def key(self, indices: Indices) -> Hashable:
        return self.space.key(indices)

    def __iter__(self) -> Iterator[Indices]:
        return iter(self.architectures)

    def sample_indices(self, rng: np.random.Generator) -> Indices:
        return self.architectures[int(rng.integers(len(self.architectures)))]

    def neighbors(self, indices: Indices) -> list[Indices]:
        """Return the listed architectures within `reach` edits, else those two edits away, else none."""
        center = self.space.key(indices)
        if center not in self._near:
            around = self.space.neighbors(indices)
            rows = self._rows_of(around, center)
            if not rows or self.reach == 2:
                further = (other for between in around for other in self.space.neighbors(between))
                rows |= self._rows_of(further, center)
            self._near[center] = [self.architectures[row] for row in sorted(rows)]
        return list(self._near[center])

    def mutate_indices(self, indices: Indices, rng: np.random.Generator) -> Indices:
        """Draw a neighbor uniformly, or any listed architecture if there is none."""
        near = self.neighbors(indices)
        return near[int(rng.integers(len(near)))] if near else self.sample_indices(rng)

    def _rows_of(self, candidates: Iterable[Indices], center: Hashable) -> set[int]:
        listed = self._listed()
        return {listed[key] for key in map(self.space.key, candidates) if key in listed and key != center}

    def build_supernet(self, input_shape: tuple[int, ...], num_classes: int, **kwargs: Any) -> keras.Model:
        """Build the supernet of the whole space: it may derive genotypes that are not listed."""
        return self.space.build_supernet(input_shape, num_classes, **kwargs)

    def build_network(
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, **kwargs: Any
    ) -> keras.Model:
        return self.space.build_network(genotype, input_shape, num_classes, **kwargs)
