"""Checks of arguments: each returns the value it accepts, or raises an error that says what is right."""

from __future__ import annotations

import difflib
import math
import numbers
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")
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
    value: Any,
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


def _real(value: Any) -> float | None:
    """`value` as a `float`, or None if it is not a number that a `float` can hold."""
    if not isinstance(value, numbers.Real) and hasattr(value, "__array__") and getattr(value, "shape", None) == ():
        value = np.asarray(value)[()]  # the scalar of an array or a tensor
    if not isinstance(value, (numbers.Real, np.floating, np.integer)) or isinstance(value, (bool, np.bool_)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def boolean(argument: str, value: Any) -> bool:
    """Return `value` if it is True or False.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(invalid(argument, "True or False", value))
    return bool(value)


def seed(value: Any, argument: str = "seed") -> int:
    """Return `value` if it can seed a local generator: an integer of at least 0.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(value, int) and sys.maxsize < value <= _LARGEST_SEED:
        return value
    return integer(argument, value, least=0)


def one_of(argument: str, value: Any, known: Iterable[Any]) -> Any:
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
    found = tuple(values)
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
        default = "an instance of " + " or ".join(f"`{kind.__name__}`" for kind in own)
        raise TypeError(invalid(argument, expected or default, value))
    return value


def function(argument: str, value: _T, expected: str = "a callable") -> _T:
    """Return `value` if it can be called.

    Raises:
        TypeError: otherwise.
    """
    if not callable(value):
        raise TypeError(invalid(argument, expected, value))
    return value


def array(argument: str, value: Any, rank: int | None = None, kinds: str = "iuf", finite: bool = True) -> np.ndarray:
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


def _invalid_array(argument: str, expected: str, received: str) -> str:
    return f"Invalid value received for argument `{argument}`. Expected {expected}. Received: {received}"


def path(argument: str, value: Any) -> Path:
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


def optional(check: Callable[..., Any], argument: str, value: Any, *arguments: Any, **options: Any) -> Any:
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
