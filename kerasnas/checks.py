"""Checks of arguments: each returns the value it accepts, or raises an error that describes a right one.

A check is a constraint of `kerasnas.constraints` or a function `(argument, value)`. Declared by `arguments` or `fields`
next to a signature, they check every call; `tests/bad_inputs` tries wrong values of each.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kerasnas.constraints import (
    NUMBERS,
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
    Passes,
    Satisfies,
    Shape,
    Text,
)
from kerasnas.constraints import as_array as as_array
from kerasnas.constraints import unmasked as unmasked
from kerasnas.wording import invalid as invalid
from kerasnas.wording import nearest as nearest
from kerasnas.wording import wrong_value

_T = TypeVar("_T")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_OURS = ("kerasnas", "tuners", "keras")  # packages whose lines a warning is not about
_LARGEST_SEED = 2**128 - 1  # the entropy of NumPy's generators


def warn(message: str) -> None:
    """Warn at the first caller outside this package and Keras."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


# Constraints without options: `(argument, value) -> value` ----------------------------------------------------------
boolean: Callable[..., bool] = Boolean()
count: Callable[..., int] = Interval(int, least=0)
positive: Callable[..., float] = Interval(above=0)
not_negative: Callable[..., float] = Interval(least=0)
part: Callable[..., float] = Interval(above=0, below=1)
shape: Callable[..., tuple[int, ...]] = Shape()
text: Callable[..., str] = Text()
name: Callable[..., str] = Text(empty=False)
path: Callable[..., Path] = FilePath()
function: Callable[..., Any] = Satisfies(callable, "a callable")
generator: Callable[..., np.random.Generator] = Instance((np.random.Generator,), "a `numpy.random.Generator`")
mapping: Callable[..., Mapping[str, Any]] = Entries()
container: Callable[..., Any] = Satisfies(
    lambda value: hasattr(type(value), "__contains__") and not isinstance(value, (str, bytes, type)),
    "a container, of which `in` can be asked",
)


