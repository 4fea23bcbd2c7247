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

from kerasnas import checks, storage, untrusted
from kerasnas.datasets.splits import split_samples
from kerasnas.export import Classifier, load_classifier
from kerasnas.genotypes import Genotype
from kerasnas.pipeline.deployment import classify
from kerasnas.pipeline.exporting import DEFAULT_FORMATS, export
from kerasnas.pipeline.rebuilding import GENOTYPE
from kerasnas.pipeline.record import read_result
from kerasnas.pipeline.run import search
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.settings import RaceConfig
from kerasnas.tasks import Task

_DATA = "data.npz"


class ImageEstimator(abc.ABC):
    """The best network for images in the time you give: `kerasnas search` as an estimator.

    Args:
        minutes, folder, test_split, log, settings: see the subclasses.
    """

    def __init__(
        self,
        minutes: float = 0.0,
        folder: str | os.PathLike | None = None,
        test_split: float = 0.1,
        log: Callable[[str], Any] = print,
        **settings: Any,
    ):
        self.settings = RaceConfig(minutes=minutes, **settings)
        self._check_task()
        self.test_split = checks.number("test_split", test_split, above=0, below=1)
        self.log = checks.function("log", log)
        self.folder = None if folder is None else checks.path("folder", folder)
        self._temporary: tempfile.TemporaryDirectory | None = None
        self._classifier: Classifier | None = None

    def fit(self, x: Any, y: Any = None, test_data: tuple[Any, Any] | None = None) -> Self:
        """Search within the budget. Interrupted, and called again with the same data and folder, it resumes.

        Args:
            x: images, an array `(samples, height, width, channels)` or `(samples, height, width)` of integers or
                floats, from 0 to 255 or to 1; a `tf.data.Dataset` of such images and labels; or the path of a folder,
                an `.npz` file or a `.csv` file, or a name, as `kerasnas.datasets.load` takes it.
            y: their labels; see the class. Defaults to None, where `x` has them.
            test_data: images and labels for the one evaluation at the end. Defaults to None: a share of those above.

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
            data = self._parts(*arrays_of(x, y), test_data)
        if self.folder is None:  # each call begins from scratch
            self._temporary = tempfile.TemporaryDirectory(prefix="kerasnas-")
        if data is not None:
            dataset = self._write(data)
        search(dataclasses.replace(self.settings, dataset=dataset), self.run, self.log)
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
        """The answers of the network, probabilities or numbers, for each image: an array `(samples, outputs)`.

        Args:
            x: raw images, an array like that of `fit`; or the path of an image file, of a folder of them, or a list of
                paths.

        Raises:
            ValueError: before `fit`; if a file cannot be read as an image.
        """
        network = self._fitted()
        paths = [x] if isinstance(x, str | os.PathLike) else x if isinstance(x, list | tuple) else None
        if paths is not None and all(isinstance(path, str | os.PathLike) for path in paths):
            predictions, failed = classify(network, paths)
            if failed:
                raise ValueError("; ".join(failed.values()))
            return np.array([list(one.probabilities.values()) for one in predictions])
        images = checks.array("x", x)
        if not images.ndim or not len(images):
            raise ValueError(checks.invalid("x", "images, at least one", f"shape {images.shape}"))
        images = images[..., None] if images.ndim == 3 and images.shape[1:] == network.input_shape[:-1] else images
        if images.shape[1:] != network.input_shape:
            raise ValueError(checks.invalid("x", f"images of shape {network.input_shape}", images.shape[1:]))
        return network.answers(images)

    @abc.abstractmethod
    def _check_task(self) -> None:
        """Raise ValueError if the settings ask for a task that is another estimator's."""

    @abc.abstractmethod
    def _parts(self, x: np.ndarray, y: np.ndarray, test_data: tuple[Any, Any] | None) -> dict[str, np.ndarray]:
        """The arrays of a dataset, split, with `classes` and `task`."""

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
            The size, the latency and the agreement of each file, as `kerasnas.pipeline.export` returns them.

        Raises:
            ValueError: before `fit`; for an unknown format (the nearest is named), and one whose packages are missing.

        Example:

            estimator.export(["litert"], output="phone/")
        """
        self._fitted()
        data = self._home / _DATA  # wherever it was moved to
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
        """
        own = cls(folder=folder)
        settings = RunFolder.open(own.run).config
        assert isinstance(settings, RaceConfig)  # nothing else is written there
        own.settings = settings
        own._read()
        return own

    def _read(self) -> None:
        """Read the finished run."""
        self._classifier = load_classifier(self.run)
        names = np.array(self._classifier.classes)
        if (file := self._home / _DATA).exists():
            names = untrusted.read_arrays(file)["labels"]
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
        file = self._home / _DATA
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


def arrays_of(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as arrays.

    Raises:
        ValueError: if they do not belong together.
    """
    if hasattr(x, "as_numpy_iterator"):  # a `tf.data.Dataset`, in batches or not
        if y is not None:
            raise ValueError(checks.invalid("y", "None, as `x` is a dataset of images and labels", y))
        pairs = list(x.as_numpy_iterator())
        if not pairs or not isinstance(pairs[0], tuple) or len(pairs[0]) != 2:
            raise ValueError(checks.invalid("x", "a dataset of pairs (image, label), not empty", x))
        join = np.concatenate if np.ndim(pairs[0][1]) else np.stack
        x, y = (join(part) for part in zip(*pairs, strict=True))
    if y is None:
        raise ValueError(checks.invalid("y", "labels, as `x` is an array", y))
    x = checks.array("x", x)
    y = np.asarray(y) if isinstance(y, (list, tuple)) or hasattr(y, "__array__") else np.zeros(())
    if not x.ndim or not len(x):
        raise ValueError(checks.invalid("x", "images, at least one", f"shape {x.shape}"))
    y = y[:, 0] if y.shape[1:] == (1,) else y  # the shape in keras.datasets
    if y.ndim not in (1, 2) or len(x) != len(y):
        expected = f"one label, or a row of them, for each of the {len(x)} images"
        raise ValueError(checks.invalid("y", expected, f"shape {y.shape}"))
    return x, y
