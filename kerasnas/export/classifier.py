"""A trained network as a classifier of raw samples, and the metadata next to its file."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets import Dataset, GraphDataset
from kerasnas.files import storage, untrusted
from kerasnas.modalities import Modality
from kerasnas.modalities.base import Reading
from kerasnas.modalities.decoding import FITS
from kerasnas.modalities.fronts import Front, Scaling
from kerasnas.modalities.graphs import Graphs
from kerasnas.modalities.lookup import of_model, of_record
from kerasnas.networks.saved import read_model
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION, task_of

MODEL, METADATA = "model.keras", "model.json"
_PADDING = "nan_to_num"  # the operation of `Padding`


def with_preprocessing(
    network: keras.Model, scale: float = 1.0, task: Task = CLASSIFICATION, front: Front | None = None
) -> keras.Model:
    """A model that takes samples as they come, and answers probabilities, or the numbers of a regression.

    Images as Pillow or OpenCV read them, integers or floats from 0 to 255, are divided by `scale` inside of it, or go
    through `front`, as texts and sound do; the logits of `network` go through a softmax, those of several labels
    through a sigmoid, and numbers get their mean and deviation back, all in standard Keras layers. It shares the layers
    of `network`, and is compiled: `evaluate` gives the loss and the accuracy, or the mean absolute error.

    Args:
        network: a functional model, whose outputs are logits, or standardized numbers.
        scale: what its inputs were divided by in its training: 255 for images of 8 bits. Defaults to 1: nothing.
        task: what it predicts. Defaults to classification.
        front: what makes its inputs of raw samples. Defaults to None: the division by `scale`.

    Example:

    >>> network = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    >>> model = with_preprocessing(network, scale=255)
    >>> photos = np.full((5, 2, 2, 1), 200, "uint8")
    >>> bool(np.allclose(model.predict(photos, verbose=0).sum(axis=1), 1))
    True
    """
    front = Scaling(scale) if front is None else front
    inputs = front.input(network.input_shape[1:])
    x = front.apply(inputs)
    bare = keras.Model(network.inputs[0], network.outputs[0], name="network")  # without an optimizer
    model = keras.Model(inputs, task.layer()(bare(x)), name=task.deployed_as)
    # An optimizer without state: nothing of it is in the file. XLA's depthwise convolutions are far slower on a CPU.
    loss, metrics = task.deployed
    model.compile("sgd", loss, metrics=list(metrics), jit_compile=False)
    return model


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A classifier that was read from its files; or, by its task, a model of several labels, or of numbers.

    Args:
        model: takes raw samples, answers probabilities, or numbers.
        classes: the name of each class, label or number, in the order of the answers.
        scale: the largest raw value: 255 for images of 8 bits, 1 for samples that are taken as they are.
        image_fit: how images of other shapes are brought to size; as for `kerasnas.datasets.load`. Defaults to
            `"stretch"`.
        task: what it predicts. Defaults to classification.
        modality: the kind of its raw samples. Defaults to None: what its input looks like.
    """

    model: keras.Model
    classes: tuple[str, ...]
    scale: float
    image_fit: str = "stretch"
    task: Task = CLASSIFICATION
    modality: Modality = None  # type: ignore[assignment]  # filled in below

    def __post_init__(self) -> None:
        if self.modality is None:
            object.__setattr__(self, "modality", of_model(self.model))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one raw sample; `()` of a text."""
        return tuple(self.model.input_shape[1:])

    @property
    def reading(self) -> Reading:
        """Conversion of samples of files into raw samples of the model."""
        return Reading(self.input_shape, fit=self.image_fit, scale=self.scale)

    def samples(self, argument: str, x: Any) -> np.ndarray:
        """The raw samples `x` as an array, strings of texts and numbers of all else.

        Args:
            argument: the name that an error says.
            x: raw samples, `(samples, ...)`.

        Raises:
            ValueError: if they are no samples of the model, or not finite, but for the ends of signals that are padded.
        """
        pads = any(operation.name.startswith(_PADDING) for operation in self.model.operations)
        return self.modality.checked(argument, x, self.model, finite=not pads)

    def answers(self, x: Any) -> np.ndarray:
        """The probability of each class or label, or the numbers, of each of the raw samples `x`.

        Raises:
            ValueError: if `x` are no samples of the model, or not finite.
        """
        return self.modality.answers(self.model, self.samples("x", x))

    def labels(self, data: Dataset | GraphDataset, part: str) -> np.ndarray:
        """Return the labels of a part of `data` as this model answers: class numbers, or a column for each output.

        Args:
            data: the data.
            part: `"train"` or `"test"`.

        Raises:
            ValueError: if the data has another task or a class that the model does not know, or lacks an output.
        """
        self.task.check_same(data.task, data.name)
        return self.task.renamed(data.task.raw(data.labels(part)), data.classes, self.classes, data.name)


def write_model(folder: str | os.PathLike, model: keras.Model) -> None:
    """Write `model` as it is to `model.keras` in `folder`, atomically."""
    with storage.atomic_path(Path(folder) / MODEL) as temporary:
        model.save(temporary)


def save_classifier(
    folder: str | os.PathLike,
    network: keras.Model,
    classes: tuple[str, ...],
    scale: float = 1.0,
    image_fit: str = "stretch",
    task: Task = CLASSIFICATION,
    front: Front | None = None,
    modality: Modality | None = None,
) -> None:
    """Write a trained network to `model.keras`, and what belongs to it to `model.json`, each atomically."""
    model = with_preprocessing(network, scale, task, front)
    record = {"scale": scale, "input_shape": list(network.input_shape[1:]), "image_fit": image_fit}
    record |= {"modality": (modality or of_model(model)).name, **task.entry()}
    record |= {} if front is None or isinstance(front, Scaling) else {"front": front.get_config()}
    _write(folder, model, classes, record)


def save_node_classifier(folder: str | os.PathLike, model: keras.Model, classes: tuple[str, ...], nodes: int) -> None:
    """Write a model of a graph's nodes to `model.keras`, and what belongs to it to `model.json`, each atomically."""
    record = {"scale": 1.0, "input_shape": list(model.input_shape[1:]), "nodes": nodes, "modality": Graphs.name}
    _write(folder, model, classes, record)


def _write(folder: str | os.PathLike, model: keras.Model, classes: tuple[str, ...], record: dict[str, Any]) -> None:
    write_model(folder, model)
    storage.write_json(Path(folder) / METADATA, {"classes": list(classes), **record})


def load_classifier(folder: str | os.PathLike) -> Classifier:
    """Read what `save_classifier` wrote.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one is malformed.
    """
    folder = Path(folder)
    for name in (MODEL, METADATA):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder} holds no finished classifier: there is no {name} in it.")
    try:
        record = untrusted.read_json(folder / METADATA)
        classes = checks.names("classes", record["classes"])
        scale = checks.number("scale", record["scale"], above=0)
        image_fit = checks.one_of("image_fit", record.get("image_fit", "stretch"), FITS)
        task = task_of(record.get("task"))
        model = read_model(folder / MODEL)
        modality = of_record(record).of_network(model)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"The classifier in {folder} cannot be read: {error}") from None
    if (outputs := model.output_shape[-1]) != len(classes):
        raise ValueError(f"{folder / METADATA} names {len(classes)} classes, and the model has {outputs}.")
    return Classifier(model, classes, scale, image_fit, task, modality)
