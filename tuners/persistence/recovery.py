"""RecoverableOracle: an oracle whose project survives a kill, a damaged file and a full disk."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuners.oracles.trial_oracle import FINISHED
from tuners.persistence import json_files
from tuners.persistence.saving import SavingOracle

_TRIAL_KEYS = ("trial_id", "hyperparameters", "metrics", "score", "best_step", "status", "message")
_STATE_KEYS = ("hyperparameters", "start_order", "end_order", "ongoing_trials")


class RecoverableOracle(SavingOracle):
    """A `SavingOracle` that finds its way back from what the project folder still holds.

    What happened after the last state was written is done again, in the same order. A damaged file is passed over for
    its version before, with a warning.

    Args: as for `LeasedOracle`.
    """

    # What an oracle writes ---------------------------------------------------------------------------
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

    # Reading -----------------------------------------------------------------------------------------
    def reload(self) -> None:
        """Go on with the project in the folder, as far as it can be read.

        Raises:
            ValueError: if the project is another's, saying what differs.
        """
        with self._lock:
            state = json_files.read(Path(self._project_path(), "oracle.json"), _STATE_KEYS)
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
            saved = json_files.read(Path(self._project_path(), f"trial_{trial_id}", "trial.json"), _TRIAL_KEYS)
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
