"""The folder of a run: what it was asked to do, what is done, and who may write in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnas import __version__, storage
from kerasnas.pipeline.settings import SearchConfig, TrainingConfig

_FORMAT, _VERSION = "kerasnas.run", 1
_KINDS: dict[str, type[TrainingConfig]] = {"search": SearchConfig, "retrain": TrainingConfig}


class RunFolder:
    """A folder with one run in it. Made by `create` or `open`.

    Attributes:
        path: the folder.
        kind: `"search"` or `"retrain"`.
        config: the settings.
    """

    def __init__(self, path: Path, kind: str, config: TrainingConfig):
        self.path, self.kind, self.config = path, kind, config

    @classmethod
    def create(cls, path: str | os.PathLike, kind: str, config: TrainingConfig) -> RunFolder:
        """Begin a run in `path`, which is made when missing and must not hold another run.

        Raises:
            FileExistsError: if a run is there already, or the folder has other files in it.
            OSError: if it cannot be written.
        """
        path = Path(path)
        if (path / "config.json").exists():
            raise FileExistsError(
                f"{path} already holds a run. Continue it with `kerasnas resume --output_dir={path}`, or choose "
                "another --output_dir."
            )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(f"{path} exists and is not an empty folder. Choose another --output_dir.")

        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "kerasnas_version": __version__,
            "kind": kind,
            "settings": config.to_dict(),
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
            storage.write_json(path / "config.json", record)
        except OSError as error:
            raise type(error)(
                error.errno, f"Cannot write in {path}: {error.strerror}. Choose another --output_dir"
            ) from error
        return cls(path, kind, config)

    @classmethod
    def open(cls, path: str | os.PathLike) -> RunFolder:
        """Open the run in `path`.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if its `config.json` is malformed, or of a newer version.
        """
        path = Path(path)
        file = path / "config.json"
        if not file.exists():
            raise FileNotFoundError(f"{path} holds no run: there is no config.json in it.")
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file} is malformed: {error}") from None
        if not isinstance(record, dict) or record.get("format") != _FORMAT:
            raise ValueError(f'{file} is not the configuration of a run: it lacks "format": "{_FORMAT}".')
        if record.get("version") != _VERSION:
            raise ValueError(
                f"{path} was written by KerasNAS {record.get('kerasnas_version')} in version {record.get('version')} "
                f"of the format; this KerasNAS reads version {_VERSION}. Upgrade KerasNAS to continue it."
            )
        kind = record.get("kind")
        if kind not in _KINDS:
            raise ValueError(f"{file}: unknown kind of run {kind!r}. Known: {sorted(_KINDS)}")
        try:
            config = _KINDS[kind].from_dict(record.get("settings", {}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file}: {error}") from None
        return cls(path, kind, config)

    def discard(self) -> None:
        """Take back `create` where nothing has been done yet: settings that fail at once leave no run behind."""
        if not any((self.path / name).exists() for name in ("stages", "checkpoints")):
            for name in ("config.json", "genotype.json"):
                (self.path / name).unlink(missing_ok=True)

    # Finished stages: a stage's record is written last, so that where it stands, the stage is whole ----------
    def stage(self, name: str) -> dict[str, Any] | None:
        """The record of a finished stage, or None."""
        file = self.path / "stages" / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def finish_stage(self, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Record that a stage is finished, and drop its checkpoints; return the record."""
        (self.path / "stages").mkdir(exist_ok=True)
        storage.write_json(self.path / "stages" / f"{name}.json", dict(record))
        shutil.rmtree(self.checkpoints(name), ignore_errors=True)
        return dict(record)

    def checkpoints(self, stage: str) -> Path:
        """Where a stage keeps its checkpoints."""
        return self.path / "checkpoints" / stage
