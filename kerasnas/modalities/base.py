"""Modality: everything that follows from the kind of samples, in one object that the rest of the package asks."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from kerasnas import checks
from kerasnas.companions.base import Companion
from kerasnas.modalities.columns import Columns, as_list, close, columns_of, labels_in
from kerasnas.modalities.decoding import Decoded
from kerasnas.modalities.decoding import Reading as Reading
from kerasnas.modalities.fronts import SPLITS, Front
from kerasnas.modalities.lazy_images import LazyImages, as_array, in_parts, predicted
from kerasnas.modalities.parts import Parts
from kerasnas.modalities.token_vectors import STARTS
from kerasnas.registry import Registry
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.tasks.splits import spread_rows
from kerasnas.wording import wrong_value

MODALITIES = Registry("modality")
"""Classes of modalities by name; `kerasnas.modalities.modality` makes one."""
PARTS = (("train", "training"), ("test", "test"))
Paths = Sequence[str | os.PathLike]
FromPaths = tuple[Sequence[Any], np.ndarray, dict[Any, str]]
"""Names of samples; the raw samples; and the reason for each file that could not be read."""
ByPart = dict[str, np.ndarray]
"""An array for each of "train" and "test"."""
_BATCH, _AT_ONCE = 250, 1024
_LOADING = """\
import keras  # the network is made of standard layers: KerasNAS is not needed

