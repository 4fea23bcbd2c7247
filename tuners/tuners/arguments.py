"""Arguments that the tuners share: project, initializer, distribution strategy."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import os
from typing import Any, Protocol, TypedDict, runtime_checkable

from kerasnas.meta import ReptileInitializer

Initializer = ReptileInitializer | str | os.PathLike | None


class Project(TypedDict, total=False):
    """Place of a tuner's project, by the names of KerasTuner's `BaseTuner`."""

    directory: str | os.PathLike | None
    project_name: str | None
    overwrite: bool


def check_arguments(tuner: type, project: Any) -> None:
    """Raise TypeError, with the nearest right name, if `project` has an argument that `tuner` does not take."""
    known = [name for name in (*inspect.signature(tuner).parameters, *Project.__annotations__) if name != "project"]
    for name in project:
        if name in Project.__annotations__:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean `{close[0]}`?" if close else ""
        raise TypeError(f"{tuner.__name__} has no argument `{name}`.{hint} Known: {', '.join(known)}")


@runtime_checkable
class Scoped(Protocol):
    """A distribution strategy, such as a `tf.distribute.Strategy`."""

    def scope(self) -> contextlib.AbstractContextManager:
        """Return a context in which models are built for it."""


def load_initializer(initializer: Initializer) -> ReptileInitializer | None:
    """Return `initializer`, read from its folder if it is a path."""
    if isinstance(initializer, (str, os.PathLike)):
        return ReptileInitializer.load(initializer)
    if initializer is not None and not isinstance(initializer, ReptileInitializer):
        raise TypeError(
            "Invalid value received for argument `initializer`. Expected a `kerasnas.meta.ReptileInitializer`, or the "
            f"folder of one. Received: {initializer!r}"
        )
    return initializer
