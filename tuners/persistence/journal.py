"""Journal: events since a state was written, one line each, so that the state need not be written each time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tuners.persistence import json_files


class Journal:
    """Numbered events next to a state's file, such as `oracle.events` for `oracle.json`.

    Appending takes constant time. Events from before the last state are kept as long as the version before it is.

    Example:

    >>> import tempfile
    >>> journal = Journal(Path(tempfile.mkdtemp()) / "oracle.json")
    >>> journal.add({"end": "00"})
    >>> journal.add({"end": "01"})
    >>> journal.since(1), journal.number
    ([{'number': 1, 'end': '01'}], 2)
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path).with_suffix(".events")
        self.number = 0  # of the next event
        self.length = 0  # events since the state was written

    def add(self, event: dict[str, Any], durable: bool = True) -> None:
        """Append an event; on an OSError, part of the line may be written: write the state then."""
        json_files.append(self.path, {"number": self.number, **event}, durable)
        self.number += 1
        self.length += 1

    def begin(self, overwrite: bool = False) -> None:
        """Start after a state that has been written. With `overwrite`, another search's events are removed."""
        if overwrite:
            for path in (self.path, json_files.previous(self.path)):
                path.unlink(missing_ok=True)
        elif self.path.exists():
            os.replace(self.path, json_files.previous(self.path))
        self.length = 0

    def since(self, number: int) -> list[dict[str, Any]]:
        """Read the consecutive events from `number` on. New ones get higher numbers than any."""
        numbered: dict[int, dict[str, Any]] = {}
        for path in (json_files.previous(self.path), self.path):
            for event in json_files.read_lines(path):
                if isinstance(event.get("number"), int):
                    numbered[event["number"]] = event
        events = []
        while number in numbered:
            events.append(numbered[number])
            number += 1
        self.number = max([number, *(one + 1 for one in numbered)])
        return events
