"""HyperParameterSpace: the hyperparameters of any `build(hp)` as a search space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.hyperparameters import Float, HyperParameter, Int

from kerasnas.genotypes import Edge, Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.wording import nearest

_STEPS = 16  # options of a number, and its default


class HyperParameterSpace(SearchSpace):
    """KerasTuner's hyperparameters as a search space: a choice for each, whose options are its values.

    Numbers have at most 16 options and their default, spaced as their `sampling` and `step` say. Inactive
    hyperparameters, of conditional scopes, are not part of a genotype.

    Args:
        hyperparameters: they are copied: later ones are not part of the space.

    Example:

    >>> hp = keras_tuner.HyperParameters()
    >>> kind = hp.Choice("kind", ["linear", "deep"])
    >>> with hp.conditional_scope("kind", ["deep"]):
    ...     layers = hp.Int("layers", 1, 3)
    >>> space = HyperParameterSpace(hp)
    >>> space.assignment(space.decode((0, 2))), space.assignment(space.decode((1, 2)))
    ({'kind': 'linear'}, {'kind': 'deep', 'layers': 3})
    """

    name = "hyperparameters"

    def __init__(self, hyperparameters: keras_tuner.HyperParameters):
        self._parts = [(hp, _options(hp)) for hp in hyperparameters.copy().space]
        self._texts = [[f"{hp.name}={value}" for value in options] for hp, options in self._parts]
        self._defaults = tuple(options.index(hp.default) for hp, options in self._parts) or (0,)
        self._choices: dict[str, tuple[Any, ...]] = {}
        for position, (hp, options) in enumerate(self._parts):
            # Different scopes may have hyperparameters of one name.
            self._choices[f"{hp.name} ({position})" if hp.name in self._choices else hp.name] = options
        pairs = zip(self._choices, self._parts, strict=True)
        self.ordered = frozenset(name for name, (hp, _) in pairs if getattr(hp, "ordered", True))

    @property
    def choices(self) -> Mapping[str, tuple[Any, ...]]:
        """Name of each hyperparameter -> its values; without any, one choice with one option."""
        return self._choices or {"": ("",)}

    def genotype(self, assignment: Mapping[str, Any]) -> Genotype:
        """Return the genotype of hyperparameters' values, by name; numbers are rounded, missing ones have defaults."""
        return self._genotype(self._active(lambda position: self._index(position, assignment)))

    def assignment(self, genotype: Genotype) -> dict[str, Any]:
        return {
            self._parts[position][0].name: self._parts[position][1][i] for position, i in self._read(genotype).items()
        }

    def encode(self, genotype: Genotype) -> Indices:
        return self._indices(self._read(genotype))

    def decode(self, indices: Sequence[int]) -> Genotype:
        return self._genotype(self._active(indices.__getitem__))

    def key(self, indices: Indices) -> Indices:
        """Return `indices` with the defaults of inactive hyperparameters."""
        return self._indices(self._active(indices.__getitem__))

    def sample_indices(self, rng: np.random.Generator) -> Indices:
        return self.key(super().sample_indices(rng))

    def mutate_indices(self, indices: Indices, rng: np.random.Generator) -> Indices:
        return self.key(super().mutate_indices(indices, rng))

    def neighbors(self, indices: Indices) -> list[Indices]:
        return [other for other in dict.fromkeys(map(self.key, super().neighbors(indices))) if other != indices]

    def _active(self, choose: Callable[[int], int]) -> dict[int, int]:
        """Return position -> index of the option of each hyperparameter that is active, if these are chosen."""
        active: dict[int, int] = {}
        values: dict[str, Any] = {}
        for position, (hp, options) in enumerate(self._parts):  # parents stand before their children
            if all(condition.is_active(values) for condition in hp.conditions):
                active[position] = choose(position)
                values[hp.name] = options[active[position]]
        return active

    def _index(self, position: int, assignment: Mapping[str, Any]) -> int:
        hp, options = self._parts[position]
        value = assignment.get(hp.name, hp.default)
        if value in options:
            return options.index(value)
        return min(range(len(options)), key=lambda index: abs(options[index] - value))  # float32 from the wire

    def _indices(self, active: Mapping[int, int]) -> Indices:
        return tuple(active.get(position, default) for position, default in enumerate(self._defaults))

    def _genotype(self, active: Mapping[int, int]) -> Genotype:
        edges = [Edge(self._texts[position][index], position, position + 1) for position, index in active.items()]
        return Genotype(self.name, {"values": edges})

    def _read(self, genotype: Genotype) -> dict[int, int]:
        self._check_own(genotype)
        texts = dict(enumerate(self._texts))
        for text, position, _ in genotype["values"]:
            if text not in (known := texts.get(position, [])):
                raise ValueError(f"Space '{self.name}' has no {text!r} at position {position}. {nearest(text, known)}")
        return {position: texts[position].index(text) for text, position, _ in genotype["values"]}


def _options(hp: HyperParameter) -> tuple[Any, ...]:
    if not isinstance(hp, (Int, Float)):
        return tuple(hp.values)
    values = (min(hp.prob_to_value(step / (_STEPS - 1)), hp.max_value) for step in range(_STEPS))
    return tuple(sorted({hp.default, *(value for value in values if not math.isclose(value, hp.default))}))
