"""A method of a run and its context: settings, data, stages, budget and progress; paths of a run's files stay here."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

import keras
import numpy as np

from kerasnas import checks
from kerasnas.cost import network_latency
from kerasnas.cost.counting import macs
from kerasnas.datasets import Dataset
from kerasnas.drift.reference import save_reference
from kerasnas.executors import Executor
from kerasnas.export.classifier import MODEL, Classifier, load_classifier, save_classifier
from kerasnas.files import storage
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype
from kerasnas.racing.budget import Budget
from kerasnas.records import Record
from kerasnas.reporting.closing import closing_text
from kerasnas.reporting.comparisons import verdict
from kerasnas.reporting.predictions import samples_csv
from kerasnas.runs.executors import open_executor
from kerasnas.runs.folder import GENOTYPE, RunFolder
from kerasnas.runs.progress import Progress
from kerasnas.runs.record import PREDICTIONS, RESULT, SAMPLES, make_record, read_result, write_record
from kerasnas.runs.settings import Settings
from kerasnas.runs.tracking import Tracking
from kerasnas.training.evidence import evaluation_record, paired, samples_record

NETWORK = (
    *("imports", "space", "num_nodes", "primitives", "stem_strides", "retrain_filters", "retrain_cells"),
    *("text_words", "text_length", "tokens"),
)
"""The settings that decide what the network of a genotype is."""
S = TypeVar("S", bound=Settings)
D = TypeVar("D")
T = TypeVar("T")
P = ParamSpec("P")


@dataclasses.dataclass
class Context(Generic[S, D]):
    """The settings, data and tools that a method of a run works with.

    Attributes:
        settings: of the run.
        stages: the store of its stages.
        data: what the method's `load` returns, for these settings.
        budget: what its `budget` returns.
    """

    run: dataclasses.InitVar[RunFolder]
    progress: Progress
    tracking: Tracking
    data: D = None  # type: ignore[assignment]  # of a run that is finished
    budget: Budget | None = None

    def __post_init__(self, run: RunFolder) -> None:
        self._run = run
        self.settings: S = run.config  # type: ignore[assignment]
        self.stages: Stages = run.stages

    @property
    def place(self) -> str:
        """Folder of the run, for messages."""
        return str(self._run.path)

    @property
    def command(self) -> str:
        """Command that starts the run."""
        return self._run.command

    def executor(self) -> Executor:
        """Open the executor that independent trainings run on, to be closed."""
        return open_executor(self.settings.executor, self.settings.imports)  # type: ignore[attr-defined]

    def state(self) -> tuple[float, float]:
        """Return the share of the budget that is spent, and the seconds left of it."""
        assert self.budget is not None
        return self.budget.spent() / self.budget.seconds, self.budget.left()

    def keep(self, save: Callable[Concatenate[Path, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call `save` with the folder of the run, and what follows."""
        return save(self._run.path, *arguments, **options)

    def keep_genotype(self, genotype: Genotype) -> None:
        """Write the genotype of the run."""
        genotype.save(self._run.path / GENOTYPE)

    def genotype(self) -> Genotype:
        """Read the genotype of the run."""
        return Genotype.load(self._run.path / GENOTYPE)

    def keep_classifier(self, model: keras.Model) -> None:
        """Write the trained network of the run, as it takes raw samples."""
        data = self._samples
        save_classifier(
            self._run.path,
            model,
            classes=data.classes,
            scale=data.scale,
            image_fit=data.image_fit,
            task=data.task,
            front=data.front,
            modality=data.modality,
        )

    @property
    def _samples(self) -> Dataset:
        """Data, where they are samples for a classifier or its siblings."""
        return checks.instance("data", self.data, Dataset)  # type: ignore[return-value]

    @functools.cached_property
    def _classifier(self) -> Classifier:
        """The trained network, read once."""
        return load_classifier(self._run.path)

    @functools.cached_property
    def _answers(self) -> np.ndarray:
        """Answers of the trained network for the test samples."""
        return self._classifier.answers(self._samples.raw("test"))

    @property
    def model_bytes(self) -> int:
        """Size of the trained network's file."""
        return (self._run.path / MODEL).stat().st_size

    def finished(self) -> Record | None:
        """Return the record of the run, told to trackers that have not heard of it; None before its end."""
        if not (self._run.path / RESULT).exists():
            return None
        record = read_result(self._run.path)
        self.tracking.result(record)
        return record

    def finish(
        self,
        searched: Mapping[str, Any],
        found: Mapping[str, Any] | None = None,
        random: Sequence[Mapping[str, Any]] = (),
        **parts: Any,
    ) -> Record:
        """Evaluate the trained network, and write the record of the run with its report."""
        data, examined = self._samples, {**self.examined(searched), "bytes": self.model_bytes}
        answers = self._answers
        try:
            save_reference(self._run.path, self._classifier, data, answers)
        except ValueError as error:  # a network that `kerasnas monitor` cannot watch is a finished run too
            self.progress(f"`kerasnas monitor` cannot watch this network: {error}")
        self.stages.finish(SAMPLES, samples_record(data, examined.pop("mistakes")))
        columns = {"sample": data.names("test"), "label": data.task.true_in_words(data.y_test, data.classes)}
        text = samples_csv(columns, answers.tolist(), data.classes, data.task)
        storage.write_text(self._run.path / PREDICTIONS, text)
        parts = {**paired(examined, random, len(data.x_test)), **parts}
        return self.write(examined, found, random, _description(data), **parts)

    def write(
        self,
        searched: Mapping[str, Any],
        found: Mapping[str, Any] | None,
        random: Sequence[Mapping[str, Any]],
        dataset: Mapping[str, Any],
        **parts: Any,
    ) -> Record:
        """Write the record of the run with its report; arguments as for `finish`, and the description of the data."""
        searched, *random = (
            {name: value for name, value in network.items() if name not in ("hits", "scores")}
            for network in (searched, *random)
        )
        record = make_record(self.stages, searched, found, random, dataset, self.settings.to_dict(), self.command)
        record = record.replace(**{name: part for name, part in parts.items() if part is not None})
        write_record(self._run.path, record, found)
        self.tracking.result(record)
        return record

    def examined(self, searched: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record of the network with its test scores, mistakes, multiply-adds, latency, if it lacks them."""
        if "mistakes" in searched:
            return dict(searched)
        classifier, data = self._classifier, self._samples
        examined = evaluation_record(data.task, self._answers, data.y_test)
        costs = {"macs": macs(classifier.model), "latency_ms": network_latency(classifier.model)}
        return {**costs, **searched, **{name: value for name, value in examined.items() if name not in searched}}


class Method(abc.ABC, Generic[S, D]):
    """A method of a run: what its settings ask for, from the plan to the record.

    Attributes:
        name: in `config.json`.
        words: the method in a sentence, such as `"a race"`.
        settings: the class of its settings, which no other method has.
        command: the command that starts it.
        option: its value of `--method`, or "" if the command has one method for such data.
        way: how the command line gets to it, as a sentence.
        data: the names of the settings that are data sets.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    settings: type[S]
    command: ClassVar[str] = "search"
    option: ClassVar[str] = ""
    way: ClassVar[str] = ""
    data: ClassVar[tuple[str, ...]] = ("dataset",)

    @abc.abstractmethod
    def load(self, settings: S) -> D:
        """Return the data of the settings, checked; their `notes`, if they have some, are logged."""

    @abc.abstractmethod
    def plan(self, context: Context[S, D]) -> str:
        """Describe in a few lines the steps of a run of these settings."""

    @abc.abstractmethod
    def run(self, context: Context[S, D]) -> Mapping[str, Any]:
        """Do what is left of a run, and return its record."""

    def budget(self, settings: S, stages: Stages, spent: float) -> Budget | None:
        """Return the budget of a run, of which this process has spent `spent` seconds; None for a run without one."""
        return None

    def finished(self, context: Context[S, D]) -> Mapping[str, Any] | None:
        """Return the record of a finished run; None before its end."""
        return context.finished()

    def conclude(self, context: Context[S, D], record: Mapping[str, Any]) -> None:
        """Print the result."""
        conclude(context.progress, Record.of(record), Path(context.place))

    def flags(self, settings: S) -> list[str]:
        """Return the flags of the command that starts a run of these settings."""
        return settings.flags()

    def suits(self, space: str | None, dataset: str) -> bool:
        """Return True if `kerasnas search` chooses this method for a space (None if none is given) and a data set."""
        return False

    def check_space(self, space: str | None) -> None:
        """Raise ValueError for a space that `--method` asks this method to search, and that it cannot."""

    def check(self, settings: S) -> None:
        """Raise ValueError for settings that fail on any data, before a folder is made."""

    def network_settings(self, settings: S) -> dict[str, Any]:
        """Return the settings of `kerasnas retrain` that build the networks of a run of these settings."""
        names = {field.name for field in dataclasses.fields(settings)}
        return {name: getattr(settings, name) for name in NETWORK if name in names}


def conclude(progress: Progress, record: Record, path: Path) -> None:
    """Print the verdict on a finished run in the folder `path`, and what to do next."""
    progress.conclude(verdict(record))
    progress.conclude(closing_text(record, path))


def _description(data: Dataset) -> dict[str, Any]:
    """Return the entry of a record on the data."""
    dataset = {
        "name": data.name,
        "train_examples": len(data.x_train),
        "test_examples": len(data.x_test),
        "classes": list(data.classes),
        "input_shape": list(data.input_shape),
        "scale": data.scale,
        **({"image_fit": data.image_fit} if data.modality.resizes else {}),
        "modality": data.modality.name,
        **({"faults": list(data.faults)} if data.faults else {}),
    }
    dataset |= data.task.entry()
    if data.raw_test is not None:
        dataset["front"] = data.front.get_config()
    return dataset
