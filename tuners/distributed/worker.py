"""WorkerOracle: a worker's stand-in for the oracle, which calls the chief and waits for one that was killed."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalRuntimeError

from tuners import keras_tuner_internals as internals
from tuners.distributed.messages import shortened
from tuners.distributed.stub import NoChiefError, PatientStub, SearchOverError
from tuners.oracles.project_oracle import ProjectOracle

_IDLE = 0.5  # seconds before a worker without a trial asks again
_BEATS = 5  # heartbeats in a lease
_KNOWN = ("space", "objectives", "costs", "seed", "lease", "genotype", "required_metrics", "identity")


class WorkerOracle(internals.OracleClient):
    """KerasTuner's client of the chief's oracle, for long searches.

    It sends heartbeats while a trial runs, sleeps while there is none, waits for a chief that is gone, and reports
    errors to it with their traceback. When the search is over it answers from the project's folder; until then the
    scores that it reads are rounded to four bytes.

    Args:
        oracle: the worker's own, as the program makes it everywhere.
        tuner_id: the worker's name.
        folder: the project's.
        overwrite: whether the search overwrites what is in the folder. Defaults to False.
        patience: seconds to wait for a chief that is not there. Defaults to 3600, as in KerasTuner.
    """

    def __init__(
        self,
        oracle: ProjectOracle,
        tuner_id: str,
        folder: str | os.PathLike,
        overwrite: bool = False,
        patience: float = 3600,
    ):
        super().__init__(oracle)
        self.local = oracle  # has the results when the search is over
        self.tuner_id = tuner_id
        self.stub = PatientStub(tuner_id, os.fspath(folder), oracle.max_trials, overwrite, patience)
        self._over = False
        self._trial: Trial | None = None
        self._given: dict[str, Any] = {}  # values that the trial began with
        self._stop_beating = threading.Event()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "local" not in vars(self):
            raise AttributeError(name)
        if name in _KNOWN or self._over:
            return getattr(self.local, name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            raise AttributeError(
                f"The oracle is at the chief: a worker cannot read {name!r} before the search is over."
            ) from None

    def create_trial(self, tuner_id: str) -> Trial:
        if not self._over:
            try:
                trial = super().create_trial(tuner_id)
            except SearchOverError:
                self._leave()
        if self._over:
            return Trial(keras_tuner.HyperParameters(), status=TrialStatus.STOPPED)
        if trial.status == TrialStatus.IDLE:
            time.sleep(_IDLE)
        elif trial.status == TrialStatus.RUNNING:
            self._trial, self._given = trial, dict(trial.hyperparameters.values)
            self._beat(trial.trial_id)
        else:
            self._leave()
        return trial

    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Trial:
        try:
            if self._is_still(trial_id):
                return super().update_trial(trial_id, metrics, step)
        except SearchOverError:
            self._leave()
        return self.get_trial(trial_id)

    def end_trial(self, trial: Trial, fatal: bool = False) -> None:
        """Report to the chief how a trial ended; a `fatal` error ends the search."""
        self._stop_beating.set()
        if trial.message and not fatal:
            print(f"Trial {trial.trial_id} failed:\n{trial.message}", file=sys.stderr, flush=True)
        try:
            if self._is_still(trial.trial_id):
                message = None if trial.message is None else shortened(trial.message)
                self.stub.beside = {"message": message, **({"fatal": True} if fatal else {})}
                with internals.silent_conditions():
                    super().end_trial(trial)
        except SearchOverError:
            self._leave()

    def get_trial(self, trial_id: str) -> Trial:
        try:
            return self.local.get_trial(trial_id) if self._over else super().get_trial(trial_id)
        except SearchOverError:
            self._leave()
            return self.get_trial(trial_id)
        except KeyError:
            if self._trial is None or self._trial.trial_id != trial_id:
                raise
            return self._trial

    def _is_still(self, trial_id: str) -> bool:
        """Return True if the chief's trial of this number is the one that was run here, not another search's."""
        if self._over:
            return False
        try:
            values = super().get_trial(trial_id).hyperparameters.values
        except KeyError:
            values = {}
        same = all(name in values and values[name] == value for name, value in self._given.items())
        if not same or (self._given and not values):
            warnings.warn(
                f"The chief has started another search, without trial {trial_id}: its result is dropped.", stacklevel=3
            )
            return False
        return True

    def _beat(self, trial_id: str) -> None:
        stop = self._stop_beating = threading.Event()
        request = internals.service_messages().GetTrialRequest(trial_id=trial_id)
        every, metadata = self.local.leases.lease / _BEATS, self.stub.metadata()

        def beat() -> None:
            while not stop.wait(every):
                # The chief may be away, have ended, or have another search.
                with contextlib.suppress(NoChiefError, FatalRuntimeError, KeyError):
                    self.stub.call_once("GetTrial", request, every, metadata)

        threading.Thread(target=beat, name=f"heartbeat of trial {trial_id}", daemon=True).start()

    def _leave(self) -> None:
        """Read the results from the folder: the search is over, and the chief has left."""
        self._stop_beating.set()
        if not self._over:
            self.local.reload()
            self._over = True

    def get_space(self) -> keras_tuner.HyperParameters:
        return self._ask("get_space")

    def update_space(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        self._ask("update_space", hyperparameters)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        return self._ask("get_best_trials", num_trials)

    def remaining_trials(self) -> int:
        """Return the number of trials that have not started yet, according to the folder."""
        if not self._over:
            self.local.reload()
        return self.local.remaining_trials()

    def _ask(self, method: str, *arguments: Any) -> Any:
        if not self._over:
            try:
                with internals.silent_conditions():
                    return getattr(super(), method)(*arguments)
            except SearchOverError:
                self._leave()
        return getattr(self.local, method)(*arguments)