# Constraints with options -------------------------------------------------------------------------------------------
def integer(argument: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return `value` as an `int` if it is an integer within the bounds. Rejects booleans.

    Example:

    >>> integer("epochs", np.int64(3), least=1)
    3
    """
    return Interval(int, least, most)(argument, value)


def size(argument: str, value: Any, allowed: Sequence[int] | None = None) -> int:
    """Return `value` as an `int` if it is a positive integer, or one of `allowed`."""
    if allowed is None:
        return _SIZE(argument, value)
    own = int(value) if isinstance(value, np.integer) else value
    return Options(tuple(allowed), " or ".join(map(str, allowed)))(argument, own)


def number(
    argument: str,
    value: object,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    finite: bool = True,
) -> float:
    """Return `value` as a `float` if it is a number within the inclusive or exclusive bounds. Rejects booleans.

    Example:

    >>> number("drop_path", 0.5, least=0, below=1)
    0.5
    """
    return Interval(float, least, most, above, below, finite)(argument, value)


def seed(value: object) -> int:
    """Return `value` if it can seed a local generator: an integer of at least 0, of at most 128 bits."""
    return _SEED("seed", value)


def one_of(argument: str, value: object, known: Iterable[Any]) -> Any:
    """Return `value` if it is one of `known`; the error names the nearest.

    Example:

    >>> one_of("padding", "sam", ["same", "valid"])
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `padding`. Expected a known name. Received: 'sam' \
Did you mean 'same'? Known: ['same', 'valid']
    """
    return Options(tuple(known))(argument, value)


def names(argument: str, values: Any, known: Iterable[str] | None = None, least: int = 1) -> tuple[str, ...]:
    """Return `values` as a tuple if they are distinct strings, at least `least` of them, each one of `known`.

    Example:

    >>> names("primitives", ["none", "skip_connect"])
    ('none', 'skip_connect')
    """
    return Names(None if known is None else tuple(known), least)(argument, values)


def instance(argument: str, value: _T, kinds: type | tuple[type, ...], expected: str | None = None) -> _T:
    """Return `value` if it is an instance of `kinds`; raise a TypeError otherwise."""
    return Instance(kinds if isinstance(kinds, tuple) else (kinds,))(argument, value, expected)


def array(
    argument: str, value: object, rank: int | None = None, kinds: str = NUMBERS, finite: bool = True
) -> np.ndarray:
    """Return `value` as a NumPy array if it is one of numbers; the arguments are those of `constraints.Array`.

    Example:

    >>> array("y", ["cat", "dog"], rank=1, kinds="iu")
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `y`. Expected an array of integers with 1 axis. Received: dtype <U3
    """
    return Array(rank, kinds, finite)(argument, value)


def tensor(argument: str, value: object) -> Any:
    """Return `value` if it is a tensor or an array of numbers, or nested sequences of them; its values are not read."""
    kind = str(getattr(value, "dtype", "")) if hasattr(value, "shape") else ""
    if not kind and isinstance(value, (Sequence, numbers.Real)) and not isinstance(value, (str, bytes, bool)):
        return array(argument, value, finite=False)
    if not any(name in kind for name in ("float", "int")):
        raise TypeError(invalid(argument, "a tensor of numbers", value))
    return value


def labels(argument: str, value: object) -> np.ndarray:
    """Return `value` as an array if it is one of class numbers, `(samples,)`, from 0.

    Raises:
        ValueError: otherwise; where classes would outnumber samples, as of labels that are ids.

    Example:

    >>> labels("y", [0, 10**12])
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `y`. Expected class numbers from 0, with no more classes than \
samples (2). Received: labels up to 1000000000000. Labels that are ids become numbers by \
numpy.unique(y, return_inverse=True)[1]
    """
    found = array(argument, value, rank=1, kinds="iu")
    if found.size and int(found.min()) < 0:
        raise wrong_value(argument, "class numbers from 0", f"{int(found.min())}")
    if found.size and int(found.max()) >= len(found):
        raise wrong_value(argument, *ids(len(found), int(found.max()), argument))
    return found


def weights(argument: str, value: object, samples: int) -> np.ndarray:
    """Return `value` as a float32 array if it has a finite weight of at least 0 for each sample, and not only zeros."""
    found = array(argument, value, kinds="iufb", finite=False)
    if found.shape != (samples,):
        raise ValueError(invalid(argument, f"one weight for each of the {samples} samples", f"shape {found.shape}"))
    with np.errstate(over="ignore"):
        found = found.astype("float32")
    wrong = found[~(np.isfinite(found) & (found >= 0))]
    if wrong.size:
        raise ValueError(invalid(argument, "finite weights of at least 0", wrong[:3].tolist()))
    if not found.any():
        raise wrong_value(argument, "a weight above 0", "zeros alone")
    return found


def ids(samples: int, largest: int, argument: str = "y") -> tuple[str, str]:
    """The words for labels of which there would be more classes than samples: what is expected, and what came."""
    return (
        f"class numbers from 0, with no more classes than samples ({samples})",
        f"labels up to {largest}. Labels that are ids become numbers by "
        f"numpy.unique({argument}, return_inverse=True)[1]",
    )


def pair(argument: str, value: object) -> tuple[Any, Any]:
    """Return `value` if it is a pair of arrays or tensors of as many rows.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(invalid(argument, "a pair (x, y)", value))
    first, second = (tensor(argument, part) for part in value)
    if not (len(first.shape) and len(second.shape)) or first.shape[0] != second.shape[0]:
        raise ValueError(invalid(argument, "a pair (x, y) of as many labels as samples", (first.shape, second.shape)))
    return first, second


def strings(argument: str, value: object, expected: str = "texts, strings of shape (samples,)") -> np.ndarray:
    """Return `value` as an array of `str`, of dtype object: NumPy's own strings are nothing to Keras.

    Args:
        argument: the name that an error says.
        value: a sequence of `str`, which may be empty.
        expected: what is expected, in words. Defaults to texts.

    Raises:
        ValueError: if it is none.

    Example:

    >>> strings("x", ["a text"])
    array(['a text'], dtype=object)
    """
    found = np.asarray(value, object)
    if found.ndim != 1 or not all(isinstance(text, str) for text in found):
        raise ValueError(invalid(argument, expected, value))
    return found


# Constraints made of others, for `arguments` --------------------------------------------------------------------------
def each(kinds: Any, least: int = 0) -> Constraint:
    """Constrain a sequence: at least `least` elements that pass `kinds`."""
    return Elements(constraint(kinds), least)


def entries(kinds: Any) -> Constraint:
    """Constrain a mapping: from names to what passes `kinds`."""
    return Entries(constraint(kinds))


def maybe(kind: Any) -> Constraint:
    """Constrain an argument whose default is not None, but which may be None."""
    return Optional(constraint(kind))


def known(*names: str) -> Constraint:
    """Constrain a name: one of these."""
    return Options(names)


def optional(check: Callable[..., Any], argument: str, value: object, *arguments: Any, **options: Any) -> Any:
    """Return None for None, else `check(argument, value, ...)`.

    Example:

    >>> optional(integer, "folds", None, least=2) is None
    True
    """
    return None if value is None else check(argument, value, *arguments, **options)


_SIZE = Interval(int, least=1, words="a positive integer")
_SEED = Interval(int, least=0, most=_LARGEST_SEED)
_CONSTRAINTS: dict[Any, Constraint] = {
    integer: Interval(int),
    size: _SIZE,
    number: Interval(),
    seed: _SEED,
    names: Names(),
    array: Array(),
}


def constraint(kind: Any) -> Constraint:
    """Return the constraint that a class, a tuple of classes, or a check stands for."""
    if isinstance(kind, Constraint):
        return kind
    if isinstance(kind, (type, tuple)):
        return Instance(kind if isinstance(kind, tuple) else (kind,))
    return _CONSTRAINTS.get(kind) or Passes(kind)


def arguments(**kinds: Any) -> Callable[[_Function], _Function]:
    """Decorate a function so that it checks arguments as it is called; None passes where it is the default.

    Its attribute `constraints` is a mapping from the names of arguments to their constraints.

    Args:
        kinds: for the name of an argument, a constraint, the class of a right value (or several), or a check
            `(argument, value)`, such as those of this module.

    Example:

    >>> @arguments(epochs=size, name=str)
    ... def plan(epochs, name="plain"):
    ...     return f"{name}: {epochs}"
    >>> plan(3)
    'plain: 3'
    >>> plan(0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `epochs`. Expected a positive integer. Received: 0
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        positions = {name: position for position, name in enumerate(signature.parameters)}
        constraints = {
            name: maybe(kind) if signature.parameters[name].default is None else constraint(kind)
            for name, kind in kinds.items()
        }

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            passed = list(given)
            for name, check in constraints.items():
                if name in named:
                    named[name] = check.once(name, named[name])
                elif positions[name] < len(passed):
                    passed[positions[name]] = check.once(name, passed[positions[name]])
            try:
                return function(*passed, **named)
            except AttributeError as error:
                for name, value in {**dict(zip(positions, passed, strict=False)), **named}.items():
                    if name in constraints and value is error.obj and value is not None:  # an instance made by halves
                        hint = f"It has no attribute `{error.name}`."
                        raise TypeError(invalid(name, str(constraints[name]), value, hint)) from error
                raise

        call.__signature__ = signature  # type: ignore[attr-defined] # Keras reads it, and not what is wrapped
        call.constraints = constraints  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def fields(**kinds: Any) -> Callable[[type[_T]], type[_T]]:
    """Decorate a dataclass, or a `NamedTuple`, so that what it is made of is checked; as `arguments`.

    Example:

    >>> import dataclasses
    >>> @fields(name=str)
    ... @dataclasses.dataclass
    ... class Thing:
    ...     name: str
    >>> Thing(3)
    Traceback (most recent call last):
        ...
    TypeError: Invalid value received for argument `name`. Expected an instance of `str`. Received: 3
    """

    def decorate(kind: type[_T]) -> type[_T]:
        maker = "__new__" if issubclass(kind, tuple) else "__init__"
        setattr(kind, maker, arguments(**kinds)(getattr(kind, maker)))
        return kind

    return decorate


def reading(argument: str, what: str) -> Callable[[_Function], _Function]:
    """Decorate a function of a nested record so that a record it cannot read is a ValueError that names `argument`.

    Args:
        argument: name of the argument.
        what: a noun phrase for the right record.

    Example:

    >>> @reading("result", "the record of a run")
    ... def seconds(result):
    ...     return result["search"]["seconds"]
    >>> seconds({"search": 3})
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `result`. Expected the record of a run. It cannot be read: \
TypeError: 'int' object is not subscriptable
    """

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            try:
                return function(*given, **named)
            except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
                if f"`{argument}`" in str(error) or " received for argument " in str(error):
                    raise
                reason = f"there is no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
                raise ValueError(
                    f"Invalid value received for argument `{argument}`. Expected {what}. It cannot be read: {reason}"
                ) from error

        return call  # type: ignore[return-value]

    return decorate


def differences(there: Mapping[str, Any] | None, here: Mapping[str, Any]) -> list[str]:
    """The differences between a saved mapping and a current one, in words; of nested mappings the first three entries.

    Args:
        there: the saved mapping; None counts as empty.
        here: the current mapping; only its names are compared.

    Example:

    >>> differences({"seed": 0, "space": "darts"}, {"seed": 1, "space": "darts"})
    ['seed: 0 there, 1 here']
    >>> differences({"choices": {"a": [1, 2]}}, {"choices": {"a": [1, 3], "b": [1]}})
    ["choices 'a': [1, 2] there, [1, 3] here; 'b': missing there, [1] here"]
    """
    there = there or {}
    return [_difference(name, there.get(name), here[name]) for name in here if there.get(name) != here[name]]


def _difference(name: str, there: Any, here: Any) -> str:
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        changed = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        parts = [f"{key!r}: {there.get(key, 'missing')} there, {here.get(key, 'missing')} here" for key in changed[:3]]
        return f"{name} {'; '.join(parts)}"
    return f"{name}: {there!r} there, {here!r} here"
