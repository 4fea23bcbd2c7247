"""Networks of a tuner's trials: trained from scratch, cross-validated, reported; each stage once, resumable."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.annotations import Log
from kerasnas.backend.memory import forget_gradients
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.export.classifier import MODEL, write_model
from kerasnas.files import storage
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype
from kerasnas.runs.folder import GENOTYPE
from kerasnas.runs.record import RESULT, make_record, write_record
from kerasnas.training.network_training import NetworkTraining
from tuners.persistence.seals import seal, whole
from tuners.persistence.trial_files import release
from tuners.tuners.trial_inputs import Callbacks, SearchData, fresh_callbacks

TRAINED, FOUND = "searched", "search"  # the stages of a trial


def stage_name(stage: str) -> str:
    """Return the path of a stage's record in the folder of its trial."""
    return f"stages/{stage}.json"


def signed(objective: keras_tuner.Objective, value: float) -> float:
    """Return `value` of an objective so that higher is better."""
    value = value if objective.direction == "max" else -value
    return value if math.isfinite(value) else -math.inf


def silent(line: Any) -> None:
    """Log nothing: the logger of a worker."""


def _evaluate(evaluate: Callable[..., dict[str, float]], fold: tuple[SearchData, Path]) -> dict[str, float]:
    """Evaluate on a fold, here or in a worker; its networks leave no memory."""
    data, folder = fold
    with forget_gradients():
        return evaluate(data=data, stages=Stages(folder))


class TrialNetworks:
    """Training and evaluation of the discrete networks of trials, by the stages of `kerasnas.training`.

    `scope` returns a context in which networks are built; `say` is called with a line where a training resumes. Workers
    of the `executor` must see the folder of the trial, where each fold leaves its network and its checkpoints.
    """

    def __init__(
        self,
        training: NetworkTraining,
        folds: int | None,
        report: bool,
        scope: Callable[[], contextlib.AbstractContextManager],
        say: Log,
        executor: Executor | None = None,
    ):
        self.training, self.folds, self.report, self.scope, self.say = training, folds, report, scope, say
        self.executor = Local() if executor is None else executor

    def __getstate__(self) -> dict[str, Any]:
        """For a worker: silent, and on its own devices."""
        return {**vars(self), "scope": contextlib.nullcontext, "say": silent, "executor": None}

    def train(
        self,
        stages: Stages,
        genotype: Genotype,
        data: SearchData,
        seed: int,
        augment: Callable | None,
        callbacks: Callbacks,
        verbose: int,
    ) -> dict[str, float]:
        """Train the network of `genotype` as far as `stages` lack it; return its metrics on the validation data."""
        genotype.save(stages.path / GENOTYPE)
        release()
        whole(stages.path, stage_name(TRAINED))
        record = self.training.run(
            stages,
            TRAINED,
            genotype,
            data.training,
            data.validation,
            seed,
            evaluated_on="val",
            validate=True,
            keep_model=partial(write_model, stages.path),
            augment=augment,
            callbacks=partial(fresh_callbacks, callbacks),
            verbose=verbose,
            scope=self.scope(),
            keep=1,
            log=self.say,
        )
        seal(stages.path, [stage_name(TRAINED), MODEL, GENOTYPE])
        return {name: float(value) for name, value in record.items() if name.startswith("val_") or name == "parameters"}

    def evaluate(
        self,
        folder: Path,
        parts: list[SearchData],
        evaluate: Callable[..., dict[str, float]],
        objective: keras_tuner.Objective,
        settings: dict[str, Any],
    ) -> dict[str, float]:
        """Return the metrics of `evaluate`; with folds their means, and the best network is kept in `folder`.

        Writes the result of the trial, with its report.

        Raises:
            FileNotFoundError: if workers left their networks where this process does not see them.
        """
        best, folders = 0, [folder]
        if self.folds is not None:
            folders = [folder / f"fold_{index}" for index in range(self.folds)]
        for path in folders:
            path.mkdir(parents=True, exist_ok=True)
        results = self.executor.map(_evaluate, list(zip(parts, folders, strict=True)), evaluate)
        if missing := [str(own) for own in folders if not (own / GENOTYPE).exists()]:
            raise FileNotFoundError(
                f"Workers evaluated the folds and left nothing in {missing[0]}. Expected workers that see the folder "
                "of the project: processes of this machine, or nodes that share it."
            )
        extra: dict[str, Any] = {}
        if self.folds is not None:
            best = max(range(self.folds), key=lambda index: signed(objective, results[index][objective.name]))
            for name in (MODEL, GENOTYPE):
                with storage.atomic_path(folder / name) as temporary:
                    shutil.copyfile(folders[best] / name, temporary)
            extra = {"folds": results, "best_fold": best}
        metrics = {name: float(np.mean([one[name] for one in results])) for name in results[0]}
        self._write_result(folder, Stages(folders[best]), parts[best], settings, {"metrics": metrics, **extra})
        seal(folder, [MODEL, GENOTYPE, RESULT])
        return metrics

    def _write_result(
        self, folder: Path, stages: Stages, data: SearchData, settings: dict[str, Any], extra: dict[str, Any]
    ) -> None:
        """Write the result of a trial: the record of its best network's stages, and `extra`."""
        search, trained = stages.stage(FOUND), stages.stage(TRAINED)
        dataset = {
            "train_examples": len(data.x),
            "validation_examples": len(data.x_val),
            "input_shape": list(self.training.input_shape),
        }
        seconds = sum(one["seconds"] for one in (search, trained) if one)
        record = {
            **make_record(stages, trained or {}, search, (), dataset, settings, evaluated_on="val"),
            **extra,
            "seconds": seconds,
            "warm_start": (search or {}).get("warm_start"),
        }
        if self.report:
            write_record(folder, record, search)
        else:
            storage.write_json(folder / RESULT, dict(record))
