"""Checks of the arguments that the methods of all spaces share, wherever a space writes them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype

if TYPE_CHECKING:
    from kerasnas.spaces.base import SearchSpace

_WHOLE = {int, np.int64}


def check_indices(space: SearchSpace, indices: Any) -> None:
    """Raise ValueError unless there is one index for every choice of `space`, of one of its options."""
    sizes = space.cardinalities
    if (
        type(indices) is tuple
        and len(indices) == len(sizes)
        and _WHOLE.issuperset(map(type, indices))
        and min(indices, default=0) >= 0
        and all(map(operator.lt, indices, sizes))
    ):
        return  # as nearly always, in loops of strategies
    known = isinstance(indices, (Sequence, np.ndarray)) and not isinstance(indices, (str, bytes))
    if not known or getattr(indices, "ndim", 1) != 1 or len(indices) != len(sizes):
        raise ValueError(checks.invalid("indices", f"{len(sizes)} indices, one for every choice", indices))
    for name, index, size in zip(space.choices, indices, sizes, strict=True):
        if not isinstance(index, (int, np.integer)) or isinstance(index, bool) or not 0 <= index < size:
            raise ValueError(checks.invalid("indices", f"0 to {size - 1} for choice '{name}'", indices))


def _rng(space: SearchSpace, rng: Any) -> None:
    checks.generator("rng", rng)


def _genotype(space: SearchSpace, genotype: Any) -> None:
    checks.instance("genotype", genotype, Genotype, "a `kerasnas.Genotype`")


def _num_classes(space: SearchSpace, num_classes: Any) -> None:
    checks.size("num_classes", num_classes)


_CHECKS: dict[str, Callable[[SearchSpace, Any], None]] = {
    "indices": check_indices,
    "rng": _rng,
    "genotype": _genotype,
    "num_classes": _num_classes,
}
_METHODS = {
    "assignment": ("genotype",),
    "build_network": ("genotype", "input_shape", "num_classes"),
    "build_supernet": ("input_shape", "num_classes"),
    "decode": ("indices",),
    "encode": ("genotype",),
    "hash": ("genotype",),
    "feasible": ("indices",),
    "key": ("indices",),
    "matrix": ("genotype",),
    "mutate": ("genotype", "rng"),
    "mutate_indices": ("indices", "rng"),
    "neighbors": ("indices",),
    "parameters": ("genotype",),
    "parts_of": ("genotype", "input_shape", "num_classes"),
    "sample": ("rng",),
    "sample_indices": ("rng",),
    "to_string": ("genotype",),
    "validate": ("genotype",),
}
"""The methods whose arguments are checked, and the names of these in order."""


def check_methods(kind: type) -> None:
    """Have the methods that a class of spaces writes check their arguments."""
    for name, arguments in _METHODS.items():
        method = vars(kind).get(name)
        if callable(method) and not getattr(method, "__isabstractmethod__", False):
            setattr(kind, name, _checking(method, arguments))


def _checking(method: Callable[..., Any], arguments: tuple[str, ...]) -> Callable[..., Any]:
    checked = [(position, name, _CHECKS[name]) for position, name in enumerate(arguments) if name in _CHECKS]

    @functools.wraps(method)
    def call(self: SearchSpace, *given: Any, **named: Any) -> Any:
        for position, name, check in checked:
            if position < len(given):
                check(self, given[position])
            elif name in named:
                check(self, named[name])
        return method(self, *given, **named)

    return call
