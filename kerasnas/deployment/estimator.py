"""Estimator: the search in three lines, for any kind of samples."""

from __future__ import annotations

import dataclasses
import html
import inspect
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.deployment.exporting import DEFAULT_FORMATS, export
from kerasnas.deployment.predictions import evaluate
from kerasnas.deployment.samples import Samples
from kerasnas.export.classifier import Classifier, load_classifier
from kerasnas.files import storage, untrusted
from kerasnas.genotypes import Genotype
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.running import search
from kerasnas.modalities.lookup import modality
from kerasnas.other_tools import ANSWERS, translated
from kerasnas.reporting.comparisons import comparison_of, verdict
from kerasnas.reporting.report import html_table
from kerasnas.runs.folder import GENOTYPE, RunFolder
from kerasnas.runs.record import read_result
from kerasnas.tasks.base import task_class

_T = TypeVar("_T")
DATA = "data.npz"
"""File of the data that an estimator was given, next to its run."""
_READ: dict[str, Any] = {"image_size": "auto", "image_fit": "stretch", "target": (), "text_column": ""}


class Estimator(BaseEstimator):
    """The best network for your data in the time you give: `kerasnas search` as an estimator.

    A scikit-learn estimator: `clone`, `cross_val_score`, `GridSearchCV`, `Pipeline` and `joblib` work on it.

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
        TypeError: for an argument that does not exist; for a word of another tool it names ours, see `fit`.
        ValueError: for a setting that is out of range, and for a task of other estimators.
    """

    takes: ClassVar[str] = "images"
    makes: ClassVar[str] = "classifier"
    config: ClassVar[Any] = RaceConfig

    def __init__(
        self,
        minutes: float = 0.0,
        folder: str | os.PathLike | None = None,
        test_split: float = 0.1,
        log: Log = print,
        **settings: Any,
    ):
        given = {"minutes": minutes, "folder": folder, "test_split": test_split, "log": log}
        self._set(**{**given, **translated(settings)})

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the arguments of `__init__` by name, settings among them, with their defaults."""
        parameters = inspect.signature(cls).parameters.values()
        given = {one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}
        fields = {field.name: field.default for field in dataclasses.fields(cls.config) if field.name != "dataset"}
        return {**given, **fields}

    def _set(self, **params: Any) -> None:
        """Take over the arguments of `__init__`; what was learned is dropped."""
        defaults = self._defaults()
        if unknown := [name for name in params if name not in defaults]:
            hint = checks.nearest(unknown[0], defaults)
            raise TypeError(f"{type(self).__name__} has no argument `{unknown[0]}`. {hint}")
        self._params = {**defaults, **params}
        folder = params.pop("folder")
        self.log = checks.function("log", params.pop("log"))
        self.test_split = checks.number("test_split", params.pop("test_split"), above=0, below=1)
        self.folder = None if folder is None else checks.path("folder", folder)
        self._settings = self._with_task(self.config(**params))
        self._samples = Samples(modality(self.takes) if self.takes else None, self._settings)
        self._temporary: tempfile.TemporaryDirectory | None = None
        self._classifier: Classifier | None = None
        self._labels = self._columns = np.array([])

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

    @property
    def settings(self) -> Any:
        """Settings of the search, of class `config`."""
        return self._settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all arguments by name, settings among them; `deep` changes nothing."""
        return dict(self._params)

    def set_params(self, **params: Any) -> Self:
        """Replace arguments; what was learned is dropped."""
        self._set(**{**self._params, **translated(params)})
        return self

    def __getattr__(self, name: str) -> Any:
        if name in ANSWERS:
            raise AttributeError(ANSWERS[name])
        return object.__getattribute__(self, name)  # the usual error, or that of the property

    def __sklearn_tags__(self) -> Any:
        kinds = {"classifier": ClassifierTags(multi_label=True), "regressor": RegressorTags()}
        one, two, three = (self._samples.may_have_axes(number) for number in (1, 2, 3))
        samples = InputTags(one, two, three, string=True, categorical=True, allow_nan=True)
        kind: Any = {f"{self.makes}_tags": kinds[self.makes]}
        return Tags(self.makes, TargetTags(required=True, multi_output=True), input_tags=samples, **kind)

    def __sklearn_is_fitted__(self) -> bool:
        return self._classifier is not None

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments and the files of the run: a pickle needs no folder."""
        files = [] if self._classifier is None else [self._home / DATA, *self.run.rglob("*")]
        contents = {path.relative_to(self._home).as_posix(): path.read_bytes() for path in files if path.is_file()}
        return {"params": self._params, "contents": contents}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._set(**state["params"])
        if state["contents"]:
            self._temporary = tempfile.TemporaryDirectory(prefix="kerasnas-")
            for name, content in state["contents"].items():
                (self._home / name).parent.mkdir(parents=True, exist_ok=True)
                (self._home / name).write_bytes(content)
            self._read(load_classifier(self.run))

    def __repr__(self) -> str:
        defaults = self._defaults()
        given = [f"{name}={value!r}" for name, value in self._params.items() if repr(value) != repr(defaults[name])]
        return f"{type(self).__name__}({', '.join(text for text in given if not text.startswith('log='))})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the arguments and, after `fit`, the verdict and the candidates."""
        parts = [f"<code>{html.escape(repr(self))}</code>"]
        if self._classifier is not None:
            record = read_result(self.run)
            parts += [f"<p>{html.escape(verdict(record))}</p>", html_table(comparison_of(record).table(record))]
        return "\n".join(parts)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return both: notebooks ask for this first, and scikit-learn's would show the arguments alone."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def fit(
        self, x: Any = None, y: Any = None, test_data: Any = None, sample_weight: Any = None, **arguments: Any
    ) -> Self:
        """Search within the budget. Interrupted, and called again with the same data and folder, it resumes.

        Args:
            x: images, an array `(samples, height, width, channels)` or `(samples, height, width)` of numbers from 0 to
                255 or to 1, a list of paths, or of images of Pillow; or texts, strings. Or a table of samples and
                labels, see `kerasnas.modalities.columns`: a `tf.data.Dataset`, a split of a Hugging Face data set, or a
                frame of pandas. Or a path or a name, as `kerasnas.datasets.load` takes it.
            y: their labels; see the class. Defaults to None: `x` has them.
            test_data: samples and labels, or a table, for the one evaluation at the end. Defaults to None: a share of
                those above.
            sample_weight: how much each of the samples counts in training and in comparisons, at least 0; times the
                setting `class_weight`. Defaults to None: all count alike.
            **arguments: passed to `set_params`. Words of other tools keep their meaning, or the error names ours:
                `time_limit=60` is in seconds, `verbose=0` logs nothing, `validation_data` is `test_data`.

        Returns:
            This estimator.

        Raises:
            TypeError: as for the constructor.
            ValueError: if the data cannot be trained on, or the folder holds a run of other settings or data.
        """
        given = {name: one for name, one in (("x", x), ("y", y), ("test_data", test_data)) if one is not None}
        arguments = translated({**given, **arguments})
        x, y, test_data = (arguments.pop(name, None) for name in ("x", "y", "test_data"))
        if arguments:
            self.set_params(**arguments)
        if isinstance(x, str | os.PathLike):
            for name, value in (("y", y), ("test_data", test_data), ("sample_weight", sample_weight)):
                if value is not None:
                    raise ValueError(checks.invalid(name, "None, as `x` is the path of labeled data", value))
            dataset, data = os.fspath(x), None
        else:
            data = self._arrays(x, y, test_data, sample_weight)
            fit = getattr(self.settings, "image_fit", "stretch")
            data |= {"image_fit": np.array(fit)} if fit != "stretch" else {}
        self._temporary = None if self.folder else tempfile.TemporaryDirectory(prefix="kerasnas-")  # from scratch
        if data is not None:
            dataset = self._write(data)
        # Of arrays, what their files and tables were read by is done.
        read = {} if data is None else {name: value for name, value in _READ.items() if hasattr(self.settings, name)}
        try:
            search(dataclasses.replace(self.settings, dataset=dataset, **read), self.run, self.log)
        except ValueError as error:  # about arrays: not about their file
            error.args = (str(error).removeprefix(f"{self._home / DATA}: "),)
            raise
        self._read(load_classifier(self.run))
        return self

    @property
    def run(self) -> Path:
        """Folder of the run, as of the command line."""
        return self._home / "run"

    @property
    def _home(self) -> Path:
        return self._learned(self.folder if self._temporary is None else Path(self._temporary.name))

    @property
    def _data(self) -> str:
        """File of the data that `fit` was given, wherever the run was moved to; "" if it was given a path."""
        file = self._home / DATA
        return str(file) if file.exists() else ""

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
        network, name, wanted = self._fitted(), type(self).__name__, getattr(self, "n_features_in_", None)
        if isinstance(x, np.ndarray) and x.ndim == 2 and wanted not in (None, x.shape[1]):  # scikit-learn's words
            raise ValueError(f"X has {x.shape[1]} features, but {name} is expecting {wanted} features as input.")
        return self._samples.answers(network, x)

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """Return the metrics of the task on labeled data, such as `"accuracy"` and `"loss"`.

        Args:
            x: raw samples; or the name or the path of a dataset, of which the test part counts.
            y: labels, as for `fit`.

        Returns:
            For classes `"accuracy"` and `"loss"`, for several labels also `"f1"` and `"exact"`, for numbers `"r2"`,
            `"mae"`, `"rmse"`, and the loss on standardized numbers; and the setting `metric`, if it is another one. For
            a dataset, as `kerasnas.deployment.evaluate`.
        """
        network = self._fitted()
        if isinstance(x, str | os.PathLike):
            return evaluate(self.run, os.fspath(x))
        x, y = self._samples.arrays(x, y, network)
        y = network.task.given(y, self._labels)
        if line := network.task.unmeasured(y, network.classes, "samples"):
            self.log(line)
        return network.task.measures(self.answers(x), y)

    def score(self, x: Any = None, y: Any = None) -> float:
        """Return the setting `metric` on labeled data, by default accuracy or R2; arguments as for `evaluate`."""
        return self.evaluate(x, y)[self._fitted().task.metric]

    def _arrays(self, x: Any, y: Any, test_data: Any, sample_weight: Any = None) -> dict[str, np.ndarray]:
        """Return the arrays of a dataset, and `labels`: what its outputs stand for."""
        return self._samples.dataset(x, y, test_data, self.makes, self.test_split, sample_weight)

    @property
    def model(self) -> keras.Model:
        """Network: a plain Keras model, raw samples in, probabilities or numbers out."""
        return self._fitted().model

    @property
    def n_features_in_(self) -> int:
        """Number of columns, of a network for rows of a table; AttributeError for other samples."""
        shape = self._fitted().input_shape
        if len(shape) != 1:
            raise AttributeError(f"Samples of shape {shape} have no columns to count.")
        return shape[0]

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of a frame that `fit` was given; AttributeError for other samples."""
        if not len(self._columns):
            raise AttributeError("The samples of `fit` have no columns with names.")
        return self._columns

    def leaderboard(self) -> list[dict[str, Any]]:
        """Return the candidates of the search, the winner first, as `pandas.DataFrame` takes them.

        Returns:
            Of each its `"name"`, its `"score"` on the held-out samples, None if it was not trained, and of a race its
            `"kind"`, `"parameters"`, `"seconds"` of a step and `"outcome"`.

        Raises:
            ValueError: before `fit`.
        """
        self._fitted()
        return comparison_of(record := read_result(self.run)).standings(record)

    @property
    def genotype(self) -> Genotype:
        """Architecture that the search found."""
        self._fitted()
        return Genotype.load(self.run / GENOTYPE)

    @property
    def result(self) -> dict[str, Any]:
        """Record of the search; see `kerasnas.records`."""
        self._fitted()
        return read_result(self.run).to_dict()

    @checks.arguments(output=checks.path)
    def export(
        self, formats: Iterable[str] = DEFAULT_FORMATS, output: str | os.PathLike | None = None
    ) -> dict[str, Any]:
        """Write the network for other runtimes; each file is compared with the Keras model on the test data.

        Args:
            formats: some of `"savedmodel"`, `"onnx"`, `"litert"`, `"litert-int8"` and `"c"`. Defaults to all but
                `"onnx"` and `"c"`, which need the extras `kerasnas[export]` and `kerasnas[micro]`.
            output: the folder that is written to. Defaults to None: the run's. A temporary one goes with this object.

        Returns:
            As `kerasnas.deployment.export`, which also says what it raises.
        """
        self._fitted()
        return export(self.run, formats, output, dataset=self._data, log=self.log)

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
        settings, made = RunFolder.open(estimator.run).config, load_classifier(estimator.run)
        fits = cls.takes in ("", made.modality.name) and made.task.deployed_as == cls.makes
        if not isinstance(settings, cls.config) or not fits:
            raise ValueError(f"{estimator.run} holds no run of {cls.__name__}.")
        names = [name for name in estimator.get_params() if hasattr(settings, name)]
        estimator.set_params(**{name: getattr(settings, name) for name in names})
        estimator._read(made)
        return estimator

    def _read(self, made: Classifier) -> None:
        """Take over a finished run's network, and what its outputs stand for."""
        arrays = untrusted.read_arrays(self._data) if self._data else {}
        self._labels = arrays.get("labels", made.task.labels_of(made.classes))
        self._columns = arrays.get("columns", np.array([]))
        self._classifier = made

    def _fitted(self) -> Classifier:
        return self._learned(self._classifier)

    def _learned(self, value: _T | None) -> _T:
        """Return what `fit` has left; scikit-learn's `NotFittedError`, also a ValueError, if that is nothing."""
        if value is None:
            raise NotFittedError(f"This {type(self).__name__} has learned nothing yet. Call `fit` first.")
        return value

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
