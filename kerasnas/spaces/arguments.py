"""Checks of the arguments that the methods of all spaces share, wherever a space writes them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype

_WHOLE = {int, np.int64}


def check_indices(space: Any, indices: Any) -> None:
    """Raise ValueError unless `indices` has one index for every choice of `space`, each of one of its options."""
    sizes = space.cardinalities
    if (
        type(indices) is tuple
        and len(indices) == len(sizes)
        and _WHOLE.issuperset(map(type, indices))
        and min(indices, default=0) >= 0
        and all(map(operator.lt, indices, sizes))
    ):
        return  # strategies call this in loops, nearly always with valid indices
    listed = issubclass(type(indices), (Sequence, np.ndarray)) and not isinstance(indices, (str, bytes))
    if not listed or getattr(indices, "ndim", 1) != 1 or len(indices) != len(sizes):
        raise ValueError(checks.invalid("indices", f"{len(sizes)} indices, one for every choice", indices))
    for name, index, size in zip(space.choices, indices, sizes, strict=True):
        if not isinstance(index, (int, np.integer)) or isinstance(index, bool) or not 0 <= index < size:
            raise ValueError(checks.invalid("indices", f"0 to {size - 1} for choice '{name}'", indices))


_CHECKS: dict[str, Callable[[Any, Any], Any]] = {
    "indices": check_indices,
    "rng": lambda space, rng: checks.generator("rng", rng),
    "genotype": lambda space, genotype: checks.instance("genotype", genotype, Genotype, "a `kerasnas.Genotype`"),
    "num_classes": lambda space, num_classes: checks.size("num_classes", num_classes),
}
_METHODS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("assignment", "encode", "hash", "matrix", "parameters", "to_string", "validate"), ("genotype",)),
    **dict.fromkeys(("decode", "feasible", "key", "neighbors"), ("indices",)),
    **dict.fromkeys(("sample", "sample_indices"), ("rng",)),
    **dict.fromkeys(("build_network", "parts_of"), ("genotype", "input_shape", "num_classes")),
    "build_supernet": ("input_shape", "num_classes"),
    "mutate": ("genotype", "rng"),
    "mutate_indices": ("indices", "rng"),
}
"""Methods whose arguments are checked -> the names of these arguments, in order."""


def check_methods(kind: type) -> None:
    """Make the methods that a class of spaces defines check their arguments."""
    for name, arguments in _METHODS.items():
        method = vars(kind).get(name)
        if callable(method) and not getattr(method, "__isabstractmethod__", False):
            setattr(kind, name, _checking(method, arguments))


def _checking(method: Callable[..., Any], arguments: tuple[str, ...]) -> Callable[..., Any]:
    checked = [(position, name, _CHECKS[name]) for position, name in enumerate(arguments) if name in _CHECKS]

    @functools.wraps(method)
    def call(self: Any, *given: Any, **named: Any) -> Any:
        for position, name, check in checked:
            if position < len(given):
                check(self, given[position])
            elif name in named:
                check(self, named[name])
        return method(self, *given, **named)

    return call
