"""OneShotTuner: shared weights trained once, thousands of children evaluated with them, the best trained alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np
from keras_tuner import Objective
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalValueError

from kerasnas import checks
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.executors import Executor
from kerasnas.genotypes import Genotype
from kerasnas.meta.initializer import Parametric, warm_start
from kerasnas.modalities.images import unit_pixels
from kerasnas.runs.record import RESULT
from kerasnas.search import ENASTrainer
from kerasnas.spaces import SearchSpace
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.tasks.splits import split_samples
from kerasnas.trainers.data_split import BATCH_SIZE
from kerasnas.training.recipe import TrainingRecipe
from tuners.distributed.environment import is_distributed
from tuners.oracles.named import EvolutionOracle
from tuners.oracles.objectives import ObjectiveLike, as_objectives
from tuners.oracles.strategy_oracle import StrategyOracle
from tuners.persistence import json_files
from tuners.persistence.seals import NAME as SEAL
from tuners.persistence.trial_files import disk_of, keep_plan
from tuners.tuners.network_tuner import Initializer, NetworkTuner, Project, Scoped
from tuners.tuners.progress import primitives_in_words
from tuners.tuners.shared_weights import SharedWeights
from tuners.tuners.trial_inputs import Callbacks, SearchData, arrays_of, is_dataset, logged
from tuners.tuners.trial_networks import signed

_ROWS = 100  # every hundredth child has a row, and each that is better than all before it


class OneShotTuner(NetworkTuner):
    """ENAS as a tuner: one training of shared weights, then trials that take milliseconds, then the best from scratch.

    First an `ENASTrainer` trains the weights that all children share. A trial is one child, evaluated with these
    weights on the half of the data that they are not trained on: thousands of them are affordable. Then the networks
    of the best few trials are trained from scratch and evaluated on `validation_data`, which ranks them again. A
    killed search resumes in each of the three phases.

    Args:
        space: a space whose supernet shares weights, such as `ENASMicroSpace`.
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes.
        objective: a metric that ranks the trained networks: `"val_accuracy"`, `"val_loss"`, or a metric of the
            recipe's `compile`. Children are ranked by `val_accuracy`, or by `val_score` where labels are not classes:
            see `kerasnas.tasks.Task.scores`. Defaults to None: the metric of the task.
        max_trials: number of children. Defaults to 1000.
        retrain_best: number of them that are trained from scratch. Defaults to 3.
        seed: seed of everything. Defaults to 0.
        training: `TrainingRecipe` of the trainings from scratch, whose task is that of the shared weights too. Defaults
            to None: ten epochs, classification.
        shared_weights: `SharedWeights`, the settings of their training. Defaults to None: `SharedWeights()`.
        initializer: a `ReptileInitializer` or its folder, of a supernet, of a controller's parameters, or of both, to
            start from. Parameters also go into the oracle's strategy if it has any. Defaults to None.
        folds: number of parts to cross-validate the networks that are trained from scratch; their genotypes are
            found with all parts. Defaults to None.
        oracle: a `StrategyOracle` of the space that chooses the children, in place of trials and seed; its objective
            ranks them. Defaults to None: an `EvolutionOracle`.
        distribution_strategy, report, executor, **project: as for `SupernetTuner`, of the trainings from scratch; the
            shared weights are trained on the `distribution_strategy` too.

    Raises:
        ValueError: for arguments out of their range, and for a project of another search.
        TypeError: if `oracle` is not a `StrategyOracle`, and for an unknown argument.
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
        objective: ObjectiveLike | None = None,
        max_trials: int = 1000,
        retrain_best: int = 3,
        seed: int = 0,
        training: TrainingRecipe | None = None,
        shared_weights: SharedWeights | None = None,
        initializer: Initializer = None,
        folds: int | None = None,
        distribution_strategy: Scoped | None = None,
        oracle: StrategyOracle | None = None,
        report: bool = True,
        executor: Executor | None = None,
        **project: Unpack[Project],
    ):
        if is_distributed():
            raise RuntimeError(
                "OneShotTuner runs in one process: its trials take milliseconds, with weights that are trained there. "
                "Unset KERASTUNER_ORACLE_IP, and pass `distribution_strategy` to use several devices. For chief and "
                "workers there is `SupernetTuner`."
            )
        checks.instance("space", space, SearchSpace, "a `kerasnas.SearchSpace`")
        self.retrain_best = checks.integer("retrain_best", retrain_best, 1)
        task = getattr(training, "task", CLASSIFICATION)
        self.objective = as_objectives(Objective(f"val_{task.metric}", "max") if objective is None else objective)[0]
        shared_weights = SharedWeights() if shared_weights is None else shared_weights
        self.shared_weights = checks.instance("shared_weights", shared_weights, SharedWeights, "a `SharedWeights`")
        if oracle is None:
            oracle = EvolutionOracle(space, Objective(_compared_by(task), "max"), max_trials, seed)
        self._check_oracle(oracle, space, task)
        self.trainer: ENASTrainer | None = None
        arguments = (oracle, space, input_shape, num_classes, training, seed, initializer, folds, distribution_strategy)
        super().__init__(*arguments, report, executor=executor, **project)
        parameters = self.initializer is not None and bool(self.initializer.parameters)
        if parameters and not oracle.trials and isinstance(oracle.strategy, Parametric):
            warm_start(oracle.strategy, self.initializer)  # type: ignore[arg-type]

    @staticmethod
    def _check_oracle(oracle: Any, space: SearchSpace, task: Task) -> None:
        checks.instance("oracle", oracle, StrategyOracle, "a `StrategyOracle`, such as `EvolutionOracle`")
        if oracle.space.cardinalities != space.cardinalities or oracle.space.name != space.name:
            expected = f"one of the space '{space.name}' with {len(space.choices)} choices"
            received = f"{oracle.space.name} with {len(oracle.space.choices)}"
            raise ValueError(checks.invalid("oracle", expected, received))
        names = oracle.required_metrics()
        if names != [_compared_by(task)]:
            expected = f"the objective '{_compared_by(task)}', the only one that shared weights report of a child"
            raise ValueError(checks.invalid("oracle", expected, names))

    @checks.arguments(
        epochs=checks.size,
        batch_size=checks.size,
        augment=checks.function,
        controller_steps=checks.count,
        architecture_split=checks.part,
    )
    def search(
        self,
        x: Any,
        y: Any = None,
        validation_data: Any = None,
        epochs: int = 50,
        batch_size: int | None = None,
        validation_split: float | None = None,
        controller_steps: int | None = None,
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int | str = 1,
        architecture_split: float = 0.5,
    ) -> None:
        """Train the shared weights, evaluate the children that remain, train the best from scratch.

        Args:
            x: images `(n, height, width, channels)`: a part trains the shared weights, the children are evaluated on
                the other; the best networks are trained on all. Or a `tf.data.Dataset` or Keras `PyDataset` of
                `(x, y)`, which is read once, into arrays.
            y: with an array: class numbers `(n,)`, or labels as networks of the recipe's task learn them.
            epochs: of the shared weights. Defaults to 50.
            batch_size: of the shared weights, and of the children. Defaults to 64, or to the size of the data.
            validation_data, validation_split: as for `SupernetTuner.search`, of the networks trained from scratch.
            controller_steps, augment: as for `ENASTrainer.fit`.
            callbacks: Keras callbacks, copied for each training; or a function that makes them. A `TensorBoard` writes
                to `log_dir/supernet/search` and `log_dir/trial/network`.
            verbose: 0 is silent; 1 shows a row for each better child, for every hundredth, and for each network
                trained from scratch, and Keras' progress bars of the trainings, 2 a line for each of their epochs;
                `"rows"` the rows alone. Defaults to 1.
            architecture_split: the fraction of the training data that the children are evaluated on. Defaults to 0.5.

        Raises:
            ValueError: for data that cannot be searched on, for an objective that nothing reports, and if the
                project's shared weights were trained on other data or with other settings.
        """
        if is_dataset(x) and y is None:
            x, y = arrays_of("x", x)
        parts, quiet = self.prepare((x, y, validation_data), validation_split, callbacks, verbose)
        self.require_objective(parts[0], [self.objective.name])
        # With folds, all of the data.
        x, y = parts[0].training if self.folds is None else (unit_pixels(np.asarray(x)), np.asarray(y))
        first, held_out = split_samples(self.training.recipe.task, y, architecture_split, self.seed)
        if batch_size is None:
            batch_size = min(BATCH_SIZE, len(first), len(held_out))
        fit: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "validation_split": architecture_split}
        fit["controller_steps"] = controller_steps
        folder = Path(self.project_dir)
        with disk_of(folder):
            self.save()
            held = SearchData(x, y, x[held_out], y[held_out])
            boards = partial(logged, callbacks, "supernet", "search")
            options = (augment, boards, quiet, self.scope(), len(self.oracle.end_order))
            place = (folder / "supernet", fit, self.seed, self.warm, self.progress.say)
            self.trainer = self.shared_weights.train(self.training, held, *place, *options)
        super().search(x[held_out], y[held_out], batch_size, verbose=0)
        with disk_of(folder):
            self._train_best(parts, augment, callbacks, quiet)

    def run_trial(self, trial: Trial, x: Any, y: Any, batch_size: int, verbose: int = 0) -> dict[str, float]:
        """Evaluate one child with the shared weights."""
        if self.trainer is None:
            raise FatalValueError("There are no shared weights yet: call `search`.")
        genotype = self.genotype(trial)
        score = float(self.trainer.evaluate_children([genotype], x, y, batch_size)[0])
        return {_compared_by(self.training.recipe.task): score}

    def _train_best(
        self, parts: list[SearchData], augment: Callable | None, callbacks: Callbacks, verbose: int
    ) -> None:
        for rank, trial in enumerate(self.oracle.get_best_trials(self.retrain_best), start=1):
            boards = partial(logged, callbacks, trial.trial_id, "network", trial.hyperparameters)
            start, folder, genotype = time.perf_counter(), self.trial_folder(trial), self.genotype(trial)
            settings = {"training": self.training.recipe.settings(), "folds": self.folds}
            keep_plan(folder, {"data": [part.fingerprint() for part in parts], **settings})
            if self.result(trial) is not None:
                continue
            options: dict[str, Any] = {"genotype": genotype, "seed": self.seed, "augment": augment, "callbacks": boards}
            train = partial(self.networks.train, **options, verbose=verbose)
            settings = {**settings, "seed": self.seed}
            try:
                metrics = self.networks.evaluate(folder, parts, train, self.objective, settings)
            except NonFiniteError as error:
                self.progress.say(f"Trial {trial.trial_id}: {error}")
                continue
            best = (self.result(self.trained_trials()[0]) or {})["metrics"][self.objective.name]
            what = f"from scratch, {int(metrics['parameters']):,} parameters"
            self.progress.row(f"#{rank}", what, metrics[self.objective.name], best, time.perf_counter() - start)

    def trained_trials(self) -> list[Trial]:
        """Return the trials whose networks were trained from scratch, the best first."""
        scored = []
        project = Path(self.project_dir)
        for name in sorted({path.parent.name for file in (RESULT, SEAL) for path in project.glob(f"trial_*/{file}")}):
            trial = self.oracle.get_trial(name.removeprefix("trial_"))
            result = self.result(trial)
            if result is not None:
                scored.append((signed(self.objective, result["metrics"][self.objective.name]), trial))
        return [trial for _, trial in sorted(scored, key=lambda pair: -pair[0])]

    def best_trials(self, number: int) -> list[Trial]:
        """Return the trials of the trained networks, the best first; after them the best other children."""
        trained = self.trained_trials()
        names = {trial.trial_id for trial in trained}
        others = [trial for trial in self.oracle.get_best_trials(number + len(names)) if trial.trial_id not in names]
        return [*trained, *others][:number]

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        return [self.load_model(trial) for trial in self.trained_trials()[:num_models]]

    def genotype(self, trial: Trial) -> Genotype:
        return self.oracle.genotype(trial)

    def in_words(self, trial: Trial) -> str:
        return primitives_in_words(self.genotype(trial))

    def on_trial_begin(self, trial: Trial) -> None:
        self._began = time.perf_counter()  # a child takes milliseconds: the oracle's own saving is enough

    def save(self) -> None:
        if not json_files.previous(self._get_tuner_fname()).exists():
            super().save()

    def show(self, trial: Trial, what: str, score: float | None, best: float | None, seconds: float) -> None:
        better = score is not None and self.oracle.get_best_trials(1)[0].trial_id == trial.trial_id
        if better or score is None or (int(trial.trial_id) + 1) % _ROWS == 0:
            super().show(trial, what, score, best, seconds)


def _compared_by(task: Task) -> str:
    """Return the name of the metric that ranks children."""
    return "val_accuracy" if task.metric_is_mean else "val_score"
