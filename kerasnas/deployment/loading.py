"""load: a preset in use."""

from __future__ import annotations

import dataclasses
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.deployment.samples import Samples
from kerasnas.export.classifier import Classifier, load_classifier
from kerasnas.files import untrusted
from kerasnas.genotypes import Genotype
from kerasnas.meta import ReptileInitializer
from kerasnas.runs.preset_folders import INITIALIZATION, MANIFEST, described, preset_folder, presets
from kerasnas.runs.record import read_result


@dataclasses.dataclass(frozen=True)
class Preset:
    """A finished network, or an initialization, read from its folder on demand. Made by `kerasnas.load`.

    Attributes:
        name: that it was loaded by.
        folder: of its files; every command of `kerasnas` takes it.
    """

    name: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}: {described(self.folder)}"

    @property
    def is_initialization(self) -> bool:
        """True for weights that a search starts from, False for a network that has learned a task."""
        return (self.folder / INITIALIZATION).exists()

    @cached_property
    def classifier(self) -> Classifier:
        """Network with the description of its inputs and outputs.

        Raises:
            ValueError: if it is an initialization.
        """
        if self.is_initialization:
            raise ValueError(f"{self.name} is an initialization, for `.initializer`, and no network of a task.")
        return load_classifier(self.folder)

    @property
    def model(self) -> keras.Model:
        """Network: a plain Keras model, raw samples in, probabilities or numbers out."""
        return self.classifier.model

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, labels or numbers."""
        return self.classifier.classes

    def predict(self, x: Any) -> np.ndarray:
        """Return the name of each sample's class; a table of 0 and 1 for several labels; or numbers.

        Args:
            x: raw images, an array `(samples, height, width, channels)`; the path of an image file, of a folder of
                them, or a list of paths; of a network for texts, a text or several.
        """
        answers = Samples().answers(self.classifier, x)
        return self.classifier.task.predicted(answers, np.array(self.classes))

    @cached_property
    def initializer(self) -> ReptileInitializer:
        """Initialization, which `kerasnas.meta.warm_start` assigns to a network.

        Raises:
            ValueError: if it is a network of a task.
        """
        if not self.is_initialization:
            raise ValueError(f"{self.name} is a network of a task, for `.model`, and no initialization.")
        return ReptileInitializer.load(self.folder)

    @property
    def genotype(self) -> Genotype:
        """Architecture of the network."""
        return Genotype.load(self.folder / "genotype.json")

    @property
    def result(self) -> dict[str, Any]:
        """Record of the run; see `kerasnas.records`."""
        return read_result(self.folder).to_dict()

    @property
    def card(self) -> str:
        """Model card, in Markdown."""
        return untrusted.read_text(self.folder / "card.md")


def load(name: str | os.PathLike) -> Preset:
    """Load a preset by its name, its folder, or its address on the Hugging Face Hub.

    No code in it is run: arrays are read without pickle, Keras files in safe mode, and the checksums of its manifest
    are verified.

    Args:
        name: one of `kerasnas.presets()`; the folder of a finished run or of a preset, which takes precedence over a
            name; or `hf://owner/name`, also with `@revision`, which needs the extra `kerasnas[hub]`.

    Raises:
        ValueError: if there is none of this name, which names the nearest; if a repository is no preset, or a file is
            damaged.
        FileNotFoundError: if there is no such repository.
        ConnectionError: if the Hub cannot be reached.

    Example:

    >>> preset = load("fashion_mnist_mini")
    >>> preset.classes[0], preset.model.input_shape
    ('T-shirt/top', (None, 28, 28, 1))
    """
    checks.path("name", name)
    try:
        folder = preset_folder(name)
    except FileNotFoundError:
        if os.fspath(name).startswith("hf://"):
            raise
        folder = Path(name)
    if not any((folder / file).is_file() for file in (INITIALIZATION, "model.json")):
        expected = f"a preset, the folder of a finished run, or hf://owner/name with a {MANIFEST}"
        raise ValueError(checks.invalid("name", expected, os.fspath(name), checks.nearest(os.fspath(name), presets())))
    return Preset(os.fspath(name), folder)
