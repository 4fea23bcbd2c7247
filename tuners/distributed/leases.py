"""LeasedOracle: many workers at once, of which any may die, come late, or be told of twice."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuners.oracles.trial_oracle import TrialOracle

_LOSSES = 3  # workers that a trial may take with it
_PATIENCE = 3.0  # times the longest trial that a worker without heartbeat may take


def is_distributed() -> bool:
    """Whether KerasTuner's environment variables name a chief."""
    return "KERASTUNER_ORACLE_IP" in os.environ


class LeasedOracle(TrialOracle):
    """A `TrialOracle` that lends its trials: one whose worker is not heard of for `lease` seconds goes to another.

    The workers of our tuners send heartbeats. Those of stock tuners do not: they lose a trial when it takes three times
    as long as the longest one so far, and longer than the lease. A trial that has lost three workers has failed, as
    one that needs too much memory would end all of them. While trials are with others, a worker that asks has to
    wait, so that somebody is there to run them again.

    Args:
        lease: seconds. Defaults to 60.
        args, kwargs: as for `TrialOracle`.

    Raises:
        ValueError: if `lease` is not positive.
    """

    def __init__(self, *args: Any, lease: float = 60.0, **kwargs: Any):
        if isinstance(lease, bool) or not isinstance(lease, (int, float)) or not 0 < lease < math.inf:
            raise ValueError(
                f"Invalid value received for argument `lease`. Expected a positive number of seconds. "
                f"Received: {lease!r}"
            )
        self.lease = float(lease)
        self._seen: dict[str, float] = {}  # tuner -> when it was last heard of
        self._heard: dict[str, float] = {}  # trial that is lent -> when its worker was last heard of
        self._lent: dict[str, float] = {}  # trial that is lent -> since when
        self._beating: set[str] = set()  # trials whose worker sends heartbeats
        self._losses: Counter[str] = Counter()
        self._longest = 0.0  # of the trials so far, in seconds
        self._over = False
        super().__init__(*args, **kwargs)

    # Who is there ------------------------------------------------------------------------------------
    @property
    def tuner_ids(self) -> set[str]:
        """The workers that are there: KerasTuner's chief leaves when there are none."""
        with self._lock:
            alive = time.monotonic() - self.lease
            return {name for name, seen in self._seen.items() if seen > alive or name in self.ongoing_trials}

    @tuner_ids.setter
    def tuner_ids(self, names: Iterable[str]) -> None:
        self._seen = dict.fromkeys(names, time.monotonic())

    def has_unfinished(self) -> bool:
        """Whether trials are with workers, or wait to be run again."""
        return bool(self.ongoing_trials or self._retry_queue)

    def is_over(self) -> bool:
        """Whether nothing is left to do, as far as is known without asking the search."""
        return self._over or (len(self.end_order) >= self.max_trials and not self.has_unfinished())

    def heartbeat(self, tuner_id: str, trial_id: str) -> None:
        """A worker says that it is alive, and at work on a trial."""
        with self._lock:
            if trial_id in self._heard:
                self._seen[tuner_id] = self._heard[trial_id] = time.monotonic()
                self._beating.add(trial_id)

    # The life of a trial -----------------------------------------------------------------------------
    def _create_trial(self, tuner_id: str) -> Trial:
        self._seen[tuner_id] = time.monotonic()
        self.take_back()
        trial = super()._create_trial(tuner_id)
        if trial.status == TrialStatus.RUNNING:
            self._lend(trial.trial_id)
        elif trial.status == TrialStatus.STOPPED:
            if self.ongoing_trials:
                trial.status = TrialStatus.IDLE
            else:
                del self._seen[tuner_id]
                self._over = True
        return trial

    def _lend(self, trial_id: str) -> None:
        self._heard[trial_id] = self._lent[trial_id] = time.monotonic()
        self._beating.discard(trial_id)

    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Trial:
        with self._lock:
            if trial_id in self.end_order:  # by the worker that was thought dead
                return self.trials[trial_id]
            if trial_id in self._heard:
                self._heard[trial_id] = time.monotonic()
            return super().update_trial(trial_id, metrics, step)

    def end_trial(self, trial: Trial) -> None:
        with self._lock:
            # Told twice: after a broken connection, or by the worker that was thought dead.
            if trial.trial_id in self.end_order:
                return
            if trial.trial_id in self._retry_queue:
                if trial.status != TrialStatus.COMPLETED:
                    return
                self._retry_queue.remove(trial.trial_id)
            self._heard.pop(trial.trial_id, None)
            began = self._lent.pop(trial.trial_id, math.inf)
            self._longest = max(self._longest, time.monotonic() - began)
            for name, one in self.ongoing_trials.items():
                if one.trial_id == trial.trial_id:
                    self._seen[name] = time.monotonic()
            super().end_trial(trial)

    def take_back(self) -> None:
        """Take the trials back whose workers are not heard of any more."""
        with self._lock:
            now = time.monotonic()
            for name, trial in list(self.ongoing_trials.items()):
                silent = now - self._heard.get(trial.trial_id, now)
                if silent > self._allowed(trial.trial_id):
                    self._lose(name, trial, silent)

    def _allowed(self, trial_id: str) -> float:
        """Seconds of silence."""
        if trial_id in self._beating:
            return self.lease
        return max(self.lease, _PATIENCE * self._longest) if self._longest else math.inf

    def _lose(self, tuner_id: str, trial: Trial, silent: float) -> None:
        trial_id = trial.trial_id
        self._losses[trial_id] += 1
        del self.ongoing_trials[tuner_id], self._heard[trial_id], self._lent[trial_id]
        self._seen.pop(tuner_id, None)
        lost = f"Worker {tuner_id!r} was not heard of for {silent:.0f} s, in trial {trial_id}."
        if self._losses[trial_id] < _LOSSES:
            self._retry_queue.append(trial_id)
            warnings.warn(f"{lost} The trial is run again.", stacklevel=2)
        else:
            trial.status, trial.message = TrialStatus.FAILED, f"It lost {_LOSSES} workers: does it need their memory?"
            self._finish(trial)
            self._save_trial(trial)
            warnings.warn(f"{lost} The trial has failed: it lost {_LOSSES} workers.", stacklevel=2)
        self.save()

    def _hold(self, waiting: list[str]) -> list[str]:
        """Of the unfinished trials of a project that is gone on with, those that no worker has still.

        Args:
            waiting: all of them. Those that workers may have are lent to them in this process too.
        """
        if not is_distributed():
            self.ongoing_trials = {}
            return waiting
        names = {trial.trial_id: name for name, trial in self.ongoing_trials.items()}
        queued = [trial_id for trial_id in waiting if trial_id in self._retry_queue]
        lent = [trial_id for trial_id in waiting if trial_id not in queued]
        self.ongoing_trials = {names.get(trial_id, f"trial {trial_id}"): self.trials[trial_id] for trial_id in lent}
        for trial_id in lent:
            self._lend(trial_id)
            self._beating.add(trial_id)
        return queued
