"""SupernetTuner: differentiable searches as trials, scored by the networks that they find."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalError, FatalTypeError

from kerasnas import checks
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.executors import Executor
from kerasnas.files.stages import Stages
from kerasnas.genotypes import of_entry
from kerasnas.meta import ReptileInitializer
from kerasnas.search import BilevelTrainer
from kerasnas.training.recipe import TrainingRecipe
from kerasnas.training.search_stage import run_search
from tuners.hypermodels.checked_hypermodel import require_compiled
from tuners.hypermodels.supernet_hypermodel import SupernetHyperModel
from tuners.oracles.objectives import ObjectiveLike
from tuners.oracles.random_oracle import RandomOracle
from tuners.persistence.seals import seal, whole
from tuners.persistence.trial_files import clear, disk_of, keep_plan
from tuners.tuners.network_tuner import Initializer, NetworkTuner, Project, Scoped, warmed
from tuners.tuners.progress import in_words
from tuners.tuners.trial_inputs import Callbacks, SearchData, logged
from tuners.tuners.trial_networks import FOUND, TrialNetworks, silent, stage_name


class SupernetTuner(NetworkTuner):
    """A trial is one differentiable search: search, derive, train the derived network from scratch, evaluate it.

    Each trial has hyperparameters and a seed of its own: with nothing to tune, the trials are the same search with
    different seeds, of which the best is kept, as in DARTS. A killed search resumes inside its trial, from the last
    epoch, when the same program is restarted. The folder of a trial has the network, report.html, card.md and plots.

    Args:
        hypermodel: a `SupernetHyperModel`.
        objective: a metric of the derived network: `"val_accuracy"`, `"val_loss"`, `"parameters"`, or a metric of
            the recipe's `compile`; also `"search_val_loss"` and `"search_val_accuracy"` of the supernet. Defaults to
            `"val_accuracy"`.
        max_trials: Defaults to 4.
        seed: seed of everything. Defaults to 0.
        training: `TrainingRecipe` of the training from scratch: epochs, batch size, learning rate, augmentation, size
            of the network, and the hypermodel's task. Defaults to None: ten epochs.
        initializer: a `ReptileInitializer` or its folder, that the supernet of each trial starts from. Defaults to
            None.
        folds: number of parts for cross-validation: a trial is then one search for each part, on all other parts and
            evaluated on that one; it reports their means, and keeps the network of the best. Defaults to None.
        distribution_strategy: a `tf.distribute.Strategy` for both trainings. Defaults to None.
        oracle: any oracle for the hyperparameters, in place of objective, trials and seed. Defaults to None: a
            `RandomOracle`.
        report: leave report.html, card.md and plots in the folder of each trial. Defaults to True.
        executor: what the folds of a trial run on: a `kerasnas.executors.Executor` whose workers see the project's
            folder. Defaults to None: this process.
        **project: `directory`, `project_name` and `overwrite`, as for KerasTuner's tuners.

    Raises:
        TypeError: if `hypermodel` is not a `SupernetHyperModel`, and for an unknown argument.
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
        training: TrainingRecipe | None = None,
        initializer: Initializer = None,
        folds: int | None = None,
        distribution_strategy: Scoped | None = None,
        oracle: keras_tuner.Oracle | None = None,
        report: bool = True,
        executor: Executor | None = None,
        **project: Unpack[Project],
    ):
        expected = "a `SupernetHyperModel`, whose `build` makes a search (for networks there is `GenotypeHyperModel`)"
        checks.instance("hypermodel", hypermodel, SupernetHyperModel, expected)
        training = TrainingRecipe(task=hypermodel.task) if training is None else training
        if isinstance(training, TrainingRecipe) and training.task != hypermodel.task:
            expected = f"a recipe of the hypermodel's task, {hypermodel.task.name}"
            raise ValueError(checks.invalid("training", expected, training.task.name))
        network = (hypermodel.space, hypermodel.input_shape, hypermodel.num_classes, training, seed, initializer, folds)
        oracle = RandomOracle(objective, max_trials, seed) if oracle is None else oracle
        super().__init__(oracle, *network, distribution_strategy, report, hypermodel, executor, **project)

    def _populate_initial_space(self) -> None:
        # Building supernets to discover their hyperparameters would take longer than the first trial.
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    def identity(self) -> dict[str, Any]:
        hp = keras_tuner.HyperParameters()
        self.hypermodel.declare_hyperparameters(hp)
        return {**super().identity(), "hyperparameters": {one.name: one.get_config() for one in hp.space}}

    def in_words(self, trial: Trial) -> str:
        return in_words(trial.hyperparameters.values)

    @checks.arguments(
        epochs=checks.size, batch_size=checks.size, augment=checks.function, architecture_split=checks.part
    )
    def search(
        self,
        x: Any,
        y: Any = None,
        validation_data: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        validation_split: float | None = None,
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int | str = 1,
        architecture_split: float = 0.5,
    ) -> None:
        """Run the trials that remain.

        Args:
            x: images `(n, height, width, channels)`. In the search a part of them moves the weights and the other the
                alphas; the derived network is trained on all. Or a `tf.data.Dataset` or Keras `PyDataset` of
                `(x, y)`, which is read once, into arrays.
            y: class numbers `(n,)`, with an array.
            validation_data: `(x, y)`, or a dataset, that only evaluates the derived networks; None with
                `validation_split` or `folds`.
            epochs: of a search. Defaults to 20, unless the hypermodel or the oracle sets them.
            batch_size: of a search. Defaults to 64, or to the size of the data, unless the hypermodel sets it.
            validation_split: the fraction of every class that is held out, in place of `validation_data`. Defaults to
                None.
            augment: `(batch, rng) -> batch` for the training images of both.
            callbacks: Keras callbacks, copied for each search and each training; or a function that makes them, for
                those that cannot be copied. A resumed trial starts with fresh ones. A `TensorBoard` writes to
                `log_dir/trial/search` and `log_dir/trial/network`, with the hyperparameters for HParams.
            verbose: 0 is silent; 1 shows a row for each trial, and Keras' progress bars inside it, 2 a line for each of
                its epochs; `"rows"` the rows alone. Defaults to 1.
            architecture_split: the fraction of the training data that moves the alphas. Defaults to 0.5.

        Raises:
            ValueError: for data that cannot be searched on, and for an objective that nothing reports.
        """
        parts, quiet = self.prepare((x, y, validation_data), validation_split, callbacks, verbose)
        self.require_objective(parts[0], list(self._required()), *SEARCH_METRICS)
        given = {name: value for name, value in (("epochs", epochs), ("batch_size", batch_size)) if value is not None}
        fit = {"validation_split": architecture_split, "augment": augment, "verbose": quiet}
        super().search(parts, given, fit, callbacks, verbose=0)

    def run_trial(
        self, trial: Trial, parts: list[SearchData], given: dict, fit: dict, callbacks: Callbacks, verbose: int = 0
    ) -> dict[str, float]:
        """Search, derive, train and evaluate; once for each part of the data."""
        hp, folder = trial.hyperparameters, self.trial_folder(trial)
        times = {"epochs": 20, **self.hypermodel.fit_arguments(hp, given)}
        settings = {**times, "values": dict(hp.values), "architecture_split": fit["validation_split"]}
        settings |= {"folds": self.folds, "training": self.training.recipe.settings()}
        plan = {**settings, "data": [part.fingerprint() for part in parts]}
        seed = self.seed + 1000 * int(trial.trial_id)
        parts_of_search = self.hypermodel, hp, self.initializer, self.networks, folder, trial.trial_id
        evaluate = TrialSearch(*parts_of_search, seed, {**fit, **times}, callbacks, self.say_warm_start)
        try:
            with disk_of(folder):
                if keep_plan(folder, plan):
                    self.progress.say(f"Trial {trial.trial_id} starts from scratch: its data or settings have changed.")
                settings = {**settings, "seed": seed}
                metrics = self.networks.evaluate(folder, parts, evaluate, self.oracle.objective, settings)
            self.say_warm_start((self.result(trial) or {}).get("warm_start"))  # if a worker was the first
            return metrics
        except NonFiniteError as error:
            self.progress.say(f"Trial {trial.trial_id}: {error}")
            clear(folder)
            return dict.fromkeys(self._required(), float("nan"))
        except FatalError:
            raise
        except Exception:
            clear(folder)  # so that a second run starts from scratch
            raise


