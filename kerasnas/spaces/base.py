"""SearchSpace: the choices that may be made, and what every space gets for free from them."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.registry import Registry, nearest

SPACES = Registry("space")


class SearchSpace(abc.ABC):
    """What may be built. A space writes `choices`, `genotype`, `assignment` and the two builders.

    Sampling, mutation, enumeration size and validation follow from `choices`: an ordered mapping from
    the name of each choice to its options (strings). Every combination of options is an architecture.

    Attributes:
        name: the name that its genotypes carry.
    """

    name: str

    @property
    @abc.abstractmethod
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """Ordered mapping: name of a choice -> its options."""

    @abc.abstractmethod
    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        """The genotype of one option for every choice."""

    @abc.abstractmethod
    def assignment(self, genotype: Genotype) -> dict[str, str]:
        """The inverse of `genotype`: the option of every choice.

        Raises:
            ValueError: if `genotype` is not of this space; the message says what differs.
        """

    @abc.abstractmethod
    def build_supernet(self, input_shape: tuple[int, int, int], num_classes: int, **kwargs: Any) -> keras.Model:
        """The supernet, with `architecture_parameters`, `network_weights` and `derive()`."""

    @abc.abstractmethod
    def build_network(
        self, genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int, **kwargs: Any
    ) -> keras.Model:
        """The discrete network of `genotype`."""

    @property
    def size(self) -> int:
        """The number of assignments."""
        return math.prod(len(options) for options in self.choices.values())

    def check_assignment(self, assignment: Mapping[str, str]) -> None:
        """Raise ValueError, with the nearest right name, unless `assignment` has one option for every choice."""
        choices = self.choices
        for name in assignment:
            if name not in choices:
                raise ValueError(f"Space '{self.name}' has no choice {name!r}. {nearest(name, choices)}")
        for name, options in choices.items():
            if name not in assignment:
                raise ValueError(f"The assignment lacks choice '{name}' of space '{self.name}'.")
            if assignment[name] not in options:
                raise ValueError(
                    f"Choice '{name}' of space '{self.name}' has no option {assignment[name]!r}. "
                    f"{nearest(assignment[name], options)}"
                )

    def validate(self, genotype: Genotype) -> None:
        """Raise ValueError, saying what differs, if `genotype` is not of this space."""
        if genotype.space != self.name:
            raise ValueError(f"This genotype belongs to space '{genotype.space}', not to '{self.name}'.")
        self.check_assignment(self.assignment(genotype))

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A genotype drawn uniformly over the assignments."""
        return self.genotype({name: options[rng.integers(len(options))] for name, options in self.choices.items()})

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        """`genotype` with one choice, drawn uniformly, changed to another of its options."""
        assignment, choices = self.assignment(genotype), self.choices
        open_choices = [name for name, options in choices.items() if len(options) > 1]
        if not open_choices:
            raise ValueError(f"Space '{self.name}' leaves nothing to choose.")
        name = open_choices[rng.integers(len(open_choices))]
        others = [option for option in choices[name] if option != assignment[name]]
        assignment[name] = others[rng.integers(len(others))]
        return self.genotype(assignment)
