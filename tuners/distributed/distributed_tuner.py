"""DistributedTuner: KerasTuner's chief and workers, for searches that outlive their processes; and GenotypeTuner."""

from __future__ import annotations

import inspect
import os
import traceback
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalError
from keras_tuner.src.distribute import utils as distribute

from tuners.distributed.leases import LeasedOracle


class DistributedTuner(BaseTuner):
    """What a tuner needs to be run as chief and workers; a class to inherit from before any of KerasTuner's tuners.

    The same program runs in every process, with KerasTuner's environment variables: `KERASTUNER_ORACLE_IP` and
    `KERASTUNER_ORACLE_PORT`, where the chief is, and `KERASTUNER_TUNER_ID`, which contains "chief" for the chief and is
    another one for each worker. All see the same `directory`. Without these variables it is a tuner as any other, and
    a project may be gone on with in either way.

    Any process may be killed. A dead worker's trial is run again by another one after the oracle's `lease`; workers may
    come late, or again; when the chief is started again it goes on, and the workers have waited for it. When all
    trials have ended, all processes leave `search`, and `get_best_models` and the like work in each. An error of the
    oracle, or one that KerasTuner calls fatal, ends the search in all of them, with its traceback. Only the chief
    heeds `overwrite`; leave that out where the chief may be started again.

    Args: as for the tuner that comes after it.

    Raises:
        TypeError: if there is a chief, and the oracle is none of this package.
    """

    oracle: Any  # a client of the chief's on a worker

    def __init__(self, *args: Any, **kwargs: Any):
        bound = inspect.signature(super().__init__).bind(*args, **kwargs)
        anew = bool({**bound.arguments, **kwargs}.get("overwrite", False))
        if anew and self._is_worker():
            if "overwrite" in kwargs:
                kwargs["overwrite"] = False
            else:
                bound.arguments["overwrite"] = False
                args, kwargs = bound.args, bound.kwargs
        super().__init__(*args, **kwargs)
        oracle = self.oracle._oracle if self._is_worker() else self.oracle
        if distribute.has_chief_oracle() and not isinstance(oracle, LeasedOracle):
            raise TypeError(
                "Invalid value received for argument `oracle`. With chief and workers expected one of this package, "
                "such as `PredictorOracle` or `RandomOracle`: others lose the trials of dead workers. "
                f"Received: {oracle!r}"
            )
        if self._is_worker():
            from tuners.distributed.worker import WorkerOracle

            client = WorkerOracle(oracle, self.tuner_id, self.project_dir, anew)
            client.multi_worker, client.should_report = self.oracle.multi_worker, self.oracle.should_report
            self.oracle = client

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Search: a chief serves the oracle until all is done, anyone else runs trials."""
        if not distribute.is_chief_oracle():
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
        # One name for the chief and for a search without one: each goes on with what the other began.
        return super()._get_tuner_fname() if self._is_worker() else os.path.join(self.project_dir, "tuner0.json")


class GenotypeTuner(DistributedTuner, keras_tuner.Tuner):
    """`keras_tuner.Tuner`, which trains what a hypermodel builds, as chief and workers that may be killed.

    Args: as for `keras_tuner.Tuner`.

    Example:

    >>> import tempfile
    >>> import tuners
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space()
    >>> oracle = tuners.PredictorOracle(space, objective="val_accuracy", max_trials=20)
    >>> hypermodel = tuners.GenotypeHyperModel(space, input_shape=(8, 8, 1), num_classes=2)
    >>> tuner = GenotypeTuner(oracle, hypermodel, directory=tempfile.mkdtemp())
    >>> tuner.remaining_trials
    20
    """
