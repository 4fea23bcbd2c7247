"""A campaign of generated bad inputs: each constraint on an argument generates the values that a call has to reject.

A constraint is declared by `checks.arguments` or `checks.fields`, or applied to an argument within a right call, or
follows from its annotation. No value is classified by hand.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import inspect
import io
import pkgutil
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import kerasnas
import tuners
from kerasnas import checks, constraints
from kerasnas.constraints import Constraint
from tests.bad_inputs.hostile_values import BROKEN, Changing, half_made, hostile, objects
from tests.bad_inputs.wrong_values import values, wrong

ANNOTATED = {
    "int": constraints.Interval(int),
    "float": constraints.Interval(),
    "bool": constraints.Boolean(),
    "str": constraints.Text(),
}
NEVER_RIGHT = ("an object", "a complex number", "bytes", "an array of objects")  # where nothing is known of an argument


def functions() -> dict[str, Callable[..., Any]]:
    """Every function and method of the packages, by the name of its module and its own."""
    found = {}
    for package in (kerasnas, tuners):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith((".__main__", "backend.jax")):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                own = vars(value).items() if inspect.isclass(value) else [("", value)]
                for key, one in own if getattr(value, "__module__", "") == module.name else ():
                    function = getattr(one, "__func__", one)
                    if inspect.isfunction(function):
                        found[f"{module.name}.{name}.{key}".rstrip(".")] = function
    return found


def declared(function: Callable[..., Any]) -> dict[str, Constraint]:
    """The constraints that a function, or the constructor of a class, checks before anything else is done."""
    if inspect.isclass(function):
        return {**declared(function.__new__), **declared(function.__init__)}
    found: dict[str, Constraint] = {}
    while hasattr(function, "constraints") and function.__code__.co_filename == checks.__file__:
        found |= function.constraints
        function = function.__wrapped__  # type: ignore[attr-defined]
    return found


def problem(function: Callable[..., Any], arguments: dict[str, Any], name: str) -> str | None:
    """Call a function with a wrong value of `arguments[name]`: None where the error is a clear one, else what came."""
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            function(**arguments)
    except (TypeError, ValueError) as error:
        words = str(error)
        clear = words.startswith("Unknown ") or (f"`{name}`" in words and "xpected" in words)
        return None if clear else f"{type(error).__name__}: {words[:150]}"
    except Exception as error:  # noqa: BLE001 (whatever it is, it should not get out)
        return f"{type(error).__name__}: {error}"[:150]
    return "accepted"


class Recorder:
    """The constraints that were applied to values while it was active: `(argument, constraint, value)`."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, Constraint, Any]] = []

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        inside = False

        def recording(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(constraint: Constraint, argument: str, value: Any, expected: str | None = None) -> Any:
                nonlocal inside
                if inside:  # a constraint of an element, of another one's parts
                    return original(constraint, argument, value, expected)
                inside = True
                try:
                    self.applied.append((argument, constraint, value))
                    return original(constraint, argument, value, expected)
                finally:
                    inside = False

            return call

        with mock.patch.object(Constraint, "_checked", recording(Constraint._checked)):
            yield

    def of(self, argument: str, value: Any) -> list[Constraint]:
        """The different constraints that this value of an argument had to satisfy."""
        applied = [one for name, one, checked in self.applied if name == argument and checked is value]
        return list({repr(one): one for one in applied}.values())


def annotated(parameter: inspect.Parameter) -> Constraint | None:
    """The constraint that follows from an annotation, as `int | None`; None of one that is not plain."""
    words = [word.strip() for word in str(parameter.annotation).split("|")]
    plain = [word for word in words if word in ANNOTATED]
    return ANNOTATED[plain[0]] if len(plain) == 1 and set(words) <= {*plain, "None"} else None


def wrong_values(parameter: inspect.Parameter, known: list[Constraint]) -> dict[str, Any]:
    """What is wrong for a parameter on which there are these constraints; None is right where it may be left out."""
    plain = annotated(parameter)
    found: dict[str, Any] = {}
    for constraint in known or ([plain] if plain else []):
        found |= wrong(constraint)
    if not found and "Any" not in str(parameter.annotation):
        found = {label: value for label, value in values().items() if label in NEVER_RIGHT}
    if parameter.default is None or "None" in str(parameter.annotation):
        found.pop("None", None)
    return found


def state_of(owner: object) -> str:
    """The state of an object that has one, as text."""
    return repr(owner.get_state()) if hasattr(owner, "get_state") else ""


def run(every: int = 1) -> tuple[collections.Counter[str], dict[str, str]]:
    """Try each right call, or one of `every`, with every wrong value; return counts, and what was not clear."""
    from tests.bad_inputs.right_calls import CALLS, MADE

    tried: collections.Counter[str] = collections.Counter()
    problems = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for one in CALLS[::every]:
            record = Recorder()
            with record(), warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
                one.function(**one.arguments)
            named, state = declared(one.function), state_of(one.make() if one.make else None)
            for name, parameter in inspect.signature(one.function).parameters.items():
                if name in named or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    continue  # tried without a call
                known = record.of(name, one.arguments[name]) if name in one.arguments else []
                for label, value in wrong_values(parameter, known).items():
                    tried[one.name] += 1
                    words = problem(one.function, {**one.arguments, name: value}, name)
                    if words is None and one.make and state_of(MADE[-1]) != state:
                        words = "the state is another"
                    if words is not None:
                        problems[f"{one.name}({name}): {label}"] = words
    return tried, problems


class Case(NamedTuple):
    """A hostile value of an argument of a right call, or of one that checks it before anything else."""

    place: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    name: str
    make: Callable[[], Any]


def hostile_cases(every: int = 1) -> list[Case]:
    """The cases of each right call, or of one of `every`, in the same order each time."""
    from tests.bad_inputs.right_calls import CALLS

    found = []
    for place, function in functions().items():
        for name, constraint in declared(function).items():
            for label, make in hostile(constraint).items():
                found.append(Case(f"{place}({name}): {label}", function, {}, name, make))
    for one in CALLS[every // 2 :: every]:
        record = Recorder()
        with record(), warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            one.function(**one.arguments)
        named = declared(one.function)
        for name, parameter in inspect.signature(one.function).parameters.items():
            right = one.arguments.get(name)
            known = [named[name]] if name in named else record.of(name, right) if name in one.arguments else []
            plain = annotated(parameter)
            makes = objects() if not known and not plain and "Any" not in str(parameter.annotation) else {}
            for constraint in known or ([plain] if plain else []):
                makes |= hostile(constraint, right)
                for label in hostile(constraint) if name in named else ():
                    makes.pop(label, None)  # tried without a call
            makes |= dict(half_made(type(right))) | (BROKEN if isinstance(right, np.ndarray) else {})
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                for label, make in makes.items():
                    found.append(Case(f"{one.name}({name}): {label}", one.function, one.arguments, name, make))
    return found


def outcome(one: Case) -> tuple[str, str | None]:
    """`clear`, `raw`, `accepted` or `harmless`, with the words of the error; a right value may be taken as it is."""
    value = one.make()
    words = problem(one.function, {**one.arguments, one.name: value}, one.name)
    right = ": right: " in one.place or (type(value) is Changing and not value.spoiled)
    return "clear" if words is None else "raw" if words != "accepted" else "harmless" if right else "accepted", words


def run_hostile(number: int, seed: int, every: int) -> tuple[int, collections.Counter[str], dict[str, str]]:
    """Try this many hostile cases; return how many there are in all, counts of outcomes, and what was not clear."""
    problems, counts = {}, collections.Counter({"clear": 0, "harmless": 0, "raw": 0, "accepted": 0})
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        cases = hostile_cases(every)
        random.Random(seed).shuffle(cases)
        turns: collections.Counter[str] = collections.Counter()
        ranks = []
        for one in cases:  # each kind in its turn, however many arguments it is tried on
            turns[kind := one.place.rpartition(": ")[2]] += 1
            ranks.append((turns[kind], kind))
        for one in [cases[index] for index in sorted(range(len(cases)), key=ranks.__getitem__)[:number]]:
            found, words = outcome(one)
            counts[found] += 1
            if found in ("raw", "accepted"):
                problems[one.place] = str(words)
    return len(cases), counts, problems
