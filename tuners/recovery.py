"""RecoverableOracle: an oracle whose project survives a kill, a damaged file and a full disk."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuners import files
from tuners.journal import Journal
from tuners.leases import LeasedOracle, is_distributed
from tuners.life_cycle import FINISHED

_TRIAL_KEYS = ("trial_id", "hyperparameters", "metrics", "score", "best_step", "status", "message")
_EVENTS = 20  # at least so many before the state is written again
_FLUSH = 1.0  # seconds; a power cut may cost the results of so many, a kill none
_STATE_KEYS = ("hyperparameters", "start_order", "end_order", "ongoing_trials")


class RecoverableOracle(LeasedOracle):
    """A `LeasedOracle` that saves after each trial, and finds its way back from what the project folder still holds.

    What happens is written to `oracle.events`, a line for each start and each end of a trial, and now and then all of
    it to `oracle.json`. Both also hold what matters of every trial, so that a damaged `trial.json` loses no result.
    Each file lies beside its version before: a damaged one is passed over with a warning. When the disk is full the
    search goes on; finished trials stay in memory and are written as soon as that works again.

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

    # What an oracle writes ---------------------------------------------------------------------------
    def identity(self) -> dict[str, Any]:
        """What must be the same for a project to be gone on with, as JSON knows it."""
        return {}

    def differences(self, saved: Mapping[str, Any]) -> list[str]:
        """What differs between the saved `identity` and the own one, in words."""
        own = self.identity()
        return [
            f"{name}: {saved.get(name)!r} there, {own[name]!r} here" for name in own if saved.get(name) != own[name]
        ]

    def trial_recovered(self, trial: Trial) -> None:
        """Called for a trial that the saved state does not know yet, since it is older than the trial."""

    def recovered(self) -> None:
        """Called at the end of `reload`."""

    # Saving ------------------------------------------------------------------------------------------
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
            if self._try_to_write("oracle.json", lambda path: files.write(path, self.get_state()), durable=True):
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
        if not self._try_to_write(name, lambda path: files.write(path, state, durable=False)):
            self._unwritten.add(trial.trial_id)

    def _project_path(self) -> str:
        return os.path.join(str(self._directory), str(self._project_name))

    def _try_to_write(self, name: str, write: Callable[[Path], None], durable: bool = False) -> bool:
        path = Path(self._project_path(), name)
        try:
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

    # Reading -----------------------------------------------------------------------------------------
    def reload(self) -> None:
        """Go on with the project in the folder, as far as it can be read.

        Raises:
            ValueError: if the project is another's, saying what differs.
        """
        with self._lock:
            state = files.read(Path(self._project_path(), "oracle.json"), _STATE_KEYS)
            if state is not None:
                self._check_identity(state)
            events = self._journal.since((state or {}).get("events", 0))
            self._ledger = {}
            self.trials = self._read_trials(state, events)
            if state is not None:
                self.set_state(state)
                for event in events:
                    self._replay(event)
            elif self.trials:
                warnings.warn(
                    f"The state of the search in {self._project_path()} is rebuilt from its {len(self.trials)} trials.",
                    stacklevel=2,
                )
            self._reconcile()
            self.recovered()
            self._state_changed()
            self._anew = False

    def _check_identity(self, state: Mapping[str, Any]) -> None:
        saved = state.get("identity")
        differences = ["it was written by another kind of oracle"] if saved is None else self.differences(saved)
        if differences:
            raise ValueError(
                f"The project in {self._project_path()} is of another search, which {type(self).__name__} cannot go on "
                f"with: {'; '.join(differences)}. Choose another `project_name`, or pass `overwrite=True` to start "
                "anew there."
            )

    def set_state(self, state: dict[str, Any]) -> None:
        known = {name: [one for one in state[name] if one in self.trials] for name in ("start_order", "end_order")}
        ongoing = {name: one for name, one in state["ongoing_trials"].items() if one in self.trials}
        queue = [one for one in state["retry_queue"] if one in self.trials]
        super().set_state({**state, **known, "ongoing_trials": ongoing, "retry_queue": queue})
        self._not_finite = set(state["not_finite"])

    def _read_trials(self, state: Mapping[str, Any] | None, events: list[dict[str, Any]]) -> dict[str, Trial]:
        """All trials: of their own files, and where these are damaged or behind of the ledger and the journal."""
        ledger = {} if state is None else dict(state["ledger"])
        ledger.update({event["trial"]: event for event in events})
        names = {
            path.parent.name.removeprefix("trial_") for path in Path(self._project_path()).glob("trial_*/trial*.json")
        }
        found = {}
        for trial_id in sorted({*names, *ledger}, key=int):
            saved = files.read(Path(self._project_path(), f"trial_{trial_id}", "trial.json"), _TRIAL_KEYS)
            entry = ledger.get(trial_id)
            if saved is not None:
                trial = Trial.from_state(saved)
            elif entry is not None:
                hyperparameters = self.hyperparameters.copy()
                if state is not None:
                    hyperparameters = hyperparameters.from_config(state["hyperparameters"])
                hyperparameters.values = dict(entry["values"])
                trial = Trial(hyperparameters, trial_id, TrialStatus.RUNNING)
                warnings.warn(f"Trial {trial_id} is recovered from oracle.json.", stacklevel=3)
            else:
                warnings.warn(f"Trial {trial_id} had no result yet and cannot be read: it is run again.", stacklevel=3)
                continue
            if entry is not None and entry["status"] in FINISHED and trial.status not in FINISHED:
                self._complete(trial, entry)
            found[trial_id] = trial
        return found

    def _complete(self, trial: Trial, entry: Mapping[str, Any]) -> None:
        trial.status, trial.score, trial.best_step = entry["status"], entry["score"], entry["best_step"]
        for name, value in entry["metrics"].items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction=self._directions().get(name))
                trial.metrics.update(name, value, step=trial.best_step)

    def _replay(self, event: Mapping[str, Any]) -> None:
        """Do again what happened after the state was written."""
        trial_id, trial = event["trial"], self.trials[event["trial"]]
        if trial_id not in self.start_order:
            self.start_order.append(trial_id)
            self.trial_recovered(trial)
        self.ongoing_trials = {name: one for name, one in self.ongoing_trials.items() if one is not trial}
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)
        if event["status"] in FINISHED and trial_id not in self.end_order:
            self._run_times[trial_id] += 1
            self._finish(trial)
        elif event["status"] not in FINISHED and event["tuner"] is not None:
            self.ongoing_trials[event["tuner"]] = trial

    def _reconcile(self) -> None:
        """Bring state and trials together: the state may be older than the trials, by what a kill prevented."""
        waiting = []
        for trial_id in sorted(self.trials, key=int):
            trial = self.trials[trial_id]
            if trial_id not in self.start_order:
                self.start_order.append(trial_id)
                self.trial_recovered(trial)
            if trial.status not in FINISHED:
                waiting.append(trial_id)
            elif trial_id not in self.end_order:
                self._finish(trial)
        self._retry_queue = self._hold(waiting)
