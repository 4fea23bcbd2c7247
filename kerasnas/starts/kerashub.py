"""Presets of KerasHub as starts: its image backbones, rebuilt of standard layers."""

from __future__ import annotations

import glob
import importlib
import os
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.files.untrusted import read_text
from kerasnas.starts.base import Start, StartError, body_of, installed, map_shape, plain_name, reading_weights
from kerasnas.wording import nearest

PREFIX = "kerashub:"
"""Start of the name of a preset in `--starts`."""
_PACKAGE, _DEEPEST = "keras-hub", 5  # nested composite layers


class KerasHubStart(Start):
    """The backbone of a preset of KerasHub, an optional package, with a map of features as its output.

    Composite layers of KerasHub are replaced by the standard layers that they consist of, so that the finished network
    loads without the package. Pixels are scaled as the image converter of the preset does; without one they enter as
    they are, from 0 to 255. A preset by its name or address is downloaded by KerasHub when a network is built.

    Args:
        preset: a name ("resnet_18_imagenet"), an address ("hf://owner/name", "kaggle://..."), or a folder.
    """

    learned_from = "unknown"

    def __init__(self, preset: str):
        self.path = checks.name("preset", preset)
        self.local = (os.sep in preset and "://" not in preset) or Path(preset).is_dir()
        self.name = f"kerashub_{plain_name(Path(preset).resolve().name if self.local else preset)}"
        self.title, self.source = f"KerasHub preset {preset}", "a folder of the user's" if self.local else preset
        self.downloads = not self.local and installed(_PACKAGE)
        self.hint = f'pip install "kerasnas[kerashub]", then --starts={PREFIX}{preset}'

    @property
    def licence(self) -> str:  # type: ignore[override]
        """License that the model card in the preset's folder states."""
        for card in (folder / "README.md" for folder in self._folders()):
            if card.is_file() and (stated := re.match(r"---\n(?:(?!---).*\n)*?license: *([\w.+-]+)", read_text(card))):
                return stated[1]
        return "unknown"

    def available(self) -> bool:
        return installed(_PACKAGE) and bool(self._folders())

    def check_exists(self) -> None:
        """Raise FileNotFoundError if the preset is a folder, and there is none."""
        if self.local and not self._folders():
            raise FileNotFoundError(f"Expected a folder with a preset of KerasHub. Received: {self.path}")

    def build(self, size: int) -> keras.Model:
        if not installed(_PACKAGE):
            raise StartError(f"{self.title} needs KerasHub. Get it: {self.hint}")
        with reading_weights(self.title):
            keras_hub = importlib.import_module("keras_hub")
            known = keras_hub.models.Backbone.presets
            if not self.local and "://" not in self.path and self.path not in known:
                hint = nearest(self.path, [name for name in known if "imagenet" in name])
                raise StartError(f"KerasHub has no preset '{self.path}'. {hint}")
            backbone = keras_hub.models.Backbone.from_preset(self.path)
            if not map_shape(backbone) or len(backbone.inputs) != 1:
                raise StartError(f"{self.title} is no network of images whose output is a map of features.")
            try:
                converter: Any = keras_hub.layers.ImageConverter.from_preset(self.path)
            except FileNotFoundError:
                converter = None
            network = _of_standard_layers(keras.Model(backbone.inputs, backbone.output), self.title)
        if converter is not None:  # `pixel * scale + offset` there
            rate = np.asarray(1.0 if converter.scale is None else converter.scale, float)
            shift = np.asarray(0.0 if converter.offset is None else converter.offset, float)
            self.offset, self.scale = _plain(-shift / rate), _plain(np.broadcast_to(1 / rate, np.shape(shift / rate)))
        return body_of(network, size, self.title)

    def _folders(self) -> list[Path]:
        """Return local folders with the preset: its own, or those in the caches of Kaggle and Hugging Face."""
        scheme, _, address = self.path.rpartition("://")
        address = glob.escape(address.strip("/")) or "-"
        home = Path.home() / ".cache"
        kaggle = Path(os.environ.get("KAGGLEHUB_CACHE") or home / "kagglehub") / "models"
        face = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or home / "huggingface") / "hub")
        if self.local:
            found = [Path(self.path)]
        elif scheme == "hf":
            found = list(face.glob(f"models--{address.replace('/', '--')}/snapshots/*"))
        else:
            found = [
                folder for end in ("", "/*") for folder in kaggle.glob(("" if scheme else "*/*/keras/") + address + end)
            ]
        return [folder for folder in found if (folder / "config.json").is_file() and any(folder.glob("*.h5"))]


def _plain(values: np.ndarray) -> float | tuple[float, ...]:
    return tuple(values.tolist()) if values.ndim else float(values)


def _standard(layer: keras.layers.Layer) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras"


def _of_standard_layers(model: keras.Model, title: str) -> keras.Model:
    """Return a network with the parts of composite layers in their place, on the same variables.

    Raises:
        StartError: if a layer has variables or random numbers of its own, or computes by other functions than Keras'.
    """
    count = len(model.variables)
    for _ in range(_DEEPEST):
        if all(map(_standard, model.layers)):
            break
        model = keras.models.clone_model(
            model,
            clone_function=lambda layer: layer,
            call_function=lambda layer, *inputs, **options: (
                layer(*inputs, **options) if _standard(layer) else layer.call(*inputs, **options)
            ),
        )
    foreign = sorted({type(layer).__name__ for layer in model.layers if not _standard(layer)})
    if foreign or len(model.variables) != count:
        raise StartError(f"{title} has layers that only KerasHub can load{': ' * bool(foreign)}{', '.join(foreign)}.")
    return model
