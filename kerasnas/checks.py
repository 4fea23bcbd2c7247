"""Checks of arguments: each returns the value it accepts, or raises an error that says what is right."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import numbers
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_OURS = ("kerasnas", "tuners", "keras")  # packages whose lines a warning is not about
_LONGEST = 200  # characters of a received value that a message shows
_LARGEST_SEED = 2**128 - 1  # the entropy of NumPy's generators


def invalid(argument: str, expected: str, received: Any, hint: str = "", what: str = "argument") -> str:
    """The message for a wrong value, in Keras' words.

    Args:
        argument: name of the argument.
        expected: a noun phrase, such as `"a positive integer"`.
        received: the value received.
        hint: a further sentence, such as the nearest right name. Defaults to none.
        what: a noun for `argument`. Defaults to `"argument"`.

    Example:

    >>> invalid("strides", "1 or 2", 3)
    'Invalid value received for argument `strides`. Expected 1 or 2. Received: 3'
    """
    try:
        shown = repr(received)
    except ValueError:  # an integer of more digits than Python writes
        shown = f"<{type(received).__name__}>"
    if len(shown) > _LONGEST:
        shown = f"{shown[:_LONGEST]}... ({type(received).__name__})"
    end = f" {hint}" if hint else ""
    return f"Invalid value received for {what} `{argument}`. Expected {expected}. Received: {shown}{end}"


def warn(message: str) -> None:
    """Warn, in the name of the line outside of this package and of Keras that led here."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def nearest(name: Any, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, then all of them.

    Args:
        name: the name received.
        known: the right names.

    Returns:
        A sentence such as ``"Did you mean 'skip_connect'? Known: [...]"``.

    Example:

    >>> nearest("sep_conv_3x", ["sep_conv_3x3", "none"])
    "Did you mean 'sep_conv_3x3'? Known: ['none', 'sep_conv_3x3']"
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Known: {names}"


