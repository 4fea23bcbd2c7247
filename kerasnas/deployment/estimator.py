"""Estimator: the search in three lines, for any kind of samples."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.deployment.exporting import DEFAULT_FORMATS, export
from kerasnas.deployment.predictions import evaluate
from kerasnas.deployment.samples import Samples
from kerasnas.export.classifier import Classifier, load_classifier
from kerasnas.files import storage, untrusted
from kerasnas.genotypes import Genotype
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.running import search
from kerasnas.modalities.lookup import modality
from kerasnas.runs.folder import GENOTYPE, RunFolder
from kerasnas.runs.record import read_result
from kerasnas.tasks.base import task_class

DATA = "data.npz"
"""File of the data that an estimator was given, next to its run."""
_READ: dict[str, Any] = {"image_size": "auto", "image_fit": "stretch", "target": (), "text_column": ""}


class Estimator:
    """The best network for your data in the time you give: `kerasnas search` as an estimator.

    Args:
        minutes: budget of `fit`, for everything. Defaults to 5.
        folder: where the run is kept, in `run`, and arrays that were given, in `data.npz`. Defaults to None: a
            temporary folder, which lives as long as this object; `save` copies it.
        test_split: share of the samples of `fit` that is kept for the one evaluation at the end if no test data are
            given. Defaults to 0.1.
        log: called with each line of progress. Defaults to `print`.
        **settings: further fields of `config`.

    Attributes:
        takes, makes, config: modality of the samples, "" for any, `Task.deployed_as`, and class of the settings, of a
            subclass.

    Raises:
        TypeError: for a setting that does not exist.
        ValueError: for one that is out of range, and for a task of other estimators.
    """

    takes: ClassVar[str] = "images"
    makes: ClassVar[str] = "classifier"
    config: ClassVar[Any] = RaceConfig

    def __init__(
        self,
        minutes: float = 0.0,
        folder: str | os.PathLike | None = None,
        test_split: float = 0.1,
        log: Callable[[str], Any] = print,
        **settings: Any,
    ):
        self._set(minutes=minutes, folder=folder, test_split=test_split, log=log, **settings)

    def _set(self, **params: Any) -> None:
        """Take over the arguments of `__init__`."""
        self._params = dict(params)
        folder = params.pop("folder")
        self.log = checks.function("log", params.pop("log"))
        self.test_split = checks.number("test_split", params.pop("test_split", 0.1), above=0, below=1)
        self.folder = None if folder is None else checks.path("folder", folder)
        self.settings = self._with_task(self.config(**params))
        self._samples = Samples(modality(self.takes) if self.takes else None, self.settings)
        self._temporary: tempfile.TemporaryDirectory | None = None
        self._classifier: Classifier | None = None
        self._labels = np.array([])

    def _with_task(self, config: Any) -> Any:
        """Return settings of a search for a task that is deployed as `makes`."""
        task = getattr(config, "task", "auto")
        if task == "auto":
            return dataclasses.replace(config, task="regression") if self.makes == "regressor" else config
        if task_class(task).deployed_as == self.makes:
            return config
        if self.makes == "regressor":
            raise ValueError(checks.invalid("task", "'regression', as this is a regressor", task))
        raise ValueError(f"A classifier has no task '{task}'. Use `kerasnas.ImageRegressor`.")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments, as scikit-learn's `clone` asks for them."""
        return dict(self._params)

    def set_params(self, **params: Any) -> Self:
        """Replace arguments; what was learned is dropped."""
        self._set(**{**self._params, **params})
        return self

    def fit(self, x: Any, y: Any = None, test_data: Any = None) -> Self:
        """Search within the budget. Interrupted, and called again with the same data and folder, it resumes.

        Args:
            x: images, an array `(samples, height, width, channels)` or `(samples, height, width)` of numbers from 0 to
                255 or to 1, a list of paths, or of images of Pillow; or texts, strings. Or a table of samples and
                labels, see `kerasnas.modalities.columns`: a `tf.data.Dataset`, a split of a Hugging Face data set, or a
                frame of pandas. Or a path or a name, as `kerasnas.datasets.load` takes it.
            y: their labels; see the class. Defaults to None: `x` has them.
            test_data: samples and labels, or a table, for the one evaluation at the end. Defaults to None: a share of
                those above.

        Returns:
            This estimator.

        Raises:
            ValueError: if the data cannot be trained on, or the folder holds a run of other settings or data.
        """
        if isinstance(x, str | os.PathLike):
            if y is not None or test_data is not None:
                raise ValueError(checks.invalid("y", "None, as `x` is the path of labeled data", y))
            dataset, data = os.fspath(x), None
        else:
            data = self._arrays(x, y, test_data)
            fit = getattr(self.settings, "image_fit", "stretch")
            data |= {"image_fit": np.array(fit)} if fit != "stretch" else {}
        if self.folder is None:  # each call starts from scratch
            self._temporary = tempfile.TemporaryDirectory(prefix="kerasnas-")
        if data is not None:
            dataset = self._write(data)
        # Of arrays, what their files and tables were read by is done.
        read = {} if data is None else {name: value for name, value in _READ.items() if hasattr(self.settings, name)}
        search(dataclasses.replace(self.settings, dataset=dataset, **read), self.run, self.log)
        self._read()
        return self

    @property
    def run(self) -> Path:
        """Folder of the run, as of the command line."""
        return self._home / "run"

    @property
    def _home(self) -> Path:
        if self.folder is not None:
            return self.folder
        if self._temporary is None:
            raise ValueError("This estimator has learned nothing yet. Call `fit` first.")
        return Path(self._temporary.name)

    def predict(self, x: Any = None) -> np.ndarray:
        """Return predictions in the form of the labels that `fit` was given.

        For classes the most probable one, `(samples,)`; for several labels a table of 0 and 1, `(samples, labels)`;
        for numbers `(samples, numbers)`, or `(samples,)` if `fit` was given one.

        Args:
            x: raw images, an array as in `fit`; the path of an image file, of a folder of them, or a list of paths; or
                a text, or several.

        Raises:
            ValueError: before `fit`; if a file cannot be read as an image.
        """
        return self._fitted().task.predicted(self.answers(x), self._labels)

    def answers(self, x: Any) -> np.ndarray:
        """Return what the network answers for each sample, probabilities or numbers, `(samples, outputs)`.

        Args:
            x: as for `predict`.
        """
        return self._samples.answers(self._fitted(), x)

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """Return the metrics of the task on labeled data, such as `"accuracy"` and `"loss"`.

        Args:
            x: raw samples; or the name or the path of a dataset, of which the test part counts.
            y: labels, as for `fit`.

        Returns:
            For classes `"accuracy"` and `"loss"`, for several labels also `"f1"` and `"exact"`, for numbers `"r2"`,
            `"mae"`, `"rmse"`, and the loss on standardized numbers; for a dataset, as `kerasnas.deployment.evaluate`.
        """
        network = self._fitted()
        if isinstance(x, str | os.PathLike):
            return evaluate(self.run, os.fspath(x))
        x, y = self._samples.arrays(x, y, network)
        y = network.task.given(y, self._labels)
        return network.task.evaluation(self.answers(x), y)

    def score(self, x: Any, y: Any = None) -> float:
        """Return the metric of the task on labeled data, such as accuracy or R2; arguments as for `evaluate`."""
        return self.evaluate(x, y)[self._fitted().task.metric]

    def _arrays(self, x: Any, y: Any, test_data: Any) -> dict[str, np.ndarray]:
        """Return the arrays of a dataset, and `labels`: what its outputs stand for."""
        return self._samples.dataset(x, y, test_data, self.makes, self.test_split)

    @property
    def model(self) -> keras.Model:
        """Network: a plain Keras model, raw samples in, probabilities or numbers out."""
        return self._fitted().model

    @property
    def genotype(self) -> Genotype:
        """Architecture that the search found."""
        self._fitted()
        return Genotype.load(self.run / GENOTYPE)

    @property
    def result(self) -> dict[str, Any]:
        """Record of the search; see `kerasnas.reporting`."""
        self._fitted()
        return read_result(self.run).to_dict()

    @checks.arguments(output=checks.path)
    def export(
        self, formats: Iterable[str] = DEFAULT_FORMATS, output: str | os.PathLike | None = None
    ) -> dict[str, Any]:
        """Write the network for other runtimes; each file is compared with the Keras model on the test data.

        Args:
            formats: some of `"savedmodel"`, `"onnx"`, `"litert"` and `"litert-int8"`. Defaults to all but `"onnx"`,
                which needs the extra `kerasnas[export]`.
            output: the folder that is written to. Defaults to None: the run's. A temporary one goes with this object.

        Returns:
            As `kerasnas.deployment.export`, which also says what it raises.
        """
        self._fitted()
        data = self._home / DATA  # wherever it was moved to
        return export(self.run, formats, output, dataset=str(data) if data.exists() else "", log=self.log)

    def report(self) -> Path:
        """Return the path of the report, a page in one file."""
        self._fitted()
        return self.run / "report.html"

    @checks.arguments(folder=checks.path)
    def save(self, folder: str | os.PathLike) -> None:
        """Copy the run to `run` in `folder`, which must not exist, for `load` and for every command of `kerasnas`.

        Raises:
            FileExistsError: if it exists.
        """
        self._fitted()
        shutil.copytree(self._home, folder)

    @classmethod
    @checks.arguments(folder=checks.path)
    def load(cls, folder: str | os.PathLike) -> Self:
        """Read an estimator from the folder that it was saved to, or was made in.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is one of another kind.
        """
        estimator = cls(folder=folder)
        settings = RunFolder.open(estimator.run).config
        estimator._read()
        made = estimator._fitted()
        fits = cls.takes in ("", made.modality.name) and made.task.deployed_as == cls.makes
        if not isinstance(settings, cls.config) or not fits:
            raise ValueError(f"{estimator.run} holds no run of {cls.__name__}.")
        estimator.settings = settings
        return estimator

    def _read(self) -> None:
        """Read the finished run, and what its outputs stand for."""
        self._classifier = load_classifier(self.run)
        task, file = self._classifier.task, self._home / DATA
        labels = untrusted.read_arrays(file).get("labels") if file.exists() else None
        self._labels = task.labels_of(self._classifier.classes) if labels is None else labels

    def _fitted(self) -> Classifier:
        if self._classifier is None:
            raise ValueError("This estimator has learned nothing yet. Call `fit` first.")
        return self._classifier

    def _write(self, data: dict[str, np.ndarray]) -> str:
        """Write the data beside the run, which is resumed with them; return the path.

        Raises:
            ValueError: if there is a run already, of other data.
        """
        file = self._home / DATA
        if file.exists() and self.run.exists():
            there = untrusted.read_arrays(file)
            same = set(there) == set(data) and all(np.array_equal(there[name], data[name]) for name in data)
            if not same:
                raise ValueError(f"{self._home} holds a run on other data. Choose another folder.")
            return str(file)
        self._home.mkdir(parents=True, exist_ok=True)
        with storage.atomic_path(file) as temporary, open(temporary, "wb") as opened:
            np.savez(opened, allow_pickle=False, **data)
        return str(file)
