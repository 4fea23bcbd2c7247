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
from kerasnas.starts.base import Start, stage_of

FROZEN, BATCH_NORM, ADAPTER, TUNED, DRAWN = MODES = ("frozen", "batch_norm", "adapter", "tuned", "drawn")
"""What becomes of a stage: nothing changes; its batch norms learn scale, center and statistics; an adapter learns
beside each of its readouts; its kernels are tuned, with the batch norms as they are; all is drawn anew."""
HEADS = ("last", "stages", "grid")
"""What the linear head reads: means of the last map; of every readout; of every readout, and of each quarter."""
_MOMENTUM = 0.9  # of statistics that a short training learns: Keras' 0.99 takes hundreds of steps
_RANK = 4  # an adapter has a quarter of the filters of the map it reads
BODY, FEATURES, HEAD, LAST, QUARTERS = "start", "features", "logits", "last", "quarters"
"""Names of the start's layers, of what standardizes the features, of the head, and of two parts of what it reads."""


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """Way in which a start becomes a network.

    Args:
        start: the pretrained network.
        size: side of the images that enter it, in pixels; the data's own are resized.
        stages: one of `MODES` for each stage, the first first; fewer than `STAGES` cut the network after the last.
        head: one of `HEADS`.
    """

    start: Start
    size: int
    stages: tuple[str, ...]
    head: str = "stages"

    def build(self, input_shape: tuple[int, ...], num_classes: int, seed: int = 0) -> keras.Model:
        """Return the network; its head is zero.

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
        backbone = self.start.build(self.size)
        inputs = keras.Input(input_shape)
        read = self._layers_read(backbone)
        maps = keras.Model(backbone.inputs, [layer.output for layer in read], name=BODY)(self.pixels(inputs))
        maps = maps if isinstance(maps, list | tuple) else [maps]
        modes = dict(enumerate(self.stages, start=1))
        for layer in backbone.layers:
            set_mode(layer, modes.get(stage_of(layer, self.size), FROZEN), rng)
        stages = [min(stage_of(layer, self.size), len(self.stages)) for layer in read]
        maps = [adapted(x, rng) if modes[stage] == ADAPTER else x for x, stage in zip(maps, stages, strict=True)]
        # Of features that stay, the best head has a closed form.
        return keras.Model(inputs, self.logits(maps, num_classes, learns=set(self.stages) != {FROZEN}))

    def logits(self, maps: Sequence[Any], num_classes: int, learns: bool) -> Any:
        """Return the outputs of the head, which is zero, for the maps that it may read, the last one last."""
        features = [layers.GlobalAveragePooling2D(name=LAST)(maps[-1])]  # heads read what heads before them read
        if self.head != "last":
            features += [layers.GlobalAveragePooling2D()(x) for x in maps[:-1]]
        if self.head == "grid":
            quarter = [math.ceil(side / 2) for side in maps[-1].shape[1:3]]
            features.append(layers.Flatten(name=QUARTERS)(layers.AveragePooling2D(quarter, padding="same")(maps[-1])))
        x = layers.Concatenate()(features) if len(features) > 1 else features[0]
        x = layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, trainable=False, name=FEATURES)(x)
        return layers.Dense(num_classes, kernel_initializer="zeros", dtype="float32", name=HEAD, trainable=learns)(x)

    def cut(self, backbone: keras.Model) -> dict[int, tuple[keras.Model, int]]:
        """Cut a network of the start into its stages, each a model of the map with which the one before it ends.

        Returns:
            Stage -> model and number of its first outputs that a head may read; the last one is the end of the stage.

        Raises:
            ValueError: if something but that map passes from a stage to the next.
        """
        read, ends, x, found = self._layers_read(backbone), self._ends(backbone), backbone.inputs[0], {}
        for stage, end in sorted(ends.items()):
            maps = [layer for layer in read if stage_of(layer, self.size) == stage]
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

    def pixels(self, x: Any) -> Any:
        """Resize images from 0 to 1, and scale their pixels as the start expects them."""
        channels = x.shape[-1]
        if channels == 1:
            x = layers.Concatenate()([x, x, x])
        x = resized(x, self.size, self.size)
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
        kept = [layer for layer in named if stage_of(layer, self.size) <= len(self.stages)]
        end = ends[max(ends)]
        return [*(layer for layer in kept if layer is not end), end]

    def _ends(self, backbone: keras.Model) -> dict[int, keras.layers.Layer]:
        """Return the last layer of each stage that is kept."""
        maps = [layer for layer in backbone.layers[1:] if len(layer.output.shape) == 4]
        ends = {stage_of(layer, self.size): layer for layer in maps}
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
