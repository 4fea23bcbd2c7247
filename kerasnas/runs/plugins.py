"""Plugins: a user's modules, imported for the spaces, primitives and strategies that they register."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

GROUP = "kerasnas.plugins"
"""The group of entry points by which an installed distribution names modules that register something."""


def load(names: Sequence[str]) -> tuple[str, ...]:
    """Import the installed plugins, and then the modules of `names`, each once in a process.

    Args:
        names: names of modules, looked for in Python's path and the current folder, or paths of `.py` files.

    Returns:
        The names by which another process finds the same modules: of a single file in the current folder, its path.

    Raises:
        ValueError: if there is no such module, or it raises an error; in one line.
    """
    load_installed()
    return tuple(_load(name) for name in names)


def loaded(name: str) -> str | None:
    """Return the name by which `load` finds a module that is imported already, wherever it lies; None if none is.

    Example:

    >>> import json.decoder
    >>> loaded("json.decoder"), loaded("/tmp/not_yet.py"), loaded("/tmp/decoder.py")
    ('json.decoder', None, None)
    """
    load_installed()
    file_name = Path(name).name
    module = sys.modules.get(file_name.removesuffix(".py") if name.endswith(".py") else name)
    if module is None or not name.endswith(".py"):
        return None if module is None else name
    file = Path(getattr(module, "__file__", None) or ".").resolve()
    return str(file) if file.name == file_name else None


@functools.cache
def load_installed() -> None:
    """Import what installed distributions name in the group `kerasnas.plugins`; one that fails is a warning."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken plugin must not break the others
            of = entry.dist.name if entry.dist is not None else "an unknown distribution"
            warnings.warn(
                f"The plugin '{entry.name}' of {of} cannot be loaded. {_reason(error, entry.value)}", stacklevel=2
            )


def _load(name: str) -> str:
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise ValueError(f"--import={name}: there is no such file. Looked for {path}")
        _import_file(name, path)
        return str(path)
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"--import={name}: expected the name of a module, or the path of a .py file.")
    root = name.split(".")[0]  # further parts are left to the import, whose errors say more
    if root not in sys.modules and importlib.util.find_spec(root) is None:
        raise ValueError(
            f"--import={name}: there is no such module. Looked in the current folder, {here}, and in Python's path: "
            f"{', '.join(path for path in sys.path if path and path != here)}"
        )
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ValueError(f"--import={name}: {_reason(error, name)}") from error
    file = Path(getattr(module, "__file__", None) or ".").resolve()
    return str(file) if file == Path(here, f"{name}.py").resolve() else name


def _import_file(name: str, path: Path) -> None:
    loaded = sys.modules.get(path.stem)
    if loaded is not None:
        if Path(getattr(loaded, "__file__", None) or ".").resolve() == path:
            return
        raise ValueError(f"--import={name}: another module is named '{path.stem}', {loaded!r}. Rename the file.")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for the modules beside it
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[path.stem]
        raise ValueError(f"--import={name}: {_reason(error, str(path))}") from error


def _reason(error: BaseException, module: str) -> str:
    """An error of a module in one line, with the place in the module that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if len(frames) > 1 else ""
    return f"{module} raised {type(error).__name__}: {' '.join(str(error).split())}{where}"
