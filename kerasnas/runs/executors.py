"""Executors by name, as the setting `executor` gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from kerasnas import checks
from kerasnas.constraints import Satisfies
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.executors.processes import Processes
from kerasnas.runs import plugins

LOCAL = "local"
EXPECTED = "local, processes:N, ray or ray://HOST:PORT"
_KNOWN = re.compile(r"local|processes:[1-9]\d{0,4}|ray|ray://[^\s/]+:\d{1,5}")


def is_executor(name: str) -> bool:
    """True of a name that `open_executor` knows.

    Example:

    >>> is_executor("processes:2"), is_executor("processes:none")
    (True, False)
    """
    return isinstance(name, str) and _KNOWN.fullmatch(name) is not None


@checks.arguments(name=Satisfies(is_executor, EXPECTED), imports=checks.each(checks.name))
def open_executor(name: str = LOCAL, imports: Sequence[str] = ()) -> Executor:
    """Return the executor of a name, to be closed: it is a context.

    Args:
        name: `"local"`, this process; `"processes:N"`, so many processes of this machine; `"ray"`, a Ray cluster as
            `kerasnas.platforms.ray_executor.RayExecutor` finds it, or `"ray://HOST:PORT"`. Defaults to `"local"`.
        imports: modules that a worker imports first, which register spaces and the like. Defaults to none.

    Raises:
        ValueError: if there is none of that name.
        ModuleNotFoundError: where Ray is not installed; names the extra.
        ConnectionError: if no cluster answers at the address.

    Example:

    >>> with open_executor("local") as executor:
    ...     executor.map(max, [1, 3], shared=2)
    [2, 3]
    """
    setup = partial(plugins.load, tuple(imports))
    if name == LOCAL:
        return Local()
    if name.startswith("processes:"):
        return Processes(int(name.partition(":")[2]), setup=setup)
    from kerasnas.platforms.ray_executor import RayExecutor  # an extra

    return RayExecutor("" if name == "ray" else name, setup=setup)
