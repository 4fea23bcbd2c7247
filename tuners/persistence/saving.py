"""SavingOracle: an oracle that writes what happens, in a time that does not grow with the trials."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuners.distributed.leases import LeasedOracle, is_distributed
from tuners.oracles.trial_oracle import FINISHED
from tuners.persistence import json_files
from tuners.persistence.journal import Journal

_EVENTS = 20  # at least so many before the state is written again
_FLUSH = 1.0  # seconds; a power cut may cost the results of so many, a kill none


class SavingOracle(LeasedOracle):
    """A `LeasedOracle` that saves after each trial.

    What happens is written to `oracle.events`, a line for each start and each end of a trial, and now and then all of
    it to `oracle.json`. Both also hold what matters of every trial, so that a damaged `trial.json` loses no result.
    Each file lies beside its version before. When the disk is full the search goes on; finished trials stay in memory
    and are written as soon as that works again.

    Args: as for `LeasedOracle`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._directory = self._project_name = None  # a tuner sets them
        self._unwritten: set[str] = set()  # trials whose file is not up to date
        self._journal = Journal("oracle.json")  # a tuner says where
        self._written: int | None = None  # hyperparameters in the written state; None if it must be written again
        self._flushed = -math.inf
        self._anew = True  # nothing was read: what lies in the folder is of another search
        self._disk_failed = False
        self._ledger: dict[str, dict[str, Any]] = {}  # what matters of each trial

    def identity(self) -> dict[str, Any]:
        """What must be the same for a project to be gone on with, as JSON knows it."""
        return {}

    def save(self) -> None:
        """See that all is written that has happened. A full disk is said, not raised."""
        with self._lock:
            if self._project_name is None:  # used without a tuner
                return
            for trial_id in sorted(self._unwritten):
                self._write_trial(self.trials[trial_id])
            hyperparameters = len(self.hyperparameters.space)
            if self._journal.length < self._patience() and self._written == hyperparameters:
                return
            if self._try_to_write("oracle.json", lambda path: json_files.write(path, self.get_state()), durable=True):
                self._journal.begin(anew=self._anew)
                self._written, self._anew = hyperparameters, False

    def _patience(self) -> int:
        # With a share of the trials, the states take the same time a trial however many there are.
        return max(_EVENTS, len(self.trials) // 2)

    def _state_changed(self) -> None:
        """Something has changed that the journal does not tell."""
        self._written = None

    def _set_project_dir(self, directory: Any, project_name: Any) -> None:
        super()._set_project_dir(directory, project_name)
        self._journal = Journal(Path(self._project_path(), "oracle.json"))

    def _save_trial(self, trial: Trial) -> None:
        if self._project_name is None:
            return
        self._write_trial(trial)
        finished = trial.trial_id in self.end_order
        if trial.status != (TrialStatus.COMPLETED if finished else TrialStatus.RUNNING):  # failures are few
            self._state_changed()
            return
        names = [name for name, one in self.ongoing_trials.items() if one is trial]
        event = {"trial": trial.trial_id, "tuner": names[0] if names else None, **self._entry(trial, finished)}
        # A part of a line may be written when the disk is full: then the next thing written is the state.
        durable = finished and time.monotonic() > self._flushed + _FLUSH
        if not self._try_to_write("oracle.events", lambda _: self._journal.add(event, durable)):
            self._state_changed()
        elif durable:
            self._flushed = time.monotonic()

    def _write_trial(self, trial: Trial) -> None:
        # Not flushed: what matters of it is in the journal too.
        self._unwritten.discard(trial.trial_id)
        name, state = f"trial_{trial.trial_id}/trial.json", trial.get_state()
        if not self._try_to_write(name, lambda path: json_files.write(path, state, durable=False)):
            self._unwritten.add(trial.trial_id)

    def _project_path(self) -> str:
        return os.path.join(str(self._directory), str(self._project_name))

    def _try_to_write(self, name: str, write: Callable[[Path], None], durable: bool = False) -> bool:
        path = Path(self._project_path(), name)
        try:
            try:
                write(path)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path)
        except OSError as error:
            if not self._disk_failed:
                finished = len(self.end_order)
                warnings.warn(
                    f"{path} could not be written ({error}). The search goes on: its {finished} finished trials are in "
                    "memory, and are written as soon as that works. Until then a kill would lose them.",
                    stacklevel=3,
                )
            self._disk_failed = True
            self._state_changed()
            return False
        if self._disk_failed and durable:
            self._disk_failed = False
            warnings.warn(f"{path} could be written again: nothing is lost.", stacklevel=3)
        return True

    def _create_trial(self, tuner_id: str) -> Trial:
        trial = super()._create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and self._journal.length:
            self._state_changed()
            self.save()
        return trial

    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Trial:
        with self._lock:
            trial = super().update_trial(trial_id, metrics, step)
            if is_distributed() and self._project_name is not None:
                self._write_trial(trial)  # what a worker has told does not end with this process
            return trial

    def _check_consecutive_failures(self) -> None:
        try:
            super()._check_consecutive_failures()
        except RuntimeError:
            self.save()
            raise

    def get_state(self) -> dict[str, Any]:
        for trial_id in [*self._retry_queue, *(trial.trial_id for trial in self.ongoing_trials.values())]:
            self._ledger[trial_id] = self._entry(self.trials[trial_id], finished=False)
        for trial_id in reversed(self.end_order):
            if self._ledger.get(trial_id, {}).get("status") in FINISHED:
                break  # as are all that ended before
            self._ledger[trial_id] = self._entry(self.trials[trial_id], finished=True)
        own = {
            "identity": self.identity(),
            "ledger": dict(self._ledger),
            "not_finite": sorted(self._not_finite),
            "start_order": list(self.start_order),
            "end_order": list(self.end_order),
            "retry_queue": list(self._retry_queue),
            "run_times": dict(self._run_times),
            "events": self._journal.number,
        }
        return {**super().get_state(), **own}

    def _entry(self, trial: Trial, finished: bool) -> dict[str, Any]:
        # A tuner marks its trial as completed before it tells the oracle that it ended.
        return {
            "status": trial.status if finished else TrialStatus.RUNNING,
            "score": trial.score,
            "best_step": trial.best_step,
            "values": dict(trial.hyperparameters.values),
            "metrics": self.objective_values(trial) if finished and trial.status == TrialStatus.COMPLETED else {},
        }
