"""A user's own Keras network as a start: from a `.keras` file, read in safe mode."""

from __future__ import annotations

import os
import re
from pathlib import Path

import keras

from kerasnas import checks
from kerasnas.networks.saved import read_model
from kerasnas.starts.base import STARTS, Start, StartError


class SavedStart(Start):
    """The convolutional part of a network that somebody trained, in a `.keras` file.

    It is read in safe mode: nothing in the file is executed. What follows the last map of features is left out. Pixels
    enter it as they are, from 0 to 255, so that a network which scales its inputs itself, as those of finished runs do,
    is right.

    Args:
        path: the file.
    """

    source = "a file of the user's"
    learned_from = "unknown"

    def __init__(self, path: str | os.PathLike):
        self.path = checks.path("path", path)
        self.name = re.sub(r"\W+", "_", self.path.stem).strip("_").lower() or "saved"
        self.title = f"The network in {self.path}"
        self.hint = f"there is no file {self.path}"

    def available(self) -> bool:
        return self.path.is_file()

    def build(self, size: int) -> keras.Model:
        try:
            model = read_model(self.path, compile=False)
        except (OSError, ValueError) as error:
            raise StartError(f"Cannot read a network from {self.path}: {error}") from None
        maps = [layer for layer in getattr(model, "layers", ()) if _is_map(layer)]
        if not maps or not isinstance(model, keras.Model) or len(model.inputs) != 1:
            raise StartError(f"The network in {self.path} has no map of features of an image, and one input.")
        channels = model.inputs[0].shape[-1]
        if channels != 3:
            raise StartError(f"The network in {self.path} sees {channels} channels. Expected 3.")
        body = keras.Model(model.inputs, maps[-1].output)
        found = keras.models.clone_model(body, input_tensors=[keras.Input((size, size, 3))])
        found.set_weights(body.get_weights())
        found.trainable = False
        return found


def register_saved(path: str | os.PathLike) -> str:
    """Make the network in a `.keras` file a start; return its name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if another start has its name.
    """
    found = SavedStart(path)
    if not found.available():
        raise FileNotFoundError(f"Expected a `.keras` file as a start. Received: {path}")
    if found.name not in STARTS:
        STARTS.register(found.name, lambda: SavedStart(path))
    elif not isinstance(same := STARTS[found.name](), SavedStart) or same.path != found.path:
        raise ValueError(f"A start named '{found.name}' exists. Rename the file {path}.")
    return found.name


def is_saved(name: str) -> bool:
    """Return True if a start is named by its file.

    Example:

    >>> is_saved("runs/photos/model.keras"), is_saved("efficientnet_lite0")
    (True, False)
    """
    return Path(name).suffix == ".keras"


def _is_map(layer: keras.layers.Layer) -> bool:
    shape = getattr(getattr(layer, "output", None), "shape", ())
    return len(shape) == 4 and not isinstance(layer, keras.layers.InputLayer)
