"""A campaign of generated bad inputs: right calls in which one argument or two are replaced by what cannot be right.

`python -m tests.bad_inputs.campaign 5000 0` runs 5,000 cases of seed 0, and prints how each kind of outcome counts.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import enum
import io
import math
import os
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.bad_inputs import calls_of_algorithms, calls_of_learners, calls_of_networks, calls_of_runs  # noqa: F401
from tests.bad_inputs.accepted import may_be_right
from tests.bad_inputs.table import CALLS, Call

SECONDS = 20  # that an answer may take
ALL = [one for room in CALLS.values() for one in room]


class Outcome(enum.Enum):
    """How a call answered to a bad input."""

    CLEAR = "clear"  # an error of ours that names the argument
    RAW = "raw"
    ACCEPTED = "accepted"
    HUNG = "hung"


class Case(NamedTuple):
    """A call, and for each argument that is replaced the kind of the bad value, and the value."""

    call: Call
    bad: dict[str, tuple[str, Any]]

    def __str__(self) -> str:
        return " and ".join(f"{self.call.name}-{argument}: {kind}" for argument, (kind, _) in self.bad.items())


class Timeout(BaseException):
    """The time of a case is over."""


def wrong_types(rng: np.random.Generator) -> dict[str, Any]:
    """Values of every type, by kind."""
    return {
        "None": None,
        "bool": bool(rng.integers(2)),
        "text": str(rng.choice(["x", "abc", "no such thing", "12", "nan", "ü"])),
        "empty text": "",
        "bytes": b"abc",
        "zero": 0,
        "integer": int(rng.choice([3, 7, 10**6])),
        "negative integer": -int(rng.choice([1, 3, 10**9])),
        "fraction": float(rng.choice([0.5, 1.5, 3.7])),
        "negative": -float(rng.choice([0.5, 1.0, 1e9])),
        "whole float": 3.0,
        "huge": 10 ** int(rng.integers(30, 400)),
        "NaN": math.nan,
        "infinity": math.inf,
        "-infinity": -math.inf,
        "complex": 1 + 2j,
        "empty list": [],
        "empty tuple": (),
        "empty mapping": {},
        "mapping": {"a": 1},
        "list of None": [None],
        "list of texts": ["a", "b"],
        "list of numbers": [1.5, 2.5],
        "ragged": [[1], [1, 2]],
        "set": {1, 2},
        "generator": (number for number in range(3)),
        "object": object(),
        "class": dict,
        "function": len,
        "module": math,
        "file": io.StringIO("x"),
        "slice": slice(3),
        "ellipsis": ...,
        "scalar array": np.array(0.5),
        "array": rng.random((2, 3)),
        "empty array": np.zeros((0,)),
        "array of NaN": np.array([np.nan, 1.0]),
        "array of texts": np.array(["x", "y"]),
        "array of objects": np.array([None, "x"], dtype=object),
        "array of booleans": np.array([True, False]),
        "NumPy text": np.str_("x"),
        "date": np.datetime64("2026-01-01"),
    }


NUMERIC = {"zero", "integer", "negative integer", "fraction", "negative", "whole float", "scalar array", "infinity"}
# Kinds that may be right where the right value is of this type: they are tried where they are of another kind.
SAME: dict[str, set[str]] = {
    "boolean": {"bool"},
    "integer": {"integer"},
    "number": {"integer", "fraction", "whole float", "scalar array"},
    "text": set(),
    "function": {"function", "class"},
    "sequence": {"generator"},
    "mapping": set(),
    "array": set(),
    "path": {"text", "NumPy text"},
    "object": set(),
}


def kind_of(good: Any) -> str:
    """The kind of a right value, a key of `SAME`."""
    if isinstance(good, (bool, np.bool_)):
        return "boolean"
    if isinstance(good, (int, np.integer)):
        return "integer"
    if isinstance(good, (float, np.floating)):
        return "number"
    if isinstance(good, str):
        return "text"
    if isinstance(good, Path):
        return "path"
    if isinstance(good, np.ndarray):
        return "array"
    if type(good) in (tuple, list):
        return "sequence"
    if isinstance(good, Mapping):
        return "mapping"
    return "function" if callable(good) and not hasattr(good, "get_config") and not hasattr(good, "fit") else "object"


def changed_arrays(good: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Arrays that are nearly the right one."""
    found: dict[str, Any] = {
        "an axis more": good[..., None],
        "as texts": good.astype(str),
        "as objects": good.astype(object),
        "as complex": good.astype(complex),
    }
    if good.ndim:
        found |= {"an axis less": good[0], "no rows": good[:0], "fewer rows": good[:-1], "more rows": [*good, *good]}
        found["more rows"] = np.concatenate([good, good[:1]])
    if good.dtype.kind == "f" and good.size:
        for name, value in (("NaN inside", np.nan), ("infinity inside", np.inf)):
            spoiled = good.copy()
            spoiled.flat[int(rng.integers(good.size))] = value
            found[name] = spoiled
    if good.dtype == np.int64 and good.size:
        for name, value in (("negative inside", -1), ("an id inside", 10**12)):
            spoiled = good.copy()
            spoiled.flat[int(rng.integers(good.size))] = value
            found[name] = spoiled
        found["as floats with a fraction"] = good + 0.5
    return found


