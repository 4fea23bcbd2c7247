"""Dataset: labeled samples of one modality, split for training and test."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.constraints import asking
from kerasnas.datasets.pools import check_named
from kerasnas.modalities import Modality
from kerasnas.modalities.base import TextLimits
from kerasnas.modalities.decoding import FITS
from kerasnas.modalities.fronts import Front, Scaling
from kerasnas.modalities.lookup import of_input_shape
from kerasnas.registry import Registry
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.wording import printable

DATASETS = Registry("dataset")
"""Factories by name; each is called with `cache_dir` (a path or None) and returns a `Dataset`."""


@checks.fields(
    name=str,
    scale=checks.positive,
    image_fit=checks.known(*FITS),
    task=Task,
    modality=Modality,
    notes=checks.each(str),
    files=checks.entries(checks.each(str)),
    left_out=checks.entries(str),
    faults=checks.each(str),
)
@dataclasses.dataclass(frozen=True, eq=False)  # `==` between arrays has no single answer
class Dataset:
    """Labeled samples of one modality, split for training and test.

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
        weights: how much each training sample counts, an array `(samples,)`; scaled to a mean of 1, so that a learning
            rate keeps its meaning. Defaults to None: all count alike.
        scale: what the samples were divided by when they were read: 255 for images of 8 bits. A model that is handed
            over divides raw samples by it. Defaults to 1.
        notes: lines on how they were read, for a person. Defaults to none.
        image_fit: how images of other shapes were brought to size; as for `load`. Defaults to `"stretch"`.
        task: what the labels are. Defaults to classification.
        front: what makes inputs of raw samples in a deployed model. Defaults to None: `Scaling(scale)`.
        raw_train, raw_test: the raw samples, where they are not the inputs times `scale`: texts, recordings. Default to
            None.
        modality: the kind of the samples. Defaults to None: that of arrays of this shape.
        files: `"train"`, `"test"` -> the file or row of each sample. Defaults to none: samples have numbers.
        left_out: file that was left out -> reason. Defaults to none.
        traits: what training files have besides samples, a column for each of `modality.traits`. Defaults to None.
        faults: what makes results worth less than they look, as `find_faults` returns it. Defaults to none.

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
    weights: np.ndarray | None = dataclasses.field(default=None, repr=False, kw_only=True)
    scale: float = 1.0
    notes: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    image_fit: str = "stretch"
    task: Task = CLASSIFICATION
    front: Front = None  # type: ignore[assignment]  # filled in below, as the modality
    raw_train: np.ndarray | None = dataclasses.field(default=None, repr=False)
    raw_test: np.ndarray | None = dataclasses.field(default=None, repr=False)
    modality: Modality = None  # type: ignore[assignment]
    files: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict, repr=False)
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    traits: np.ndarray | None = dataclasses.field(default=None, repr=False)
    faults: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def __post_init__(self) -> None:
        own: dict[str, Any] = {
            "front": Scaling(self.scale) if self.front is None else checks.instance("front", self.front, Front),
            "classes": checks.names("classes", self.classes),
            "notes": tuple(map(printable, self.notes)),
            "name": printable(self.name),
            "files": {part: tuple(map(printable, files)) for part, files in self.files.items()},
            "left_out": {printable(file): printable(reason) for file, reason in self.left_out.items()},
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)
        check_named("x_train", self.x_train, "y_train", self.y_train, self.classes, self.task)
        check_named("x_test", self.x_test, "y_test", self.y_test, self.classes, self.task)
        if self.modality is None:
            object.__setattr__(self, "modality", of_input_shape(np.shape(self.x_train)[1:], self.x_train.dtype))
        if self.groups is not None and np.shape(self.groups) != (len(self.x_train),):
            expected = f"a group for each of the {len(self.x_train)} training samples"
            raise ValueError(checks.invalid("groups", expected, f"shape {np.shape(self.groups)}"))
        if self.weights is not None:
            found = checks.weights("weights", self.weights, len(self.x_train))
            object.__setattr__(self, "weights", found / np.float32(found.mean(dtype="float64")))
        for name, x in (("raw_train", self.x_train), ("raw_test", self.x_test), ("traits", self.x_train)):
            expected, given = f"one for each of the {len(x)} samples", getattr(self, name)
            with asking(name, expected, given):
                if given is not None and (not hasattr(type(given), "__len__") or len(given) != len(x)):
                    raise ValueError(checks.invalid(name, expected, given))
        if self.x_test.shape[1:] != self.x_train.shape[1:]:
            expected = f"samples of shape {self.x_train.shape[1:]}, as in `x_train`"
            raise ValueError(checks.invalid("x_test", expected, self.x_test.shape[1:]))

    @property
    def num_classes(self) -> int:
        """Number of classes, of labels, or of numbers: the outputs of a network."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample: `(height, width, channels)`, `(length, channels)` of signals, `(length,)` of texts."""
        return self.x_train.shape[1:]

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Shape of a raw sample; `()` of a text."""
        return self.front.raw_shape(self.input_shape)

    @functools.cached_property
    def divisions(self) -> tuple[str, ...]:
        """The parts that samples may be read by; see `Modality.divisions`."""
        return self.modality.divisions(self.x_train)

    def training(self, rows: np.ndarray) -> tuple[Any, ...]:
        """Return some training samples as `(x, y)`, or `(x, y, weights)`."""
        own = (self.x_train, self.y_train) if self.weights is None else (self.x_train, self.y_train, self.weights)
        return tuple(part[rows] for part in own)

    def counted(self, metric: str, class_weight: Sequence[str]) -> Dataset:
        """Return the data with another metric of the task, and weights of the classes times those of the samples."""
        found = (self.weights, self.task.class_weights(self.y_train, self.classes, class_weight))
        given = [weights for weights in found if weights is not None]
        weights = np.prod(given, axis=0) if given else None
        return dataclasses.replace(self, task=dataclasses.replace(self.task, metric=metric), weights=weights)

    def rows(self, part: str) -> np.ndarray:
        """The places of the samples of `"train"` or `"test"` among those of `raw`: all."""
        return np.arange(len(self.labels(part)))

    def labels(self, part: str) -> np.ndarray:
        """The labels of `"train"` or `"test"`."""
        return {"train": self.y_train, "test": self.y_test}[part]

    def names(self, part: str) -> Sequence[str]:
        """Return the file or row of each sample of `"train"` or `"test"`; else their numbers."""
        return self.files.get(part) or [str(number) for number in self.rows(part)]

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


def dataset_of(
    modality: Modality,
    name: str,
    arrays: Mapping[str, Any],
    classes: tuple[str, ...] | None = None,
    task: Task = CLASSIFICATION,
    limits: TextLimits | None = None,
) -> Dataset:
    """Return the dataset of raw arrays, checked and converted by their modality.

    Args:
        modality: the kind of the samples.
        name: of the dataset.
        arrays: `x_train`, `y_train`, `x_test`, `y_test` and what else belongs to them; labels as networks learn them.
        classes: names of classes or outputs. Defaults to None: their numbers.
        task: what the labels are. Defaults to classification.
        limits: of texts. Defaults to None: the usual ones.
    """
    named = {**arrays, **({"classes": np.array(classes)} if classes else {})}
    arguments = {"modality": modality, **modality.read(named, task, limits or TextLimits())}
    if not classes:
        classes = task.output_names([arguments["y_train"], arguments["y_test"]])
    return Dataset(name=name, classes=classes, **arguments)
