"""Standard output without control characters, whatever the names of files, classes and networks hold."""

from __future__ import annotations

import re
from typing import Any

from kerasnas.wording import printable

_KEPT = re.compile(r"(\A\r|\r\Z|[\n\t])")  # lines, columns, and the beginning and end of a progress bar


class Terminal:
    """A stream that writes control characters, and what is not Unicode, as escapes.

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
        return self._stream.write("".join(part if _KEPT.fullmatch(part) else printable(part) for part in parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