SEARCH_METRICS = ("search_val_loss", "search_val_accuracy")


@dataclasses.dataclass
class TrialSearch:
    """Search of a trial: build, warm-start, search, derive, train; here, or in a worker that it is sent to.

    `fit` has the arguments of the search's `fit`, and `taken_over` is called with what the warm start used. The name of
    the trial's `folder` appears in its logs.
    """

    hypermodel: SupernetHyperModel
    hyperparameters: keras_tuner.HyperParameters
    initializer: ReptileInitializer | None
    networks: TrialNetworks
    folder: Path
    trial_id: str
    seed: int
    fit: dict[str, Any]
    callbacks: Callbacks
    taken_over: Callable[[str | None], Any]

    def __getstate__(self) -> dict[str, Any]:
        """For a worker, which is silent."""
        return {**vars(self), "taken_over": silent}

    def __call__(self, data: SearchData, stages: Stages) -> dict[str, float]:
        """Return the metrics of the network that is found on `data`; finished stages are not repeated."""
        taken: list[str | None] = []
        # With folds, each has a folder in the trial's.
        part = stages.path.relative_to(self.folder)
        hp = self.hyperparameters
        boards = [partial(logged, self.callbacks, self.trial_id, str(part / one), hp) for one in ("search", "network")]

        def build() -> BilevelTrainer:
            search = self._build()
            taken.append(warmed(search, self.initializer))
            self.taken_over(taken[0])
            return search

        whole(stages.path, stage_name(FOUND))
        verbose, augment = self.fit["verbose"], self.fit["augment"]
        fit, say = {**self.fit, "seed": self.seed}, self.networks.say
        record = run_search(stages, build, data.training, fit, boards[0], lambda: {"warm_start": taken[0]}, 1, say)
        seal(stages.path, [stage_name(FOUND)])
        genotype = of_entry(record["genotype"])
        metrics = self.networks.train(stages, genotype, data, self.seed, augment, boards[1], verbose)
        last = {f"search_{name}": values[-1] for name, values in record["history"].items()}
        return {**metrics, **{name: last[name] for name in SEARCH_METRICS if name in last}}

    def _build(self) -> BilevelTrainer:
        """Build the compiled search of the hyperparameters, in the scope of the distribution strategy."""
        hypermodel = copy.copy(self.hypermodel)
        hypermodel.supernet_options = {"seed": self.seed, **hypermodel.supernet_options}
        name = f"{type(hypermodel).__name__}.build"
        with self.networks.scope():
            search = require_compiled(hypermodel.build(self.hyperparameters), name)
        if not isinstance(search, BilevelTrainer):
            raise FatalTypeError(f"{name} returned {type(search).__name__}. Expected a `kerasnas.BilevelTrainer`.")
        return search
