"""Labeled datasets by name or by path: embedded, published, generated, `.npz` files and folders of images."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.resources
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets.csv_labels import read_csv
from kerasnas.datasets.downloads import RemoteFile, cache_folder, fetch
from kerasnas.datasets.folders import FITS, check_image_size, read_folder
from kerasnas.datasets.fronts import Front, Padding, Scaling
from kerasnas.datasets.image_checks import check_images
from kerasnas.datasets.pools import check_named
from kerasnas.datasets.sequences import TextLimits, audio_parts, text_parts, without_padding
from kerasnas.files import untrusted
from kerasnas.registry import Registry
from kerasnas.tasks import CLASSIFICATION, MULTILABEL, TASKS, Classification, Regression, Task, task_of, task_of_labels

DATASETS = Registry("dataset")
"""Factories by name; each is called with `cache_dir` (a path or None) and returns an `ImageDataset`."""

KINDS = {3: "images", 2: "signals", 1: "texts"}
"""What samples are, by the number of axes of an input."""
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_FASHION_MNIST = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_FILES = {  # the checksums are the publishers'
    "fashion_mnist": {
        "x_train": RemoteFile(_FASHION_MNIST + "train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "y_train": RemoteFile(_FASHION_MNIST + "train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        "x_test": RemoteFile(_FASHION_MNIST + "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        "y_test": RemoteFile(_FASHION_MNIST + "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    },
    "cifar10": {
        "archive": RemoteFile(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
        )
    },
}


@dataclasses.dataclass(frozen=True, eq=False)  # `==` between arrays has no single answer
class ImageDataset:
    """Labeled images, signals or texts, split for training and test.

    Args:
        name: name of the dataset.
        x_train: training images, float32 in [0, 1], shape `(samples, height, width, channels)`; or training signals,
            float32, shape `(samples, length, channels)`; or texts as token ids, int32, shape `(samples, length)`, of
            which 0 is padding.
        y_train: labels as networks learn them: class numbers, int64, shape `(samples,)`; for `Multilabel` 0 and 1 in
            float32, for `Regression` standardized numbers in float32, shape `(samples, outputs)`.
        x_test: test images, as `x_train`.
        y_test: test labels, as `y_train`.
        classes: the name of every class, where a label is an index into it; of every label, or of every number.
        groups: the group of each training sample (its speaker, patient, site), an array `(samples,)`: samples of one
            group are never on both sides of a validation split. Defaults to None: there are none.
        scale: what the samples were divided by when they were read: 255 for images of 8 bits. A model that is handed
            over divides raw samples by it. Defaults to 1.
        notes: lines on how they were read, for a person. Defaults to none.
        image_fit: how images of other shapes were brought to size; as for `load`. Defaults to `"stretch"`.
        task: what the labels are. Defaults to classification.
        front: what makes inputs of raw samples in a deployed model. Defaults to None: `Scaling(scale)`.
        raw_train, raw_test: the raw samples, where they are not the inputs times `scale`: texts, recordings. Default to
            None.

    Raises:
        TypeError: if `name` is not a string.
        ValueError: if a part does not have as many labels as samples, a label has no class, or the shape of the samples
            differs between training and test.
    """

    name: str
    x_train: np.ndarray = dataclasses.field(repr=False)
    y_train: np.ndarray = dataclasses.field(repr=False)
    x_test: np.ndarray = dataclasses.field(repr=False)
    y_test: np.ndarray = dataclasses.field(repr=False)
    classes: tuple[str, ...]
    groups: np.ndarray | None = dataclasses.field(default=None, repr=False)
    scale: float = 1.0
    notes: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    image_fit: str = "stretch"
    task: Task = CLASSIFICATION
    front: Front | None = None
    raw_train: np.ndarray | None = dataclasses.field(default=None, repr=False)
    raw_test: np.ndarray | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        checks.instance("name", self.name, str)
        checks.number("scale", self.scale, above=0)
        if self.front is None:
            object.__setattr__(self, "front", Scaling(self.scale))
        object.__setattr__(self, "classes", checks.names("classes", self.classes))
        check_named("x_train", self.x_train, "y_train", self.y_train, self.classes, self.task)
        check_named("x_test", self.x_test, "y_test", self.y_test, self.classes, self.task)
        if self.groups is not None and np.shape(self.groups) != (len(self.x_train),):
            expected = f"a group for each of the {len(self.x_train)} training samples"
            raise ValueError(checks.invalid("groups", expected, f"shape {np.shape(self.groups)}"))
        if self.x_test.shape[1:] != self.x_train.shape[1:]:
            expected = f"samples of shape {self.x_train.shape[1:]}, as in `x_train`"
            raise ValueError(
                f"Invalid value received for argument `x_test`. Expected {expected}. Received: {self.x_test.shape[1:]}"
            )

    @property
    def num_classes(self) -> int:
        """Number of classes, of labels, or of numbers: the outputs of a network."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample: `(height, width, channels)`, `(length, channels)` of signals, `(length,)` of texts."""
        return self.x_train.shape[1:]

    @property
    def kind(self) -> str:
        """The kind of the samples: `"images"`, `"signals"` or `"texts"`."""
        return KINDS[len(self.input_shape)]

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Shape of a raw sample; `()` of a text."""
        assert self.front is not None
        return self.front.raw_shape(self.input_shape)

    def raw(self, part: str, scale: float | None = None) -> np.ndarray:
        """The raw samples of `"train"` or `"test"`, as a deployed model takes them.

        Args:
            part: which.
            scale: of the model, where the samples are its inputs times that. Defaults to None: that of these data.

        Example:

        >>> from kerasnas import datasets
        >>> float(datasets.load("fashion_mnist_mini").raw("test").max())
        255.0
        """
        checks.one_of("part", part, ("train", "test"))
        raw = self.raw_train if part == "train" else self.raw_test
        if raw is not None:
            return raw
        return getattr(self, f"x_{part}") * np.float32(self.scale if scale is None else scale)


def load(
    name_or_path: str | os.PathLike,
    cache_dir: str | os.PathLike | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    image_fit: str = "stretch",
    seed: int = 0,
    task: str = "auto",
    target: Sequence[str] = (),
    text_column: str = "",
    limits: TextLimits | None = None,
) -> ImageDataset:
    """Load a dataset of images, of signals or of texts.

    A name is one of `DATASETS`: `"fashion_mnist_mini"` (6000 training and 1000 test images of
    Fashion-MNIST, embedded: needs no network), `"fashion_mnist"`, `"cifar10"`, `"waveforms"` (generated signals, see
    `waveforms`), or one registered with `DATASETS.register`. A path is one of:

    - an `.npz` file with `x_train, y_train, x_test, y_test` and optionally `classes` (names) and `groups` (the group of
      each training sample). Images are
      `(samples, height, width)` or `(samples, height, width, channels)`. Integers are read as 0..255 and
      divided by 255. Floats are assumed to be in [0, 1], unless one of them is above 1.5: then they
      are read as 0..255 too. With a further array `kind = "signals"`, the samples are signals instead, `(samples,
      length, channels)` or `(samples, length)`, and their values are not scaled; shorter ones end in NaN, which become
      zeros: the space `padded_signals` knows them for padding. Strings are texts, `(samples,)`. With
      `kind = "audio"` and `rate`, the samples a second, they are recordings `(samples, steps)`, of which networks read
      log-mel spectrograms. Labels are class numbers, or a table
      `(samples, labels)` of 0 and 1, or numbers, `(samples,)` or `(samples, numbers)`.
    - a `.csv` file whose first row has names: a column of paths of images, relative to the file, named `image`,
      `path`, `file` or `filename`, or the first one; and of all others the labels of the image: names of classes or 0
      and 1 for each label, or numbers. Where there is a column `text`, `sentence`, `review`, `comment` or `message` and
      none of the former names, it holds texts, and no images are read. A column `split` says `train` or `test` (else
      80/20), a column `group` what belongs together.
    - a folder `folder/<class>/*.png|jpg|jpeg|bmp|webp|gif|tiff`, split 80/20, stratified, into training and test.
      Where each class has folders in turn, `folder/<class>/<group>/...`, these are groups, none of which is split.
    - a folder `folder/train/<class>/...` with `folder/test/<class>/...`, used as split.

    Images of a folder are resized to the most common size, but with 64 pixels at most along the longer side, and have
    one channel when all of them are grayscale, else three. Files of other kinds, and those that cannot be read, are
    left out: `notes` of the result says how many; more than 5 % are an error.

    Args:
        name_or_path: a name or a path; a name takes precedence over a path of the same spelling (write `./name` for
            the path).
        cache_dir: folder for downloads. Defaults to the environment's `KERASNAS_HOME`, else `~/.cache/kerasnas`.
        image_size: `(height, width)` for the images of a folder. Defaults to None: as above.
        image_fit: how the images of a folder that have another shape are brought to that size: `"stretch"`, `"crop"`
            (the largest part around the center of that shape) or `"pad"` (all of it, between black bars). Defaults to
            `"stretch"`.
        seed: seed of the split of a folder. Defaults to 0.
        task: what the labels are: `"classification"`, `"multilabel"` or `"regression"`; of a path. Defaults to
            `"auto"`, as the labels look.
        target: the columns of a `.csv` file that are the labels. Defaults to all but those above.
        text_column: the column of a `.csv` file that holds texts. Defaults to none, or that of such a name.
        limits: the size of the vocabulary and the length of texts. Defaults to None: `TextLimits()`.

    Raises:
        TypeError: if `name_or_path` or `cache_dir` is not a path.
        ValueError: if there is no such name or path, the data are not labeled images, or another argument is out of its
            range.
        ConnectionError: if a download is needed and fails.

    Example:

    >>> data = load("fashion_mnist_mini")
    >>> data.input_shape, data.num_classes, data.x_train.shape
    ((28, 28, 1), 10, (6000, 28, 28, 1))
    """
    path = checks.path("name_or_path", name_or_path)
    checks.optional(checks.path, "cache_dir", cache_dir)
    check_image_size(image_size)
    checks.one_of("image_fit", image_fit, FITS)
    seed = checks.seed(seed)
    checks.one_of("task", task, ("auto", *TASKS))
    target = checks.names("target", target, least=0)
    limits = checks.optional(checks.instance, "limits", limits, TextLimits) or TextLimits()
    named = isinstance(name_or_path, str) and name_or_path in DATASETS
    table = path.suffix == ".csv" and path.is_file() and not named
    resized = not named and (path.is_dir() or table)
    if image_size is not None and not resized:
        raise ValueError(
            "Invalid value received for argument `image_size`. Expected None, since only the images of a folder are "
            f"resized. Received: {image_size!r} for {str(name_or_path)!r}"
        )
    if target and not table:
        raise ValueError(checks.invalid("target", "columns of a .csv file, or nothing", target))
    if text_column and not table:
        raise ValueError(checks.invalid("text_column", "a column of a .csv file, or nothing", text_column))
    if image_fit != FITS[0] and not resized:
        expected = f"'{FITS[0]}', since only the images of a folder are brought to size"
        raise ValueError(checks.invalid("image_fit", expected, image_fit))
    if named:
        data = DATASETS[str(name_or_path)](cache_dir)
        if not isinstance(data, ImageDataset):
            raise TypeError(f"The factory of dataset '{name_or_path}' must return an ImageDataset. Received: {data!r}")
        if task not in ("auto", data.task.name):
            raise ValueError(checks.invalid("task", f"'{data.task.name}', which this dataset is of", task))
        return data
    if path.is_dir() or table or (path.suffix == ".npz" and path.is_file()):
        try:
            arrays: dict[str, np.ndarray]
            classes: tuple[str, ...] | None
            if table:
                arrays, classes, *notes = read_csv(path, target, task, image_size, seed, image_fit, text_column)
            elif path.is_dir():
                checks.one_of("task", task, ("auto", "classification"))
                arrays, classes, *notes = read_folder(path, image_size, seed, image_fit)
            else:
                (arrays, classes), notes = _read_npz(path), []
            arrays, own = with_task(arrays, task)
            name = path.resolve().name.removesuffix(".npz")
            kind = _kind(arrays)
            if kind in ("text", "audio"):
                parts = text_parts(arrays, limits, own) if kind == "text" else audio_parts(arrays, own)
                labels = {part: parts[f"y_{part}"] for part in ("train", "test")}
                data = ImageDataset(name=name, classes=classes or _numbered(labels, own), **parts)
            else:
                build = signal_dataset if kind == "signals" else _dataset
                data = build(name, arrays, classes, own)
            groups = arrays["groups"].reshape(-1) if "groups" in arrays else None
            found: dict[str, Any] = {"notes": notes[0], "image_fit": image_fit} if notes else {}
            if "image_fit" in arrays:
                found["image_fit"] = checks.one_of("image_fit", str(arrays["image_fit"]), FITS)
            found["notes"] = (*found.get("notes", ()), *data.notes)
            return dataclasses.replace(data, groups=groups, **found)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    raise ValueError(
        "Invalid value received for argument `name_or_path`. Expected the name of a dataset, or the path of an "
        f".npz file, of a .csv file or of a folder of images. {checks.nearest(str(name_or_path), DATASETS)}. "
        f"Received: {str(name_or_path)!r}"
        f"{' (a file, but not an .npz file)' if path.is_file() else ''}"
    )


def with_task(arrays: Mapping[str, np.ndarray], task: str = "auto") -> tuple[dict[str, np.ndarray], Task]:
    """Arrays with labels as networks learn them, and their task.

    Args:
        arrays: `y_train` and `y_test` among them.
        task: the name of the task. Defaults to `"auto"`: the array `task` says it, or the labels of the training data.

    Raises:
        ValueError: for labels that are not of that task, and where it cannot be told.

    Example:

    >>> arrays, task = with_task({"y_train": np.array([1.5, 3.5]), "y_test": np.array([2.5])})
    >>> task, arrays["y_test"].tolist()
    (Regression(offset=(2.5,), scale=(1.0,)), [[0.0]])
    """
    if task == "auto" and "task" in arrays:
        task = checks.one_of("task", str(arrays["task"]), TASKS)
    name = task_of_labels(arrays["y_train"]) if task == "auto" else task
    if name == "classification":
        return dict(arrays), CLASSIFICATION
    parts = {key: np.asarray(arrays[key]) for key in ("y_train", "y_test")}
    parts = {key: y[:, None] if y.ndim == 1 else y for key, y in parts.items()}
    for key, y in parts.items():
        task_of({"name": name}).check(y, parts["y_train"].shape[-1], key[2:])
    if name == "multilabel":
        return {**arrays, **{key: y.astype(np.float32) for key, y in parts.items()}}, MULTILABEL
    fitted = Regression.fitted(parts["y_train"])
    return {**arrays, **{key: fitted.standardized(y).astype(np.float32) for key, y in parts.items()}}, fitted


def _dataset(
    name: str,
    arrays: Mapping[str, np.ndarray],
    classes: tuple[str, ...] | None = None,
    task: Task = CLASSIFICATION,
) -> ImageDataset:
    """Check the four arrays and convert them to the form of images in `ImageDataset`."""
    x, y = _checked(arrays, classes, (None, None, None), task)
    for part, what in (("train", "training"), ("test", "test")):
        if x[part].min() < 0 or x[part].max() > 255:
            raise ValueError(
                f"Expected {what} images with values in [0, 1] or 0..255. Received: values from {x[part].min()} "
                f"to {x[part].max()}"
            )
    wide_floats = any(images.dtype.kind == "f" and images.max() > 1.5 for images in x.values())
    scales = {}
    for part, images in x.items():
        scales[part] = 255.0 if images.dtype.kind in "iu" or wide_floats else 1.0
        x[part] = np.divide(images, scales[part], dtype=np.float32, order="C")
    return dataclasses.replace(_named(name, x, y, classes, task), scale=scales["train"])


def signal_dataset(
    name: str,
    arrays: Mapping[str, np.ndarray],
    classes: tuple[str, ...] | None = None,
    task: Task = CLASSIFICATION,
) -> ImageDataset:
    """Check the four arrays and convert them to the form of signals in `ImageDataset`."""
    arrays, raw, notes = without_padding(arrays)
    x, y = _checked(arrays, classes, (None, None), task)
    x = {part: signals.astype(np.float32, order="C") for part, signals in x.items()}
    data = _named(name, x, y, classes, task)
    if not raw:
        return data
    return dataclasses.replace(data, front=Padding(), raw_train=raw["train"], raw_test=raw["test"], notes=notes)


_Parts = dict[str, np.ndarray]


def _checked(
    arrays: Mapping[str, np.ndarray], classes: tuple[str, ...] | None, shape: tuple[int | None, ...], task: Task
) -> tuple[_Parts, _Parts]:
    """Samples, with a channel axis, and labels of "train" and "test"; `shape` is the shape of a sample."""
    x: _Parts = {}
    y: _Parts = {}
    for part, what in (("train", "training"), ("test", "test")):
        samples, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        samples = samples[..., None] if samples.ndim == len(shape) else samples
        known = len(classes) if classes else None
        if isinstance(task, Classification):
            labels = labels[:, 0] if labels.shape[1:] == (1,) else labels  # the shape in keras.datasets
        check_images(samples, labels, num_classes=known, input_shape=shape, what=what, task=task)
        labels = labels.astype(np.int64) if isinstance(task, Classification) else labels
        x[part], y[part], shape = samples, labels, samples.shape[1:]
    return x, y


def _named(name: str, x: _Parts, y: _Parts, classes: tuple[str, ...] | None, task: Task) -> ImageDataset:
    return ImageDataset(name, x["train"], y["train"], x["test"], y["test"], classes or _numbered(y, task), task=task)


def _numbered(y: _Parts, task: Task) -> tuple[str, ...]:
    """Numbers as names of classes, or of outputs."""
    if not isinstance(task, Classification):
        return tuple(map(str, range(y["train"].shape[1])))
    checks.labels("labels", np.concatenate(list(y.values())))  # of ids there would be as many classes
    return tuple(map(str, range(1 + max(labels.max() for labels in y.values()))))


# .npz --------------------------------------------------------------------------------------------
def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    arrays = untrusted.read_arrays(path)
    missing = [key for key in _ARRAYS if key not in arrays]
    if missing:
        raise ValueError(f"Expected the arrays {list(_ARRAYS)}. Missing: {missing}. Received: {sorted(arrays)}")
    return arrays, tuple(arrays["classes"].reshape(-1).astype(str).tolist()) if "classes" in arrays else None


def _kind(arrays: Mapping[str, np.ndarray]) -> str:
    """The kind of samples in an .npz file: its array `kind`, or images where it has none."""
    kind = str(arrays.get("kind", "text" if arrays["x_train"].dtype.kind == "U" else "images"))
    known = {"images": "images", "signals": "signals", "text": "text", "texts": "text", "audio": "audio"}
    if kind not in known:
        raise ValueError(
            f'Expected the array `kind`, where there is one, to be "images", "signals", "text" or "audio". '
            f"Received: {kind!r}"
        )
    if known[kind] != "text" and arrays["x_train"].dtype.kind == "U":
        raise ValueError(f"Expected {kind}, as the array `kind` says. Received: texts")
    return known[kind]


@DATASETS.register("fashion_mnist_mini")
def _fashion_mnist_mini(cache_dir: str | os.PathLike | None) -> ImageDataset:
    del cache_dir  # embedded
    with (importlib.resources.files("kerasnas.datasets") / "data" / "fashion_mnist_mini.npz").open("rb") as file:
        arrays = untrusted.read_arrays(file)
    return _dataset("fashion_mnist_mini", arrays, tuple(map(str, arrays["classes"])))


# The official files of Fashion-MNIST and CIFAR-10 ----------------------------------------------------
@DATASETS.register("fashion_mnist")
def _fashion_mnist(cache_dir: str | os.PathLike | None) -> ImageDataset:
    folder = cache_folder(cache_dir) / "fashion_mnist"
    arrays = {key: _read_idx(fetch(file, folder)) for key, file in _FILES["fashion_mnist"].items()}
    return _dataset("fashion_mnist", arrays, _FASHION_CLASSES)


def _read_idx(path: Path) -> np.ndarray:
    """A gzipped IDX file of bytes: 0, 0, 8 (uint8), rank, then each dimension as a big-endian int32, then data."""
    with gzip.open(path) as file:
        content = file.read()
    rank = content[3]
    shape = tuple(np.frombuffer(content, ">i4", rank, offset=4).tolist())
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


@DATASETS.register("cifar10")
def _cifar10(cache_dir: str | os.PathLike | None) -> ImageDataset:
    path = fetch(_FILES["cifar10"]["archive"], cache_folder(cache_dir) / "cifar10")
    content = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:  # a folder has no content
                content[Path(member.name).name] = file.read()
    arrays = {}
    for part, names in (("train", [f"data_batch_{n}.bin" for n in range(1, 6)]), ("test", ["test_batch.bin"])):
        rows = np.frombuffer(b"".join(content[name] for name in names), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        arrays[f"y_{part}"] = rows[:, 0]
        arrays[f"x_{part}"] = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return _dataset("cifar10", arrays, tuple(content["batches.meta.txt"].decode().split()))
