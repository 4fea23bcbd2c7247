"""Hostile values of each constraint: objects that raise or lie when they are asked, subclasses of plain types that
pretend to be right, instances made by halves, and what changes or raises while it is read.

Each has a label, and is made anew for each call.
"""

import dataclasses
import functools
import inspect
import math
import numbers
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import constraints
from kerasnas.constraints import Constraint, Interval

Makes = dict[str, Callable[[], Any]]
Labelled = Iterator[tuple[str, Callable[[], Any]]]
LIES: dict[str, tuple[Any, ...]] = {  # what a method answers, besides raising
    "__len__": (-1, "three", 10**30),
    "__iter__": (3, None),
    "__array__": ("text", None),
    "__eq__": (True, "text"),
    "__repr__": (3,),
    "__str__": (3,),
    "__hash__": ("text",),
    "__bool__": (3,),
    "__index__": ("1", 1),
    "__float__": ("1", 0.5),
    "__getitem__": (1,),
    "__getattr__": (3,),
    "__fspath__": (3, b"x"),
}
ALIKE = dict.fromkeys(("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"), True)
KEPT = ("__new__", "__init__", "__getattribute__", "__hash__", "__class__")


def raises(*_: Any, **__: Any) -> Any:
    raise RuntimeError("asked")


def of(methods: Mapping[str, Any], base: type = object, *content: Any) -> Any:
    """Make an instance of a subclass with these functions, or constants that its methods and properties return."""
    own = {name: one if callable(one) else lambda *_, _one=one, **__: _one for name, one in methods.items()}
    own |= {name: property(own[name]) for name in ("shape", "dtype") if name in own}
    if "__class__" in methods:
        own["__class__"] = property(lambda self: methods["__class__"])
    return type("Hostile", (base,), own)(*content)


def objects() -> Makes:
    """Objects that are nothing that a constraint accepts: a method, or all of them, raises or lies; or the class."""
    found: Makes = {"all methods raise": functools.partial(of, dict.fromkeys(LIES, raises))}
    for name, lies in LIES.items():
        found[f"{name} raises"] = functools.partial(of, {name: raises})
        found |= {f"{name} is {lie!r:.9}": functools.partial(of, {name: lie}) for lie in lies}
    kinds = (bool, int, float, str, list, dict, np.ndarray)
    return found | {f"pretends to be {kind.__name__}": functools.partial(of, {"__class__": kind}) for kind in kinds}


class Changing(Sequence[Any]):
    """A sequence of which the first reading has one content, and later ones have another, or raise."""

    def __init__(self, first: Sequence[Any], later: Sequence[Any] | None) -> None:
        self.first, self.later, self.read, self.spoiled = first, later, False, False

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, index: Any) -> Any:
        if not self.read or not -len(self) <= index < len(self):
            self.read = self.read or index == len(self) - 1
            return self.first[index]
        self.spoiled = True
        return raises() if self.later is None else self.later[index]


