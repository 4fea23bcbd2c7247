"""Start: a pretrained network to begin with, whatever its source."""

from __future__ import annotations

import abc
import contextlib
import importlib.metadata
import math
import re
from collections.abc import Iterator
from typing import Any

import keras

from kerasnas import checks
from kerasnas.registry import Registry
from kerasnas.wording import first_line

STARTS = Registry("start")
"""Classes of pretrained networks by name."""
STAGES = 5
"""Stages of every start: a stage ends where the image is halved, the last one with the network."""


class StartError(ValueError):
    """Raised where the weights of a start are not there, or cannot be read; the message says how to get them."""


class Start(abc.ABC):
    """A pretrained image network: where it comes from, how it sees pixels, where its stages end.

    A subclass sets the attributes, writes `available` and `build`, and is registered with `STARTS.register(name)`.

    Attributes:
        name: in `STARTS`.
        title: the network, in words.
        licence: of its weights; "unknown" where nothing states one.
        source: where the weights come from, an address or a package.
        learned_from: what the network was trained on.
        hint: how to get the weights, where they are not there.
        downloads: whether `build` gets weights that are not there, so that asking for it by name is enough.
        offset, scale: a pixel from 0 to 255 enters the network as `(pixel - offset) / scale`.
        readouts: names of layers whose means over the image a head reads, beside the last one's. Defaults to none: the
            last layer of each stage.
    """

    name = ""
    title = ""
    licence = "unknown"
    source = ""
    learned_from = ""
    hint = ""
    downloads = False
    offset: float | tuple[float, ...] = 0.0
    scale: float | tuple[float, ...] = 1.0
    readouts: tuple[str, ...] = ()

    @abc.abstractmethod
    def available(self) -> bool:
        """Return True if the weights are here, so that nothing is downloaded."""

    @abc.abstractmethod
    def build(self, size: int) -> keras.Model:
        """Return the network for images `(size, size, 3)`, from scaled pixels to its last map of features, frozen.

        Raises:
            StartError: if its weights are not there, or are damaged.
        """

    @property
    def description(self) -> dict[str, Any]:
        """Entries of a record and a model card on the start: JSON-serializable."""
        return {name: getattr(self, name) for name in ("name", "title", "licence", "source", "learned_from")}

    def __repr__(self) -> str:
        return f"<start {self.name}>"


@checks.arguments(name=checks.name)
def start(name: str) -> Start:
    """Return the start of a name.

    Raises:
        ValueError: for an unknown name, with the nearest.
    """
    return STARTS[name]()


def available_starts() -> tuple[str, ...]:
    """Return the names of the starts whose weights are here.

    Example:

    >>> set(available_starts()) <= set(STARTS)
    True
    """
    return tuple(name for name in STARTS if start(name).available())


def map_shape(layer: keras.layers.Layer) -> tuple[int | None, ...]:
    """Return the shape of the map of features in which a layer, or a network, ends; empty for another output."""
    shape = getattr(getattr(layer, "output", None), "shape", ())
    return shape if len(shape) == 4 else ()


def stage_of(layer: keras.layers.Layer, size: int) -> int:
    """Return the stage, from 1, of a layer in a network for images of `size`: by how often its input was halved.

    What has no map of features any more belongs to the last.

    Example:

    >>> inputs = keras.Input((32, 32, 3))
    >>> stem = keras.layers.Conv2D(4, 3, strides=2, padding="same")
    >>> block = keras.layers.Conv2D(8, 3, padding="same")
    >>> _ = block(stem(inputs))
    >>> stage_of(stem, 32), stage_of(block, 32)
    (1, 1)
    """
    shape = map_shape(layer)
    if not shape or not shape[1]:
        return STAGES
    return int(min(max(1, round(math.log2(size / shape[1]))), STAGES))


def installed(package: str) -> bool:
    """Return True if a package is installed; it is not imported."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def plain_name(text: str) -> str:
    """Return a text as a name of `STARTS`, which is part of genotypes.

    Example:

    >>> plain_name("hf://owner/My-Net")
    'hf_owner_my_net'
    """
    return re.sub(r"\W+", "_", text).strip("_").lower()


@contextlib.contextmanager
def reading_weights(title: str) -> Iterator[None]:
    """Raise a `StartError` of one line for whatever a package raises for lack of a connection or for a damaged file."""
    try:
        yield
    except StartError:
        raise
    except Exception as error:  # nearly anything is raised
        raise StartError(f"The weights of {title} could not be downloaded or read: {first_line(error)}") from error


def body_of(model: keras.Model, size: int, what: str) -> keras.Model:
    """Return a copy of a network that ends in a map of features, frozen, for images `(size, size, 3)`.

    Raises:
        StartError: if it does not see color images alone; `what` is the network, in words.
    """
    channels = [value.shape[-1] for value in model.inputs]
    if channels != [3]:
        raise StartError(f"{what} sees {', '.join(map(str, channels))} channels. Expected 3.")
    single = keras.Model(model.inputs[0], model.outputs[0])
    found = keras.models.clone_model(single, input_tensors=keras.Input((size, size, 3)))
    found.set_weights(model.get_weights())
    found.trainable = False
    return found
