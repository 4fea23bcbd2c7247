"""OneShotTuner: shared weights trained once, thousands of children judged with them, the best trained from scratch."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalValueError

from kerasnas import checks, storage
from kerasnas.backend.memory import forget_gradients
from kerasnas.callbacks import NonFiniteError
from kerasnas.datasets import stratified_split
from kerasnas.genotypes import Genotype
from kerasnas.meta import warm_start
from kerasnas.spaces import SearchSpace
from kerasnas.strategies import SearchStrategy
from kerasnas.trainers import ENASTrainer
from tuners.distributed.environment import is_distributed
from tuners.oracles.named import EvolutionOracle
from tuners.oracles.objectives import as_objectives, require_reported
from tuners.oracles.strategy_oracle import StrategyOracle
from tuners.persistence.trial_files import disk_of, keep_plan, release
from tuners.tuners.derived_training import Callbacks, DerivedTraining, SearchData, fresh_callbacks, make_data
from tuners.tuners.network_tuner import GENOTYPE, RESULT, Initializer, NetworkTuner, signed
from tuners.tuners.progress import primitives_in_words
from tuners.tuners.shared_weights import SharedWeights

_ROWS = 100  # of the children one in so many has a row, and each that is better than all before


class OneShotTuner(NetworkTuner):
    """ENAS as a tuner: one training of shared weights, then trials that take milliseconds, then the best from scratch.

    First an `ENASTrainer` trains the weights that all children share. A trial is one child, judged with the shared
    weights on the half of the data that they are not trained on: thousands of them are affordable. Then the networks
    of the best few trials are trained from scratch and judged on `validation_data`, which orders them anew. A killed
    search goes on where it was, in each of the three phases.

    Args:
        space: a space whose supernet shares weights, such as `ENASMicroSpace`.
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes.
        objective: what the trained networks are compared by: `"val_accuracy"`, `"val_loss"`, or a metric of
            `retrain_compile`. Children are compared by `val_accuracy`. Defaults to `"val_accuracy"`.
        max_trials: number of children. Defaults to 1000.
        retrain_best: how many of them are trained from scratch. Defaults to 3.
        seed: seed of everything. Defaults to 0.
        initializer: a `ReptileInitializer` or its folder, of a supernet or of a controller's parameters or of both, to
            start from. Parameters also go into the oracle's strategy where it has such. Defaults to None.
        controller: strategy with `unique=False` that draws children while the shared weights are trained, such as
            `RandomSearch` for uniform draws. Defaults to None: ENAS' own.
        learning_rate: first one of the shared weights. Defaults to 0.05.
        supernet_options: further arguments of the space's `build_supernet`. Defaults to None.
        compile_options: further arguments of `ENASTrainer.compile`. Defaults to None.
        retrain_epochs, retrain_batch_size, retrain_compile, retrain_options: as for `SupernetTuner`.
        folds: number of parts to cross-validate the networks that are trained from scratch with. Their genotypes have
            then been found with all parts. Defaults to None.
        distribution_strategy: a `tf.distribute.Strategy` for the shared weights and the trainings from scratch.
            Defaults to None.
        oracle: a `StrategyOracle` of the space that chooses the children; its trials and seed then count. Defaults to
            None: an `EvolutionOracle`.
        directory, project_name, overwrite: as for KerasTuner's tuners.

    Raises:
        ValueError: for arguments out of their range, and for a project of another search.
        TypeError: if `oracle` is no `StrategyOracle`.
        RuntimeError: as chief or worker: it runs in one process.

    Example:

    >>> import tempfile
    >>> from kerasnas.spaces import ENASMicroSpace
    >>> space = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1)
    >>> tuner = OneShotTuner(space, (8, 8, 1), num_classes=2, max_trials=500, directory=tempfile.mkdtemp())
    >>> tuner.remaining_trials
    500

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268); Guo et al.,
        "Single Path One-Shot Neural Architecture Search with Uniform Sampling", 2020 (arXiv 1904.00420).
    """

    def __init__(
        self,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        objective: str = "val_accuracy",
        max_trials: int = 1000,
        retrain_best: int = 3,
        seed: int = 0,
        initializer: Initializer = None,
        controller: SearchStrategy | None = None,
        learning_rate: float = 0.05,
        supernet_options: dict[str, Any] | None = None,
        compile_options: dict[str, Any] | None = None,
        retrain_epochs: int = 10,
        retrain_batch_size: int = 64,
        retrain_compile: Callable[[keras.Model], None] | None = None,
        retrain_options: dict[str, Any] | None = None,
        folds: int | None = None,
        distribution_strategy: Any = None,
        oracle: StrategyOracle | None = None,
        directory: str | os.PathLike | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
    ):
        if is_distributed():
            raise RuntimeError(
                "OneShotTuner runs in one process: its trials take milliseconds, with weights that are trained there. "
                "Unset KERASTUNER_ORACLE_IP, and pass `distribution_strategy` to use several devices. For chief and "
                "workers there is `SupernetTuner`."
            )
        if not isinstance(space, SearchSpace):
            raise TypeError(
                f"Invalid value received for argument `space`. Expected a `kerasnas.SearchSpace`. Received: {space!r}"
            )
        self.retrain_best = checks.integer("retrain_best", retrain_best, 1)
        self.objective = as_objectives(objective)[0]
        self.shared_weights = SharedWeights(space, controller, learning_rate, seed, supernet_options, compile_options)
        if oracle is None:
            oracle = EvolutionOracle(space, "val_accuracy", max_trials, seed)
        if not isinstance(oracle, StrategyOracle):
            raise TypeError(
                "Invalid value received for argument `oracle`. Expected a `StrategyOracle`, such as `EvolutionOracle`. "
                f"Received: {oracle!r}"
            )
        if oracle.space.cardinalities != space.cardinalities or oracle.space.name != space.name:
            raise ValueError(
                f"Invalid value received for argument `oracle`. Expected one of the space '{space.name}' with "
                f"{len(space.choices)} choices. Received: one of '{oracle.space.name}' with {len(oracle.space.choices)}"
            )
        names = oracle.required_metrics()
        if names != ["val_accuracy"]:
            raise ValueError(
                "Invalid value received for argument `oracle`. Expected the objective 'val_accuracy', which is all "
                f"that shared weights tell of a child. Received: {names}"
            )
        training = DerivedTraining(
            space, input_shape, num_classes, retrain_epochs, retrain_batch_size, retrain_compile, retrain_options
        )
        self.trainer: ENASTrainer | None = None
        super().__init__(
            oracle, training, seed, initializer, folds, distribution_strategy, None, directory, project_name, overwrite
        )
        parameters = self.initializer is not None and bool(self.initializer.parameters)
        if parameters and not oracle.trials and hasattr(oracle.strategy, "get_parameters"):
            warm_start(oracle.strategy, self.initializer)  # type: ignore[arg-type]

    # The phases --------------------------------------------------------------------------------------
    def search(
        self,
        x: Any,
        y: Any,
        validation_data: Any = None,
        epochs: int = 50,
        batch_size: int = 64,
        validation_split: float = 0.5,
        controller_steps: int | None = None,
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int = 1,
    ) -> None:
        """Train the shared weights, judge the children that remain, train the best from scratch.

        Args:
            x: images `(n, height, width, channels)`: a part trains the shared weights, the other judges the children;
                the best networks are trained on all.
            y: class numbers `(n,)`.
            validation_data: `(x, y)` that judge the networks trained from scratch; None with `folds`.
            epochs: of the shared weights. Defaults to 50.
            batch_size: of the shared weights, and of the children. Defaults to 64.
            validation_split: the share that judges the children. Defaults to 0.5.
            controller_steps, augment: as for `ENASTrainer.fit`.
            callbacks: Keras callbacks, copied for each training; or a function that makes them.
            verbose: 0 is silent, 1 shows a row for each better child, for every hundredth, and for each network
                trained from scratch, 2 Keras' lines for each epoch as well. Defaults to 1.

        Raises:
            ValueError: for data that cannot be searched on, for an objective that nothing reports, and if the
                project's shared weights were trained on other data or in another way.
        """
        checks.integer("epochs", epochs, 1)
        shape, classes = self.training.input_shape, self.training.num_classes
        parts = make_data(x, y, validation_data, self.folds, shape, classes, self.seed)
        fresh_callbacks(callbacks)  # raises where they are wrong
        reported = [*self.training.reported(parts[0]), "parameters"]
        require_reported([self.objective.name], reported)
        self.progress.verbose = verbose
        x, y = np.asarray(x), np.asarray(y)
        _, held_out = stratified_split(y, validation_split, self.seed)
        fit = {
            "epochs": epochs,
            "batch_size": batch_size,
            "validation_split": validation_split,
            "controller_steps": controller_steps,
        }
        folder = Path(self.project_dir)
        with disk_of(folder):
            self.save()
            self.trainer = self.shared_weights.run(
                SearchData(x, y, x[held_out], y[held_out]),
                shape,
                classes,
                folder / "supernet",
                fit,
                self.warm,
                self.progress.say,
                augment,
                callbacks,
                2 * (verbose > 1),
                self.scope(),
            )
        super().search(x[held_out], y[held_out], batch_size, verbose=0)
        with disk_of(folder):
            self._train_best(parts, augment, callbacks, 2 * (verbose > 1))

    def run_trial(self, trial: Trial, x: Any, y: Any, batch_size: int, verbose: int = 0) -> dict[str, float]:
        """Judge one child with the shared weights."""
        if self.trainer is None:
            raise FatalValueError("There are no shared weights yet: call `search`.")
        genotype = self.genotype(trial)
        return {"val_accuracy": float(self.trainer.evaluate_children([genotype], x, y, batch_size)[0])}

    def _train_best(
        self, parts: list[SearchData], augment: Callable | None, callbacks: Callbacks, verbose: int
    ) -> None:
        for rank, trial in enumerate(self.oracle.get_best_trials(self.retrain_best), start=1):
            start, folder = time.perf_counter(), self.trial_folder(trial)
            sums = [part.fingerprint() for part in parts]
            plan = {"data": sums, "training": self.training.settings(), "folds": self.folds}
            keep_plan(folder, plan)
            if (folder / RESULT).exists():
                continue
            train = partial(self._trained, self.genotype(trial), augment=augment, callbacks=callbacks, verbose=verbose)
            try:
                with forget_gradients():
                    metrics = self.judge_parts(folder, parts, train, self.objective)
            except NonFiniteError as error:
                self.progress.say(f"Trial {trial.trial_id}: {error}")
                continue
            best = (self.result(self.trained_trials()[0]) or {})["metrics"][self.objective.name]
            what = f"from scratch, {int(metrics['parameters']):,} parameters"
            self.progress.row(f"#{rank}", what, metrics[self.objective.name], best, time.perf_counter() - start)

    def _trained(
        self, genotype: Genotype, data: SearchData, folder: Path, augment: Any, callbacks: Callbacks, verbose: int
    ) -> dict[str, float]:
        """What the network of `genotype` comes to; whatever `folder` holds of it is not done again."""
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RESULT).exists():
            return json.loads((folder / RESULT).read_text(encoding="utf-8"))["metrics"]
        genotype.save(folder / GENOTYPE)
        start = time.perf_counter()
        release()
        metrics = self.training.run(genotype, data, folder, self.seed, augment, callbacks, verbose, self.scope())
        storage.write_json(folder / RESULT, {"metrics": metrics, "seconds": time.perf_counter() - start})
        shutil.rmtree(folder / "retrain", ignore_errors=True)
        return metrics

    # The best ----------------------------------------------------------------------------------------
    def trained_trials(self) -> list[Trial]:
        """The trials whose networks were trained from scratch, the best first."""
        scored = []
        for path in sorted(Path(self.project_dir).glob(f"trial_*/{RESULT}")):
            trial = self.oracle.get_trial(path.parent.name.removeprefix("trial_"))
            metrics = (self.result(trial) or {})["metrics"]
            scored.append((signed(self.objective, metrics[self.objective.name]), trial))
        return [trial for _, trial in sorted(scored, key=lambda pair: -pair[0])]

    def best_trials(self, number: int) -> list[Trial]:
        """Those of the trained networks, the best first; after them those of the best other children."""
        trained = self.trained_trials()
        names = {trial.trial_id for trial in trained}
        others = [trial for trial in self.oracle.get_best_trials(number + len(names)) if trial.trial_id not in names]
        return [*trained, *others][:number]

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """The networks that were trained from scratch, the best first."""
        return [self.load_model(trial) for trial in self.trained_trials()[:num_models]]

    def genotype(self, trial: Trial) -> Genotype:
        values = trial.hyperparameters.values
        return self.space.genotype({name: values[name] for name in self.space.choices})

    def in_words(self, trial: Trial) -> str:
        return primitives_in_words(self.genotype(trial))

    # Progress ----------------------------------------------------------------------------------------
    def on_trial_begin(self, trial: Trial) -> None:
        self._began = time.perf_counter()  # a child takes milliseconds: the oracle's own saving is enough

    def on_trial_end(self, trial: Trial) -> None:
        self._best_before = self.oracle.get_best_trials(1)
        super().on_trial_end(trial)

    def save(self) -> None:
        if not Path(self._get_tuner_fname()).exists():
            super().save()

    def show(self, trial: Trial, what: str, score: float | None, best: float | None, seconds: float) -> None:
        before: Sequence[Trial] = self._best_before
        better = score is not None and (not before or before[0].score is None or score > before[0].score)
        if better or score is None or (int(trial.trial_id) + 1) % _ROWS == 0:
            super().show(trial, what, score, best, seconds)
