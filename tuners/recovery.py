"""RecoverableOracle: an oracle whose project survives a kill, a damaged file and a full disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuners import files
from tuners.life_cycle import FINISHED, TrialOracle

_TRIAL_KEYS = ("trial_id", "hyperparameters", "metrics", "score", "best_step", "status", "message")
_STATE_KEYS = ("hyperparameters", "start_order", "end_order", "ongoing_trials")


class RecoverableOracle(TrialOracle):
    """A `TrialOracle` that saves after each trial, and finds its way back from what the project folder still holds.

    `oracle.json` also holds what matters of every trial, so that a damaged `trial.json` loses no result. Each file
    lies beside its version before: a damaged one is passed over with a warning. When the disk is full the search
    goes on; finished trials stay in memory and are written as soon as that works again.

    Args: as for `TrialOracle`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._directory = self._project_name = None  # a tuner sets them
        self._unwritten: set[str] = set()  # trials whose file is not up to date
        self._written: Any = None
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
        """Write `oracle.json` if something changed. A full disk is said, not raised."""
        with self._lock:
            if self._project_name is None:  # used without a tuner
                return
            state = self.get_state()
            if state == self._written:
                return
            for trial_id in sorted(self._unwritten):
                self._save_trial(self.trials[trial_id])
            if self._try_to_write(Path(self._project_path(), "oracle.json"), state, durable=True):
                self._written = state

    def _save_trial(self, trial: Trial) -> None:
        if self._project_name is None:
            return
        # Not flushed: what matters of it is in `oracle.json` too.
        path = Path(self._project_path(), f"trial_{trial.trial_id}", "trial.json")
        self._unwritten.discard(trial.trial_id)
        if not self._try_to_write(path, trial.get_state(), durable=False):
            self._unwritten.add(trial.trial_id)

    def _project_path(self) -> str:
        return os.path.join(str(self._directory), str(self._project_name))

    def _try_to_write(self, path: Path, value: Any, durable: bool) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, value, durable)
        except OSError as error:
            if not self._disk_failed:
                finished = len(self.end_order)
                warnings.warn(
                    f"{path} could not be written ({error}). The search goes on: its {finished} finished trials are in "
                    "memory, and are written as soon as that works. Until then a kill would lose them.",
                    stacklevel=3,
                )
            self._disk_failed = True
            return False
        if self._disk_failed and durable:
            self._disk_failed = False
            warnings.warn(f"{path} could be written again: nothing is lost.", stacklevel=3)
        return True

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
            self._ledger = {}
            self.trials = self._read_trials(state)
            if state is not None:
                self.set_state(state)
            elif self.trials:
                warnings.warn(
                    f"The state of the search in {self._project_path()} is rebuilt from its {len(self.trials)} trials.",
                    stacklevel=2,
                )
            self._reconcile()
            self.recovered()

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

    def _read_trials(self, state: Mapping[str, Any] | None) -> dict[str, Trial]:
        """All trials: of their own files, and where these are damaged or behind of the ledger in `oracle.json`."""
        ledger = {} if state is None else state["ledger"]
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
                hyperparameters = self.hyperparameters.from_config(state["hyperparameters"])  # type: ignore[index]
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
        self._retry_queue, self.ongoing_trials = waiting, {}
