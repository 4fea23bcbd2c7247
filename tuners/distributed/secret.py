"""Secret of a project: a file in its folder, by which chief and workers authenticate each other."""

from __future__ import annotations

import os
import secrets
import stat
import warnings
from pathlib import Path
from typing import NamedTuple

from tuners.persistence import json_files

NAME = "secret.json"
_BYTES = 32


class Secret(NamedTuple):
    """Secret of a project: its public id, and the key of all signatures."""

    project: str
    key: bytes


def read_secret(folder: str | os.PathLike) -> Secret | None:
    """Read the secret of the project in `folder`; None if there is no whole one."""
    try:
        content = json_files.decode(Path(folder, NAME).read_bytes())
        secret = Secret(content["project"], bytes.fromhex(content["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return secret if isinstance(secret.project, str) and len(secret.key) == _BYTES else None


def require_secret(folder: str | os.PathLike) -> Secret:
    """Read the secret of the project in `folder`; make it if there is none.

    The file is created exclusively, for its owner alone. One that is damaged, or readable by others, is replaced, with
    a warning: workers read it again when the chief rejects the old one.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> require_secret(folder) == require_secret(folder) == read_secret(folder)
    True
    """
    path = Path(folder, NAME)
    existing = read_secret(folder)
    if path.exists():
        reason = "it is damaged" if existing is None else f"its mode was {_mode(path):o}, so that others could read it"
        if existing is not None and not _is_open(path):
            return existing
        warnings.warn(f"{path} is replaced by a new secret: {reason}.", stacklevel=2)
        path.unlink()
    secret = Secret(secrets.token_hex(16) if existing is None else existing.project, secrets.token_bytes(_BYTES))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(json_files.encode({"project": secret.project, "key": secret.key.hex()}))
        file.flush()
        os.fsync(file.fileno())
    if _is_open(path):
        warnings.warn(
            f"{path} has the mode {_mode(path):o} on this file system: who can read it can take part in the search.",
            stacklevel=2,
        )
    return secret


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _is_open(path: Path) -> bool:
    """Return True if others than the owner may read the file, where the system has modes."""
    return os.name == "posix" and bool(_mode(path) & 0o077)
