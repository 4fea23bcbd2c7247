"""Standard output without control characters, whatever the names of files, classes and networks hold."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from kerasnas.wording import printable

_KEPT = re.compile(r"(\A\r|\r\Z|[\n\t])")  # lines, columns, and the beginning and end of a progress bar


class Terminal:
    """A stream that writes control characters, and what is not Unicode, as escapes.

    Where its reader has gone (`kerasnas list | head -1`), the rest is dropped: a run goes on.

    Example:

    >>> import sys
    >>> print("\\x1b[31mred caf\\udce9", file=Terminal(sys.stdout))
    \\x1b[31mred caf\\udce9
    """

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        parts = _KEPT.split(text)
        shown = "".join(part if _KEPT.fullmatch(part) else printable(part) for part in parts)
        self._unless_broken(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._unless_broken(self._stream.flush)

    def _unless_broken(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # Python flushes the stream once more at its exit
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
