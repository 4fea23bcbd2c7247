"""ProjectOracle: an oracle that tolerates failing trials, dying workers and killed processes."""

from __future__ import annotations

import threading
import time
import warnings
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas import checks
from tuners import keras_tuner_internals as internals
from tuners.distributed.environment import is_distributed, is_worker
from tuners.distributed.leases import LOSSES, Leases
from tuners.oracles.objectives import not_finite, record_metrics, reported_at_best, require_reported
from tuners.persistence.recovery import recover, require_same_search
from tuners.persistence.trial_store import FINISHED, TrialStore

_IDLE_SECONDS = 0.05  # KerasTuner's loop asks again at once


class ProjectOracle(keras_tuner.Oracle):
    """Base of all oracles here: `keras_tuner.Oracle` with these differences. A subclass writes `populate_space`.

    Trials may fail: one whose objective is not finite fails without stopping the search; trials that raise stop it
    after `max_consecutive_failed_trials` in a row, with everything saved and no lock held. A repeated trial starts
    without the metrics of its first run. The seed 0 is a seed. `get_best_trials` returns completed trials only.
    Hyperparameters that the search does not choose have their defaults.

    Workers may die: one that is silent for `lease` seconds loses its trial to another, see `Leases`. While trials are
    with others, a worker that asks has to wait, so that someone is there to run them again.

    The process may die: the state is saved after each trial, see `TrialStore`, and recovered by `reload`.

    Args:
        objective: as for `keras_tuner.Oracle`.
        max_trials: maximum number of trials, at least 1.
        seed: Defaults to 0.
        lease: seconds that a worker may be silent. Defaults to 60.
        kwargs: as for `keras_tuner.Oracle`: `hyperparameters`, `allow_new_entries`, `tune_new_entries`,
            `max_retries_per_trial`, `max_consecutive_failed_trials`.
    """

    def __init__(self, objective: Any, max_trials: int, seed: int = 0, lease: float = 60.0, **kwargs: Any):
        self.leases = Leases(lease)
        self.store: TrialStore | None = None  # None while the oracle is used without a tuner
        # Trials that failed because a value was not finite; such failures do not end the search.
        self.not_finite: set[str] = set()
        # KerasTuner's own lock stays held when something raises under it.
        self.lock = threading.RLock()
        self._over = False
        self._known: int | None = None  # hyperparameters in the written state
        max_trials = checks.integer("max_trials", max_trials, 1)
        super().__init__(objective=objective, max_trials=max_trials, seed=seed, **kwargs)
        self.seed = seed
        self.trials: dict[str, Trial] = {}

    # To override -------------------------------------------------------------------------------------
    def trial_finished(self, trial: Trial) -> None:
        """Handle a trial that is completed or has failed for good; called once for each."""

    def trial_recovered(self, trial: Trial) -> None:
        """Handle a trial that the saved state lacks, since it is older than the trial."""

    def recovered(self) -> None:
        """Handle the end of `reload`."""

    def rank(self, trial: Trial) -> Any:
        """Return the key that completed trials are sorted by, the highest being the best."""
        return trial.score if self.objective.direction == "max" else -trial.score

    def required_metrics(self) -> list[str]:
        """Return the metrics that a trial must report."""
        return [self.objective.name]

    def directions(self) -> dict[str, str]:
        """Return each value that ranks a trial, with its direction: `"min"` or `"max"`."""
        return {self.objective.name: self.objective.direction}

    def identity(self) -> dict[str, Any]:
        """Return all that must be the same for a project to be resumed, JSON-serializable."""
        return {}

    @property
    def ongoing_trials(self) -> dict[str, Trial]:
        """Worker -> its trial: KerasTuner's view of the leases."""
        with self.lock:
            return {worker: self.trials[trial] for worker, trial in self.leases.holders.items()}

    @ongoing_trials.setter
    def ongoing_trials(self, trials: Any) -> None:
        """Ignore what KerasTuner sets in `__init__` and `set_state`: the leases are restored apart."""

    @property
    def end_order(self) -> list[str]:
        """Trials that have ended for good, in order: KerasTuner's name for it."""
        return self.leases.ended

    @end_order.setter
    def end_order(self, trials: Any) -> None:
        """Ignore what KerasTuner sets."""

    @property
    def tuner_ids(self) -> set[str]:
        """Workers that are present: KerasTuner's chief leaves when there are none."""
        with self.lock:
            return self.leases.workers

    @tuner_ids.setter
    def tuner_ids(self, names: Any) -> None:
        """Ignore what KerasTuner sets."""

    def is_over(self) -> bool:
        """Return True if nothing is left to do, as far as can be decided without asking the search."""
        return self._over or (len(self.leases.ended) >= self.max_trials and not self.leases.has_unfinished())

    def heartbeat(self, tuner_id: str, trial_id: str) -> None:
        """Record that a worker is alive, and at work on a trial."""
        with self.lock:
            self.leases.heartbeat(tuner_id, trial_id)

    def take_back(self) -> None:
        """Take back the trials of silent workers."""
        with self.lock:
            for loss in self.leases.expire():
                lost = f"Worker {loss.worker!r} was silent for {loss.silent:.0f} s, in trial {loss.trial}."
                if loss.failed:
                    trial = self.trials[loss.trial]
                    trial.status = TrialStatus.FAILED
                    trial.message = f"It lost {LOSSES} workers: does it exceed their memory?"
                    self.trial_finished(trial)
                    self._record(trial)
                    warnings.warn(f"{lost} The trial has failed: it lost {LOSSES} workers.", stacklevel=2)
                else:
                    warnings.warn(f"{lost} The trial is run again.", stacklevel=2)
                if self.store is not None:
                    self.store.outdate()
                self.save()

    def create_trial(self, tuner_id: str) -> Trial:
        """Return the next trial for `tuner_id`: the one it has already, one that is to be run again, or a new one."""
        with self.lock:
            self.leases.greet(tuner_id)
            self.take_back()
            held = self.leases.trial_of(tuner_id)
            trial = self._begin(tuner_id) if held is None else self.trials[held]
            if trial.status == TrialStatus.RUNNING:
                self.leases.lend(tuner_id, trial.trial_id)
        if trial.status == TrialStatus.IDLE:
            time.sleep(_IDLE_SECONDS)
        return trial

    def _begin(self, tuner_id: str) -> Trial:
        waiting = self.leases.next_waiting()
        if waiting is None:
            trial = self._new_trial()
        else:
            trial = self.trials[waiting]
            trial.status, trial.message, trial.metrics = TrialStatus.RUNNING, None, type(trial.metrics)()
        if trial.status == TrialStatus.RUNNING:
            self.leases.lend(tuner_id, trial.trial_id)
            self._record(trial)
            internals.show_begin(self, trial)
        elif trial.status == TrialStatus.STOPPED and self.leases.holders:
            trial.status = TrialStatus.IDLE
        elif trial.status == TrialStatus.STOPPED:
            self.leases.leave(tuner_id)
            self._over = True
            self.save(whole=True)
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
        """Record metrics of a running trial; those of one that has ended are dropped.

        Raises:
            FatalValueError: if the objective is not among them; the message lists those that are.
        """
        with self.lock:
            trial = self.trials[trial_id]
            if trial_id in self.leases.ended:  # by a worker that was declared dead
                return trial
            self.leases.hear(trial_id)
            require_reported(self.required_metrics(), metrics)
            record_metrics(trial, metrics, step, self.directions())
            if is_distributed() and self.store is not None:
                self.store.write_trial(trial_id, trial.get_state())  # a worker's report does not end with this process
            return trial

    def end_trial(self, trial: Trial) -> None:
        """Record how a trial ended; run it again if it failed and has retries left. Only the first report counts.

        Raises:
            RuntimeError: if too many trials in a row raised an error; with the last one's traceback.
        """
        with self.lock:
            # First of all, so that no worker waits for it if something below raises.
            if not self.leases.accept(trial.trial_id, trial.status == TrialStatus.COMPLETED):
                return
            ended = self.trials[trial.trial_id]  # `trial` may have come over the wire
            ended.hyperparameters, ended.status, ended.message = trial.hyperparameters, trial.status, trial.message
            self.update_space(trial.hyperparameters)
            if ended.status == TrialStatus.COMPLETED:
                self._score(ended)
            runs = self.leases.runs[ended.trial_id]
            if ended.status == TrialStatus.INVALID and runs <= self.max_retries_per_trial:
                self.leases.wait(ended.trial_id)
            else:
                ended.status = ended.status if ended.status in FINISHED else TrialStatus.FAILED
                self.finish(ended)
            self._record(ended)
            self.save()
            internals.show_end(self, ended)
            self._check_failures()

    def finish(self, trial: Trial) -> None:
        """Record that a trial has ended for good."""
        self.leases.end(trial.trial_id)
        self.trial_finished(trial)

    def _score(self, trial: Trial) -> None:
        self.score_trial(trial)
        self.not_finite.discard(trial.trial_id)
        if words := not_finite(self.objective_values(trial)):
            trial.status, trial.score, trial.message = TrialStatus.INVALID, None, words
            self.not_finite.add(trial.trial_id)

    def objective_values(self, trial: Trial) -> dict[str, float]:
        """Return the values that `trial` reported at its best step, for each name that ranks trials."""
        return reported_at_best(trial, self.directions())

    def _check_failures(self) -> None:
        limit = self.max_consecutive_failed_trials
        last = [self.trials[trial_id] for trial_id in self.leases.ended[-limit:]]
        if len(last) == limit and all(
            trial.status == TrialStatus.FAILED and trial.trial_id not in self.not_finite for trial in last
        ):
            raise RuntimeError(
                f"The last {limit} trials failed, which ends the search (`max_consecutive_failed_trials`). The last "
                f"one, {last[-1].trial_id}, with:\n{last[-1].message or 'no message'}"
            )

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Return the best completed trials, the best first: fewer than `num_trials` if there are no more."""
        # A tuner in another thread may have marked a trial as completed that has no score yet.
        completed = [
            trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED and trial.score is not None
        ]
        return sorted(completed, key=self.rank, reverse=True)[:num_trials]

    def _set_project_dir(self, directory: Any, project_name: Any) -> None:
        super()._set_project_dir(directory, project_name)
        self.store = TrialStore(Path(str(directory), str(project_name)))

    def save(self, whole: bool = False) -> None:
        """Write what is unwritten; a full disk warns instead of raising.

        Args:
            whole: write the state too, though the events since the last one are few. Defaults to False.
        """
        with self.lock:
            if self.store is None:
                return
            hyperparameters = len(self.hyperparameters.space)
            if hyperparameters != self._known:
                self.store.outdate()
            if self.store.save(self.get_state, whole):
                self._known = hyperparameters

    def _record(self, trial: Trial) -> None:
        if self.store is not None:
            worker = self.leases.worker_of(trial.trial_id)
            self.store.record(trial.trial_id, trial.get_state(), self._entry(trial), worker)

    def _entry(self, trial: Trial) -> dict[str, Any]:
        # A tuner marks its trial as completed before it reports the end.
        finished = trial.trial_id in self.leases.ended
        return {
            "status": trial.status if finished else TrialStatus.RUNNING,
            "score": trial.score,
            "best_step": trial.best_step,
            "values": dict(trial.hyperparameters.values),
            "metrics": self.objective_values(trial) if finished and trial.status == TrialStatus.COMPLETED else {},
        }

    def reload(self) -> None:
        """Resume the search in the project's folder, as far as it can be read.

        Raises:
            ValueError: if the project is another search's, with the differences.
            RuntimeError: if no tuner has set the project's folder.
        """
        with self.lock:
            if self.store is None:
                raise RuntimeError("There is no project to reload: the oracle is used without a tuner.")
            saved = self.store.read()
            if saved.state is not None:
                name, identity, there = type(self).__name__, self.identity(), saved.state.get("identity")
                if is_worker():
                    identity.pop("seed", None)  # a worker's oracle chooses nothing
                require_same_search(there, identity, name, "oracle", self.store.folder)
            recover(self, saved, held=is_distributed())
            self.store.ledger.update({trial_id: self._entry(trial) for trial_id, trial in self.trials.items()})
            self.recovered()

    def get_state(self) -> dict[str, Any]:
        state = {
            "identity": self.identity(),
            "not_finite": sorted(self.not_finite),
            "start_order": list(self.start_order),
            "seed_state": self.seed,
        }
        return {**super().get_state(), **self.leases.get_state(), **state}

    def set_state(self, state: dict[str, Any]) -> None:
        known = {
            name: [one for one in state[name] if one in self.trials]
            for name in ("start_order", "end_order", "retry_queue")
        }
        ongoing = {name: one for name, one in state["ongoing_trials"].items() if one in self.trials}
        state = {**state, **known, "ongoing_trials": ongoing}
        super().set_state(state)
        self.leases.set_state(state)
        self.not_finite = set(state["not_finite"])