class Halfway(Sequence[Any]):
    """A sequence that raises at its second element."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        return "a" if index == 0 else raises()


def halfway() -> Iterator[Any]:
    yield "a"
    raises()


class Batches(keras.utils.PyDataset):
    """A data set of Keras that raises at its second batch."""

    num_batches = 3

    def __getitem__(self, index: int) -> Any:
        return (np.zeros((2, 8, 8, 1)), np.zeros(2, int)) if index == 0 else raises()


BROKEN: Makes = {
    f"{name} that raises half-way": make for name, make in (("a generator", halfway), ("a data set", Batches))
}


def hostile(constraint: Constraint, right: Any = None) -> Makes:
    """Make hostile values by label; `right` is a value that the constraint accepts, if one is known."""
    found = {} if constraint.accepts(object()) else objects()
    return found | dict(pretending(constraint, right))


@functools.singledispatch
def pretending(constraint: Constraint, right: Any) -> Labelled:
    """Generate labels, and makers of what is wrong for this constraint and looks right."""
    yield from ()


def plain_subclass(right: Any) -> Labelled:
    """A right number or text of a subclass whose methods raise: taken for what it is, or refused."""
    if type(right) in (int, float, str):
        own = [name for name, one in vars(type(right)).items() if callable(one) and name not in KEPT]
        yield "right: its methods raise", lambda: of(dict.fromkeys(own, raises), type(right), right)


@pretending.register
def _(constraint: Interval, right: Any) -> Labelled:
    yield from plain_subclass(right)
    if constraint.kind is int:
        beyond = sys.maxsize + 1 if constraint.least is None else constraint.least - 1
        yield "a wrong int that compares", lambda: of({**ALIKE, "__int__": 1, "__index__": 1}, int, beyond)
        return
    methods = {**ALIKE, "__float__": 0.5}
    if constraint.finite:
        yield "an infinite float that compares", lambda: of(methods, float, math.nan)
    if constraint.least is not None or constraint.above is not None:
        yield "a wrong float that compares", lambda: of(methods, float, -1e9)
    yield "a scalar array that raises", lambda: of({"shape": (), "__array__": raises})
    yield "a scalar array of text", lambda: of({"shape": (), "__array__": "x"})
    real = dict.fromkeys(numbers.Real.__abstractmethods__, raises)
    yield "a number that raises", lambda: of(real, numbers.Real)
    yield "a number that is text", lambda: of(real | {"__float__": "1"}, numbers.Real)


@pretending.register
def _(constraint: constraints.Options, right: Any) -> Labelled:
    lie = {"__eq__": True, "__hash__": lambda self: hash(constraint.known[0])}
    yield "equal to all", lambda: of(lie)
    yield "a text that is equal to all", lambda: of(lie, str, "no such thing")


@pretending.register
def _(constraint: constraints.Text, right: Any) -> Labelled:
    yield from plain_subclass(right)
    if not constraint.empty:
        yield (
            "an empty text that claims not to be",
            lambda: of({"__ne__": True, "__len__": 3, "__eq__": False}, str, ""),
        )


@pretending.register
def _(constraint: constraints.FilePath, right: Any) -> Labelled:
    lie = {"strip": "x", "__contains__": False, "__str__": "x"}
    yield "a blank text that strips to another", lambda: of(lie, str, " ")
    yield "a text with a null character that denies it", lambda: of(lie, str, "a\0b")


@pretending.register
def _(constraint: constraints.Optional, right: Any) -> Labelled:
    yield from pretending(constraint.constraint, right)


def sequences(right: Any, later: Any, element: str, elements: Makes) -> Labelled:
    """Sequences that raise half-way, hide their content, change from a right to a wrong one, or hold hostile values."""
    yield from {"a sequence that raises half-way": Halfway, "a generator that raises half-way": halfway}.items()
    yield "a sequence of length -1", lambda: of({"__len__": -1}, Halfway)
    yield "a list that hides its content", lambda: of({"__iter__": lambda self: iter([object()])}, list, right or [])
    if isinstance(right, (list, tuple)) and right:
        yield "a sequence that changes", lambda: Changing(right, [later] * len(right))
        yield "a sequence that raises when it is read again", lambda: Changing(right, None)
    yield from ((f"{element}: {label}", lambda make=make: [make()]) for label, make in elements.items())


@pretending.register
def _(constraint: constraints.Elements, right: Any) -> Labelled:
    yield from sequences(right, object(), "one element", hostile(constraint.constraint))


@pretending.register
def _(constraint: constraints.Names, right: Any) -> Labelled:
    yield from sequences(right, 3, "one name", objects())


@pretending.register
def _(constraint: constraints.Shape, right: Any) -> Labelled:
    yield from sequences(right, -1, "one axis", hostile(Interval(int, least=1)))


@pretending.register
def _(constraint: constraints.Array, right: Any) -> Labelled:
    yield from sequences(None, None, "one number", {"": object})
    lie = {"dtype": np.dtype("float32"), "shape": (2,)}
    yield "an array of objects that denies it", lambda: np.array([None, {}]).view(type(of(lie, np.ndarray, (2,))))
    yield "raises, with a shape and a dtype", lambda: of(lie | {"__array__": raises})


@pretending.register
def _(constraint: constraints.Entries, right: Any) -> Labelled:
    for name in ("__iter__", "__len__", "__getitem__", "keys", "values", "items"):
        methods = {"__len__": 1, "__iter__": lambda self: iter([3]), "__getitem__": 1, name: raises}
        yield f"a mapping of which {name} raises", functools.partial(of, methods, Mapping)
    elements = hostile(constraint.constraint) if constraint.constraint else {}
    yield from ((f"one entry: {label}", lambda make=make: {"a": make()}) for label, make in elements.items())


@pretending.register
def _(constraint: constraints.Instance, right: Any) -> Labelled:
    yield from half_made(type(right) if isinstance(right, constraint.kinds) else constraint.kinds[0])
    yield "pretends to be one", lambda: of({"__class__": constraint.kinds[0]})


def half_made(kind: type) -> Labelled:
    """Instances of a class of ours or of Keras, and of a subclass, that `__init__` has not seen."""
    kind = getattr(kind, "__origin__", kind)
    abstract = getattr(kind, "__abstractmethods__", None) or getattr(kind, "_is_protocol", False)
    if abstract or not kind.__module__.startswith(("keras", "tuners")):
        return
    parameters = inspect.signature(kind).parameters.values()
    if all(one.default is not one.empty for one in parameters) and (dataclasses.is_dataclass(kind) or not parameters):
        return  # as good as made: its values are those of the class
    new = tuple.__new__ if issubclass(kind, tuple) else object.__new__
    yield "made by halves", lambda: new(kind)
    yield "a subclass made by halves", lambda: new(type("Half", (kind,), {}))
    if hasattr(kind, "add_weight"):
        yield "made by halves by Keras", lambda: kind.__new__(kind)
