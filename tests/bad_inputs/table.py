"""The table of public calls with arguments that are right: what bad inputs are made of.

To add a function or a constructor, write one line in the file of its room: `call(function, argument=value, ...)`.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple


class Call(NamedTuple):
    """A public function or constructor with arguments that are right."""

    function: Callable[..., Any]
    name: str
    arguments: dict[str, Any]

    def default(self, argument: str) -> Any:
        """The default of an argument; `inspect.Parameter.empty` where there is none."""
        try:
            return inspect.signature(self.function).parameters[argument].default
        except (KeyError, ValueError):
            return inspect.Parameter.empty


CALLS: dict[str, list[Call]] = defaultdict(list)
"""The calls of each room: of the file `calls_of_ROOM.py` that they are written in."""


def call(function: Callable[..., Any], name: str | None = None, /, **arguments: Any) -> None:
    """Add a function; a method is given as `fresh(make, "method")`."""
    room = sys._getframe(1).f_globals["__name__"].rpartition("calls_of_")[2]
    CALLS[room].append(Call(function, name or getattr(function, "__qualname__", str(function)), arguments))


def fresh(make: Callable[[], Any], method: str, kind: type | None = None) -> Callable[..., Any]:
    """The method of what `make` returns, for each call; `kind` is its class, where making one takes long."""
    kind = kind or type(make())
    own = inspect.getattr_static(kind, method)
    signature = inspect.signature(getattr(own, "__func__", own))

    @functools.wraps(getattr(kind, method))
    def function(*args: Any, **arguments: Any) -> Any:
        return getattr(make(), method)(*args, **arguments)

    function.__qualname__ = f"{kind.__name__}.{method}"
    function.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore
    return function