def changed(good: Any, rng: np.random.Generator, deep: bool = True) -> dict[str, Any]:
    """Values that are nearly the right one: of its type, but of another shape, length, spelling or content."""
    kind, found = kind_of(good), {}
    if kind == "array":
        return changed_arrays(good, rng)
    if kind == "text":
        place = int(rng.integers(len(good) + 1))
        found = {"misspelled": good[:place] + "q" + good[place:], "in a list": [good], "as bytes": good.encode()}
    elif kind in ("integer", "number", "boolean"):
        found = {"in a list": [good], "as text": str(good), "in an array": np.array([good, good])}
    elif kind == "sequence":
        found = {"as mapping": dict(enumerate(good)), "as text": str(good), "nested": [good], "as set": None}
        found["as set"] = {str(one) for one in good}
        if good:
            place = int(rng.integers(len(good)))
            bad = [*wrong_types(rng).items(), *(changed(good[place], rng, False).items() if deep else ())]
            name, value = bad[int(rng.integers(len(bad)))]
            if not (kind_of(value) == kind_of(good[place]) and name in SAME[kind_of(value)]):
                found[f"element {name}"] = type(good)([*good[:place], value, *good[place + 1 :]])
            found["shorter"], found["longer"] = good[:-1], type(good)([*good, good[-1]])
    elif kind == "mapping":
        found = {"as pairs": list(good.items()), "with more": {**good, "no such entry": 1}, "keys alone": list(good)}
        found["with a number for a key"] = {**good, 3.5: 1}
        if good:
            key = list(good)[int(rng.integers(len(good)))]
            bad = [*wrong_types(rng).items(), *(changed(good[key], rng, False).items() if deep else ())]
            name, value = bad[int(rng.integers(len(bad)))]
            found["without one"] = {name: one for name, one in good.items() if name != key}
            found[f"entry {name}"] = {**good, key: value}
    elif kind == "path":
        elsewhere = Path(tempfile.gettempdir()) / f"no such folder {rng.integers(1 << 60)}" / "no such file"
        found = {"a path that is not there": elsewhere, "a path in a list": [good]}
    elif kind == "object":
        found = {"its class": type(good), "in a list": [good], "in a tuple": (good, good), "its name": str(good)}
        others = [one for call in ALL[:: 1 + int(rng.integers(9))] for one in call.arguments.values()]
        others = [one for one in others if kind_of(one) == "object" and type(one) is not type(good)]
        others = [one for one in others if not same_family(type(one), type(good))]
        if others:
            found["another object"] = others[int(rng.integers(len(others)))]
    elif kind == "function":
        found = {"called": 3, "its name": getattr(good, "__name__", "f"), "in a list": [good]}
    return found


def same_family(one: type, other: type) -> bool:
    """Return True where both inherit from one class of their package."""
    packages = ("kerasnas", "tuners", "keras")
    own = [{base for base in kind.__mro__ if base.__module__.startswith(packages)} for kind in (one, other)]
    return bool(own[0] & own[1])


