"""Constraints on arguments as data: each checks a value, and describes itself."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import inspect
import math
import numbers
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasnas.wording import invalid, nearest, printable, wrong_value

NUMBERS = "iuf"


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A condition on a value. Called with the name of an argument and a value, it returns the value or raises."""

    error: ClassVar[type[Exception]] = ValueError

    def __str__(self) -> str:
        """Describe a right value in a noun phrase."""
        raise NotImplementedError

    def accepts(self, value: Any) -> bool:
        """Return True for a right value."""
        try:
            self("value", value)
        except (TypeError, ValueError):
            return False
        return True

    def convert(self, value: object) -> Any:
        """Return a right value in its plain type."""
        return value

    def fixed(self, value: Any) -> Any:
        """Return `value`, or a copy in a plain type of one that may be another at its next reading."""
        return plain(value)

    def check(self, argument: str, value: Any, expected: str | None = None) -> Any:
        """Return `value` in its plain type if it is right; raise an error otherwise."""
        if not self.accepts(value):
            error, hint = self.refusal(value)
            raise error(invalid(argument, expected or str(self), value, hint))
        return self.convert(value)

    def refusal(self, value: Any) -> tuple[type[Exception], str]:
        """Return the class of the error for a wrong value, and a hint."""
        return self.error, ""

    def __call__(self, argument: str, value: Any, expected: str | None = None) -> Any:
        """Return `value` if it is right; raise an error that names the argument, what was expected, and the value."""
        return self._checked(argument, value, expected)[1]

    def once(self, argument: str, value: Any) -> Any:
        """Return `value` as it was checked, in its own type: a lazy sequence is read once."""
        return self._checked(argument, value)[0]

    def _checked(self, argument: str, value: Any, expected: str | None = None) -> tuple[Any, Any]:
        with asking(argument, expected or self, value):
            value = self.fixed(value)
            return value, self.check(argument, value, expected)


@contextlib.contextmanager
def asking(argument: str, expected: object, value: object, what: str = "argument") -> Iterator[None]:
    """Name the argument in whatever `value` raises as it is asked; refuse what pretends to be of another class."""
    try:
        if value.__class__ is not type(value) and not hasattr(type(value), "__wrapped__"):  # as TensorFlow's proxies
            raise TypeError(f"it is an instance of {type(value).__name__}")
        yield
    except Exception as error:
        words = str(error)
        if " received for " in words or words.startswith("Unknown "):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        hint = f"It cannot be read: {type(error).__name__}: {words}"
        raise kind(invalid(argument, str(expected), value, hint, what)) from error


class _Lasting(Constraint):
    """A constraint on sequences, each of which is read once: of other classes than Python's, the next may differ."""

    def fixed(self, value: Any) -> Any:
        lasting = type(value) in (list, tuple, str, bytes) or not isinstance(value, Sequence)
        return value if lasting else tuple(value)


def real(value: object) -> float | None:
    """Return a number as a `float`; None if it is not one that a `float` can hold. A boolean is not a number."""
    if not isinstance(value, numbers.Real) and hasattr(value, "__array__") and getattr(value, "shape", None) == ():
        value = np.asarray(value)[()]  # the scalar of an array or a tensor
    if not isinstance(value, (numbers.Real, np.floating, np.integer)) or isinstance(value, (bool, np.bool_)):
        return None
    try:
        return float(plain(value))
    except OverflowError:
        return None


def plain(value: Any) -> Any:
    """Return a number or a text of a subclass in Python's own type, whatever its methods say; others as they are."""
    if type(value).__module__ not in ("builtins", "numpy") and not isinstance(value, enum.Enum):
        for kind in (int, float, str):
            if isinstance(value, kind):
                return getattr(kind, f"__{kind.__name__}__")(value)
    return value


