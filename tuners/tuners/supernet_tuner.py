"""SupernetTuner: differentiable searches as trials, judged by the networks that they find."""

from __future__ import annotations

import copy
import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalError, FatalTypeError

from kerasnas import storage
from kerasnas.backend.memory import forget_gradients
from kerasnas.callbacks import NonFiniteError, SearchCheckpoint
from kerasnas.genotypes import Genotype
from kerasnas.trainers import BilevelTrainer
from tuners.hypermodels.checked_hypermodel import require_compiled
from tuners.hypermodels.supernet_hypermodel import SupernetHyperModel
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.random_oracle import RandomOracle
from tuners.persistence.trial_files import clear, disk_of, keep_plan, release
from tuners.tuners.derived_training import Callbacks, DerivedTraining, SearchData, fresh_callbacks, make_data
from tuners.tuners.network_tuner import GENOTYPE, RESULT, Initializer, NetworkTuner
from tuners.tuners.progress import in_words

FOUND = "found.json"


class SupernetTuner(NetworkTuner):
    """A trial is one differentiable search: search, derive, train the derived network from scratch, judge it.

    Each trial has hyperparameters and a seed of its own: with a hypermodel that leaves nothing to tune, the trials are
    the same search with different seeds, of which the best is kept, as in DARTS. A killed search goes on inside its
    trial, from the last epoch, when the same program is started again.

    Args:
        hypermodel: a `SupernetHyperModel`.
        objective: what the derived network reports: `"val_accuracy"`, `"val_loss"`, `"parameters"`, or a metric of
            `retrain_compile`; also `"search_val_loss"` and `"search_val_accuracy"` of the supernet. Defaults to
            `"val_accuracy"`.
        max_trials: Defaults to 4.
        seed: seed of everything. Defaults to 0.
        initializer: a `ReptileInitializer` or its folder, that the supernet of each trial starts from. Defaults to
            None.
        retrain_epochs: epochs of the training from scratch. Defaults to 10.
        retrain_batch_size: Defaults to 64.
        retrain_compile: function that compiles the derived network. Defaults to None: see `DerivedTraining`.
        retrain_options: further arguments of the space's `build_network`: `filters`, `num_cells`, `drop_path`.
            Defaults to None.
        folds: number of parts for cross-validation: a trial then is so many searches, each on all parts but one and
            judged on that one; it reports their means, and keeps the network of the best. Defaults to None.
        distribution_strategy: a `tf.distribute.Strategy` for both trainings. Defaults to None.
        oracle: any oracle for the hyperparameters; its objective, trials and seed then count. Defaults to None: a
            `RandomOracle`.
        directory, project_name, overwrite: as for KerasTuner's tuners.

    Raises:
        TypeError: if `hypermodel` is no `SupernetHyperModel`.
        ValueError: for arguments out of their range, and for a project of another search.

    Example:

    >>> import tempfile
    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    >>> hypermodel = SupernetHyperModel(space, input_shape=(8, 8, 1), num_classes=2, filters=[2, 4])
    >>> tuner = SupernetTuner(hypermodel, max_trials=3, directory=tempfile.mkdtemp())
    >>> tuner.remaining_trials
    3

    `tuner.search(x, y, validation_data=(x_val, y_val), epochs=20)` searches; `tuner.get_best_models()` then has the
    trained network of the best trial.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    """

    def __init__(
        self,
        hypermodel: SupernetHyperModel,
        objective: ObjectiveLike = "val_accuracy",
        max_trials: int = 4,
        seed: int = 0,
        initializer: Initializer = None,
        retrain_epochs: int = 10,
        retrain_batch_size: int = 64,
        retrain_compile: Callable[[keras.Model], None] | None = None,
        retrain_options: dict[str, Any] | None = None,
        folds: int | None = None,
        distribution_strategy: Any = None,
        oracle: keras_tuner.Oracle | None = None,
        directory: str | os.PathLike | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
    ):
        if not isinstance(hypermodel, SupernetHyperModel):
            raise TypeError(
                "Invalid value received for argument `hypermodel`. Expected a `SupernetHyperModel`, whose `build` "
                f"makes a search. Received: {hypermodel!r}. For discrete networks there is `GenotypeHyperModel`."
            )
        training = DerivedTraining(
            hypermodel.space,
            hypermodel.input_shape,
            hypermodel.num_classes,
            retrain_epochs,
            retrain_batch_size,
            retrain_compile,
            retrain_options,
        )
        if oracle is None:
            oracle = RandomOracle(objective, max_trials, seed)
        super().__init__(
            oracle,
            training,
            seed,
            initializer,
            folds,
            distribution_strategy,
            hypermodel,
            directory,
            project_name,
            overwrite,
        )

    def _populate_initial_space(self) -> None:
        # Building supernets to find out what they declare would take longer than the first trial.
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    def identity(self) -> dict[str, Any]:
        hp = keras_tuner.HyperParameters()
        self.hypermodel.declare_hyperparameters(hp)
        return {**super().identity(), "hyperparameters": {one.name: one.get_config() for one in hp.space}}

    def in_words(self, trial: Trial) -> str:
        return in_words(trial.hyperparameters.values)

    def search(
        self,
        x: Any,
        y: Any,
        validation_data: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        validation_split: float = 0.5,
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int = 1,
    ) -> None:
        """Run the trials that remain.

        Args:
            x: images `(n, height, width, channels)`. In the search a part of them moves the weights and the other the
                alphas; the derived network is trained on all.
            y: class numbers `(n,)`.
            validation_data: `(x, y)` that judge the derived networks, and that nothing is trained on; None with
                `folds`.
            epochs: of a search. Defaults to 20, unless the hypermodel or the oracle says.
            batch_size: of a search. Defaults to 64, unless the hypermodel says.
            validation_split: the share that moves the alphas. Defaults to 0.5.
            augment: `(batch, rng) -> batch` for the training images of both.
            callbacks: Keras callbacks, copied for each search and each training; or a function that makes them, for
                those that cannot be copied. A trial that is resumed begins with fresh ones.
            verbose: 0 is silent, 1 shows a row for each trial, 2 Keras' lines for each epoch as well. Defaults to 1.

        Raises:
            ValueError: for data that cannot be searched on, and for an objective that nothing reports.
        """
        parts = make_data(
            x, y, validation_data, self.folds, self.training.input_shape, self.training.num_classes, self.seed
        )
        fresh_callbacks(callbacks)  # raises where they are wrong
        self.require_objective(parts[0], "search_val_loss", "search_val_accuracy")
        self.progress.verbose = verbose
        given = {name: value for name, value in (("epochs", epochs), ("batch_size", batch_size)) if value is not None}
        fit = {"validation_split": validation_split, "augment": augment, "verbose": 2 * (verbose > 1)}
        super().search(parts, given, fit, callbacks, verbose=0)

    def run_trial(
        self, trial: Trial, parts: list[SearchData], given: dict, fit: dict, callbacks: Callbacks, verbose: int = 0
    ) -> dict[str, float]:
        """Search, derive, train and judge; once for each part of the data."""
        hp, folder = trial.hyperparameters, self.trial_folder(trial)
        times = {"epochs": 20, "batch_size": 64, **self.hypermodel.fit_arguments(hp, given)}
        plan = {
            **times,
            "values": dict(hp.values),
            "validation_split": fit["validation_split"],
            "folds": self.folds,
            "data": [part.fingerprint() for part in parts],
            "training": self.training.settings(),
        }
        seed = self.seed + 1000 * int(trial.trial_id)
        judge = partial(self._judged, hp, seed=seed, fit={**fit, **times}, callbacks=callbacks)
        try:
            with disk_of(folder), forget_gradients():
                if keep_plan(folder, plan):
                    self.progress.say(f"Trial {trial.trial_id} begins anew: its data or settings have changed.")
                return self.judge_parts(folder, parts, judge, self.oracle.objective)
        except NonFiniteError as error:
            self.progress.say(f"Trial {trial.trial_id}: {error}")
            clear(folder)
            return dict.fromkeys(self._required(), float("nan"))
        except FatalError:
            raise
        except Exception:
            clear(folder)  # so that a second run begins anew
            raise

    def _judged(
        self, hp: Any, data: SearchData, folder: Path, seed: int, fit: dict[str, Any], callbacks: Callbacks
    ) -> dict[str, float]:
        """What the network found on `data` comes to; whatever `folder` holds of it is not done again."""
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RESULT).exists():
            return json.loads((folder / RESULT).read_text(encoding="utf-8"))["metrics"]
        start = time.perf_counter()
        if not (folder / FOUND).exists():
            self._search(hp, data, folder, seed, fit, callbacks)
        release()
        found = json.loads((folder / FOUND).read_text(encoding="utf-8"))
        genotype = Genotype.load(folder / GENOTYPE)
        metrics = self.training.run(
            genotype, data, folder, seed, fit["augment"], callbacks, fit["verbose"], self.scope()
        )
        metrics |= {name: found[name] for name in ("search_val_loss", "search_val_accuracy") if name in found}
        storage.write_json(
            folder / RESULT,
            {"metrics": metrics, "warm_start": found["warm_start"], "seconds": time.perf_counter() - start},
        )
        for name in ("search", "retrain"):
            shutil.rmtree(folder / name, ignore_errors=True)
        return metrics

    def _search(
        self, hp: Any, data: SearchData, folder: Path, seed: int, fit: dict[str, Any], callbacks: Callbacks
    ) -> None:
        """Search from the last checkpoint on, and write down what was found."""
        hypermodel = copy.copy(self.hypermodel)
        hypermodel.supernet_options = {"seed": seed, **hypermodel.supernet_options}
        name = f"{type(hypermodel).__name__}.build"
        with self.scope():
            search = require_compiled(hypermodel.build(hp), name)
        if not isinstance(search, BilevelTrainer):
            raise FatalTypeError(f"{name} returned {type(search).__name__}. Expected a `kerasnas.BilevelTrainer`.")
        said = self.warm(search)
        checkpoint = SearchCheckpoint(folder / "search", keep=1)
        epoch = checkpoint.restore(search)
        if epoch < fit["epochs"]:
            own = [*fresh_callbacks(callbacks), checkpoint]
            search.fit(data.x, data.y, initial_epoch=epoch, callbacks=own, seed=seed, **fit)
        search.derive().save(folder / GENOTYPE)
        last = {f"search_{name}": values[-1] for name, values in checkpoint.history.items()}
        storage.write_json(folder / FOUND, {**last, "warm_start": said, "history": checkpoint.history})
