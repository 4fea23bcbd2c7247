"""TrialOracle: the life of a trial, from its creation to its end, so that no failure stops the others."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from tuners.oracles.objectives import require_reported

_IDLE_SECONDS = 0.05  # KerasTuner's loop asks again at once
FINISHED = (TrialStatus.COMPLETED, TrialStatus.FAILED)


class TrialOracle(keras_tuner.Oracle):
    """An oracle whose trials may fail: what `keras_tuner.Oracle` does, with these differences.

    A trial whose objective is not finite counts as failed, and does not stop the search; trials that raise do, after
    `max_consecutive_failed_trials` in a row, but all is saved and no lock is held then. A trial that is run again
    starts without the metrics of its first run. The seed 0 is a seed. `get_best_trials` returns completed trials only.
    Hyperparameters that nobody chose have their defaults.

    Args:
        objective: as for `keras_tuner.Oracle`.
        max_trials: how many trials at most; at least 1.
        seed: Defaults to 0.
        kwargs: as for `keras_tuner.Oracle`: `hyperparameters`, `allow_new_entries`, `tune_new_entries`,
            `max_retries_per_trial`, `max_consecutive_failed_trials`.

    Raises:
        ValueError: if `max_trials` is below 1.
    """

    def __init__(self, objective: Any, max_trials: int, seed: int = 0, **kwargs: Any):
        if isinstance(max_trials, bool) or not isinstance(max_trials, int) or max_trials < 1:
            raise ValueError(
                f"Invalid value received for argument `max_trials`. Expected an integer of at least 1. "
                f"Received: {max_trials!r}"
            )
        super().__init__(objective=objective, max_trials=max_trials, seed=seed, **kwargs)
        self.seed = self._seed_state = seed
        # KerasTuner's own lock stays locked when something raises under it.
        self._lock = threading.RLock()
        self.trials: dict[str, Trial] = {}
        self.ongoing_trials: dict[str, Trial] = {}
        self._not_finite: set[str] = set()

    # What an oracle writes ---------------------------------------------------------------------------
    def trial_finished(self, trial: Trial) -> None:
        """Called once for each trial that is completed or has failed for good."""

    def rank(self, trial: Trial) -> Any:
        """What completed trials are sorted by, the best being the highest."""
        return trial.score if self.objective.direction == "max" else -trial.score

    # KerasTuner's interface --------------------------------------------------------------------------
    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial for `tuner_id`: the one it has already, one that is to be run again, or a new one."""
        with self._lock:
            trial = self._create_trial(tuner_id)
        if trial.status == TrialStatus.IDLE:
            time.sleep(_IDLE_SECONDS)
        return trial

    def _create_trial(self, tuner_id: str) -> Trial:
        if tuner_id in self.ongoing_trials:
            return self.ongoing_trials[tuner_id]
        if self._retry_queue:
            trial = self.trials[self._retry_queue.pop(0)]
            trial.status, trial.message, trial.metrics = TrialStatus.RUNNING, None, type(trial.metrics)()
        else:
            trial = self._new_trial()
        if trial.status == TrialStatus.RUNNING:
            self.ongoing_trials[tuner_id] = trial
            self._save_trial(trial)
            self._display.on_trial_begin(trial)
        return trial

    def _new_trial(self) -> Trial:
        number = max((int(trial_id) for trial_id in self.trials), default=-1) + 1
        trial_id = f"{number:0{len(str(self.max_trials))}d}"
        response: dict[str, Any] = {"status": TrialStatus.STOPPED}
        if len(self.trials) < self.max_trials:
            response = self.populate_space(trial_id)
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = dict(response.get("values") or {})
        trial = Trial(hyperparameters=hyperparameters, trial_id=trial_id, status=response["status"])
        if trial.status == TrialStatus.RUNNING:
            for hp in hyperparameters.space:  # parents stand before their children here
                if hp.name not in hyperparameters.values and hyperparameters.is_active(hp):
                    hyperparameters.values[hp.name] = hp.default
            self.trials[trial_id] = trial
            self.start_order.append(trial_id)
        return trial

    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Trial:
        """Record metrics of a running trial.

        Raises:
            FatalValueError: if the objective is not among them; the message lists those that are.
        """
        directions = self._directions()
        with self._lock:
            require_reported(self.required_metrics(), metrics)
            trial = self.trials[trial_id]
            for name, value in metrics.items():
                if not trial.metrics.exists(name):
                    trial.metrics.register(name, direction=directions.get(name))
                trial.metrics.update(name, value, step=step)
            return trial

    def required_metrics(self) -> list[str]:
        """The metrics that a trial must report."""
        return [self.objective.name]

    def _directions(self) -> dict[str, str]:
        return {self.objective.name: self.objective.direction}

    def end_trial(self, trial: Trial) -> None:
        """Record how a trial ended; run it again if it failed and has retries left.

        Raises:
            RuntimeError: if too many trials in a row raised an error; with the last one's traceback.
        """
        with self._lock:
            ended = self.trials[trial.trial_id]  # `trial` may have come over the wire
            ended.hyperparameters, ended.status, ended.message = trial.hyperparameters, trial.status, trial.message
            # First, so that nobody waits for it if something below raises.
            self.ongoing_trials = {name: one for name, one in self.ongoing_trials.items() if one is not ended}
            self.update_space(trial.hyperparameters)
            if ended.status == TrialStatus.COMPLETED:
                self._score(ended)
            self._run_times[ended.trial_id] += 1
            if ended.status == TrialStatus.INVALID and self._run_times[ended.trial_id] <= self.max_retries_per_trial:
                self._retry_queue.append(ended.trial_id)
            else:
                ended.status = ended.status if ended.status in FINISHED else TrialStatus.FAILED
                self._finish(ended)
            self._save_trial(ended)
            self.save()
            if ended.trial_id in self._display.trial_start:
                self._display.on_trial_end(ended)
            self._check_consecutive_failures()

    def _finish(self, trial: Trial) -> None:
        self.end_order.append(trial.trial_id)
        self.trial_finished(trial)

    def _score(self, trial: Trial) -> None:
        self.score_trial(trial)
        self._not_finite.discard(trial.trial_id)
        wrong = {name: value for name, value in self.objective_values(trial).items() if not math.isfinite(value)}
        if wrong:
            trial.status, trial.score = TrialStatus.INVALID, None
            trial.message = f"Not finite: {', '.join(f'{name} = {value}' for name, value in wrong.items())}."
            self._not_finite.add(trial.trial_id)

    def objective_values(self, trial: Trial) -> dict[str, float]:
        """What `trial` reported at its best step, for each name that counts."""
        found = {}
        for name in self._directions():
            history = trial.metrics.get_history(name) if trial.metrics.exists(name) else []
            at_best = [one for one in history if one.step == trial.best_step] or history[-1:]
            found[name] = float(at_best[0].mean()) if at_best else math.nan  # not a NumPy scalar
        return found

    def _check_consecutive_failures(self) -> None:
        limit = self.max_consecutive_failed_trials
        last = [self.trials[trial_id] for trial_id in self.end_order[-limit:]]
        if len(last) == limit and all(
            trial.status == TrialStatus.FAILED and trial.trial_id not in self._not_finite for trial in last
        ):
            raise RuntimeError(
                f"The last {limit} trials failed, which ends the search (`max_consecutive_failed_trials`). The last "
                f"one, {last[-1].trial_id}, with:\n{last[-1].message or 'no message'}"
            )

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The best completed trials, the best first: fewer than `num_trials` if there are no more."""
        # A tuner in another thread may have marked a trial as completed that has no score yet.
        completed = [
            trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED and trial.score is not None
        ]
        return sorted(completed, key=self.rank, reverse=True)[:num_trials]
