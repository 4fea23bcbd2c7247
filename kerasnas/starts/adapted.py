"""Network made from a start: the data's own images in, logits out, each stage as an adaptation says."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasnas.networks.initialization import fan_in
from kerasnas.primitives.base import apply_standard
from kerasnas.primitives.parts import QUARTERS, Apart
from kerasnas.starts.base import Start, map_shape, stage_of
from kerasnas.starts.heads import COMPARED, comparing, linear

FROZEN, BATCH_NORM, ADAPTER, TUNED, DRAWN = MODES = ("frozen", "batch_norm", "adapter", "tuned", "drawn")
"""What becomes of a stage: nothing changes; its batch norms learn scale, center and statistics; an adapter learns
beside each of its readouts; its kernels are tuned, with the batch norms as they are; all is drawn anew."""
_MOMENTUM = 0.9  # of statistics that a short training learns: Keras' 0.99 takes hundreds of steps
_RANK = 4  # an adapter has a quarter of the filters of the map it reads
BODY = "start"
"""Name of the start's layers."""


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """Way in which a start becomes a network.

    Args:
        start: the pretrained network.
        size: side of the images that enter it, in pixels; the data's own are resized.
        stages: one of `MODES` for each stage, the first first; fewer than `STAGES` cut the network after the last.
        head: one of `kerasnas.starts.heads.HEADS`, or `"compared"`: the quarters enter the start one by one, at
            half the size.
    """

    start: Start
    size: int
    stages: tuple[str, ...]
    head: str = "stages"

    @property
    def side(self) -> int:
        """Side of what enters the start, in pixels."""
        return self.size // 2 if self.head == COMPARED else self.size

    def build(self, input_shape: tuple[int, ...], num_classes: int, seed: int = 0) -> keras.Model:
        """Return the network; a linear head is zero.

        Args:
            input_shape: `(height, width, channels)` of the data's images, from 0 to 1; with 1 or 3 channels.
            num_classes: number of outputs.
            seed: of what is drawn.

        Raises:
            ValueError: for images that the start cannot see.
            StartError: if its weights are not there.
        """
        self.check(input_shape)
        rng = np.random.default_rng([seed, 32])
        backbone = self.start.build(self.side)
        inputs = keras.Input(input_shape)
        read = self._layers_read(backbone)
        maps = keras.Model(backbone.inputs, [layer.output for layer in read], name=BODY)(self.pixels(inputs))
        maps = maps if isinstance(maps, list | tuple) else [maps]
        modes = dict(enumerate(self.stages, start=1))
        for layer in backbone.layers:
            set_mode(layer, modes.get(stage_of(layer, self.side), FROZEN), rng)
        stages = [min(stage_of(layer, self.side), len(self.stages)) for layer in read]
        maps = [adapted(x, rng) if modes[stage] == ADAPTER else x for x, stage in zip(maps, stages, strict=True)]
        # Of features that stay, the best head has a closed form.
        return keras.Model(inputs, self.logits(maps, num_classes, learns=set(self.stages) != {FROZEN}))

    def logits(self, maps: Sequence[Any], num_classes: int, learns: bool) -> Any:
        """Return the outputs of the head for the maps that it may read, the last one last."""
        if self.head == COMPARED:
            return comparing(maps[-1], num_classes, learns)
        return linear(maps, self.head, num_classes, learns)

    def cut(self, backbone: keras.Model) -> dict[int, tuple[keras.Model, int]]:
        """Cut a network of the start into its stages, each a model of the map with which the one before it ends.

        Returns:
            Stage -> model and number of its first outputs that a head may read; the last one is the end of the stage.

        Raises:
            ValueError: if something but that map passes from a stage to the next.
        """
        read, ends, x, found = self._layers_read(backbone), self._ends(backbone), backbone.inputs[0], {}
        for stage, end in sorted(ends.items()):
            maps = [layer for layer in read if stage_of(layer, self.side) == stage]
            try:
                model = keras.Model(x, [layer.output for layer in dict.fromkeys([*maps, end])])
            except ValueError as error:
                words = "its stages do not follow one another, each from the last map of the one before"
                raise ValueError(f"{self.start.title} has no supernet: {words}.") from error
            found[stage], x = (model, len(maps)), end.output
        return found

    def check(self, input_shape: tuple[int, ...]) -> None:
        """Raise ValueError for images that the start cannot see."""
        if len(input_shape) != 3 or input_shape[-1] not in (1, 3) or min(input_shape[:2]) < 2:
            raise ValueError(
                f"{self.start.title} sees images of at least 2x2 pixels with 1 or 3 channels. Received: "
                f"images of shape {tuple(input_shape)}"
            )
        if self.head == COMPARED and (input_shape[0] % 2 or input_shape[1] % 2):
            raise ValueError(f"Quarters need an even height and width. Received: images of shape {tuple(input_shape)}")

    def pixels(self, x: Any) -> Any:
        """Resize images from 0 to 1, and scale their pixels as the start expects them."""
        channels = x.shape[-1]
        if channels == 1:
            x = layers.Concatenate()([x, x, x])
        if self.head == COMPARED:
            x = apply_standard([Apart(QUARTERS)], x)
        x = resized(x, self.side, self.side)
        offset, scale = (
            np.broadcast_to(np.asarray(value, float), 3) for value in (self.start.offset, self.start.scale)
        )
        rates, offsets = 255.0 / scale, -offset / scale
        if np.ptp(rates) or np.ptp(offsets):
            return layers.Normalization(mean=(-offsets / rates).tolist(), variance=(1 / rates**2).tolist())(x)
        return layers.Rescaling(float(rates[0]), float(offsets[0]))(x)

    def _layers_read(self, backbone: keras.Model) -> list[keras.layers.Layer]:
        ends = self._ends(backbone)
        named = [layer for layer in backbone.layers if layer.name in self.start.readouts] or list(ends.values())
        kept = [layer for layer in named if stage_of(layer, self.side) <= len(self.stages)]
        end = ends[max(ends)]
        return [*(layer for layer in kept if layer is not end), end]

    def _ends(self, backbone: keras.Model) -> dict[int, keras.layers.Layer]:
        """Return the last layer of each stage that is kept."""
        maps = [layer for layer in backbone.layers[1:] if map_shape(layer)]
        ends = {stage_of(layer, self.side): layer for layer in maps}
        return {stage: layer for stage, layer in ends.items() if stage <= len(self.stages)}


