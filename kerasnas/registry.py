"""Registry: a name -> factory table whose errors name the nearest valid name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kerasnas import checks


class Registry:
    """A table from names to factories.

    Args:
        kind: a noun in the singular for the entries, used in error messages.
    """

    def __init__(self, kind: str):
        self.kind = checks.instance("kind", kind, str)
        self._factories: dict[str, Callable[..., Any]] = {}

    def register(self, name: str, factory: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Register `factory` under `name`; without `factory`, return a decorator."""
        if factory is None:
            return lambda made: self.register(name, made)
        if not isinstance(name, str) or not name:
            expected = f"a non-empty string, under which to register a {self.kind}"
            raise ValueError(checks.invalid("name", expected, name))
        checks.function("factory", factory, f"a callable that returns the {self.kind} '{name}'")
        if name in self._factories and self._factories[name] is not factory:
            raise ValueError(
                f"A {self.kind} named '{name}' is already registered: {self._factories[name]!r}. "
                f"Choose another name, or call `unregister('{name}')` first."
            )
        self._factories[name] = factory
        return factory

    def unregister(self, name: str) -> None:
        """Remove `name`; raise ValueError for an unknown name."""
        self[name]
        del self._factories[name]

    def __getitem__(self, name: str) -> Callable[..., Any]:
        try:
            return self._factories[name]
        except (KeyError, TypeError):
            raise ValueError(f"Unknown {self.kind} {name!r}. {checks.nearest(name, self._factories)}") from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._factories

    def __iter__(self) -> Iterator[str]:
        return iter(self._factories)

    def __len__(self) -> int:
        return len(self._factories)