def integer(argument: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return `value` as an `int` if it is an integer within the bounds; a bool is none.

    Args:
        argument: name of the argument.
        value: its value: an `int` or a NumPy integer.
        least, most: inclusive bounds. Default to None: unbounded, up to the largest size that Python can index.

    Raises:
        ValueError: otherwise.

    Example:

    >>> integer("epochs", np.int64(3), least=1)
    3
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(invalid(argument, f"an integer{_bounds(least, most)}", value))
    if most is None and value > sys.maxsize:
        raise ValueError(invalid(argument, f"an integer{_bounds(least, sys.maxsize)}", value))
    return int(value)


def size(argument: str, value: Any, allowed: Sequence[int] | None = None) -> int:
    """Return `value` as an `int` if it is a positive integer, or one of `allowed`.

    Raises:
        ValueError: otherwise.

    Example:

    >>> size("strides", 2, allowed=(1, 2))
    2
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or (not 1 <= value <= sys.maxsize if allowed is None else value not in allowed):
        expected = "a positive integer" if allowed is None else " or ".join(map(str, allowed))
        raise ValueError(invalid(argument, expected, value))
    return int(value)


def number(
    argument: str,
    value: object,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    finite: bool = True,
) -> float:
    """Return `value` as a `float` if it is a number within the bounds; a bool is none.

    Args:
        argument: name of the argument.
        value: its value: a Python or NumPy number, or an array or tensor of shape `()`.
        least, most: inclusive bounds. Default to None: unbounded.
        above, below: exclusive bounds. Default to None: unbounded.
        finite: whether NaN and the infinities are refused. Defaults to True.

    Raises:
        ValueError: otherwise.

    Example:

    >>> number("drop_path", 0.5, least=0, below=1)
    0.5
    """
    real = _real(value)
    inside = (
        real is not None
        and (math.isfinite(real) or not finite)
        and (least is None or real >= least)
        and (most is None or real <= most)
        and (above is None or real > above)
        and (below is None or real < below)
    )
    if real is None or not inside:
        raise ValueError(invalid(argument, f"a number{_bounds(least, most, above, below)}", value))
    return real


def _real(value: object) -> float | None:
    """`value` as a `float`, or None if it is not a number that a `float` can hold."""
    if not isinstance(value, numbers.Real) and hasattr(value, "__array__") and getattr(value, "shape", None) == ():
        value = np.asarray(value)[()]  # the scalar of an array or a tensor
    if not isinstance(value, (numbers.Real, np.floating, np.integer)) or isinstance(value, (bool, np.bool_)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def boolean(argument: str, value: object) -> bool:
    """Return `value` if it is True or False.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(invalid(argument, "True or False", value))
    return bool(value)


def seed(value: object, argument: str = "seed") -> int:
    """Return `value` if it can seed a local generator: an integer of at least 0.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(value, int) and sys.maxsize < value <= _LARGEST_SEED:
        return value
    return integer(argument, value, least=0)


def one_of(argument: str, value: object, known: Iterable[Any]) -> Any:
    """Return `value` if it is one of `known`; the error names the nearest.

    Raises:
        ValueError: otherwise.

    Example:

    >>> one_of("padding", "sam", ["same", "valid"])
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `padding`. Expected a known name. Received: 'sam' \
Did you mean 'same'? Known: ['same', 'valid']
    """
    options = list(known)
    if not any(value is option or (type(value) is type(option) and value == option) for option in options):
        raise ValueError(invalid(argument, "a known name", value, nearest(value, map(str, options))))
    return value


def names(argument: str, values: Any, known: Iterable[str] | None = None, least: int = 1) -> tuple[str, ...]:
    """Return `values` as a tuple if they are distinct strings, at least `least` of them, each one of `known`.

    Raises:
        ValueError: otherwise.

    Example:

    >>> names("primitives", ["none", "skip_connect"])
    ('none', 'skip_connect')
    """
    expected = "a non-empty sequence of names" if least == 1 else f"a sequence of at least {least} names"
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise ValueError(invalid(argument, expected, values))
    found = () if getattr(values, "ndim", 1) == 0 else tuple(values)
    if len(found) < least or not all(isinstance(name, str) for name in found):
        raise ValueError(invalid(argument, expected, values))
    if known is not None:
        options = list(known)
        for name in found:
            one_of(argument, name, options)
    if len(set(found)) != len(found):
        raise ValueError(invalid(argument, "distinct names", list(found)))
    return found


def instance(argument: str, value: _T, kinds: type | tuple[type, ...], expected: str | None = None) -> _T:
    """Return `value` if it is an instance of `kinds`.

    Args:
        argument: name of the argument.
        value: its value.
        kinds: a class, or several.
        expected: a noun phrase. Defaults to the names of `kinds`.

    Raises:
        TypeError: otherwise.

    Example:

    >>> instance("name", "darts", str)
    'darts'
    """
    if not isinstance(value, kinds):
        own = kinds if isinstance(kinds, tuple) else (kinds,)
        words = " or ".join(map(_instance_of, own)).replace(" or an instance of", " or")
        raise TypeError(invalid(argument, expected or words, value))
    return value


def _instance_of(kind: type) -> str:
    """A class in words."""
    words = {Mapping: "a mapping", Sequence: "a sequence"}
    if kind in words:
        return words[kind]
    if kind.__module__.startswith("keras.") and kind.__name__ == "Model":
        return "a Keras model"
    return f"an instance of `{kind.__name__}`"


def function(argument: str, value: _T, expected: str = "a callable") -> _T:
    """Return `value` if it can be called.

    Raises:
        TypeError: otherwise.
    """
    if not callable(value):
        raise TypeError(invalid(argument, expected, value))
    return value


def text(argument: str, value: Any, expected: str = "a text") -> str:
    """Return `value` if it is a string; an empty one is.

    Raises:
        TypeError: otherwise.
    """
    return instance(argument, value, str, expected)


def name(argument: str, value: Any, expected: str = "a name") -> str:
    """Return `value` if it is a string that is not empty.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is empty.
    """
    if not text(argument, value, expected):
        raise ValueError(invalid(argument, expected, value))
    return value


def generator(argument: str, value: Any) -> np.random.Generator:
    """Return `value` if it is a NumPy generator of random numbers.

    Raises:
        TypeError: otherwise.
    """
    return instance(argument, value, np.random.Generator, "a `numpy.random.Generator`")


def mapping(argument: str, value: object, expected: str = "a mapping with names for keys") -> Mapping[str, Any]:
    """Return `value` if it is a mapping whose keys are strings.

    Raises:
        TypeError: otherwise.

    Example:

    >>> mapping("options", {"filters": 16})
    {'filters': 16}
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(invalid(argument, expected, value))
    return value


def sequence(argument: str, value: object, kinds: Any, least: int = 0, expected: str | None = None) -> Any:
    """Return `value` if it is a list, a tuple or another sequence of what passes `kinds`.

    Args:
        argument: name of the argument.
        value: its value.
        kinds: a class, several, or a check `(argument, value)` of each element.
        least: the smallest number of elements. Defaults to 0.
        expected: a noun phrase. Defaults to None: one made of `kinds` and `least`.

    Raises:
        TypeError: if it is no such sequence, or an element is of another class.
        ValueError: if there are fewer elements.

    Example:

    >>> sequence("sizes", (3, 4), size)
    (3, 4)
    """
    what = expected or f"a sequence of at least {least}" if least else expected or "a sequence"
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise TypeError(invalid(argument, what, value))
    if len(value) < least:
        raise ValueError(invalid(argument, what, value))
    for element in value:
        _check(argument, element, kinds, expected and f"{expected}; one element is of another kind")
    return value


def shape(argument: str, value: Any, ranks: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return `value` as a tuple if it is a shape: a sequence of positive integers.

    Args:
        argument: name of the argument.
        value: its value.
        ranks: the numbers of axes that pass. Defaults to None: any.

    Raises:
        ValueError: otherwise.

    Example:

    >>> shape("input_shape", [28, 28, 1])
    (28, 28, 1)
    """
    fits = isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and (not ranks or len(value) in ranks)
    if not fits or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in value):
        axes = f" of {' or '.join(map(str, ranks))} axes" if ranks else ""
        raise ValueError(invalid(argument, f"a shape{axes}, a tuple of positive integers", value))
    return tuple(int(n) for n in value)


def container(argument: str, value: object) -> Any:
    """Return `value` if it can be asked, by `in`, what it has; a text is none.

    Raises:
        TypeError: otherwise.
    """
    if isinstance(value, (str, bytes, type)) or not hasattr(value, "__contains__"):
        raise TypeError(invalid(argument, "a container, of which `in` can be asked", value))
    return value


def count(argument: str, value: object) -> int:
    """Return `value` as an `int` if it is an integer of at least 0."""
    return integer(argument, value, least=0)


def positive(argument: str, value: object) -> float:
    """Return `value` as a `float` if it is a finite number above 0."""
    return number(argument, value, above=0)


def not_negative(argument: str, value: object) -> float:
    """Return `value` as a `float` if it is a finite number of at least 0."""
    return number(argument, value, least=0)


def share(argument: str, value: object) -> float:
    """Return `value` as a `float` if it is a number from 0 to 1."""
    return number(argument, value, least=0, most=1)


def part(argument: str, value: object) -> float:
    """Return `value` as a `float` if it is a number between 0 and 1, without the two."""
    return number(argument, value, above=0, below=1)


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
        raise ValueError(_invalid_array(argument, "class numbers from 0", f"{int(found.min())}"))
    if found.size and int(found.max()) >= len(found):
        raise ValueError(_invalid_array(argument, *ids(len(found), int(found.max()), argument)))
    return found


def ids(samples: int, largest: int, argument: str = "y") -> tuple[str, str]:
    """The words for labels of which there would be more classes than samples: what is expected, and what came."""
    return (
        f"class numbers from 0, with no more classes than samples ({samples})",
        f"labels up to {largest}. Labels that are ids become numbers by "
        f"numpy.unique({argument}, return_inverse=True)[1]",
    )


def each(kinds: Any, least: int = 0) -> Callable[[str, Any], Any]:
    """A check, for `arguments`, of a sequence of what passes `kinds`; see `sequence`."""
    return lambda argument, value: sequence(argument, value, kinds, least)


def entries(kinds: Any) -> Callable[[str, Any], Any]:
    """A check, for `arguments`, of a mapping from names to what passes `kinds`."""

    def check(argument: str, value: object) -> Any:
        for entry in mapping(argument, value).values():
            _check(argument, entry, kinds)
        return value

    return check


def maybe(kind: Any) -> Callable[[str, Any], Any]:
    """A check, for `arguments`, of None or what passes `kind`, where None is no default."""
    return lambda argument, value: None if value is None else _check(argument, value, kind)


def known(*names: str) -> Callable[[str, Any], Any]:
    """A check, for `arguments`, of one of these names."""
    return lambda argument, value: one_of(argument, value, names)


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


def arguments(**kinds: Any) -> Callable[[_Function], _Function]:
    """Decorate a function so that it checks arguments as it is called; None passes where it is the default.

    Args:
        kinds: for the name of an argument, the class of a right value (or several), or a check `(argument, value)`,
            such as those of this module.

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
        parameters = signature.parameters
        positions = {name: position for position, name in enumerate(parameters)}
        checked = [(name, positions[name], kind, parameters[name].default is None) for name, kind in kinds.items()]

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            for name, position, kind, optional in checked:
                if name in named:
                    value = named[name]
                elif position < len(given):
                    value = given[position]
                else:
                    continue
                if value is not None or not optional:
                    _check(name, value, kind)
            return function(*given, **named)

        call.__signature__ = signature  # type: ignore[attr-defined] # Keras reads it, and not what is wrapped
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


def _check(argument: str, value: object, kind: Any, expected: str | None = None) -> None:
    """Apply a check, or that of a class or several."""
    if isinstance(kind, (type, tuple)):
        instance(argument, value, kind, expected)
    elif kind is seed:
        seed(value, argument)
    else:
        kind(argument, value)


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


def array(argument: str, value: object, rank: int | None = None, kinds: str = "iuf", finite: bool = True) -> np.ndarray:
    """Return `value` as a NumPy array if it is one of numbers.

    Args:
        argument: name of the argument.
        value: its value: an array, a tensor, or nested sequences.
        rank: number of axes. Defaults to None: any.
        kinds: the kinds of dtype that pass, as NumPy's letters: `i` and `u` are integers, `f` floats, `b` booleans.
            Defaults to `"iuf"`.
        finite: whether NaN and the infinities are refused. Defaults to True.

    Raises:
        ValueError: otherwise.

    Example:

    >>> array("y", [0, 1, 1], rank=1, kinds="iu")
    array([0, 1, 1])
    >>> array("y", ["cat", "dog"], rank=1, kinds="iu")
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `y`. Expected an array of integers with 1 axis. Received: dtype <U3
    """
    words = [word for letters, word in (("iu", "integers"), ("f", "floats"), ("b", "booleans")) if letters[0] in kinds]
    what = "numbers" if {"i", "f"} <= set(kinds) else " or ".join(words)
    axes = "" if rank is None else f" with {rank} {'axis' if rank == 1 else 'axes'}"
    expected = f"an array of {what}{axes}"
    try:
        found = np.asarray(value)
    except (ValueError, TypeError):
        raise ValueError(invalid(argument, f"{expected}, all rows of one length", value)) from None
    if found.dtype.kind == "O" or not (hasattr(value, "__array__") or isinstance(value, Sequence)):
        raise ValueError(invalid(argument, expected, value))
    if found.dtype.kind not in kinds and found.size:
        raise ValueError(_invalid_array(argument, expected, f"dtype {found.dtype.str}"))
    if rank is not None and found.ndim != rank:
        raise ValueError(_invalid_array(argument, expected, f"shape {found.shape}"))
    if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(_invalid_array(argument, f"{expected}, all finite", "NaN or infinity"))
    return found


def tensor(argument: str, value: object) -> Any:
    """Return `value` if it is a tensor or an array of numbers, or nested sequences of them; its values are not read.

    Raises:
        TypeError: otherwise.
    """
    kind = str(getattr(value, "dtype", "")) if hasattr(value, "shape") else ""
    if not kind and isinstance(value, (Sequence, numbers.Real)) and not isinstance(value, (str, bytes, bool)):
        return array(argument, value, finite=False)
    if not any(name in kind for name in ("float", "int")):
        raise TypeError(invalid(argument, "a tensor of numbers", value))
    return value


def _invalid_array(argument: str, expected: str, received: str) -> str:
    return f"Invalid value received for argument `{argument}`. Expected {expected}. Received: {received}"


def path(argument: str, value: object) -> Path:
    """Return `value` as a `Path` if it is the path of a file or a folder; `~` stands for the home folder.

    Raises:
        TypeError: if it is neither a string nor an `os.PathLike`.
        ValueError: if it is empty.

    Example:

    >>> path("folder", "runs/darts").name
    'darts'
    """
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(invalid(argument, "a path, as a string or a `pathlib.Path`", value))
    if not str(value).strip() or "\0" in str(value):
        raise ValueError(invalid(argument, "a path that is not empty", value))
    return Path(value).expanduser()


def optional(check: Callable[..., Any], argument: str, value: object, *arguments: Any, **options: Any) -> Any:
    """`check(argument, value, ...)`, but None passes.

    Example:

    >>> optional(integer, "folds", None, least=2) is None
    True
    """
    return None if value is None else check(argument, value, *arguments, **options)


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


def _bounds(
    least: float | None = None, most: float | None = None, above: float | None = None, below: float | None = None
) -> str:
    parts = [
        f"of at least {least}" if least is not None else "",
        f"above {above}" if above is not None else "",
        f"of at most {most}" if most is not None else "",
        f"below {below}" if below is not None else "",
    ]
    found = " and ".join(part for part in parts if part)
    return f" {found}" if found else ""