def unmasked(argument: str, value: Any) -> Any:
    """Return `value`; raise ValueError if it is an array with masked entries, which NumPy would take for data."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise wrong_value(argument, "no masked entries; `.filled(0)` gives them a value", "a masked array")
    return value


def as_array(argument: str, value: Any, expected: str = "an array") -> np.ndarray:
    """Return `value` as a NumPy array of any dtype; raise ValueError for masked entries and rows of several lengths."""
    unmasked(argument, value)
    try:
        return np.asarray(value)
    except Exception:  # noqa: BLE001 (a sequence may raise anything while it is read)
        raise ValueError(invalid(argument, f"{expected}, all rows of one length", value)) from None


@dataclasses.dataclass(frozen=True)
class Interval(Constraint):
    """A number within bounds.

    Args:
        kind: `int` or `float`; a float may be given as any number, or as an array or tensor of shape `()`.
        least, most: inclusive bounds. Default to None: unbounded; integers up to `sys.maxsize`.
        above, below: exclusive bounds. Default to None: unbounded.
        finite: whether NaN and the infinities are rejected. Defaults to True.
        words: the description. Defaults to one made of the bounds.
    """

    kind: type = float
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    finite: bool = True
    words: str = ""

    def __str__(self) -> str:
        parts = [
            f"of at least {self.least}" if self.least is not None else "",
            f"above {self.above}" if self.above is not None else "",
            f"of at most {self.most}" if self.most is not None and self.most <= sys.maxsize else "",
            f"below {self.below}" if self.below is not None else "",
        ]
        bounds = " and ".join(part for part in parts if part)
        return self.words or ("an integer" if self.kind is int else "a number") + f" {bounds}".rstrip()

    def accepts(self, value: Any) -> bool:
        if self.kind is int:
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
                return False
            value = plain(value)
            if value > (sys.maxsize if self.most is None else self.most):
                return False
        else:
            value = real(value)
            if value is None or (self.finite and not math.isfinite(value)):
                return False
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def convert(self, value: object) -> Any:
        return int(plain(value)) if self.kind is int else real(value)


@dataclasses.dataclass(frozen=True)
class Options(Constraint):
    """One of several values, of the same type; the error names the nearest."""

    known: tuple[Any, ...]
    words: str = "a known name"

    def __str__(self) -> str:
        return self.words

    def accepts(self, value: Any) -> bool:
        return any(value is one or (type(value) is type(one) and value == one) for one in self.known)

    def refusal(self, value: Any) -> tuple[type[Exception], str]:
        return ValueError, nearest(value, map(str, self.known)) if self.words == Options.words else ""


@dataclasses.dataclass(frozen=True)
class Boolean(Constraint):
    """True or False."""

    def __str__(self) -> str:
        return "True or False"

    def accepts(self, value: object) -> bool:
        return type(value) in (bool, np.bool_)

    def convert(self, value: Any) -> bool:
        return bool(value)


@dataclasses.dataclass(frozen=True)
class Instance(Constraint):
    """An instance of one of several classes."""

    kinds: tuple[type, ...]
    words: str = ""
    error: ClassVar[type[Exception]] = TypeError

    def __str__(self) -> str:
        words = " or ".join(map(_instance_of, self.kinds)).replace(" or an instance of", " or")
        return self.words or words

    def accepts(self, value: object) -> bool:
        # A class has the methods by which a protocol recognizes instances.
        right = isinstance(value, self.kinds) and (not isinstance(value, type) or issubclass(type, self.kinds))
        return right and not _half_made(value)


def _half_made(value: Any) -> bool:
    """Return True for what `__new__` has made, and `__init__` has not given its attributes."""
    if isinstance(value, tuple):
        return tuple.__len__(value) < len(getattr(value, "__match_args__", ()))
    if hasattr(type(value), "add_weight"):  # a layer of Keras has some attributes before its name
        return not hasattr(value, "name")
    made = inspect.unwrap(type(value).__init__)
    return inspect.isfunction(made) and made.__code__.co_argcount > 1 and getattr(value, "__dict__", None) == {}


def _instance_of(kind: type) -> str:
    words = {Mapping: "a mapping", Sequence: "a sequence"}
    if kind in words:
        return words[kind]
    if kind.__module__.startswith("keras.") and kind.__name__ == "Model":
        return "a Keras model"
    return f"an instance of `{kind.__name__}`"


@dataclasses.dataclass(frozen=True)
class Satisfies(Constraint):
    """A value of which a predicate is true."""

    predicate: Callable[[Any], bool]
    words: str
    error: ClassVar[type[Exception]] = TypeError

    def __str__(self) -> str:
        return self.words

    def accepts(self, value: Any) -> bool:
        return self.predicate(value)


@dataclasses.dataclass(frozen=True)
class Passes(Constraint):
    """A value that a function `(argument, value)` lets pass."""

    function: Callable[[str, Any], Any]

    def __str__(self) -> str:
        return (self.function.__doc__ or self.function.__name__).partition("\n")[0]

    def check(self, argument: str, value: Any, expected: str | None = None) -> Any:
        return self.function(argument, value)


@dataclasses.dataclass(frozen=True)
class Text(Constraint):
    """A string; with `empty=False` one that is not empty."""

    empty: bool = True

    def __str__(self) -> str:
        return "a text" if self.empty else "a name"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and (self.empty or value != "")

    def refusal(self, value: Any) -> tuple[type[Exception], str]:
        return ValueError if isinstance(value, str) else TypeError, ""


@dataclasses.dataclass(frozen=True)
class FilePath(Constraint):
    """The path of a file or a folder; `~` stands for the home folder."""

    def __str__(self) -> str:
        return "a path, as a string or a `pathlib.Path`"

    def fixed(self, value: Any) -> Any:
        return plain(value if isinstance(value, Path) or not isinstance(value, os.PathLike) else os.fspath(value))

    def check(self, argument: str, value: Any, expected: str | None = None) -> Path:
        text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(text, str):
            raise TypeError(invalid(argument, expected or str(self), value))
        if not text.strip() or "\0" in text:
            raise ValueError(invalid(argument, "a path that is not empty", value))
        try:
            return Path(text).expanduser()
        except RuntimeError:  # `~nobody`, or `~` of an account without a home
            raise ValueError(invalid(argument, "a path below an existing home folder", value)) from None


@dataclasses.dataclass(frozen=True)
class Optional(Constraint):
    """None, or what another constraint accepts."""

    constraint: Constraint

    def __str__(self) -> str:
        return f"{self.constraint} or None"

    def fixed(self, value: Any) -> Any:
        return self.constraint.fixed(value)

    def check(self, argument: str, value: Any, expected: str | None = None) -> Any:
        return None if value is None else self.constraint(argument, value, expected)


@dataclasses.dataclass(frozen=True)
class Elements(_Lasting):
    """A sequence, but no text, of at least `least` elements that another constraint accepts."""

    constraint: Constraint
    least: int = 0

    def __str__(self) -> str:
        return f"a sequence of at least {self.least}" if self.least else "a sequence"

    def check(self, argument: str, value: Any, expected: str | None = None) -> Any:
        words = expected or str(self)
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            raise TypeError(invalid(argument, words, value))
        if len(value) < self.least:
            raise ValueError(invalid(argument, words, value))
        for element in value:
            self.constraint(argument, element, expected and f"{expected}; one element is of another kind")
        return value


@dataclasses.dataclass(frozen=True)
class Entries(Constraint):
    """A mapping from strings to values that another constraint accepts, or to any."""

    constraint: Constraint | None = None

    def __str__(self) -> str:
        return "a mapping with names for keys"

    def fixed(self, value: Any) -> Any:
        return dict(value) if isinstance(value, Mapping) and type(value) is not dict else value

    def check(self, argument: str, value: Any, expected: str | None = None) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise TypeError(invalid(argument, expected or str(self), value))
        if self.constraint is not None:
            for entry in value.values():
                self.constraint(argument, entry)
        return value


@dataclasses.dataclass(frozen=True)
class Names(_Lasting):
    """A sequence of at least `least` distinct strings, each one of `known`; control characters are escaped."""

    known: tuple[str, ...] | None = None
    least: int = 1

    def __str__(self) -> str:
        return "a non-empty sequence of names" if self.least == 1 else f"a sequence of at least {self.least} names"

    def fixed(self, value: Any) -> Any:
        return tuple(value) if isinstance(value, Iterator) else super().fixed(value)

    def check(self, argument: str, value: Any, expected: str | None = None) -> tuple[str, ...]:
        sequence = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
        found = tuple(value) if sequence and getattr(value, "ndim", 1) != 0 else ()
        if not sequence or len(found) < self.least or not all(isinstance(name, str) for name in found):
            raise ValueError(invalid(argument, expected or str(self), value))
        for name in found if self.known is not None else ():
            Options(self.known or ())(argument, name)
        found = tuple(map(printable, found))  # of files: no name disturbs a terminal, or a writer of UTF-8
        if len(set(found)) != len(found):
            raise ValueError(invalid(argument, "distinct names", list(found)))
        return found


@dataclasses.dataclass(frozen=True)
class Shape(_Lasting):
    """A shape: a sequence of positive integers."""

    def __str__(self) -> str:
        return "a shape, a tuple of positive integers"

    def accepts(self, value: Any) -> bool:
        sequence = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        return sequence and all(Interval(int, least=1).accepts(size) for size in value)

    def convert(self, value: Any) -> tuple[int, ...]:
        return tuple(int(size) for size in value)


@dataclasses.dataclass(frozen=True)
class Array(_Lasting):
    """An array of numbers, a tensor, or nested sequences of them.

    Args:
        rank: number of axes. Defaults to None: any.
        kinds: kinds of dtype in NumPy's letters: `iu` integers, `f` floats, `b` booleans. Defaults to `"iuf"`.
        finite: whether NaN and the infinities are rejected. Defaults to True.
    """

    rank: int | None = None
    kinds: str = NUMBERS
    finite: bool = True

    def __str__(self) -> str:
        letters = (("iu", "integers"), ("f", "floats"), ("b", "booleans"))
        words = [word for own, word in letters if own[0] in self.kinds]
        what = "numbers" if {"i", "f"} <= set(self.kinds) else " or ".join(words)
        axes = "" if self.rank is None else f" with {self.rank} {'axis' if self.rank == 1 else 'axes'}"
        return f"an array of {what}{axes}"

    def check(self, argument: str, value: Any, expected: str | None = None) -> np.ndarray:
        words = expected or str(self)
        found = as_array(argument, value, words)
        if found.dtype.kind == "O" or not (hasattr(value, "__array__") or isinstance(value, Sequence)):
            raise ValueError(invalid(argument, words, value))
        if found.dtype.kind not in self.kinds and found.size:
            raise wrong_value(argument, words, f"dtype {found.dtype.str}")
        if self.rank is not None and found.ndim != self.rank:
            raise wrong_value(argument, words, f"shape {found.shape}")
        if self.finite and found.dtype.kind == "f" and not np.isfinite(found).all():
            raise wrong_value(argument, f"{words}, all finite", "NaN or infinity")
        return found
