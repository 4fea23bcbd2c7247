"""NetworkTuner: base of the tuners that end in plain networks: project, best networks, progress, reports."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack, runtime_checkable

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalValueError

from kerasnas import checks
from kerasnas.constraints import Instance
from kerasnas.executors import Executor
from kerasnas.export.classifier import MODEL, write_model
from kerasnas.genotypes import Genotype
from kerasnas.meta import ReptileInitializer, warm_start
from kerasnas.runs.folder import GENOTYPE
from kerasnas.runs.record import RESULT
from kerasnas.spaces import SearchSpace
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from tuners.distributed.distributed_tuner import DistributedTuner
from tuners.oracles.objectives import require_reported
from tuners.persistence import json_files
from tuners.persistence.recovery import require_same_search
from tuners.persistence.seals import seal, whole
from tuners.persistence.trial_files import disk_of
from tuners.tuners.progress import ProgressTable, inside
from tuners.tuners.trial_inputs import Callbacks, SearchData, fresh_callbacks, make_data
from tuners.tuners.trial_networks import TrialNetworks

Initializer = ReptileInitializer | str | os.PathLike | None


class Project(TypedDict, total=False):
    """Place of a tuner's project, by the names of KerasTuner's `BaseTuner`."""

    directory: str | os.PathLike | None
    project_name: str | None
    overwrite: bool


def check_arguments(tuner: type, project: Any) -> None:
    """Raise TypeError, with the nearest right name, if `project` has an argument that `tuner` does not take."""
    known = [name for name in (*inspect.signature(tuner).parameters, *Project.__annotations__) if name != "project"]
    for name in project:
        if name not in Project.__annotations__:
            raise TypeError(f"{tuner.__name__} has no argument `{name}`. {checks.nearest(name, known)}")


@runtime_checkable
class Scoped(Protocol):
    """A distribution strategy, such as a `tf.distribute.Strategy`."""

    def scope(self) -> contextlib.AbstractContextManager:
        """Return a context in which models are built for it."""


def load_initializer(initializer: Initializer) -> ReptileInitializer | None:
    """Return `initializer`, read from its folder if it is a path."""
    if isinstance(initializer, (str, os.PathLike)):
        return ReptileInitializer.load(initializer)
    expected = "a `kerasnas.meta.ReptileInitializer`, or the folder of one"
    return checks.optional(checks.instance, "initializer", initializer, ReptileInitializer, expected)


def warmed(search: Any, initializer: ReptileInitializer | None) -> str | None:
    """Warm-start `search`; return what was used, or None without an initializer. FatalValueError if it does not fit."""
    if initializer is None:
        return None
    try:
        return warm_start(search, initializer)
    except ValueError as error:
        raise FatalValueError(f"The search cannot start from `initializer`. {error}") from error


class NetworkTuner(DistributedTuner):
    """A tuner whose trials have a genotype, and whose best end as trained networks; see `SupernetTuner`."""

    @checks.arguments(
        oracle=keras_tuner.Oracle,
        training=TrainingRecipe,
        seed=checks.seed,
        distribution_strategy=Instance((Scoped,), "a `tf.distribute.Strategy`"),
        report=checks.boolean,
        executor=Executor,
    )
    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        training: TrainingRecipe | None = None,
        seed: int = 0,
        initializer: Initializer = None,
        folds: int | None = None,
        distribution_strategy: Scoped | None = None,
        report: bool = True,
        hypermodel: Any = None,
        executor: Executor | None = None,
        **project: Unpack[Project],
    ):
        check_arguments(type(self), project)
        self.seed = int(seed)
        self.folds = checks.optional(checks.integer, "folds", folds, 2)
        self.distribution_strategy = distribution_strategy
        if executor is not None and not executor.here and (folds is None or distribution_strategy is not None):
            expected = "None without `folds`" if folds is None else "None with a `distribution_strategy`"
            raise ValueError(checks.invalid("executor", expected, executor))
        self.training = NetworkTraining(space, input_shape, num_classes, training)
        self.initializer = load_initializer(initializer)
        self.warm_starts: list[str] = []
        self._failure: str | None = None
        self.progress = ProgressTable(getattr(oracle.objective, "name", "score"), 0)
        self.networks = TrialNetworks(self.training, self.folds, report, self.scope, self.progress.say, executor)
        self._required = getattr(oracle, "required_metrics", lambda: [oracle.objective.name])
        if project.get("directory") is not None:
            project["directory"] = os.fspath(checks.path("directory", project["directory"]))
        checks.optional(checks.name, "project_name", project.get("project_name"))
        checks.boolean("overwrite", project.get("overwrite", False))
        super().__init__(oracle, hypermodel, **project)

    @property
    def space(self) -> SearchSpace:
        """Search space of the tuner."""
        return self.training.space

    def scope(self) -> Any:
        """Return a context in which models are built for the distribution strategy, if there is one."""
        strategy = self.distribution_strategy
        return contextlib.nullcontext() if strategy is None else strategy.scope()

    def trial_folder(self, trial: Trial | str) -> Path:
        """Return the folder of a trial's files."""
        trial_id = trial if isinstance(trial, str) else trial.trial_id
        return Path(self.project_dir, f"trial_{trial_id}")

    def prepare(
        self, data: tuple[Any, Any, Any], split: float | None, callbacks: Callbacks, verbose: int | str
    ) -> tuple[list[SearchData], int]:
        """Check `x`, `y`, `validation_data` and the like; return the parts, and the verbosity inside a trial."""
        shape, classes, task = self.training.input_shape, self.training.num_classes, self.training.recipe.task
        parts = make_data(*data, self.folds, shape, classes, self.seed, split, task)
        quiet = inside(verbose)
        fresh_callbacks(callbacks)  # raises for invalid ones
        self.progress.verbose = verbose
        return parts, quiet

    def require_objective(self, data: SearchData, names: list[str], *further: str) -> None:
        """Raise `FatalValueError` before the first trial unless the objectives will be reported."""
        reported = [f"val_{name}" for name in self.training.reported(data.validation)]
        require_reported(names, [*reported, "parameters", *further])

    def warm(self, search: Any) -> str | None:
        """Warm-start `search`; return what was used, which is also logged once."""
        message = warmed(search, self.initializer)
        self.say_warm_start(message)
        return message

    def say_warm_start(self, message: str | None) -> None:
        """Log what a warm start used, unless that was logged before."""
        if message is not None and message not in self.warm_starts:
            self.warm_starts.append(message)
            self.progress.say(f"Warm start: {message}.")

    def in_words(self, trial: Trial) -> str:
        """Describe a trial in one line."""
        raise NotImplementedError

    def on_trial_begin(self, trial: Trial) -> None:
        self._began = time.perf_counter()
        self.save()  # so that a search killed in its first trial can be resumed

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        ended = self.oracle.get_trial(trial.trial_id)
        best = self.oracle.get_best_trials(1)
        failed = ended.status != TrialStatus.COMPLETED
        what = self.in_words(trial)
        if failed:
            lines = (ended.message or trial.message or "").strip().splitlines()
            self._failure = lines[-1] if lines else "no message"
            what = f"failed: {self._failure}"
        score = None if failed else ended.score
        self.show(trial, what, score, best[0].score if best else None, time.perf_counter() - self._began)

    def on_search_end(self) -> None:
        super().on_search_end()
        if not self.oracle.get_best_trials(1):
            warnings.warn(
                "No trial was completed: there is no model and no genotype. The last one failed with: "
                f"{self._failure or 'an error in an earlier run'}",
                stacklevel=3,
            )

    def show(self, trial: Trial, what: str, score: float | None, best: float | None, seconds: float) -> None:
        """Print the row of a trial that ended."""
        self.progress.row(str(int(trial.trial_id) + 1), what, score, best, seconds)

    def result(self, trial: Trial | str) -> dict[str, Any] | None:
        """Return the result of a finished trial, or None."""
        path = whole(self.trial_folder(trial), RESULT)
        return json_files.read(path) if path.exists() else None

    def load_model(self, trial: Trial) -> keras.Model:
        """Load the trained network of a trial: a plain Keras model with its weights, compiled.

        Raises:
            DamagedFileError: if its file was changed.
        """
        return keras.models.load_model(whole(self.trial_folder(trial), MODEL))

    def save_model(self, trial_id: str, model: keras.Model, step: int = 0) -> None:
        write_model(self.trial_folder(trial_id), model)
        seal(self.trial_folder(trial_id), [MODEL])

    def best_trials(self, number: int) -> list[Trial]:
        """Return the trials with the best networks, the best first."""
        return [trial for trial in self.oracle.get_best_trials(number) if trial.score is not None]

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Load the trained networks of the best trials, the best first: plain Keras models."""
        return [self.load_model(trial) for trial in self.best_trials(num_models)]

    def get_best_genotypes(self, num_genotypes: int = 1) -> list[Genotype]:
        """Return the genotypes of the best trials, the best first."""
        return [self.genotype(trial) for trial in self.best_trials(num_genotypes)]

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        """Return the hyperparameters of the best trials, the best first."""
        return [trial.hyperparameters for trial in self.best_trials(num_trials)]

    def genotype(self, trial: Trial) -> Genotype:
        """Return the genotype of a trial."""
        return Genotype.load(whole(self.trial_folder(trial), GENOTYPE))

    def results_summary(self, num_trials: int = 10) -> None:
        """Print the best trials with their metrics, and the best genotype."""
        best = self.best_trials(num_trials)
        print(f"{len(best)} best of {len(getattr(self.oracle, 'trials', best))} trials in {self.project_dir}")
        for trial in best:
            result = self.result(trial) or {}
            metrics = ", ".join(f"{name} {value:.4g}" for name, value in result.get("metrics", {}).items())
            metrics = metrics or f"score {trial.score:.4f}"
            print(f"  trial {int(trial.trial_id) + 1}: {self.in_words(trial)}\n    {metrics}")
        if best:
            print(self.genotype(best[0]))

    def identity(self) -> dict[str, Any]:
        """Return all that must be the same for a project to be resumed; JSON-serializable."""
        space = self.space
        choices = {name: list(options) for name, options in space.choices.items()}
        objectives = list(self._required())
        return {"space": space.name, "choices": choices, "objectives": objectives, "seed": self.seed}

    def get_state(self) -> dict[str, Any]:
        return {"identity": json.loads(json.dumps(self.identity()))}

    def set_state(self, state: dict[str, Any]) -> None:
        identity, name = self.get_state()["identity"], type(self).__name__
        require_same_search(state.get("identity"), identity, name, "tuner", self.project_dir)

    def save(self) -> None:
        """Write the project's state atomically; FatalRuntimeError when the disk is full."""
        with disk_of(Path(self.project_dir)):
            super().save()
