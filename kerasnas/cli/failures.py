"""Failures of a command: one line on the screen, and the traceback of one that nobody expected in a file."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags

from kerasnas.wording import nearest

_PACKAGE = Path(__file__).resolve().parents[1]
_LONGEST = 300  # characters of the words of another library
_ERROR_LOG = "error.log"


def in_one_line(error: Exception, typed: Sequence[str], values: flags.FlagValues | None, folder: str | None) -> str:
    """Return the words for an error; the traceback of one that nobody expected is written to a file, which is named."""
    if isinstance(error, OSError):
        message = str(error) or type(error).__name__
        if error.errno == errno.ENOSPC:
            message += f". The disk is full; all that was finished is safe. Free some space.{how_to_resume(folder)}"
    elif isinstance(error, flags.Error) or _said_here(error):
        message = about_flags(str(error), values)
    else:
        message = f"{_unexpected(error, folder)}; {_logged(error, typed, folder)}"
    return " ".join(message.splitlines())


def how_to_resume(folder: str | None) -> str:
    """A sentence on continuing the run in `folder`, if one has begun there."""
    begun = folder is not None and (Path(folder) / "config.json").exists()
    return f" Continue with: kerasnas resume --output_dir={folder}" if begun else ""


def _said_here(error: Exception) -> bool:
    """True for an error in words of this package: of a check, of settings, of data."""
    *_, last = traceback.extract_tb(error.__traceback__)
    if isinstance(error, (ValueError, ArithmeticError)):
        return Path(last.filename).is_relative_to(_PACKAGE)
    return isinstance(error, TypeError) and Path(last.filename) == _PACKAGE / "checks.py"


def _unexpected(error: Exception, folder: str | None) -> str:
    """Return the words on an error that no check foresaw."""
    said = str(error).strip().splitlines()
    words = f": {said[0][:_LONGEST]}" if said else ""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # that of TensorFlow
        advice = "Take smaller images, a smaller batch size or fewer filters."
        return (
            f"the memory of this machine, or of its accelerator, is not enough{words}. {advice}{how_to_resume(folder)}"
        )
    if place := _place(error):  # in a module of --import
        return f"{type(error).__name__} in {place}{words}"
    return f"unexpected {type(error).__name__}{words} (a defect: please report it)"


def _place(error: Exception) -> str:
    """Return the last line of the user's own modules that an error went through; empty where there is none."""
    installed = [_PACKAGE, *(Path(place).resolve() for place in (sys.prefix, sys.base_prefix))]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if file.is_file() and not any(file.is_relative_to(place) for place in installed):
            return f"{frame.filename}, line {frame.lineno}"
    return ""


def _logged(error: Exception, typed: Sequence[str], folder: str | None) -> str:
    """Write the traceback of an error; return where it is, in words."""
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    text = "".join([f"{date}\nkerasnas {shlex.join(typed)}\n\n", *traceback.format_exception(error)])
    for path in _logs(folder):
        with contextlib.suppress(OSError):
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return f"traceback in {path}"
    return "its traceback could not be written"


def _logs(folder: str | None) -> Iterator[Path]:
    """The places where a traceback may go: the folder of the run, the cache, the system's folder of temporary files."""
    if folder is not None and (Path(folder) / "config.json").exists():
        yield Path(folder, _ERROR_LOG)
    with contextlib.suppress(OSError, ValueError):
        from kerasnas.files.storage import cache_folder  # here, as NumPy takes a moment

        home = cache_folder()
        home.mkdir(parents=True, exist_ok=True)
        yield home / _ERROR_LOG
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="kerasnas-", suffix="-error.log")
        os.close(handle)
        yield Path(name)


_KINDS = {"int": "an integer", "float": "a number", "bool": "true or false"}


def about_flags(message: str, values: flags.FlagValues | None) -> str:
    """A message of a command, with flags in place of settings and arguments."""
    if values is None:
        return message
    if match := re.match(r"flag --([\w-]+)=(.*?): ", message, re.DOTALL):
        return _illegal(values[match[1]], match[2])
    for name in re.findall(r"for setting `(\w+)`", message):
        flag = name if name in values else name.removesuffix("s")  # `imports` is --import
        if flag in values:
            message = message.replace(f"for setting `{name}`", f"for flag --{flag}")
    if match := re.match(r"Unknown [\w ]+ '([^']*)'\. ", message):
        flags_of = _typed(values, match[1])
        return f"--{flags_of[0]}={match[1]}: {message[0].lower()}{message[1:]}" if len(flags_of) == 1 else message
    if (match := re.search(r"Received: '([^']*)'", message)) and len(flags_of := _typed(values, match[1])) == 1:
        return re.sub(r"for argument `\w+`", f"for flag --{flags_of[0]}", message, count=1)
    return message


def _illegal(flag: flags.Flag, received: str) -> str:
    known = getattr(flag.parser, "enum_values", None)
    expected = f"one of {', '.join(known)}" if known else _KINDS.get(flag.flag_type(), "another value")
    hint = f" {nearest(received, known).partition(' Known')[0]}" if known else ""
    return f"Invalid value received for flag --{flag.name}. Expected {expected}. Received: {received!r}{hint}"


def _typed(values: flags.FlagValues, text: str) -> list[str]:
    """The flags that were given this value, alone or in a list."""
    given = {name: values[name].value for name in values if values[name].present}
    return [name for name, value in given.items() if text in (value if isinstance(value, list) else [value])]
