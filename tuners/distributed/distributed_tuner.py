"""DistributedTuner: KerasTuner's chief and workers, for searches that outlive their processes; and GenotypeTuner."""

from __future__ import annotations

import inspect
import os
import traceback
import warnings
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalError

from kerasnas import checks
from kerasnas.backend.memory import forget_gradients
from kerasnas.files import leftovers
from tuners.distributed.environment import check_environment, is_chief, is_distributed
from tuners.keras_tuner_internals import oracle_behind
from tuners.oracles.named import PredictorOracle, divided
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.project_oracle import ProjectOracle
from tuners.persistence import json_files, seals
from tuners.persistence.trial_store import TrialStore

_STATE = "tuner0.json"  # KerasTuner's name for the state of a tuner that is alone


class DistributedTuner(BaseTuner):
    """A tuner that can be run as chief and workers; a class to inherit from before any of KerasTuner's tuners.

    The same program runs in every process, with KerasTuner's environment variables: `KERASTUNER_ORACLE_IP` and
    `KERASTUNER_ORACLE_PORT`, the chief's address, and `KERASTUNER_TUNER_ID`, which contains "chief" for the chief and
    is unique for each worker. All use the same `directory`, where the chief creates a certificate, with the extra
    `kerasnas[distributed]`: it and its workers use TLS, and nobody else can take part, see SECURITY.md. Without these
    variables it is an ordinary tuner, and a project may be resumed either way.

    Any process may be killed. A dead worker's trial is run again by another one after the oracle's `lease`; workers may
    come late, or again; workers wait for a chief that is restarted, which resumes. When all trials have ended, all
    processes leave `search`, and `get_best_models` and the like work in each. An error of the oracle, or one that
    KerasTuner calls fatal, ends the search in all of them, with its traceback. Only the chief applies `overwrite`;
    leave it out where the chief may be restarted.

    The tuner's state is written atomically. A project whose state is damaged or missing is resumed from the previous
    version, or from its oracle's files.

    Args: as for the tuner that comes after it.

    Raises:
        TypeError: if there is a chief, and the oracle is not one of this package.
        ValueError: for an invalid environment variable, with its name and value.
    """

    oracle: Any  # a client of the chief's on a worker

    def __init__(self, *args: Any, **kwargs: Any):
        check_environment()
        bound = inspect.signature(super().__init__).bind(*args, **kwargs)
        given = {**bound.arguments, **kwargs}
        overwrite = bool(given.get("overwrite", False))
        if overwrite and self._is_worker():
            if "overwrite" in kwargs:
                kwargs["overwrite"] = False
            else:
                bound.arguments["overwrite"] = False
                args, kwargs = bound.args, bound.kwargs
        if not overwrite and not self._is_worker():
            folder = Path(given.get("directory") or ".", given.get("project_name") or "untitled_project")
            leftovers.remove(folder)
            _restore_state(folder)
        super().__init__(*args, **kwargs)
        oracle = oracle_behind(self.oracle)
        if is_distributed():
            expected = "one of this package with chief and workers, such as `PredictorOracle` or `RandomOracle`, as "
            expected += "others lose the trials of dead workers"
            checks.instance("oracle", oracle, ProjectOracle, expected)
        if self._is_worker():
            from tuners.distributed.worker import WorkerOracle

            client = WorkerOracle(oracle, self.tuner_id, self.project_dir, overwrite)
            client.multi_worker, client.should_report = self.oracle.multi_worker, self.oracle.should_report
            self.oracle = client

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Search: a chief serves the oracle until all is done, anyone else runs trials."""
        if not is_chief():
            return super().search(*args, **kwargs)
        from tuners.distributed.chief import serve

        self.oracle.verbose = kwargs.get("verbose", self.oracle.verbose)
        self.save()
        return serve(self.oracle, self.project_dir)

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        try:
            super()._try_run_and_update_trial(trial, *args, **kwargs)
        except FatalError:
            if self._is_worker():
                trial.status, trial.message = TrialStatus.FAILED, traceback.format_exc()
                self.oracle.end_trial(trial, fatal=True)
            raise

    def _get_tuner_fname(self) -> str:
        # One name for the chief and for a search without one: each resumes the other's.
        return super()._get_tuner_fname() if self._is_worker() else os.path.join(self.project_dir, _STATE)

    def save(self) -> None:
        """Write the project's state atomically."""
        if not self._is_worker():
            self.oracle.save()
        path, state = Path(self._get_tuner_fname()), self.get_state()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or json_files.read(path) != state:
            json_files.write(path, state)
        if not json_files.previous(path).exists():
            json_files.write(path, state)  # so that a state that never changes has a previous version as well

    def reload(self) -> None:
        """Resume the project: the tuner's state first, which identifies it."""
        self.set_state(json_files.read(self._get_tuner_fname()) or self.get_state())
        if not self._is_worker():
            self.oracle.reload()


