"""Training of a given genotype as a method of a run, and the final trainings of every gradient search."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kerasnas import datasets
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.executors import Executor
from kerasnas.genotypes import Genotype
from kerasnas.methods.assembly import make_space
from kerasnas.methods.final_training import check_starts, load_data, make_training
from kerasnas.methods.plan import LATER, plan_text, report_words
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.records import Record
from kerasnas.reporting.tables import duration
from kerasnas.runs.method import Context, Method
from kerasnas.runs.progress import EpochCount
from kerasnas.spaces import SearchSpace
from kerasnas.training.evidence import scores_record
from kerasnas.training.trainings import Trainings

_TRAINING = "training-"


class Retraining(Method[TrainingConfig, datasets.Dataset]):
    """Network of a genotype, trained from scratch."""

    name, words, settings, command = "retrain", "a training", TrainingConfig, "retrain"

    def load(self, settings: TrainingConfig) -> datasets.Dataset:
        return load_data(settings)

    def plan(self, context: Context[TrainingConfig, datasets.Dataset]) -> str:
        data, epochs = context.data, context.settings.retrain_epochs
        training = f"the network of the genotype on {data.name}, {epochs} epochs"
        return plan_text(LATER, ("training", training), ("report", report_words(data)))

    def run(self, context: Context[TrainingConfig, datasets.Dataset]) -> Record:
        trainings = FinalTrainings(context, make_space(context.settings, context.data), {}, ["searched"])
        with context.progress.following(trainings.epochs.state):
            return context.finish(trainings.run("searched", context.genotype()))


class FinalTrainings:
    """Trainings on the training data, evaluated on the test data, each a stage of the run.

    A run that resumes with other pretrained vectors than it started with is a ValueError.

    Args:
        context: of the run.
        space: of the networks.
        before: name of what precedes the trainings -> its epochs.
        names: the stages.
    """

    def __init__(
        self, context: Context[Any, datasets.Dataset], space: SearchSpace, before: Mapping[str, int], names: list[str]
    ):
        check_starts(context.stages, context.data)
        self.context, self.training = context, make_training(context.settings, space, context.data)
        epochs = {**before, **{_TRAINING + name: context.settings.retrain_epochs for name in names}}
        self.epochs = EpochCount(epochs, context.progress, watch=self._watch)
        data = context.data
        self._train, self._test = (data.x_train, data.y_train), (data.x_test, data.y_test)
        self._describe = partial(scores_record, x=data.x_test, y=data.y_test, task=data.task)

    def _watch(self, name: str, logs: Mapping[str, Any], epoch: int) -> None:
        """Log an epoch, of the search or of a training by its own name, to all trackers."""
        self.context.tracking.metrics(name.removeprefix(_TRAINING), logs, epoch)

    def run(self, name: str, genotype: Genotype) -> dict[str, Any]:
        """Train the network of a genotype, unless that is done; `"searched"` is kept as the model of the run."""
        context, progress = self.context, self.context.progress
        if (finished := context.stages.stage(name)) is not None:
            self.epochs.finish(_TRAINING + name)
            return finished
        progress.phase("training", self.epochs.at_work)
        progress(f"Training the {'found' if name == 'searched' else name.replace('-', ' ')} network.")
        record = self.training.run(
            context.stages,
            name,
            genotype,
            self._train,
            self._test,
            context.settings.seed,
            keep_model=context.keep_classifier if name == "searched" else None,
            describe=self._describe,
            callbacks=lambda: [self.epochs.callback(_TRAINING + name)],
            verbose=progress.verbosity,
            log=progress,
        )
        task = context.data.task
        progress(
            f"  {record['parameters']:,} parameters, test {task.words} {record[f'test_{task.metric}']:.4f}, "
            f"{duration(record['seconds'])}"
        )
        return record

    def run_all(self, genotypes: Mapping[str, Genotype], executor: Executor) -> list[dict[str, Any]]:
        """Train several networks, in the workers of an executor if it has some."""
        if not executor.here:
            stages, seed = self.context.stages, self.context.settings.seed
            trainings = Trainings(self.training, stages, self._train, self._test, seed, "test", self._describe)
            for name, record in trainings.run(executor, genotypes):
                if record is None:
                    raise NonFiniteError(f"The loss of the {name.replace('-', ' ')} network stopped being finite.")
                self.epochs.finish(_TRAINING + name)
        return [self.run(name, genotype) for name, genotype in genotypes.items()]
