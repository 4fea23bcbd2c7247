"""SearchSpace: the choices of a space, and everything that follows from them alone."""

from __future__ import annotations

import abc
import functools
import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.networks.measured import NetworkParts, Part
from kerasnas.networks.reachable import ReachableSet
from kerasnas.registry import Registry
from kerasnas.spaces.arguments import check_methods
from kerasnas.wording import nearest

SPACES = Registry("space")


def has_supernet(name: str) -> bool:
    """Return True unless the choices of the registered space `name` shape the network itself (`shapes_network`)."""
    return not getattr(SPACES[name], "shapes_network", False)


def divides(name: str) -> tuple[str, ...]:
    """Return the divisions of images that networks of the registered space `name` may make (`divides`)."""
    return getattr(SPACES[name], "divides", ())


class InfeasibleError(ValueError):
    """Raised by `SearchSpace.suggest` for a combination of options that is no architecture."""


Indices = tuple[int, ...]
"""An architecture as numbers: for every choice, in order, the index of its option."""


class SearchSpace(abc.ABC):
    """A search space: the set of networks that may be built.

    A subclass writes `choices`, `genotype`, `assignment` and the two builders; `SkeletonSpace` derives all of them from
    tables and one skeleton. Sampling, mutation, neighbors, encoding, size and validation follow from `choices`: an
    ordered mapping from the name of each choice to its options (strings). Every combination of options is an
    architecture, unless the space writes `feasible` too; if several combinations are the same network, it writes `key`.
    A space that `shapes_network` may have a class method `for_data(input_shape, num_classes, samples, **arguments)`,
    from which races get a space whose sizes suit the data; `arguments` of the constructor take precedence.

    Attributes:
        name: the name that its genotypes carry.
        mixes_channels: True if `build_supernet` takes `partial_channels` and `edge_normalization`.
        shapes_network: True if choices shape the network itself, such as its depth. There is no supernet of all of them
            then, and no table of costs over the choices; `parts_of` has the parts of one network.
        sizes: arguments of the constructor that `build_network` takes too.
        defaults: settings of a run that suit the space better than the usual ones, by name.
        tolerant: whether a sample shifted by two pixels, or with a part cut out, keeps its class: True for photographs,
            False for grids. Races augment training samples accordingly. Defaults to True.
        divides: names of the parts that networks may divide an image into. Defaults to none.
        resizes: whether networks bring images to a size of their own. Defaults to False.
        padded: whether steps of zeros at the end of a sample are padding. Defaults to False.
        depth: the argument of the constructor that the setting `num_cells` sets. Defaults to `"num_cells"`.
        ordered: names of choices whose options are steps on a scale, near ones being alike. Defaults to none.
    """

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        check_methods(cls)

    name: str
    mixes_channels = False
    shapes_network = False
    tolerant = True
    divides: tuple[str, ...] = ()
    resizes = False
    padded = False
    sizes: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = {}
    depth = "num_cells"
    ordered: frozenset[str] = frozenset()

    @property
    @abc.abstractmethod
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """Ordered mapping: name of a choice -> its options."""

    @abc.abstractmethod
    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        """Return the genotype of an assignment: one option for every choice."""

    @abc.abstractmethod
    def assignment(self, genotype: Genotype) -> dict[str, str]:
        """Return the option of every choice in `genotype`: the inverse of `genotype`.

        Raises:
            ValueError: if `genotype` is not of this space; the message names the difference.
        """

    def build_supernet(self, input_shape: tuple[int, ...], num_classes: int, **kwargs: Any) -> keras.Model:
        """Build the supernet, with `architecture_parameters`, `network_weights` and `derive()`.

        Raises:
            ValueError: if the space has none.
        """
        reason = ": its choices shape the network itself" if self.shapes_network else ""
        race = ", or by a race" if self.shapes_network else ""
        raise ValueError(f"Space '{self.name}' has no supernet{reason}. Search it with an ask/tell strategy{race}.")

    def build_network(
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, **kwargs: Any
    ) -> keras.Model:
        """Build the discrete network of `genotype`.

        Raises:
            ValueError: if the space serves a table of published results alone.
        """
        raise ValueError(f"Space '{self.name}' does not build its networks: they come from elsewhere.")

    def parts(self, input_shape: tuple[int, ...], num_classes: int, **sizes: Any) -> NetworkParts:
        """Return the parts of this space's networks, for cost models; `sizes` as for `build_network`.

        Raises:
            ValueError: if the space does not define them.
        """
        raise ValueError(f"Space '{self.name}' has no cost model: it does not define the parts of its networks.")

    def parts_of(
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, **sizes: Any
    ) -> tuple[Part, ...]:
        """Return the parts of one network, for cost models, if `shapes_network`; `sizes` as for `build_network`.

        Raises:
            ValueError: if the space does not define them.
        """
        raise ValueError(f"Space '{self.name}' does not define the parts of each of its networks: see `parts`.")

    @property
    def size(self) -> int:
        """Number of assignments."""
        return math.prod(len(options) for options in self.choices.values())

    def check_assignment(self, assignment: Mapping[str, str]) -> None:
        """Raise ValueError, with the nearest right name, unless `assignment` has one option for every choice."""
        checks.instance("assignment", assignment, Mapping, "a mapping with an option for each choice")
        choices = self.choices
        for name in assignment:
            if name not in choices:
                raise ValueError(
                    f"Wrong assignment: space '{self.name}' has no choice {name!r}. {nearest(name, choices)}"
                )
        for name, options in choices.items():
            if name not in assignment:
                raise ValueError(f"The assignment lacks choice '{name}' of space '{self.name}'.")
            if not isinstance(assignment[name], str) or assignment[name] not in options:
                raise ValueError(
                    f"Choice '{name}' of an assignment of space '{self.name}' has no option {assignment[name]!r}. "
                    f"{nearest(assignment[name], options)}"
                )

    def validate(self, genotype: Genotype) -> None:
        """Raise ValueError, naming the difference, if `genotype` is not of this space."""
        self._check_own(genotype)
        self.check_assignment(self.assignment(genotype))

    def _check_own(self, genotype: Genotype) -> None:
        checks.instance("genotype", genotype, Genotype, "a `kerasnas.Genotype`")
        if genotype.space != self.name:
            raise ValueError(f"This genotype belongs to space '{genotype.space}', not to '{self.name}'.")

    # Architectures as numbers, which strategies compute with -----------------------------------------
    @functools.cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of options of each choice."""
        return tuple(len(options) for options in self.choices.values())

    @functools.cached_property
    def _option_indices(self) -> tuple[tuple[str, dict[str, int]], ...]:
        return tuple(
            (name, {option: index for index, option in enumerate(options)}) for name, options in self.choices.items()
        )

    @functools.cached_property
    def _options(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple(self.choices.items())

    def encode(self, genotype: Genotype) -> Indices:
        """Return, for every choice in order, the index of its option in `genotype`.

        Raises:
            ValueError: if `genotype` is not of this space.
        """
        self._check_own(genotype)
        assignment = self.assignment(genotype)
        try:
            return tuple(positions[assignment[name]] for name, positions in self._option_indices)
        except KeyError:
            self.check_assignment(assignment)
            raise

    def decode(self, indices: Sequence[int]) -> Genotype:
        """Invert `encode`.

        Raises:
            ValueError: unless there is one index for every choice, of one of its options.
        """
        return self.genotype({name: options[i] for i, (name, options) in zip(indices, self._options, strict=True)})

    def feasible(self, indices: Indices) -> bool:
        """Return True if a combination of options is an architecture. Here: always."""
        return True

    def key(self, indices: Indices) -> Hashable:
        """Return a key that all combinations of the same network share. Here: the combination itself."""
        return indices

    def __iter__(self) -> Iterator[Indices]:
        """Iterate over all architectures, as indices: for spaces small enough to enumerate."""
        return filter(self.feasible, itertools.product(*map(range, self.cardinalities)))

    def sample_indices(self, rng: np.random.Generator) -> Indices:
        """Draw an architecture uniformly over the feasible combinations."""
        while True:
            indices = tuple(int(rng.integers(size)) for size in self.cardinalities)
            if self.feasible(indices):
                return indices

    def mutate_indices(self, indices: Indices, rng: np.random.Generator) -> Indices:
        """Change one choice, drawn uniformly, to another option; draw again until the result is feasible."""
        open_choices = [position for position, size in enumerate(self.cardinalities) if size > 1]
        if not open_choices:
            raise ValueError(f"Space '{self.name}' leaves nothing to choose.")
        while True:
            position = open_choices[rng.integers(len(open_choices))]
            option = int(rng.integers(self.cardinalities[position] - 1))
            option += option >= indices[position]
            mutant = (*indices[:position], option, *indices[position + 1 :])
            if self.feasible(mutant):
                return mutant

    def neighbors(self, indices: Indices) -> list[Indices]:
        """Return all feasible architectures that differ from `indices` in one choice."""
        neighbors = (
            (*indices[:position], option, *indices[position + 1 :])
            for position, size in enumerate(self.cardinalities)
            for option in range(size)
            if option != indices[position]
        )
        return list(filter(self.feasible, neighbors))

    def narrowed(self, genotype: Genotype) -> list[Genotype]:
        """Return a network in each width up to its own, the widest first; itself alone where no choice is a width."""
        return [genotype]

    # The same with genotypes -------------------------------------------------------------------------
    def sample(self, rng: np.random.Generator) -> Genotype:
        """Draw a genotype uniformly over the feasible combinations of options.

        Raises:
            TypeError: if `rng` is no NumPy generator.
        """
        return self.decode(self.sample_indices(rng))

    def suggest(self, trial: Any) -> Genotype:
        """Return the genotype of a trial of an Optuna study, which has a categorical parameter for each choice.

        Any study can search the space this way; `kerasnas.platforms.optuna_study.StrategySampler` runs our searches
        there.

        Args:
            trial: the argument of the objective of `study.optimize`; anything with `suggest_categorical(name,
                options)`.

        Raises:
            TypeError: if `trial` is no trial.
            InfeasibleError: if the options that the study chose are no architecture of the space. For spaces with
                infeasible combinations, pass `catch=InfeasibleError` to `study.optimize`.
            ValueError: in a study of another space.

        Example:

            study.optimize(lambda trial: accuracy_of(space.suggest(trial)), n_trials=100)
        """
        if not callable(getattr(trial, "suggest_categorical", None)):
            raise TypeError(checks.invalid("trial", "a trial of an Optuna study", trial))
        assignment = {}
        for name, options in self.choices.items():
            try:
                assignment[name] = trial.suggest_categorical(name, options)
            except ValueError as error:
                received = f"one whose parameter '{name}' is another ({error})"
                raise ValueError(checks.invalid("trial", f"one of a study of space '{self.name}'", received)) from error
        if not self.feasible(tuple(options.index(assignment[name]) for name, options in self._options)):
            raise InfeasibleError(f"These options are no architecture of space '{self.name}': {assignment}")
        return self.genotype(assignment)

    def references(self) -> dict[str, Genotype]:
        """Return hand-made networks that are points of this space, by name. Here: none."""
        return {}

    def reachable(
        self,
        max_skips: int | str | None = None,
        cost: Any = None,
        limit: float | None = None,
        allow_none: bool = False,
    ) -> ReachableSet:
        """Return the genotypes that a gradient search of this space can return, from which random baselines are drawn.

        Args:
            max_skips, cost, limit, allow_none: as for `derive` of the searched supernet; `max_skips="auto"` is the cap
                of `BilevelTrainer`'s guard. Default to no limit, and to no `none`.

        Raises:
            ValueError: for values out of their range.
        """
        return ReachableSet(self, max_skips, cost, limit, allow_none)

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        """Change one choice of `genotype`, drawn uniformly, to another of its options.

        Raises:
            TypeError: if `rng` is no NumPy generator.
            ValueError: if `genotype` is not of this space.
        """
        return self.decode(self.mutate_indices(self.encode(genotype), rng))


check_methods(SearchSpace)  # its own methods; those of subclasses are wrapped as they are created
