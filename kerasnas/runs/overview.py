"""Runs at a glance: those in a folder, and the candidates of each. Reads files, and neither writes nor imports any."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.files.stages import Stages
from kerasnas.meta.initializer import RECORD
from kerasnas.records import Record
from kerasnas.reporting.comparisons import comparisons_in
from kerasnas.reporting.tables import MISSING, Table, columns_text, score, show
from kerasnas.runs.folder import FAILED, RunFolder, failure_of
from kerasnas.runs.record import RESULT, read_result
from kerasnas.runs.settings import Settings
from kerasnas.runs.trust import CONFIG
from kerasnas.wording import shortened

_HEADER = ["run", "date", "data", "test score", "parameters", "state"]
_LONGEST = 100  # characters of a reason


@dataclasses.dataclass(frozen=True)
class Glance:
    """A folder that may hold a run: its row in a table, its last change, its candidates."""

    row: list[str]
    changed: float
    candidates: tuple[Table, ...] = ()


@checks.arguments(folder=checks.path)
def list_runs(folder: str | os.PathLike = "runs") -> str:
    """Return a table of the runs in a folder, the newest first: date, data, test score, parameters, state.

    A damaged run, and a folder that holds no run, has a row that says so.

    Raises:
        FileNotFoundError: if there is no such folder, or no folder in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder. Expected one with runs, as `kerasnas search` makes them.")
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    paths = [folder] if (folder / CONFIG).exists() else inside
    if not paths:
        raise FileNotFoundError(f"There are no runs in {folder}. Start one: kerasnas search my_images/")
    found = sorted(map(_glance, paths), key=lambda one: -one.changed)
    return columns_text(Table(_HEADER, [one.row for one in found]))


@checks.arguments(folders=checks.each(checks.path))
def leaderboard(folders: Sequence[str | os.PathLike]) -> str:
    """Return the candidates of runs, the best first, and of several runs how they compare; a race may still be on.

    Args:
        folders: of the runs.

    Raises:
        ValueError: if none of them has candidates.
    """
    found = [_glance(Path(folder)) for folder in folders]
    if not any(one.candidates for one in found):
        states = "; ".join(f"{one.row[0]}: {one.row[-1]}" for one in found)
        raise ValueError(f"Expected the folders of runs that have compared candidates. Received: {states or 'none'}")
    parts = [columns_text(Table(_HEADER, [one.row for one in found]))]
    parts += [f"{one.row[0]}\n{columns_text(table)}" for one in found for table in one.candidates]
    return "\n\n".join(parts)


def _glance(path: Path) -> Glance:
    """Look at a folder: whatever is wrong with it is its state."""
    data, reached, parameters, candidates, changed = MISSING, MISSING, MISSING, tuple[Table, ...](), 0.0
    try:
        files = [file for name in (RESULT, FAILED, RECORD, CONFIG) if (file := path / name).is_file()]
        changed = (files[0] if files else path).stat().st_mtime if path.exists() else 0.0
        state = _state(path)
        if (path / CONFIG).is_file():  # read as text: the modules that it names are not imported
            settings = untrusted.read_json(path / CONFIG)["settings"]
            data = show(settings.get("dataset", settings.get("datasets")))
        if (record := _record(path)) is not None:
            data, parameters = record.dataset.name or data, show(record.searched.parameters)
            reached = score(record)
            candidates = tuple(one.leaderboard(record) for one in comparisons_in(record))
    except Exception as error:  # noqa: BLE001 (a damaged record raises nearly anything)
        reason = str(error).removeprefix(f"{path}{os.sep}") or type(error).__name__
        state, candidates = f"damaged: {reason}", ()
    date = datetime.datetime.fromtimestamp(changed).strftime("%Y-%m-%d %H:%M") if changed else MISSING
    state = shortened(" ".join(state.split()), _LONGEST)
    return Glance([str(path), date, data, reached, parameters, state], changed, candidates)


def _state(path: Path) -> str:
    reason = failure_of(path).get("reason")
    if not (path / CONFIG).is_file():
        return f"failed: {reason}" if reason else f"no run: there is no {CONFIG} in it"
    if ((path / RESULT).exists() or (path / RECORD).exists()) and not Stages(path).under_way:
        return "finished"
    try:
        with RunFolder(path, Settings()).held():
            return f"failed: {reason}" if reason else "interrupted"
    except BlockingIOError:
        return "running"


def _record(path: Path) -> Record | None:
    """Return the record of a finished run, or of a race so far; None where nothing was compared yet."""
    if (path / RESULT).exists():
        return read_result(path)
    stages = Stages(path)
    progress = stages.progress("racing")
    race = stages.stage("race") or {"winner": "", **progress}
    entries = {"searched": {}, "dataset": {"task": progress.get("task")}, "race": race}
    return Record(entries) if race.get("contestants") else None
