"""Trust: settings in a file are data, unless this user started their run on this machine."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kerasnas.annotations import Log
from kerasnas.files import storage, untrusted
from kerasnas.runs import plugins

CONFIG = "config.json"
"""The file of a run's settings."""
ELSEWHERE = ("executor", "trackers")
"""Settings that change no result, but may reach other machines."""
_FLAGS = {"imports": "import", "trackers": "log"}  # of settings whose flag has another name
_REACHES: dict[str, Callable[[str], bool]] = {
    "import": lambda name: plugins.loaded(name) is None,
    "log": bool,
    "executor": lambda name: "://" in name,
}


def write(file: Path, record: Mapping[str, Any], changed: Iterable[str]) -> None:
    """Write the settings of a run, with the names of those that are `changed`, so that `owned` is true of the file."""
    text = json.dumps(record, indent=2) + "\n"
    if not {"imports", *ELSEWHERE}.isdisjoint(changed):
        _remember(file, text.encode())  # first: a run killed in between is absent, or owned
    storage.write_text(file, text)


def owned(file: Path | None) -> bool:
    """Return True for a file of settings that this user wrote at this place, unchanged since."""
    if file is None:
        return False
    marks = _marks()
    try:
        mark = _mark(file, untrusted.read_bytes(file))
        return marks.stat().st_uid == _user() and mark in untrusted.read_text(marks).split()
    except (OSError, ValueError):
        return False


def admit(settings: Any, file: Path | None, log: Log | None = None) -> Any:
    """Return the settings of a file as they may be used: `Settings.from_dict`, and all that reads, goes through this.

    The modules of an own run are imported. Those of another run have to be imported already, from wherever; where it
    computes and what it logs to is left out.

    Raises:
        ValueError: if modules of another run are not imported yet.
    """
    if not isinstance(settings, Mapping):  # as the next reader reports
        return settings
    if owned(file):
        plugins.load(settings.get("imports", ()))
        return settings
    found = reaching(settings)
    if "imports" in found:
        raise ValueError(_refusal("This run", found["imports"]))
    if found and log is not None:
        flags = (flag for flags in found.values() for flag in flags)
        log(f"This run was started elsewhere, so it is continued without {' '.join(flags)}.")
    admitted = {name: value for name, value in settings.items() if name not in found}
    if isinstance(names := admitted.get("imports"), list):
        admitted["imports"] = [plugins.loaded(str(name)) or name for name in names]
    return admitted


def check(flag: str, value: Any, file: Path) -> None:
    """Raise ValueError if a file that is no own run's gives a flag a value that the command line must name itself."""
    if (found := reaching({flag: value})) and not owned(file):
        raise ValueError(_refusal(str(file), found[flag]))


def reaching(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values that import modules or reach other machines, as flags, by the name of the setting.

    Example:

    >>> reaching({"imports": ["json", "/tmp/mine.py"], "executor": "ray://head:10001", "seed": 3})
    {'imports': ['--import=/tmp/mine.py'], 'executor': ['--executor=ray://head:10001']}
    """
    found = {}
    for name, value in settings.items():
        flag, values = _FLAGS.get(name, name), value if isinstance(value, list) else [value]
        reaches = _REACHES.get(flag, lambda text: False)
        if flags := [f"--{flag}={text}" for text in values if isinstance(text, str) and reaches(text)]:
            found[name] = flags
    return found


def _refusal(what: str, flags: list[str]) -> str:
    wanted = flags[0].replace("--import=", "to import ")
    return f"{what} wants {wanted}. If it is yours, name it: {' '.join(flags)} (in Python, import it first)"


def _remember(file: Path, content: bytes) -> None:
    marks = _marks()
    with contextlib.suppress(OSError):  # without a home, modules have to be named again
        marks.parent.mkdir(parents=True, exist_ok=True)
        with open(marks, "a", encoding="ascii", opener=functools.partial(os.open, mode=0o600)) as opened:
            opened.write(f"{_mark(file, content)}\n")


def _mark(file: Path, content: bytes) -> str:
    """Return a digest of a file's place and content, and of its run, whose `config.json` has a random secret."""
    run = b"" if file.name == CONFIG else file.with_name(CONFIG).read_bytes()
    return hashlib.sha256(b"\0".join((os.fsencode(file.resolve()), run, content))).hexdigest()


def _user() -> int:
    return getattr(os, "getuid", int)()  # on Windows 0, as of the owner of any file


def _marks() -> Path:
    return storage.cache_folder() / f"started-{_user()}.txt"  # the folder may be shared by several users
