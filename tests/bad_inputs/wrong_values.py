"""Wrong values of each constraint: those next to the right ones, and those of every type that it rejects."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasnas.constraints import (
    Array,
    Boolean,
    Constraint,
    Elements,
    Entries,
    FilePath,
    Instance,
    Interval,
    Names,
    Optional,
    Options,
    Shape,
)

Labelled = tuple[str, Any]  # a wrong value with its label


def values() -> dict[str, object]:
    """Make values of every type, by label: what a constraint rejects of them is wrong."""
    return {
        "None": None,
        "a boolean": True,
        "zero": 0,
        "a negative integer": -1,
        "a fraction": 0.5,
        "a whole float": 3.0,
        "a huge integer": 10**400,
        "NaN": math.nan,
        "infinity": -math.inf,
        "a complex number": 1 + 2j,
        "text": "no such thing",
        "empty text": "",
        "bytes": b"x",
        "an empty list": [],
        "an empty mapping": {},
        "a mapping with a number for a key": {3.5: 1},
        "a list of None": [None],
        "a list of texts": ["a", "b"],
        "ragged lists": [[1], [1, 2]],
        "a set": {1, 2},
        "a generator": iter(range(3)),
        "an object": object(),
        "a class": dict,
        "a function": len,
        "an array": np.array([[0.5, 1.5]]),
        "an array of NaN": np.array([np.nan]),
        "an array of texts": np.array(["x"]),
        "an array of objects": np.array([None]),
    }


def wrong(constraint: Constraint) -> dict[str, object]:
    """Generate wrong values by label: those next to the right ones, and those of `values` that are not accepted."""
    rejected = {label: value for label, value in values().items() if not constraint.accepts(value)}
    return rejected | dict(near(constraint))


@functools.singledispatch
def near(constraint: Constraint) -> Iterator[Labelled]:
    """Generate labels and wrong values next to the right ones, such as those just out of bounds."""
    yield from ()


@near.register
def _(constraint: Interval) -> Iterator[Labelled]:
    bounds = (("too small", constraint.least, -math.inf), ("too large", constraint.most, math.inf))
    for label, bound, towards in bounds:
        if bound is not None:
            beyond = bound + (1 if towards > 0 else -1)
            yield label, beyond if constraint.kind is int else math.nextafter(bound, towards)
    for label, bound in (("the lower bound", constraint.above), ("the upper bound", constraint.below)):
        if bound is not None:
            yield label, bound
    yield "the number as text", "1"


@near.register
def _(constraint: Options) -> Iterator[Labelled]:
    for one in constraint.known[:1]:
        yield "misspelled", f"{one}q"
        yield "in a list", [one]


@near.register
def _(constraint: Boolean) -> Iterator[Labelled]:
    yield from (("one", 1), ("as text", "True"))


@near.register
def _(constraint: Instance) -> Iterator[Labelled]:
    if not issubclass(type, constraint.kinds):
        yield "the class", constraint.kinds[0]


@near.register
def _(constraint: FilePath) -> Iterator[Labelled]:
    yield from (("a blank", " "), ("with a null character", "a\0b"))


@near.register
def _(constraint: Optional) -> Iterator[Labelled]:
    yield from near(constraint.constraint)


@near.register
def _(constraint: Elements) -> Iterator[Labelled]:
    if constraint.least:
        yield "too short", []
    yield from ((f"one element: {label}", [value]) for label, value in wrong(constraint.constraint).items())


@near.register
def _(constraint: Entries) -> Iterator[Labelled]:
    found = wrong(constraint.constraint) if constraint.constraint else {}
    yield from ((f"one entry: {label}", {"a": value}) for label, value in found.items())


@near.register
def _(constraint: Names) -> Iterator[Labelled]:
    first = (constraint.known or ("a",))[0]
    yield "the same name twice", [first, first]
    yield "too short", [first][: constraint.least - 1]
    yield "a number among names", [first, 3]
    if constraint.known is not None:
        yield "misspelled", [f"{first}q"]


@near.register
def _(constraint: Shape) -> Iterator[Labelled]:
    for label, size in (("zero", 0), ("a fraction", 1.5), ("None", None), ("a boolean", True), ("a text", "8")):
        yield f"one axis: {label}", (8, 8, size)


@near.register
def _(constraint: Array) -> Iterator[Labelled]:
    rank, kinds = constraint.rank, constraint.kinds
    right = np.zeros((2,) * (2 if rank is None else rank), "float32" if "f" in kinds else "int64")
    if rank is not None:
        yield "an axis too many", right[None]
    if constraint.finite and "f" in kinds:
        yield from (("NaN inside", right + np.nan), ("infinity inside", right - np.inf))
    if "f" not in kinds:
        yield "fractions inside", right + 0.5
    yield from (("as texts", right.astype(str)), ("as objects", right.astype(object)))
    yield from (("as complex numbers", right.astype(complex)), ("as a mapping", {"a": right}))
    if "b" not in kinds:
        yield "as booleans", right > 0
