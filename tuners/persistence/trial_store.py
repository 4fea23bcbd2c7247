"""TrialStore: the files of a search, which loses no result to a kill, a damaged file or a full disk."""

from __future__ import annotations

import itertools
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tuners.persistence import json_files


class Journal:
    """Numbered events next to a state's file, such as `oracle.events` for `oracle.json`.

    Appending takes constant time. Events from before the last state are kept as long as the version before it is.
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


COMPLETED, FAILED = FINISHED = ("COMPLETED", "FAILED")
STATE = "oracle.json"

_EVENTS = 20  # at least this many before the state is written again
_FLUSH = 1.0  # seconds: a power cut may cost the results of that time, a kill none
_STATE_KEYS = ("hyperparameters", "start_order", "end_order", "ongoing_trials")
_TRIAL_KEYS = ("trial_id", "hyperparameters", "metrics", "score", "best_step", "status", "message")
_ENTRY_KEYS = {"status", "score", "best_step", "values", "metrics"}


class SavedTrial(NamedTuple):
    """A trial as its files have it: its own file, and its entry in state and journal; None for what is missing."""

    state: dict[str, Any] | None
    entry: dict[str, Any] | None


class Saved(NamedTuple):
    """A search as its files have it: the last good state, the events since, and the trials by number."""

    state: dict[str, Any] | None
    events: list[dict[str, Any]]
    trials: dict[str, SavedTrial]


class TrialStore:
    """Files of a search: its state, the events since, and its trials.

    `oracle.json` holds the state, `oracle.events` a line for each trial that began or was completed since, and
    `trial_<number>/trial.json` a trial. Writing the state takes time in proportion to the trials, so it is written
    after a fraction of them: the time of a trial does not grow. State and events also hold an entry for each trial,
    so that a damaged `trial.json` loses no result. The previous version of each file is next to it.

    A full disk warns instead of raising: what was not written stays in memory until it can be.

    Attributes:
        ledger: number of a trial -> its entry: `status`, `score`, `best_step`, `values`, `metrics`.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.journal = Journal(self.folder / STATE)
        self.ledger: dict[str, dict[str, Any]] = {}
        self._unwritten: dict[str, dict[str, Any]] = {}  # trials whose file is out of date
        self._outdated = True  # there are changes that the journal lacks
        self._new = True  # nothing was read: the folder's files are another search's
        self._flushed = -math.inf
        self._disk_failed = False

    def record(self, trial_id: str, state: Mapping[str, Any], entry: dict[str, Any], worker: str | None = None) -> None:
        """Write that a trial began, or how it ended: the content of its file, its entry, and the worker it is with."""
        self.ledger[trial_id] = entry
        self.write_trial(trial_id, state)
        if state.get("status", entry["status"]) != entry["status"] or entry["status"] == FAILED:
            self.outdate()  # failures and second runs are rare: they go to the state
            return
        # Part of a line may be written when the disk is full: then the state is written next.
        durable = entry["status"] == COMPLETED and time.monotonic() > self._flushed + _FLUSH
        event = {"trial": trial_id, "tuner": worker, **entry}
        if not self._try_to_write(self.journal.path.name, lambda _: self.journal.add(event, durable)):
            self.outdate()
        elif durable:
            self._flushed = time.monotonic()

    def write_trial(self, trial_id: str, state: Mapping[str, Any]) -> None:
        """Write the file of a trial alone."""
        # Not flushed: the journal has what matters of it.
        self._unwritten.pop(trial_id, None)
        name = f"trial_{trial_id}/trial.json"
        if not self._try_to_write(name, lambda path: json_files.write(path, state, durable=False)):
            self._unwritten[trial_id] = dict(state)

    def outdate(self) -> None:
        """Make the next `save` write the state, since the journal lacks a change."""
        self._outdated = True

    def save(self, get_state: Callable[[], dict[str, Any]], whole: bool = False) -> bool:
        """Write all that is unwritten; return True if the state was written.

        Args:
            get_state: called if the state is due.
            whole: whether it is due as soon as there are events, as at the end of a search. Defaults to False.
        """
        for trial_id in sorted(self._unwritten):
            self.write_trial(trial_id, self._unwritten[trial_id])
        patience = 1 if whole else max(_EVENTS, len(self.ledger) // 2)
        if self.journal.length < patience and not self._outdated:
            return False
        state = {**get_state(), "ledger": self.ledger, "events": self.journal.number}
        if not self._try_to_write(STATE, lambda path: json_files.write(path, state), durable=True):
            return False
        self.journal.begin(overwrite=self._new)
        self._outdated = self._new = False
        return True

    def _try_to_write(self, name: str, write: Callable[[Path], None], durable: bool = False) -> bool:
        path = self.folder / name
        try:
            try:
                write(path)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path)
        except OSError as error:
            if not self._disk_failed:
                finished = sum(entry["status"] in FINISHED for entry in self.ledger.values())
                warnings.warn(
                    f"{path} could not be written ({error}). The search continues: its {finished} finished trials are "
                    "in memory, and are written as soon as that works. Until then a kill would lose them.",
                    stacklevel=3,
                )
            self._disk_failed = True
            self.outdate()
            return False
        if self._disk_failed and durable:
            self._disk_failed = False
            warnings.warn(f"{path} could be written again: nothing is lost.", stacklevel=3)
        return True

    def holds_search(self) -> bool:
        """Return True if the folder holds anything that a search could be resumed from."""
        state = self.folder / STATE
        return any(path.exists() for path in (state, json_files.previous(state))) or bool(self._trial_ids())

    def read(self) -> Saved:
        """Read all that can be read; for a damaged file its previous version, with a warning."""
        state = json_files.read(self.folder / STATE, _STATE_KEYS)
        events = self.journal.since((state or {}).get("events", 0))
        events = list(itertools.takewhile(lambda event: {"trial", "tuner", *_ENTRY_KEYS} <= event.keys(), events))
        entries = dict((state or {}).get("ledger", {}))
        entries.update({event["trial"]: event for event in events})
        trials = {}
        for trial_id in sorted({*self._trial_ids(), *entries}, key=int):
            saved = json_files.read(self.folder / f"trial_{trial_id}" / "trial.json", _TRIAL_KEYS)
            trials[trial_id] = SavedTrial(saved, entries.get(trial_id))
            if saved is None and trial_id in entries:
                warnings.warn(f"Trial {trial_id} is recovered from {STATE}.", stacklevel=3)
            elif saved is None:
                warnings.warn(f"Trial {trial_id} had no result yet and cannot be read: it is run again.", stacklevel=3)
                del trials[trial_id]
        if state is None and trials:
            warnings.warn(
                f"The state of the search in {self.folder} is rebuilt from its {len(trials)} trials.", stacklevel=3
            )
        self.ledger, self._new = {}, False
        self.outdate()
        return Saved(state, events, trials)

    def _trial_ids(self) -> set[str]:
        names = {path.parent.name.removeprefix("trial_") for path in self.folder.glob("trial_*/trial*.json")}
        return {name for name in names if name.isdigit()}