def _restore_state(folder: Path) -> None:
    """Write the tuner's state again if it is missing next to a search, which KerasTuner would overwrite."""
    path = folder / _STATE
    if path.exists() or not (json_files.previous(path).exists() or TrialStore(folder).holds_search()):
        return
    state = json_files.read(path)
    if state is None:
        warnings.warn(
            f"{path} is missing, and there is no good version before it. It is written again, and the trials next to "
            "it are kept.",
            stacklevel=3,
        )
    json_files.write(path, state or {})


class GenotypeTuner(DistributedTuner, keras_tuner.Tuner):
    """`keras_tuner.Tuner`, which trains what a hypermodel builds, as chief and workers that may be killed.

    Args:
        hypermodel: as for `keras_tuner.Tuner`.
        objective: as for `PredictorOracle`. Defaults to None: `HyperModel.fit` returns one number, which is minimized.
        max_trials: maximum number of trials. Defaults to None: 20.
        seed: seed of the search. Defaults to None: 0.
        oracle: any oracle, in place of objective, trials and seed. Defaults to None: a `PredictorOracle` of the
            hypermodel's space, or of the hyperparameters of a `build(hp)`.
        kwargs: as for `keras_tuner.Tuner`, and for the oracle that is made, such as `max_retries_per_trial`.

    Raises:
        ValueError: for an oracle together with arguments of the one that would be made.
        TypeError: for an oracle as the hypermodel.

    Example:

    >>> import tempfile
    >>> import tuners
    >>> from kerasnas.spaces import NASBench201Space
    >>> hypermodel = tuners.GenotypeHyperModel(NASBench201Space(), input_shape=(8, 8, 1), num_classes=2)
    >>> tuner = GenotypeTuner(hypermodel, objective="val_accuracy", max_trials=30, directory=tempfile.mkdtemp())
    >>> type(tuner.oracle).__name__, tuner.remaining_trials
    ('PredictorOracle', 30)
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: ObjectiveLike | None = None,
        max_trials: int | None = None,
        seed: int | None = None,
        oracle: keras_tuner.Oracle | None = None,
        **kwargs: Any,
    ):
        if isinstance(hypermodel, keras_tuner.Oracle):
            raise TypeError(checks.invalid("hypermodel", "what builds models; an oracle is `oracle=`", hypermodel))
        options, own = divided(kwargs)
        own |= {"objective": objective, "max_trials": max_trials, "seed": seed}
        given = {name: value for name, value in own.items() if value is not None}
        if oracle is None:
            oracle = PredictorOracle(getattr(hypermodel, "space", None), **{"max_trials": 20, **given})
        elif given:
            raise ValueError(checks.invalid("oracle", f"None with {', '.join(map('`{}`'.format, given))}", oracle))
        super().__init__(oracle=oracle, hypermodel=hypermodel, **options)

    def on_trial_end(self, trial: Trial) -> None:
        folder = Path(self.get_trial_dir(trial.trial_id))
        files = [path.name for path in folder.glob("*") if path.is_file() and not path.name.startswith(("trial", "."))]
        try:
            seals.seal(folder, [name for name in files if name != seals.NAME])
        except OSError as error:  # a full disk: the search continues
            warnings.warn(
                f"{folder} could not be sealed ({error}): damage to its files will go unnoticed.", stacklevel=2
            )
        super().on_trial_end(trial)

    def load_model(self, trial: Trial) -> Any:
        """Load the trained model of a trial; raises `DamagedFileError` if one of its files was changed."""
        folder = self.get_trial_dir(trial.trial_id)
        for name in seals.sealed_names(folder):
            seals.whole(folder, name)
        return super().load_model(trial)

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Build and train the trial's network as KerasTuner does; it leaves nothing in memory."""
        with forget_gradients():
            return super().run_trial(trial, *args, **kwargs)