def resized(x: Any, height: int, width: int) -> Any:
    """Resize images `(batch, ..., channels)` in standard layers: by averages of whole pixels, then linearly.

    Example:

    >>> resized(keras.Input((224, 200, 3)), 64, 64).shape
    (None, 64, 64, 3)
    """
    factors = (max(1, x.shape[1] // height), max(1, x.shape[2] // width))
    if max(factors) > 1:  # so that no pixel is left out
        x = layers.AveragePooling2D(factors)(x)
    return x if x.shape[1:3] == (height, width) else layers.Resizing(height, width)(x)


def set_mode(layer: keras.layers.Layer, mode: str, rng: np.random.Generator) -> None:
    """Make a layer of a start learn as the mode of its stage says."""
    norm = isinstance(layer, layers.BatchNormalization)
    if norm:
        layer.momentum = _MOMENTUM
    layer.trainable = mode == DRAWN or (mode == BATCH_NORM if norm else mode == TUNED)
    if mode != DRAWN:
        return
    for variable in layer.weights:
        name, shape = variable.name, tuple(variable.shape)
        if len(shape) > 1:
            variable.assign(rng.standard_normal(shape) * math.sqrt(2 / fan_in(shape, False)))
        else:
            variable.assign(np.full(shape, float(name in ("gamma", "moving_variance"))))


def adapted(x: Any, rng: np.random.Generator) -> Any:
    """Add to a map what an adapter of lower rank makes of it: nothing, at first."""
    filters = x.shape[-1]
    rank = max(1, filters // _RANK)
    kernel = keras.initializers.Constant(rng.standard_normal((1, 1, filters, rank)) * math.sqrt(2 / filters))
    low = layers.Conv2D(rank, 1, activation="relu", kernel_initializer=kernel)(x)
    return layers.Add()([x, layers.Conv2D(filters, 1, kernel_initializer="zeros")(low)])