def cases(count: int, seed: int, calls: list[Call] | None = None) -> Iterator[Case]:
    """Cases drawn at random: calls in turn, of each an argument and a kind of bad value; of one in ten two of them."""
    rng = np.random.default_rng(seed)
    calls = [one for one in calls or ALL if one.arguments]
    order: list[int] = []
    for _ in range(count):
        if not order:
            order = rng.permutation(len(calls)).tolist()
        one = calls[order.pop()]
        names = list(one.arguments)
        chosen = rng.permutation(names)[: 2 if len(names) > 1 and rng.random() < 0.1 else 1]
        bad = {}
        for name in map(str, chosen):
            good = one.arguments[name]
            near = changed(good, rng)
            options = near if near and rng.random() < 0.5 else wrong_types(rng)
            options = {kind: value for kind, value in options.items() if not right(one, name, kind, value)}
            if options:
                kind = list(options)[int(rng.integers(len(options)))]
                bad[name] = (kind, options[kind])
        if bad:
            yield Case(one, bad)


def right(one: Call, argument: str, kind: str, value: Any) -> bool:
    """Return True if a value may be right after all."""
    if kind in SAME[kind_of(one.arguments[argument])]:
        return True
    default = one.default(argument)
    if value is default or (type(value) is type(default) and isinstance(value, (int, str)) and value == default):
        return True
    arrays = sum(isinstance(value, np.ndarray) for value in one.arguments.values())
    return may_be_right(one.name, argument, kind, kind_of(one.arguments[argument]), arrays)


def answer(case: Case) -> tuple[Outcome, str]:
    """Make the call; return the outcome, and what came."""
    arguments = {name: spared(value) for name, value in case.call.arguments.items()}
    arguments |= {name: value for name, (_, value) in case.bad.items()}

    def late(*_: Any) -> None:
        raise Timeout

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            case.call.function(**arguments)
    except Timeout:
        return Outcome.HUNG, ""
    except Exception as error:  # noqa: BLE001 (whatever it is, it is counted)
        return (Outcome.CLEAR if clear(error, case) else Outcome.RAW), described(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return Outcome.ACCEPTED, ""


def spared(value: Any) -> Any:
    """A copy of what a call could change."""
    return copy.copy(value) if type(value) in (list, dict) else value


def described(error: Exception) -> str:
    """The error, and the place in our code that it came out of."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if ours(frame.filename)]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} " if frames else ""
    return f"{place}{type(error).__name__}: {str(error)[:150]}".replace("\n", " ")


def ours(filename: str) -> bool:
    """Return True for a file of the packages."""
    return "/kerasnas/" in filename or "/tuners/" in filename


def clear(error: Exception, case: Case) -> bool:
    """Return True for a ValueError or TypeError of ours that names an argument; for a missing file that is named."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        return any(
            str(value) in str(error) for _, value in case.bad.values() if isinstance(value, (str, Path)) and value
        )
    words = str(error)
    if isinstance(error, AssertionError):  # of `kerasnas.testing`, whose contract it is
        return "/kerasnas/testing/" in frame.filename
    if not isinstance(error, (ValueError, TypeError)) or isinstance(error, UnicodeError):
        return False
    if not ours(frame.filename):  # KerasTuner's own errors of its tuners' arguments are as clear
        return "keras_tuner" in frame.filename and any(f"`{name}`" in words for name in case.bad)
    if any("rows" in kind or "axis" in kind for kind, _ in case.bad.values()):  # of x and y, either may be named
        return any(f"`{name}`" in words for name in case.call.arguments)
    return words.startswith("Unknown ") or any(re.search(rf"\b{name}\b", words) for name in case.bad)


def run(
    count: int, seed: int, calls: list[Call] | None = None, say: Callable[[str], Any] | None = None
) -> Mapping[Outcome, list[str]]:
    """Run a campaign; return for each outcome its cases in words."""
    found: dict[Outcome, list[str]] = collections.defaultdict(list)
    for case in cases(count, seed, calls):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            outcome, words = answer(case)
        found[outcome].append(f"{case} -> {words}" if words else str(case))
        if say is not None and outcome is not Outcome.CLEAR:
            say(f"{outcome.value}: {found[outcome][-1]}")
    return found


def main(count: int, seed: int) -> None:
    """Run a campaign, print what is not clear, and the table."""
    os.environ["KERASNAS_HOME"] = tempfile.mkdtemp()
    found = run(count, seed, say=lambda line: print(line, flush=True))
    tried = sum(map(len, found.values()))
    print(f"tried {tried}: " + ", ".join(f"{outcome.value} {len(found[outcome])}" for outcome in Outcome))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
