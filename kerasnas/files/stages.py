"""Store of a folder's stages: a JSON record for each finished one, checkpoints for the one that is running."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnas.annotations import Log
from kerasnas.files import storage, untrusted

EXPERIENCE = "experience"
"""The stage whose record says what earlier searches told the race."""

_PROGRESS = "progress.json"
COST = "cost"
"""The stage whose record is the cost model of a search."""
STARTS = "starts"
"""The stage whose record says which pretrained vectors a run has started with."""


class Stages:
    """Stages of a folder: each is done once, and an interrupted one resumes from its checkpoints.

    The record of a stage is written last: where there is one, the stage is complete.

    Args:
        path: the folder. It is created with the first record or checkpoint.

    Example:

    >>> import tempfile
    >>> stages = Stages(tempfile.mkdtemp())
    >>> stages.stage("search") is None
    True
    >>> stages.finish("search", {"seconds": 2.0})
    {'seconds': 2.0}
    >>> Stages(stages.path).stage("search")
    {'seconds': 2.0}
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def stage(self, name: str) -> dict[str, Any] | None:
        """Return the record of a finished stage, or None."""
        file = self.path / "stages" / f"{name}.json"
        return untrusted.read_json(file) if file.exists() else None

    def finish(self, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write the record of a finished stage and remove its checkpoints; return the record."""
        (self.path / "stages").mkdir(parents=True, exist_ok=True)
        storage.write_json(self.path / "stages" / f"{name}.json", dict(record))
        shutil.rmtree(self.checkpoints(name), ignore_errors=True)
        return dict(record)

    def checkpoints(self, name: str) -> Path:
        """Return the folder of a stage's checkpoints."""
        return self.path / "checkpoints" / name

    def store(self, *names: str, log: Log = print) -> storage.CheckpointStore:
        """Return the checkpoints of a stage, or of a part of it by further names."""
        return storage.CheckpointStore(Path(self.path, "checkpoints", *names), 2, log)

    def note(self, name: str, record: Mapping[str, Any]) -> None:
        """Write how far a running stage has come."""
        folder = self.checkpoints(name)
        folder.mkdir(parents=True, exist_ok=True)
        storage.write_json(folder / _PROGRESS, dict(record))

    def progress(self, name: str) -> dict[str, Any]:
        """Return the last note; empty before the first one, and after the stage."""
        file = self.checkpoints(name) / _PROGRESS
        return untrusted.read_json(file) if file.exists() else {}

    @property
    def begun(self) -> bool:
        """True once a stage has written a record or a checkpoint."""
        return bool(self.found) or (self.path / "checkpoints").exists()

    @property
    def under_way(self) -> bool:
        """True while a stage that has written checkpoints, or notes, has no record: it runs, or was interrupted."""
        return any((self.path / "checkpoints").glob("*"))

    @property
    def found(self) -> set[str]:
        """Names of the finished stages, but for what a run begins with."""
        return {file.stem for file in (self.path / "stages").glob("*.json")} - {EXPERIENCE, COST, STARTS}
