"""Leftovers: the temporary files of writers that were killed, told from those of writers that are at work."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from pathlib import Path

from kerasnas import checks

NEW, BEFORE = "new", "before"
"""Names in the temporary folder of `storage.atomic_folder`: of what is written, and of what it replaces."""

_OLD = 24 * 3600.0  # seconds, after which a temporary of another host is taken for a leftover
# .STEM~HOST.PROCESS.START.NUMBER.SUFFIX
_NAME = re.compile(r"\.(?P<stem>.*)~(?P<host>[0-9a-f]{12})\.(?P<process>\d+)\.(?P<start>\d+)\.[0-9a-f]{8}(\..*)?", re.S)


def name_temporary(folder: Path, stem: str, suffix: str = "") -> Path:
    """A new hidden path in `folder` that says which process writes it."""
    process = os.getpid()
    return folder / f".{stem}~{_host()}.{process}.{_start(process) or 0}.{secrets.token_hex(4)}{suffix}"


def remove(folder: str | os.PathLike) -> list[Path]:
    """Remove from `folder`, and from all below it, the temporary files and folders of writers that are gone.

    What a living process writes stays, and so does, for a day, what another machine or container may be writing. A
    folder whose writer was killed after it had moved the old one aside is put in its place.
    """
    removed = []
    for where, folders, files in os.walk(checks.path("folder", folder)):
        for name in [*folders, *files]:
            if (match := _NAME.fullmatch(name)) is None:
                continue
            path = Path(where, name)
            if name in folders:
                folders.remove(name)  # nothing below it is looked at
            with contextlib.suppress(OSError):  # another process was quicker, or the folder cannot be written
                if not _gone(match, path):
                    continue
                if path.is_dir() and not path.is_symlink():
                    _complete(path, Path(where, match["stem"]))
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed.append(path)
    return removed


def _gone(match: re.Match[str], path: Path) -> bool:
    """True if the writer of a temporary is gone. Other systems have no harmless way to ask for a process."""
    if match["host"] != _host() or os.name != "posix":
        return time.time() - path.lstat().st_mtime > _OLD
    start = _start(int(match["process"]))
    return start is None or str(start) != match["start"]


def _complete(place: Path, target: Path) -> None:
    """Finish what a writer of a folder was killed at: the old one is moved aside, so the new one is whole."""
    if (place / BEFORE).exists() and not target.exists():
        os.replace(place / (NEW if (place / NEW).exists() else BEFORE), target)


def _start(process: int) -> int | None:
    """When a process started, in ticks since the system did, or 0 where the system does not say; None if it is gone."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except OSError:  # of another user
        pass
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])  # killed, and not yet collected by its parent
    except (OSError, IndexError, ValueError):
        return 0


@functools.cache
def _host() -> str:
    """A name for all processes that can see each other: of the machine, since its start, and of the container."""
    parts = [socket.gethostname()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        with contextlib.suppress(OSError):
            parts.append(read())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
