"""Recovery of a saved search: check that its project is the same search's, and restore the oracle's state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas import checks
from tuners.oracles.objectives import record_metrics
from tuners.persistence.trial_store import FINISHED, Saved, SavedTrial


def recover(oracle: Any, saved: Saved, held: bool) -> None:
    """Make `oracle` continue a saved search.

    It gets the last good state; what happened after that is replayed in the same order. Without a good state the
    trials' own files tell what was tried, and how it ended.

    Args:
        oracle: a `ProjectOracle` that was constructed with the same arguments.
        saved: from `TrialStore.read`.
        held: whether workers may still be at work on trials, as in a distributed search.
    """
    oracle.trials = {trial_id: _make(oracle, trial_id, found, saved.state) for trial_id, found in saved.trials.items()}
    if saved.state is not None:
        oracle.set_state(saved.state)
        for event in saved.events:
            if event["trial"] in oracle.trials:
                _replay(oracle, event)
    # The state may be older than the trials: a kill prevents writing it.
    unfinished = []
    for trial_id, trial in oracle.trials.items():
        _start(oracle, trial)
        if trial.status not in FINISHED:
            unfinished.append(trial_id)
        else:
            _end(oracle, trial)
    oracle.leases.resume(unfinished, held)


def require_same_search(
    saved: Mapping[str, Any] | None, own: Mapping[str, Any], name: str, kind: str, folder: str | os.PathLike
) -> None:
    """Raise ValueError with the differences unless a saved project is of the same search."""
    different = [f"it was written by another kind of {kind}"] if saved is None else checks.differences(saved, own)
    if different:
        raise ValueError(
            f"The project in {folder} is of another search, which {name} cannot resume: {'; '.join(different)}. Choose "
            "another `project_name`, or pass `overwrite=True` to start from scratch there."
        )


def _make(oracle: Any, trial_id: str, saved: SavedTrial, state: Mapping[str, Any] | None) -> Trial:
    """Make a trial from its own file, or if that is damaged or behind, from its entry in state and journal."""
    entry = saved.entry or {}
    if saved.state is not None:
        trial = Trial.from_state(saved.state)
    else:
        hyperparameters = oracle.hyperparameters.copy()
        if state is not None:
            hyperparameters = hyperparameters.from_config(state["hyperparameters"])
        hyperparameters.values = dict(entry["values"])
        trial = Trial(hyperparameters, trial_id, TrialStatus.RUNNING)
    if entry.get("status") in FINISHED and trial.status not in FINISHED:
        trial.status, trial.score, trial.best_step = entry["status"], entry["score"], entry["best_step"]
        missing = {name: value for name, value in entry["metrics"].items() if not trial.metrics.exists(name)}
        record_metrics(trial, missing, trial.best_step, oracle.directions())
    return trial


def _start(oracle: Any, trial: Trial) -> None:
    if trial.trial_id not in oracle.start_order:
        oracle.start_order.append(trial.trial_id)
        oracle.trial_recovered(trial)


def _end(oracle: Any, trial: Trial) -> None:
    if trial.trial_id not in oracle.leases.ended:
        oracle.leases.runs[trial.trial_id] += 1
        oracle.finish(trial)


def _replay(oracle: Any, event: Mapping[str, Any]) -> None:
    """Replay an event after the state was written: a trial began, or ended."""
    trial_id, leases = event["trial"], oracle.leases
    trial = oracle.trials[trial_id]
    _start(oracle, trial)
    if event["status"] in FINISHED:
        _end(oracle, trial)
    elif event["tuner"] is not None:
        leases.lend(event["tuner"], trial_id)
