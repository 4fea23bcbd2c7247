"""NetworkTuner: what the tuners that end in plain networks have in common: project, best ones, progress."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalValueError

from kerasnas import checks, storage
from kerasnas.genotypes import Genotype
from kerasnas.meta import ReptileInitializer, warm_start
from kerasnas.spaces import SearchSpace
from tuners.distributed.distributed_tuner import DistributedTuner
from tuners.oracles.objectives import require_reported
from tuners.persistence import json_files
from tuners.persistence.trial_files import difference, disk_of
from tuners.tuners.derived_training import MODEL, DerivedTraining, SearchData
from tuners.tuners.progress import ProgressTable

GENOTYPE, RESULT = "genotype.json", "result.json"
Initializer = ReptileInitializer | str | os.PathLike | None


def load_initializer(initializer: Initializer) -> ReptileInitializer | None:
    """`initializer`, read from its folder where it is one.

    Raises:
        TypeError: if it is neither.
        FileNotFoundError: if the folder holds none.
    """
    if isinstance(initializer, (str, os.PathLike)):
        return ReptileInitializer.load(initializer)
    if initializer is not None and not isinstance(initializer, ReptileInitializer):
        raise TypeError(
            "Invalid value received for argument `initializer`. Expected a `kerasnas.meta.ReptileInitializer`, or the "
            f"folder of one. Received: {initializer!r}"
        )
    return initializer


def signed(objective: keras_tuner.Objective, value: float) -> float:
    """`value` of an objective so that more is better."""
    value = value if objective.direction == "max" else -value
    return value if math.isfinite(value) else -math.inf


class NetworkTuner(DistributedTuner):
    """A tuner whose trials have a genotype, and whose best end as trained networks. See the subclasses.

    Args:
        oracle: what chooses the trials.
        training: how derived networks are trained.
        seed: Defaults to 0.
        initializer: a `ReptileInitializer` or its folder. Defaults to None.
        folds: as many as networks are cross-validated with. Defaults to None.
        distribution_strategy: a `tf.distribute.Strategy`. Defaults to None.
        hypermodel, directory, project_name, overwrite: as for KerasTuner's `BaseTuner`.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        training: DerivedTraining,
        seed: int = 0,
        initializer: Initializer = None,
        folds: int | None = None,
        distribution_strategy: Any = None,
        hypermodel: Any = None,
        directory: str | os.PathLike | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
    ):
        self.seed = checks.integer("seed", seed, 0)
        self.folds = None if folds is None else checks.integer("folds", folds, 2)
        if distribution_strategy is not None and not hasattr(distribution_strategy, "scope"):
            raise TypeError(
                "Invalid value received for argument `distribution_strategy`. Expected a `tf.distribute.Strategy`. "
                f"Received: {distribution_strategy!r}"
            )
        self.training, self.distribution_strategy = training, distribution_strategy
        self.initializer = load_initializer(initializer)
        self.warm_starts: list[str] = []
        self._failure: str | None = None
        self.progress = ProgressTable(getattr(oracle.objective, "name", "score"), 0)
        self._required = getattr(oracle, "required_metrics", lambda: [oracle.objective.name])
        folder = None if directory is None else os.fspath(directory)
        super().__init__(oracle, hypermodel, folder, project_name, overwrite)

    @property
    def space(self) -> SearchSpace:
        """Where it searches."""
        return self.training.space

    def scope(self) -> Any:
        """A context in which models are built for the distribution strategy, if there is one."""
        strategy = self.distribution_strategy
        return contextlib.nullcontext() if strategy is None else strategy.scope()

    def trial_folder(self, trial: Trial | str) -> Path:
        """Where the files of a trial lie."""
        trial_id = trial if isinstance(trial, str) else trial.trial_id
        return Path(self.project_dir, f"trial_{trial_id}")

    # Data and objective ------------------------------------------------------------------------------
    def require_objective(self, data: SearchData, *further: str) -> None:
        """Raise `FatalValueError` now, and not after the first trial, unless the objective will be reported."""
        require_reported(self._required(), [*self.training.reported(data), "parameters", *further])

    def judge_parts(
        self,
        folder: Path,
        parts: list[SearchData],
        judge: Callable[[SearchData, Path], dict[str, float]],
        objective: keras_tuner.Objective,
    ) -> dict[str, float]:
        """What `judge` says of the data; with folds the means over them, and the best network is kept in `folder`."""
        if self.folds is None:
            return judge(parts[0], folder)
        folders = [folder / f"fold_{index}" for index in range(self.folds)]
        results = [judge(part, own) for part, own in zip(parts, folders, strict=True)]
        best = max(range(self.folds), key=lambda index: signed(objective, results[index][objective.name]))
        for name in (MODEL, GENOTYPE):
            with storage.atomic_path(folder / name) as temporary:
                shutil.copyfile(folders[best] / name, temporary)
        metrics = {name: float(np.mean([one[name] for one in results])) for name in results[0]}
        storage.write_json(folder / RESULT, {"metrics": metrics, "folds": results, "best_fold": best})
        return metrics

    # Warm start --------------------------------------------------------------------------------------
    def warm(self, search: Any) -> str | None:
        """Put the initialisation under `search`; returns what was taken over, which is also said once.

        Raises:
            FatalValueError: if it does not fit; says what differs.
        """
        if self.initializer is None:
            return None
        try:
            said = warm_start(search, self.initializer)
        except ValueError as error:
            raise FatalValueError(f"The search cannot start from `initializer`. {error}") from error
        if said not in self.warm_starts:
            self.warm_starts.append(said)
            self.progress.say(f"Warm start: {said}.")
        return said

    # Progress ----------------------------------------------------------------------------------------
    def in_words(self, trial: Trial) -> str:
        """What a trial is, in a line."""
        raise NotImplementedError

    def on_trial_begin(self, trial: Trial) -> None:
        self._began = time.perf_counter()
        self.save()  # so that a kill in the first trial leaves one that can be gone on with

    def on_trial_end(self, trial: Trial) -> None:
        message = trial.message
        super().on_trial_end(trial)
        ended = self.oracle.get_trial(trial.trial_id)
        best = self.oracle.get_best_trials(1)
        failed = ended.status != TrialStatus.COMPLETED
        what = self.in_words(trial)
        if failed:
            lines = (ended.message or message or "").strip().splitlines()
            self._failure = lines[-1] if lines else "no message"
            what = f"failed: {self._failure}"
        score = None if failed else ended.score
        self.show(trial, what, score, best[0].score if best else None, time.perf_counter() - self._began)

    def on_search_end(self) -> None:
        super().on_search_end()
        if not self.oracle.get_best_trials(1):
            warnings.warn(
                f"No trial was completed, so that there is no model and no genotype. Why the last one failed: "
                f"{self._failure or 'it was in an earlier run'}",
                stacklevel=3,
            )

    def show(self, trial: Trial, what: str, score: float | None, best: float | None, seconds: float) -> None:
        """Show the row of a trial that ended."""
        self.progress.row(str(int(trial.trial_id) + 1), what, score, best, seconds)

    # The best ----------------------------------------------------------------------------------------
    def result(self, trial: Trial | str) -> dict[str, Any] | None:
        """What a finished trial's network came to, or None."""
        path = self.trial_folder(trial) / RESULT
        return json_files.read(path) if path.exists() else None

    def load_model(self, trial: Trial) -> keras.Model:
        """The trained network of a trial: a plain Keras model with its weights, compiled as it was."""
        return keras.models.load_model(self.trial_folder(trial) / MODEL)

    def save_model(self, trial_id: str, model: keras.Model, step: int = 0) -> None:
        with storage.atomic_path(self.trial_folder(trial_id) / MODEL) as temporary:
            model.save(temporary)

    def best_trials(self, number: int) -> list[Trial]:
        """The trials whose networks are the best, the best first."""
        return [
            trial
            for trial in self.oracle.get_best_trials(number)
            if trial.status == TrialStatus.COMPLETED and trial.score is not None
        ]

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """The trained networks of the best trials, the best first: plain Keras models, fewer if there are no more."""
        return [self.load_model(trial) for trial in self.best_trials(num_models)]

    def get_best_genotypes(self, num_genotypes: int = 1) -> list[Genotype]:
        """The genotypes of the best trials, the best first."""
        return [self.genotype(trial) for trial in self.best_trials(num_genotypes)]

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        """The hyperparameters of the best trials, the best first."""
        return [trial.hyperparameters for trial in self.best_trials(num_trials)]

    def genotype(self, trial: Trial) -> Genotype:
        """The genotype of a trial."""
        return Genotype.load(self.trial_folder(trial) / GENOTYPE)

    def results_summary(self, num_trials: int = 10) -> None:
        """Print the best trials, with what their networks came to, and the best genotype."""
        best = self.best_trials(num_trials)
        print(f"{len(best)} best of {len(getattr(self.oracle, 'trials', best))} trials in {self.project_dir}")
        for trial in best:
            result = self.result(trial) or {}
            found = ", ".join(f"{name} {value:.4g}" for name, value in result.get("metrics", {}).items())
            print(
                f"  trial {int(trial.trial_id) + 1}: {self.in_words(trial)}\n    {found or f'score {trial.score:.4f}'}"
            )
        if best:
            print(self.genotype(best[0]))

    # The project -------------------------------------------------------------------------------------
    def identity(self) -> dict[str, Any]:
        """What must be the same for a project to be gone on with, as JSON knows it."""
        space = self.space
        choices = {name: list(options) for name, options in space.choices.items()}
        objectives = list(self._required())
        return {"space": space.name, "choices": choices, "objectives": objectives, "seed": self.seed}

    def get_state(self) -> dict[str, Any]:
        return {"identity": json.loads(json.dumps(self.identity()))}

    def set_state(self, state: dict[str, Any]) -> None:
        own, theirs = self.get_state()["identity"], state.get("identity")
        if theirs is None:
            different = ["it was written by another kind of tuner"]
        else:
            different = [difference(name, theirs.get(name), own[name]) for name in own if theirs.get(name) != own[name]]
        if different:
            raise ValueError(
                f"The project in {self.project_dir} is of another search, which {type(self).__name__} cannot go on "
                f"with: {'; '.join(different)}. Choose another `project_name`, or pass `overwrite=True` to start anew "
                "there."
            )

    def save(self) -> None:
        """Write the project's state, whole or not at all."""
        if not self._is_worker():
            self.oracle.save()
        path, state = Path(self._get_tuner_fname()), self.get_state()
        if not path.exists() or json_files.read(path) != state:
            with disk_of(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                json_files.write(path, state)

    def reload(self) -> None:
        """Go on with the project.

        Raises:
            ValueError: if it is another search's, saying what differs.
        """
        self.set_state(json_files.read(self._get_tuner_fname()) or self.get_state())
        if not self._is_worker():
            self.oracle.reload()
