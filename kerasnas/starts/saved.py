"""Starts named by what the user has: a `.keras` file, read in safe mode, or a preset of KerasHub."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from kerasnas import checks
from kerasnas.backend.keras_internals import nodes_of
from kerasnas.networks.saved import read_model
from kerasnas.starts.base import STARTS, Start, StartError, body_of, map_shape, plain_name
from kerasnas.starts.kerashub import PREFIX, KerasHubStart


class SavedStart(Start):
    """The convolutional part of a network that somebody trained, in a `.keras` file.

    It is read in safe mode: nothing in the file is executed. What follows the last map of features is left out. Pixels
    enter it as they are, from 0 to 255, so that a network which scales its inputs itself, as those of finished runs do,
    is right.
    """

    source = "a file of the user's"
    learned_from = "unknown"

    def __init__(self, path: str | os.PathLike):
        self.path = checks.path("path", path)
        self.name = plain_name(self.path.stem) or "saved"
        self.title = f"The network in {self.path}"
        self.hint = f"there is no file {self.path}"

    def available(self) -> bool:
        return self.path.is_file()

    def check_exists(self) -> None:
        """Raise FileNotFoundError if there is no such file."""
        if not self.available():
            raise FileNotFoundError(f"Expected a `.keras` file as a start. Received: {self.path}")

    def build(self, size: int) -> keras.Model:
        try:
            model = read_model(self.path, compile=False)
        except (OSError, ValueError) as error:
            raise StartError(f"Cannot read a network from {self.path}: {error}") from None
        shape = getattr(model, "input_shape", ())
        images = keras.Input((size, size, shape[-1])) if isinstance(shape, tuple) and len(shape) == 4 else None
        features = None if images is None else _features(model, images)
        if features is None:
            raise StartError(f"The network in {self.path} has no map of features of an image, and one input.")
        return body_of(keras.Model(images, features), size, self.title)


def _features(model: keras.Model, images: keras.KerasTensor) -> keras.KerasTensor | None:
    """Return the last map of features of a network for images of another size, or None if it has none.

    Of a network around others, as those of finished runs are, it is that of the first of these, without what is around.
    """
    calls = nodes_of(model)
    for operation, read, _ in calls:
        if isinstance(operation, keras.Model) and not map_shape(operation):
            return _features(operation, keras.Model(model.inputs[0], read[0]).call(images))
    maps = [written[0] for _, _, written in calls if len(written[0].shape) == 4]
    return keras.Model(model.inputs[0], maps[-1]).call(images) if maps else None


def register_saved(name: str | os.PathLike) -> str:
    """Make the network in a `.keras` file, or a preset of KerasHub, a start; return its name.

    Args:
        name: the file, or `kerashub:` and the preset.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if another start has its name.
    """

    def make() -> SavedStart | KerasHubStart:
        text = os.fspath(name)
        return KerasHubStart(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else SavedStart(name)

    found = make()
    found.check_exists()
    if found.name not in STARTS:
        STARTS.register(found.name, make)
    elif getattr(STARTS[found.name](), "path", None) != found.path:
        raise ValueError(f"A start named '{found.name}' exists. Rename {found.path}.")
    return found.name


def is_saved(name: str) -> bool:
    """Return True if a start is named by its file, or as a preset of KerasHub.

    Example:

    >>> is_saved("runs/photos/model.keras"), is_saved("kerashub:resnet_18_imagenet"), is_saved("efficientnet_lite0")
    (True, True, False)
    """
    return Path(name).suffix == ".keras" or name.startswith(PREFIX)
