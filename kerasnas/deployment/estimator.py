"""The search in three lines: what all estimators share."""

from __future__ import annotations

import abc
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.deployment.exporting import DEFAULT_FORMATS, export
from kerasnas.deployment.samples import Samples
from kerasnas.export import Classifier, load_classifier
from kerasnas.files import storage, untrusted
from kerasnas.genotypes import Genotype
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.running import search
from kerasnas.runs.folder import GENOTYPE, RunFolder
from kerasnas.runs.record import read_result
from kerasnas.tasks import Task
from kerasnas.tasks.splits import split_samples

DATA = "data.npz"
"""The file of the data that an estimator was given, beside its run."""
_READ: dict[str, Any] = {"image_size": "auto", "image_fit": "stretch", "target": (), "text_column": ""}


class Estimator(abc.ABC):
    """The best network for your data, `kerasnas search` as an estimator.

    Args:
        settings: of the search.
        kind: what the samples are.
        folder, test_split, log: see the subclasses.
    """

    def __init__(
        self,
        settings: RaceConfig | SearchConfig | GraphConfig,
        kind: Samples,
        folder: str | os.PathLike | None = None,
        test_split: float = 0.1,
        log: Callable[[str], Any] = print,
    ):
        self.settings, self._kind = settings, kind
        self._check_task()
        self.test_split = checks.number("test_split", test_split, above=0, below=1)
        self.log = checks.function("log", log)
        self.folder = None if folder is None else checks.path("folder", folder)
        self._temporary: tempfile.TemporaryDirectory | None = None
        self._classifier: Classifier | None = None

    def fit(self, x: Any, y: Any = None, test_data: Any = None) -> Self:
        """Search within the budget. Interrupted, and called again with the same data and folder, it resumes.

        Args:
            x: images, an array `(samples, height, width, channels)` or `(samples, height, width)` of integers or
                floats, from 0 to 255 or to 1, a list of paths, or of images of Pillow; or texts, strings. Or a table of
                such samples and labels: a `tf.data.Dataset`, of pairs or of mappings, a split of a data set of Hugging
                Face, or a frame of pandas, with a column `image`, `path`, `file` or `filename`, or for texts `text`,
                `sentence`, `review`, `comment` or `message`; and one of labels, named `label`, `labels`, `class` or
                `target`, or as the setting `target` says. Or the path of a folder, an `.npz` file or a `.csv` file, or
                a name, as `kerasnas.datasets.load` takes it.
            y: their labels; see the class. Defaults to None, where `x` has them.
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
            data = self._parts(x, y, test_data)
            fit = getattr(self.settings, "image_fit", "stretch")
            data |= {"image_fit": np.array(fit)} if fit != "stretch" else {}
        if self.folder is None:  # each call begins from scratch
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
        """The folder of the run, as of the command line."""
        return self._home / "run"

    @property
    def _home(self) -> Path:
        if self.folder is not None:
            return self.folder
        if self._temporary is None:
            raise ValueError("This estimator has learned nothing yet. Call `fit` first.")
        return Path(self._temporary.name)

    def answers(self, x: Any) -> np.ndarray:
        """The answers of the network, probabilities or numbers, for each sample: an array `(samples, outputs)`.

        Args:
            x: raw images, an array like that of `fit`; or the path of an image file, of a folder of them, or a list of
                paths. Of a network for texts a text, or several.

        Raises:
            ValueError: before `fit`; if a file cannot be read as an image.
        """
        return self._kind.answers(self._fitted(), x)

    @abc.abstractmethod
    def _check_task(self) -> None:
        """Raise ValueError if the settings ask for a task that is another estimator's."""

    @abc.abstractmethod
    def _parts(self, x: Any, y: Any, test_data: Any) -> dict[str, np.ndarray]:
        """The arrays of a dataset, split, of what `fit` was given."""

    def _test_arrays(self, test_data: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The arrays of test data, a pair or a table, of samples like `x`."""
        if test_data is None:
            return None
        samples, labels = test_data if isinstance(test_data, tuple | list) else (test_data, None)
        return self._kind.arrays(samples, labels, like=x)

    def _split(
        self, task: Task, x: np.ndarray, y: np.ndarray, test: tuple[np.ndarray, np.ndarray] | None
    ) -> dict[str, np.ndarray]:
        """The arrays of a dataset: with test data of their own, or a share of these."""
        if test is not None:
            return {"x_train": x, "y_train": y, "x_test": test[0], "y_test": test[1]}
        train, other = split_samples(task, y, self.test_split, self.settings.seed)
        return {"x_train": x[train], "y_train": y[train], "x_test": x[other], "y_test": y[other]}

    @property
    def model(self) -> keras.Model:
        """The network: a plain Keras model, raw images in, probabilities out."""
        return self._fitted().model

    @property
    def genotype(self) -> Genotype:
        """The architecture that was found."""
        self._fitted()
        return Genotype.load(self.run / GENOTYPE)

    @property
    def result(self) -> dict[str, Any]:
        """The record of the search; `kerasnas.reporting` says what is in it."""
        self._fitted()
        return read_result(self.run)

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
            The size, the latency and the agreement of each file, as `kerasnas.deployment.export` returns them.

        Raises:
            ValueError: before `fit`; for an unknown format (the nearest is named), and one whose packages are missing.

        Example:

            estimator.export(["litert"], output="phone/")
        """
        self._fitted()
        data = self._home / DATA  # wherever it was moved to
        return export(self.run, formats, output, dataset=str(data) if data.exists() else "", log=self.log)

    def report(self) -> Path:
        """The path of the report, a page in one file."""
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
        own = cls(folder=folder)  # type: ignore[call-arg]  # a subclass makes its settings
        settings = RunFolder.open(own.run).config
        if not isinstance(settings, type(own.settings)):
            raise ValueError(f"{own.run} holds no run of {cls.__name__}.")
        own.settings = settings
        own._read()
        return own

    def _read(self) -> None:
        """Read the finished run."""
        self._classifier = load_classifier(self.run)
        names = np.array(self._classifier.classes)
        if (file := self._home / DATA).exists():
            names = untrusted.read_arrays(file).get("labels", names)
        self._named(names)

    @abc.abstractmethod
    def _named(self, names: np.ndarray) -> None:
        """Take over what the outputs stand for, as `fit` was given it."""

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