model = keras.models.load_model("model.keras")"""


@dataclasses.dataclass(frozen=True)
class TextLimits:
    """The limits within which texts become token ids.

    Args:
        words: maximum size of the vocabulary. Defaults to 20000.
        length: number of ids of a text. Defaults to 0: what 98 % of the training texts need, 256 at most.
        tokens: `"words"`, `"characters"`, or `"auto"`, the default.
        starts: pretrained vectors of words: `"auto"`, `"none"` or the name of a package. Defaults to `"none"`.
    """

    words: int = 20_000
    length: int = 0
    tokens: str = "auto"
    starts: str = "none"

    def __post_init__(self) -> None:
        checks.integer("words", self.words, least=1)
        checks.integer("length", self.length, least=0)
        checks.one_of("tokens", self.tokens, ("auto", *SPLITS))
        checks.one_of("starts", self.starts, STARTS)


class Modality:
    """A kind of samples: how to read, check, augment, describe and show them.

    A subclass sets the attributes, writes `read`, and overrides what differs from the defaults below. It is registered
    with `MODALITIES.register(name)`; `kerasnas.testing.check_modality` says which promise it breaks.

    Attributes:
        name: in `MODALITIES`, in `model.json`, and in the array `kind` of an `.npz` file.
        singular, plural: a sample in messages, such as `"image"` and `"images"`.
        input_plural: network inputs in messages. Defaults to `plural`.
        inputs: what a network takes, as a search space's `inputs` says.
        axes: names of the axes of one network input.
        kinds: of the dtypes that network inputs may have, in NumPy's letters. Defaults to numbers.
        value: one number of a sample, in messages.
        sizes: names of the sizes that describe data for experience. Defaults to the axes.
        fixes: number of axes of an array of other samples -> what to do about it.
        columns: usual names of the column of samples in a table.
        suffixes: of files that hold a sample each; see `decode`. Defaults to none.
        traits: names of what such files have besides their sample.
        archives: suffix of files that hold a whole data set -> `(file, task, seed)` -> what `read_csv` returns.
        gaps: what to do about missing values, in messages.
        augmentations: names of those that keep such samples what they are.
        gradient_space: space of a gradient search by default; empty if none fits.
        race_space: space of a race by default; empty if none fits.
        companion_setting: the setting that sizes the linear model next to a network; empty if there is none.
        formats: names of the export formats that can hold a network; None for all.
        exact_layers: names of layers of its front whose numbers span too much for integers of 8 bits. Defaults to none.
        near: correlation above which two raw samples are the same but for noise. Defaults to 0: it is not compared.
        drift: whether drift statistics exist.
        transductive: whether a network predicts all its samples at once, and no others: the nodes of a graph.
        adapts: whether a deployed network can be adapted to new samples.
        adaptable: whether networks that were pretrained on photographs can see samples. Defaults to False.
        resizes: whether samples are brought to one size.
        baseline: whether a support vector machine on the values of samples is fitted to compare with. Defaults to True.
        most_epochs: number of epochs after which networks of a race overfit. Defaults to any.
        race_share: of a race's budget, that candidates other than the first may take. Defaults to what suits images.
        example: argument of `kerasnas predict` in the closing text; empty if it takes none.
        hub_tasks: task -> its name on the Hugging Face Hub.
        in_words: format of the sizes of a sample.
    """

    name = ""
    singular, plural = "sample", "samples"
    input_plural = ""
    inputs = ""
    axes: tuple[str, ...] = ()
    kinds = "iuf"
    value = "value"
    sizes: tuple[str, ...] = ()
    fixes: ClassVar[Mapping[int, str]] = {}
    columns: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    archives: ClassVar[Mapping[str, Any]] = {}
    gaps = ""
    augmentations: tuple[str, ...] = ()
    gradient_space = race_space = ""
    companion_setting = ""
    formats: tuple[str, ...] | None = None
    exact_layers: tuple[str, ...] = ()
    near = 0.0
    drift = True
    adapts = True
    transductive = False
    resizes = False
    adaptable = False
    baseline = True
    most_epochs = math.inf
    race_share = 0.0
    example = ""
    hub_tasks: ClassVar[Mapping[str, str]] = {}
    in_words = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "axes" in cls.__dict__ and "sizes" not in cls.__dict__:
            cls.sizes = cls.axes
        if "input_plural" not in cls.__dict__:
            cls.input_plural = cls.plural

    def __repr__(self) -> str:
        return f"<modality {self.name}>"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = object.__hash__

    def claims(self, x: np.ndarray) -> bool:
        """Return True if raw samples like `x` are these where nothing says what they are."""
        return False

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        """Return the arguments of a `Dataset`: checked samples and labels, front, raw samples, notes.

        Args:
            arrays: `x_train`, `y_train`, `x_test`, `y_test` and what else a file has; labels as networks learn them.
            task: what the labels are.
            limits: of texts.

        Raises:
            ValueError: for arrays that no network can learn from.
        """
        raise NotImplementedError

    def restored(self, record: Mapping[str, Any]) -> Modality:
        """Return the modality of a saved network, given the content of its `model.json`."""
        return self

    def of_network(self, model: keras.Model) -> Modality:
        """Return the modality with what its samples have to have in common with a saved network."""
        return self

    def check_data(self, data: Any, shape: tuple[int, ...]) -> None:
        """Raise ValueError for data whose raw samples a saved network, which takes those of a shape, does not take."""
        if data.raw_shape != shape:
            takes, received = f"samples of shape {shape}" if shape else "texts", data.raw_shape or "texts"
            raise ValueError(f"The network takes {takes}. Received {data.name}, of {received}.")

    def load_options(self, reading: Reading) -> dict[str, Any]:
        """Return the arguments of `kerasnas.datasets.load` by which samples of a folder or table fit a network."""
        return {}

    def holds(self, path: Path) -> bool:
        """Return True if the name of a file is that of a sample."""
        return path.suffix.lower() in self.suffixes and not path.name.startswith(".")

    def decode(self, paths: Sequence[Path], root: Path | None, reading: Reading, cache: Path | None = None) -> Decoded:
        """Decode files of one sample each, of `suffixes`, to one shape; arguments and errors as for `read_pixels`."""
        raise NotImplementedError

    def from_table(self, columns: Columns, y: Any, target: Sequence[str], reading: Reading) -> tuple[Any, Any]:
        """Return samples and labels of a table, as `kerasnas.modalities.columns` has it.

        Raises:
            ValueError: for labels `y` besides other columns than that of the samples.
        """
        sample = self.sample_column(columns, reading)
        if y is not None and len(columns) > 1:
            raise ValueError(checks.invalid("y", f"None, as `x` is a dataset of {self.plural} and labels", y))
        return columns[sample], labels_in(columns, sample, target) if y is None else y

    def sample_column(self, columns: Columns, reading: Reading) -> str:
        """Return the name of the column of samples.

        Raises:
            ValueError: if there is none; names the nearest.
        """
        for name in ("", *self.columns):
            found = [own for own in columns if own.lower() == name]
            if found:
                return found[0]
        expected = f"a table with a column of {self.plural}, named {', '.join(self.columns)}"
        raise ValueError(checks.invalid("x", expected, f"columns {', '.join(columns)}", close(columns, self.columns)))

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        """Return samples of an estimator's `fit` as an array."""
        return checks.array("x", x)

    def gathered(self, x: Any, reading: Reading) -> tuple[Any, dict[str, np.ndarray]]:
        """Return samples of an estimator's `fit` as an array, and what else an `.npz` file needs of them."""
        return self.samples(x, reading), {}

    def column(self, x: Any, reading: Reading) -> Any:
        """Return the samples of a table as they stand there, and others as they are; paths as a list."""
        columns = columns_of(x)
        return as_list(x if columns is None else columns[self.sample_column(columns, reading)])

    def queries(self, x: Any, reading: Reading) -> np.ndarray:
        """Return samples of an estimator's `predict`, in whatever form, as a network takes them."""
        return self.samples(x, reading)

    def from_paths(self, paths: Paths, reading: Reading) -> FromPaths:
        """Return the arguments of `kerasnas predict` as samples.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if such samples are not read from files.
        """
        if not self.suffixes:
            raise ValueError(
                f"The network takes {self.plural}, which `kerasnas predict` does not read. Pass an array to its "
                "`model.predict` in Python."
            )
        decoded = self.decode(list(dict.fromkeys(self._files(paths))), None, reading)
        return decoded.paths, decoded.samples, dict(decoded.unreadable)

    def _files(self, paths: Paths) -> list[Path]:
        """Return the files at these paths, and those in folders there."""
        files: list[Path] = []
        checks.each((str, os.PathLike))("paths", paths, "a sequence of paths")
        for path in map(Path, paths):
            if not path.exists():
                raise FileNotFoundError(f"There is no {self.singular}, and no folder of {self.plural}, at {path}.")
            found = sorted(filter(self.holds, path.rglob("*"))) if path.is_dir() else [path]
            if not found:
                raise ValueError(f"There is no {self.singular} in the folder {path}.")
            files += found
        return files

    def decoded(self, files: Sequence[Path], root: Path | None, reading: Reading) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the sample of each of these files, and what else an `.npz` file needs of them.

        Raises:
            ValueError: if one cannot be read.
        """
        found = self.decode(list(dict.fromkeys(files)), root, reading)
        if found.unreadable:
            raise ValueError("; ".join(found.unreadable.values()))
        return found.of(files), dict(found.more)

    def of_paths(self, x: Any, reading: Reading) -> np.ndarray | None:
        """Return the samples of files of `suffixes`, at a path or at several; None where `x` is something else."""
        paths = [x] if isinstance(x, str | os.PathLike) else x
        if not isinstance(paths, list | tuple) or not all(isinstance(path, str | os.PathLike) for path in paths):
            return None
        return self.decoded(self._files(paths), None, reading)[0]

    def check(
        self,
        x: Any,
        y: Any,
        *,
        num_classes: int | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        what: str = "training",
        task: Task = CLASSIFICATION,
    ) -> None:
        """Raise ValueError unless `x` and `y` are inputs and labels to learn from; arguments as for `check_images`."""
        checks.instance("what", what, str, "the name of the data")
        checks.instance("task", task, Task, "a `kerasnas.tasks.Task`")
        checks.optional(checks.size, "num_classes", num_classes)
        for argument, value in (("x", x), ("y", y)):
            if not (hasattr(value, "shape") and hasattr(value, "dtype")):
                raise wrong_value(argument, "an array (np.asarray makes one)", type(value).__name__, what)
        x, y = as_array(x), np.asarray(y)
        self._check_inputs(x, None if input_shape is None else tuple(input_shape), what)
        task.check_trainable(y, len(x), num_classes, what, self.input_plural)

    def raw_parts(
        self, arrays: Mapping[str, np.ndarray], task: Task, fits: Callable[[np.ndarray], bool], expected: str
    ) -> tuple[ByPart, ByPart]:
        """Return raw samples and labels of "train" and "test"; raise ValueError for samples that do not fit."""
        x, y = ByPart(), ByPart()
        for part, what in PARTS:
            samples, y[part] = np.asarray(arrays[f"x_{part}"]), task.table(arrays[f"y_{part}"])
            if not samples.size or not fits(samples):
                raise wrong_value("x", expected, f"shape {samples.shape}, dtype {samples.dtype}", what)
            task.check_trainable(y[part], len(samples), None, what, self.plural)
            x[part] = samples
        return x, y

    def _check_inputs(self, x: np.ndarray, input_shape: tuple[int | None, ...] | None, what: str) -> None:
        plural = self.input_plural
        axes = f"(samples, {', '.join(self.axes)})" + ("" if input_shape is None else ", as `input_shape` says")
        if x.ndim != len(self.axes) + 1:
            fix = self.fixes.get(x.ndim, "")
            raise wrong_value("x", f"{plural} of shape {axes}", f"shape {x.shape}{'. ' if fix else ''}{fix}", what)
        if x.size == 0:
            expected = f"at least one {self.singular} with at least one {self.value}"
            raise wrong_value("x", expected, f"an empty array, shape {x.shape}", what)
        if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer)):
            raise wrong_value("x", f"{plural} of numbers, float or integer", f"dtype {x.dtype}", what)
        if x.dtype.kind not in self.kinds:
            raise wrong_value("x", f"{plural} of an integer dtype", f"dtype {x.dtype}", what)
        if input_shape is not None:
            pairs = zip(input_shape, x.shape[1:], strict=False)
            if len(input_shape) != x.ndim - 1 or any(size not in (None, found) for size, found in pairs):
                raise wrong_value("x", f"{plural} of shape {input_shape}", f"{plural} of shape {x.shape[1:]}", what)
        if np.issubdtype(x.dtype, np.floating):
            whole = [np.isfinite(part).all(axis=tuple(range(1, x.ndim))) for part in in_parts(x, _AT_ONCE)]
            bad = np.flatnonzero(~np.concatenate(whole))
            if bad.size:
                received = f"NaN or infinity in {bad.size} of {len(x)} {plural}, first in {self.singular} {bad[0]}"
                raise wrong_value("x", "finite values", f"{received}{self.gaps}", what)

    def checked(self, argument: str, x: Any, model: keras.Model, finite: bool = True) -> np.ndarray:
        """Return raw samples as the array that a deployed `model` takes.

        Raises:
            ValueError: if they do not fit the model.
        """
        found: Any = x if isinstance(x, LazyImages) else checks.array(argument, x, finite=finite)
        shape = tuple(model.input_shape[1:])
        if not found.ndim or found.shape[1:] != shape or not len(found):
            expected = f"samples of shape {shape}, at least one"
            raise ValueError(checks.invalid(argument, expected, f"shape {found.shape}"))
        return found

    def array(self, argument: str, x: Any) -> np.ndarray:
        """Return raw samples as an array."""
        return checks.array(argument, x)

    def answers(self, model: keras.Model, x: np.ndarray) -> np.ndarray:
        """Return what a deployed model predicts of raw samples."""
        return predicted(model, x, _BATCH)

    def some(self, x: np.ndarray, most: int) -> np.ndarray:
        """Return so many samples at most, evenly spread, or all where a network takes no fewer."""
        return x[spread_rows(len(x), most)]

    def fits(self, space: Any) -> bool:
        """Return True if networks of a class of search spaces take these samples."""
        return self.inputs in getattr(space, "takes", (getattr(space, "inputs", "image"),))

    def suited_space(self, front: Front | None, limited: bool = False) -> str:
        """Return the space of a race by default, for data with such a front; empty if none fits.

        Args:
            front: of the data.
            limited: whether networks have limits, so that small ones are needed. Defaults to False.
        """
        return self.race_space

    def companion_size(self, front: Front | None, samples: int, limited: bool) -> int:
        """Return the default of the setting `companion_setting`.

        Args:
            front: of the data.
            samples: number of training samples.
            limited: whether the cost of the network has a limit, which does not count the companion.
        """
        return 0

    def companion(
        self, size: int, seed: int, padded: bool, front: Front | None = None, divisions: Sequence[str] = ()
    ) -> Companion | None:
        """Return the linear model next to a network; None where there is none of size 0."""
        return None

    def references(self, task: Task, seed: int) -> dict[str, Callable[..., np.ndarray]]:
        """Return models without a network to compare with: name -> `(x, y, x_test, weights) -> answers`. Here: none."""
        return {}

    def measured(self, x: np.ndarray) -> tuple[float, ...]:
        """Return the numbers that `sizes` names, of network inputs."""
        return x.shape[1:]

    def divisions(self, x: np.ndarray) -> tuple[str, ...]:
        """Return the parts that samples may be read by, as spaces name them. Here: none."""
        return ()

    def shaped(self, shape: Sequence[int]) -> str:
        """Return samples of a shape in words, such as `"28x28x1 images"`."""
        return f"{'x'.join(map(str, shape))} {self.plural}"

    def entry(self, index: int) -> str:
        """Return the name of a place along the last axis of raw samples."""
        return f"{self.axes[-1].removesuffix('s')} {index}"

    def small(self, x: np.ndarray) -> np.ndarray:
        """Return network inputs as short rows, on which the nearest sample is quick to find."""
        return x.reshape(len(x), -1)

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return drift statistics of raw samples, `(samples, columns)`, and the name of each column."""
        raise ValueError(f"Drift detection does not support {self.plural}.")

    def blank(self, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return one raw sample of a shape, to find out the names of its statistics."""
        return np.zeros((1, *(size or 2 for size in shape)))

    def usage(self, record: Mapping[str, Any], answers: str, shown: str) -> str:
        """Return the code that loads a saved network, for report and card.

        Args:
            record: of the data of the run.
            answers, shown: name of the network's output, and the line that prints it.
        """
        return _LOADING

    def parts(self, raw: Any) -> Parts:
        """Return a raw sample without each of its parts in turn, which shows what an answer depends on.

        Raises:
            ValueError: if such samples are not divided.
        """
        raise ValueError(f"Which parts of {self.plural} an answer depends on is not examined.")

    def thumbnail(self, x: np.ndarray, side: int = 64) -> str | None:
        """Return a picture of a network input, of at most `side` pixels, as a `data:` URI; None if there is none."""
        return None

    def excerpt(self, raw: Any) -> str:
        """Return the beginning of a raw sample as text; empty if it is not one."""
        return ""


def dataset_arguments(
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    task: Task,
    raw: Mapping[str, np.ndarray] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the arguments of a `Dataset`, given the samples, labels and raw samples of "train" and "test"."""
    return {
        **{f"x_{part}": x[part] for part in x},
        **{f"y_{part}": y[part].astype(task.dtype) for part in y},
        **{f"raw_{part}": one for part, one in (raw or {}).items()},
        "task": task,
        **more,
    }
